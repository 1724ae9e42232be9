//! `cargo xtask up`: the main job. Builds, then hands over to the launcher.

use crate::{
    build, root,
    run::{Error, Result, doing, step},
};

/// `cargo xtask up [--once] [--debug]`; what is left goes to the launcher.
pub(crate) fn run(arguments: &[String]) -> Result {
    let profile = if arguments.iter().any(|argument| argument == "--debug") { "dev" } else { "release" };
    let module = build::module(&[])?;
    let binaries = build::binaries(profile)?;
    let built = build::Built {
        crashing_module: None,
        module,
        server: binaries.join("fairlead"),
        double: binaries.join("fairlead-double"),
    };
    let environment = build::environment(&built)?;
    step("starting");
    let mut launcher = std::process::Command::new(binaries.join("fairlead-up"));
    launcher
        .envs(environment)
        .arg("--samples")
        .arg(root::repository().join("istio/samples"))
        .arg("--state")
        .arg(root::target().join("up"))
        .args(arguments.iter().filter(|argument| *argument != "--debug"));
    let status = doing("cannot start the launcher", launcher.status())?;
    if status.success() { Ok(()) } else { Err(Error::new(format!("the launcher ended with {status}"))) }
}
