//! `fairlead-enter PROGRAM ARGUMENTS…`: becomes PROGRAM in network and mount namespaces of its own, with the network
//! that the mesh's pods are connected to.
//!
//! As root where that may make namespaces, otherwise in a user namespace too, in which the user is root.

use std::{
    env,
    ffi::OsString,
    io::{Error, Write as _, stderr},
    os::unix::process::CommandExt as _,
    process::{Command, ExitCode, Stdio},
};

use fairlead_testkit::mesh::{ENTERED, set_up_machine};

/// Inside, before the network is made.
const INSIDE: &str = "--inside";
const NAMESPACES: &[&str] = &["--net", "--mount", "--propagation", "private"];
const AS_USER: &[&str] = &["--user", "--map-root-user"];

fn main() -> ExitCode {
    let error = enter();
    let _ = writeln!(stderr(), "fairlead-enter: {error}");
    ExitCode::FAILURE
}

/// Returns only when it fails.
fn enter() -> String {
    let mut arguments: Vec<OsString> = env::args_os().skip(1).collect();
    if arguments.first().is_some_and(|first| first == INSIDE) {
        arguments.remove(0);
        return match set_up_machine() {
            Ok(()) => {
                become_program(Command::new("env").arg(format!("{ENTERED}=1")).args(arguments)).to_string()
            }
            Err(error) => format!("cannot make the mesh's network: {error}"),
        };
    }
    if arguments.is_empty() {
        return "usage: fairlead-enter PROGRAM ARGUMENTS…".to_owned();
    }
    if env::var_os(ENTERED).is_some() {
        return become_program(Command::new("env").args(arguments)).to_string();
    }
    let this = match env::current_exe() {
        Ok(this) => this,
        Err(error) => return error.to_string(),
    };
    let as_root = NAMESPACES.to_vec();
    let as_user = [NAMESPACES, AS_USER].concat();
    let mut refusals = Vec::new();
    for namespaces in [as_root, as_user] {
        match possible(&namespaces) {
            Ok(()) => {
                let mut command = Command::new("unshare");
                return become_program(command.args(namespaces).arg(this).arg(INSIDE).args(arguments))
                    .to_string();
            }
            Err(error) => refusals.push(error),
        }
    }
    format!(
        "the mesh needs namespaces of its own, and this machine gives none, neither as this user nor in a user namespace: {}",
        refusals.join("; ")
    )
}

fn possible(namespaces: &[&str]) -> Result<(), String> {
    let output = Command::new("unshare")
        .args(namespaces)
        .arg("true")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot start `unshare` (util-linux): {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
}

fn become_program(command: &mut Command) -> Error {
    command.exec()
}
