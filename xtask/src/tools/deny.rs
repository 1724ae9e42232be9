//! cargo-deny, built from its crate: no registry carries a current binary.

use std::path::PathBuf;

use crate::{
    root,
    run::{Error, Result, cargo, find, run, step},
};

const VERSION: &str = "0.20.2";

/// Path of cargo-deny.
pub(crate) fn cargo_deny() -> Result<PathBuf> {
    if let Some(found) = find("cargo-deny") {
        return Ok(found);
    }
    cargo_install("cargo-deny", VERSION, "cargo-deny")
}

/// `cargo install` of `package` into `target/tools`, once per version; the path of its `program`.
pub(super) fn cargo_install(package: &str, version: &str, program: &str) -> Result<PathBuf> {
    let directory = root::tools().join(format!("{package}-{version}"));
    let program = directory.join("bin").join(program);
    if !program.exists() {
        step(&format!("building {package} {version} (once, minutes)"));
        let install = |locked: &[&str]| {
            run(cargo()
                .args(["install", "--quiet", "--no-track", package, "--version", version])
                .args(locked)
                .arg("--root")
                .arg(&directory)
                .arg("--target-dir")
                .arg(root::target().join("tools-build")))
        };
        // A registry that lags may lack a version that the tool's own lock file names.
        install(&["--locked"])
            .or_else(|_| install(&[]))
            .map_err(|error| Error::new(format!("cannot install {package} {version}: {error}")))?;
    }
    Ok(program)
}
