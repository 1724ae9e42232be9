//! Running programs, with errors that say what failed and what to do.

use std::{
    fmt,
    path::Path,
    process::{Command, Stdio},
};

/// One sentence for the user.
#[derive(Debug)]
pub(crate) struct Error(String);

impl Error {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

pub(crate) type Result<T = ()> = std::result::Result<T, Error>;

/// Adds what was being done to an I/O error.
pub(crate) fn doing<T>(what: impl fmt::Display, result: std::io::Result<T>) -> Result<T> {
    result.map_err(|error| Error(format!("{what}: {error}")))
}

/// Announces a step, so that long ones are seen.
pub(crate) fn step(what: &str) {
    println!("── {what}");
}

fn shown(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|argument| argument.to_string_lossy().into_owned()));
    words.join(" ")
}

/// Runs to the end with our own output; an error if it cannot start or fails.
pub(crate) fn run(command: &mut Command) -> Result {
    let status = doing(format!("cannot start `{}`", shown(command)), command.status())?;
    if status.success() { Ok(()) } else { Err(Error(format!("`{}` ended with {status}", shown(command)))) }
}

/// Runs to the end and returns its standard output; its error output goes into the error.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = doing(
        format!("cannot start `{}`", shown(command)),
        command.stdin(Stdio::null()).stderr(Stdio::piped()).output(),
    )?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(Error(format!("`{}` ended with {}: {}", shown(command), output.status, errors.trim())))
}

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(crate::root::repository());
    command
}

/// A program on PATH.
pub(crate) fn find(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(program)).find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}
