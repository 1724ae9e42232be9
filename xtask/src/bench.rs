//! `cargo xtask bench`: the numbers, measured side by side in one run.

use std::process::Command;

use crate::{
    build, mesh, root,
    run::{Result, cargo, doing, run as run_command, step},
};

/// `cargo xtask bench [--quick] [--mesh] [ROW…]`: all families of rows, or these; with `--mesh` those that need a mesh.
pub(crate) fn run(arguments: &[String]) -> Result {
    let in_mesh = arguments.iter().any(|argument| argument == "--mesh");
    // First, so that a machine that lacks what a mesh needs learns it at once.
    let mesh = if in_mesh { Some(mesh::Launch::new("release")?) } else { None };
    let built = build::all("release")?;
    let bare = build::wasm_crate("fairlead-bare", &[])?;
    run_command(cargo().args(["build", "--release", "--package", "fairlead-benches"]))?;
    let program =
        doing("cannot find target/", std::path::absolute(root::target().join("release/fairlead-benches")))?;
    step("measuring");
    let mut command = match &mesh {
        Some(mesh) => {
            let mut command = Command::new(&mesh.enter);
            command.arg(program).envs(mesh.environment(&built)?);
            command
        }
        None => {
            let mut command = Command::new(program);
            command.envs(build::environment(&built)?);
            command
        }
    };
    run_command(
        command
            .current_dir(root::repository())
            .arg("--output")
            .arg(root::target().join("bench"))
            .args(arguments)
            .env("FAIRLEAD_BARE", std::path::absolute(bare)?),
    )
}
