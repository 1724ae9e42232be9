//! Tools that a machine may lack: found, or installed under `target/tools` by package name.

mod bindgen;
mod deny;
mod envoy;
mod go;
mod oauth;
mod python;
mod wasm;

pub(crate) use bindgen::runner as wasm_test_runner;
pub(crate) use deny::cargo_deny;
pub(crate) use envoy::envoy;
pub(crate) use go::mesh_tools;
pub(crate) use oauth::oauth_python;
pub(crate) use python::python;
pub(crate) use wasm::wasm_cargo;

use crate::run::{Result, step};

/// Installs all of them.
pub(crate) fn install_all() -> Result {
    step("wasm target");
    wasm_cargo()?;
    step("Envoy");
    println!("{}", envoy()?.display());
    step("OAuth server for tests");
    println!("{}", oauth_python()?.display());
    step("node and wasm-bindgen-test-runner");
    println!("{}", wasm_test_runner()?.runner.display());
    step("process mesh");
    println!("{}", mesh_tools()?.display());
    step("cargo-deny");
    println!("{}", cargo_deny()?.display());
    Ok(())
}
