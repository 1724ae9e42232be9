//! Writes the custom resource definitions into the directory that is named: `cargo xtask generate` calls this.

use std::{error::Error, path::Path};

const HEAD: &str = "# Made from control-plane/resources by `cargo xtask generate`; change the types there.\n";

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args_os().nth(1).ok_or("say into which directory")?;
    std::fs::create_dir_all(&directory)?;
    for definition in fairlead_resources::crd::all() {
        let plural = definition.pointer("/spec/names/plural").and_then(|name| name.as_str());
        let file =
            Path::new(&directory).join(plural.ok_or("a definition has no name")?).with_extension("yaml");
        std::fs::write(file, format!("{HEAD}{}", yaml_serde::to_string(&definition)?))?;
    }
    Ok(())
}
