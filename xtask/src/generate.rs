//! `cargo xtask generate`: files that are made from types or from the specification, and whether they drifted.

use std::path::{Path, PathBuf};

use crate::{
    chart, errors, root,
    run::{Error, Result, cargo, doing, output},
    tools,
};

/// Directory of the specification, where it is at hand: its tables' rows are then listed anew.
const SPECIFICATION: &str = "FAIRLEAD_SPECIFICATION";

/// `cargo xtask generate [--check]`.
pub(crate) fn run(arguments: &[String]) -> Result {
    let left_out = if arguments.iter().any(|argument| argument == "--check") {
        check()?
    } else {
        write(&root::repository())?
    };
    for what in left_out {
        println!("left out: {what}");
    }
    Ok(())
}

/// Fails if a generated file differs from what would be made now. Returns what could not be made here, and why.
pub(crate) fn check() -> Result<Vec<String>> {
    let fresh = root::target().join("generated");
    crate::test::empty(&fresh)?;
    let left_out = write(&fresh)?;
    let drifted: Vec<String> = files_below(&fresh)?
        .into_iter()
        .filter_map(|file| {
            let name = file.strip_prefix(&fresh).ok()?.to_path_buf();
            let committed = std::fs::read(root::repository().join(&name)).ok();
            (committed != std::fs::read(&file).ok()).then(|| name.display().to_string())
        })
        .collect();
    if drifted.is_empty() {
        return Ok(left_out);
    }
    Err(Error::new(format!("run `cargo xtask generate` and commit: {}", drifted.join(", "))))
}

fn write(directory: &Path) -> Result<Vec<String>> {
    let schema = output(cargo().args(["run", "--quiet", "--package", "fairlead", "--", "schema"]))?;
    put(&directory.join("istio/docs/fairlead.schema.json"), &schema)?;
    put(&directory.join("istio/docs/errors.md"), &errors::page()?)?;
    let crds = directory.join("istio/crds");
    doing("cannot make a directory", std::fs::create_dir_all(&crds))?;
    let example = ["run", "--quiet", "--package", "fairlead-resources", "--example", "crds", "--"];
    output(cargo().args(example).arg(&crds))?;
    let left_out = chart::write(directory)?;
    if let Some(specification) = std::env::var_os(SPECIFICATION) {
        let lists = directory.join("wasm-tests/cases/spec");
        doing("cannot make a directory", std::fs::create_dir_all(&lists))?;
        let script = root::repository().join("wasm-tests/cases/extract.py");
        output(std::process::Command::new(tools::python()?).arg(script).arg(specification).arg(lists))?;
    }
    Ok(left_out)
}

pub(crate) fn put(file: &Path, text: &str) -> Result {
    if let Some(directory) = file.parent() {
        doing("cannot make a directory", std::fs::create_dir_all(directory))?;
    }
    doing(format!("cannot write {}", file.display()), std::fs::write(file, text))
}

fn files_below(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in doing("cannot list generated files", std::fs::read_dir(directory))? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(files_below(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}
