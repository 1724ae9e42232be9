//! `fairlead-enter PROGRAM ARGUMENTS…`: becomes PROGRAM in network and mount namespaces of its own, with the network
//! that the mesh's pods are connected to.
//!
//! As root where that may make namespaces, otherwise in a user namespace too, in which the user is root.

use std::{
    env,
    ffi::{OsStr, OsString},
    io::{Write as _, stderr},
    os::unix::process::CommandExt as _,
    process::{Command, ExitCode, Stdio},
};

use fairlead_testkit::mesh::{ENTERED, ENTERED_AS_ROOT, ENTERED_AS_USER, set_up_machine};

/// Inside, before the network is made; the next word is the value of [`ENTERED`].
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
    let mut arguments = env::args_os().skip(1);
    let first = arguments.next();
    let rest: Vec<OsString> = arguments.collect();
    match first {
        None => "usage: fairlead-enter PROGRAM ARGUMENTS…".to_owned(),
        Some(word) if word == INSIDE => inside(&rest),
        Some(program) if env::var_os(ENTERED).is_some() => {
            Command::new(program).args(rest).exec().to_string()
        }
        Some(program) => outside(&program, &rest),
    }
}

/// Makes the namespaces, and becomes this program inside.
fn outside(program: &OsStr, arguments: &[OsString]) -> String {
    let this = match env::current_exe() {
        Ok(this) => this,
        Err(error) => return error.to_string(),
    };
    let ways = [(ENTERED_AS_ROOT, NAMESPACES.to_vec()), (ENTERED_AS_USER, [NAMESPACES, AS_USER].concat())];
    let mut refusals = Vec::new();
    for (how, namespaces) in ways {
        match possible(&namespaces) {
            Ok(()) => {
                let mut command = Command::new("unshare");
                command.args(namespaces).arg(this).args([INSIDE, how]).arg(program).args(arguments);
                return command.exec().to_string();
            }
            Err(error) => refusals.push(error),
        }
    }
    format!(
        "the mesh needs namespaces of its own, and this machine gives none, neither as this user nor in a user namespace: {}",
        refusals.join("; ")
    )
}

/// Makes the network, and becomes the program.
fn inside(words: &[OsString]) -> String {
    let [how, program, arguments @ ..] = words else { return "a word is missing".to_owned() };
    match set_up_machine() {
        Ok(()) => Command::new(program).args(arguments).env(ENTERED, how).exec().to_string(),
        Err(error) => format!("cannot make the mesh's network: {error}"),
    }
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
