//! `cargo xtask bench`: the numbers, measured side by side in one run.

use crate::{
    build, root,
    run::{Result, cargo, run as run_command, step},
};

/// `cargo xtask bench [--quick] [ROW…]`.
pub(crate) fn run(arguments: &[String]) -> Result {
    let built = build::all("release")?;
    let environment = build::environment(&built)?;
    let bare = build::wasm_crate("fairlead-bare", &[])?;
    step("measuring");
    run_command(
        cargo()
            .args(["run", "--release", "--package", "fairlead-benches", "--"])
            .arg("--output")
            .arg(root::target().join("bench"))
            .args(arguments)
            .envs(environment)
            .env("FAIRLEAD_BARE", std::path::absolute(bare)?),
    )
}
