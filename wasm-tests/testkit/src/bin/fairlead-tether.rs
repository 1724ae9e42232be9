//! `fairlead-tether PARENT PROGRAM ARGUMENTS…`: becomes PROGRAM, which gets SIGKILL when process PARENT ends.
//!
//! A helper, because asking for that signal between fork and exec of the standard library's `Command` needs unsafe
//! code; here it is asked for by the process itself, and `exec` keeps it.

use std::{
    env,
    io::{Error, Write as _, stderr},
    os::unix::process::CommandExt as _,
    process::{Command, ExitCode},
};

use rustix::process::{Signal, getppid, set_parent_process_death_signal};

fn main() -> ExitCode {
    let error = tethered();
    let _ = writeln!(stderr(), "fairlead-tether: {error}");
    ExitCode::FAILURE
}

/// Returns only when it fails.
fn tethered() -> Error {
    let mut arguments = env::args_os().skip(1);
    let parent = arguments.next().and_then(|id| id.to_str()?.parse::<i32>().ok());
    let (Some(parent), Some(program)) = (parent, arguments.next()) else {
        return Error::other("usage: fairlead-tether PARENT PROGRAM ARGUMENTS…");
    };
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        return error.into();
    }
    // It may have ended before we asked.
    if getppid().map(|id| id.as_raw_nonzero().get()) != Some(parent) {
        return Error::other("the parent is gone");
    }
    Command::new(program).args(arguments).exec()
}
