//! A compiler for `wasm32-unknown-unknown`.

use std::process::Command;

use crate::run::{Error, Result, cargo, find, output, run, step};

/// The module's target: no WASI, time and randomness come from the host.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// A cargo that can build for [`TARGET`], which is added to the toolchain when it is missing.
pub(crate) fn wasm_cargo() -> Result<Command> {
    if !has_target()? {
        let Some(rustup) = find("rustup") else {
            return Err(Error::new(format!(
                "this Rust has no target {TARGET} and there is no rustup to add it; install your distribution's package for it (such as libstd-rust-dev-wasm32) or Rust by rustup"
            )));
        };
        step(&format!("adding the target {TARGET} to the Rust toolchain"));
        run(Command::new(rustup).args(["target", "add", TARGET]).current_dir(crate::root::repository())).map_err(
            |error| Error::new(format!("{error}\nrustup could not fetch the target {TARGET}: check its network or mirror settings")),
        )?;
    }
    Ok(cargo())
}

fn has_target() -> Result<bool> {
    let libraries = output(
        Command::new("rustc")
            .args(["--print", "target-libdir", "--target", TARGET])
            .current_dir(crate::root::repository()),
    )?;
    Ok(std::path::Path::new(libraries.trim()).exists())
}
