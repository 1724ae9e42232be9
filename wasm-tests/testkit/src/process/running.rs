//! A running child and what it wrote.

use std::{
    ffi::OsStr,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal};

use super::spawner;
use crate::{Error, Result, error::Doing as _, wait};

/// What a child wrote to one of its streams so far.
#[derive(Clone, Default)]
pub struct Output(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    ended: bool,
}

impl Output {
    fn follow(stream: impl Read + Send + 'static) -> Self {
        let output = Self::default();
        let writer = output.clone();
        std::thread::spawn(move || writer.copy(stream));
        output
    }

    fn copy(&self, mut stream: impl Read) {
        let mut chunk = vec![0; 16 * 1024];
        loop {
            let read = stream.read(&mut chunk).unwrap_or(0);
            let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.bytes.extend(chunk.iter().take(read));
            state.ended = read == 0;
            self.0.changed.notify_all();
            if state.ended {
                return;
            }
        }
    }

    /// Everything so far.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).bytes.clone()
    }

    /// Everything so far, as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }

    /// Waits until `find` gives something for the text so far.
    ///
    /// # Errors
    /// `limit` is over, or the stream ended without it; with the end of the text.
    pub fn wait_for<T>(&self, what: &str, limit: Duration, find: impl Fn(&str) -> Option<T>) -> Result<T> {
        let end = Instant::now() + limit;
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let text = String::from_utf8_lossy(&state.bytes);
            if let Some(found) = find(&text) {
                return Ok(found);
            }
            let left = end.saturating_duration_since(Instant::now());
            if state.ended || left.is_zero() {
                return Err(Error::new(format!("no {what} in: {}", tail(&text))));
            }
            state = self.0.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// The last 4000 characters.
fn tail(text: &str) -> String {
    let skip = text.chars().count().saturating_sub(4000);
    text.chars().skip(skip).collect()
}

/// A child process. Dropping kills it; it also dies when this process does.
pub struct Process {
    name: String,
    child: Child,
    stdout: Output,
    stderr: Output,
}

impl Process {
    /// Starts `program` with arguments and additional environment.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start<A: AsRef<OsStr>>(
        program: &Path,
        arguments: impl IntoIterator<Item = A>,
        environment: &[(&str, &OsStr)],
    ) -> Result<Self> {
        let mut command = Command::new(tether()?);
        command
            .arg(std::process::id().to_string())
            .arg(program)
            .args(arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = spawner::spawn(command)?;
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(Error::new(format!("{name} has no output")));
        };
        Ok(Self { name, child, stdout: Output::follow(stdout), stderr: Output::follow(stderr) })
    }

    /// Process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Standard output so far.
    #[must_use]
    pub fn stdout(&self) -> &Output {
        &self.stdout
    }

    /// Standard error so far.
    #[must_use]
    pub fn stderr(&self) -> &Output {
        &self.stderr
    }

    /// Its exit status, if it ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Repeats `attempt` until it succeeds, giving up early when the process ends.
    ///
    /// # Errors
    /// After `limit`, or at the process's end: what was waited for, and its error output.
    pub fn wait_until<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut attempt: impl FnMut() -> Result<T>,
    ) -> Result<T> {
        let result = wait::attempt(what, limit, || match attempt() {
            Ok(value) => Ok(Ok(value)),
            Err(error) => match self.ended() {
                Some(status) => Ok(Err(Error::new(format!("{} ended with {status}", self.name)))),
                None => Err(error),
            },
        });
        result
            .and_then(|value| value)
            .map_err(|error| Error::new(format!("{}: {error}\n{}", self.name, tail(&self.stderr.text()))))
    }

    /// Asks it to end (`SIGTERM`) and waits.
    ///
    /// # Errors
    /// It has not ended after `limit`.
    pub fn stop(&mut self, limit: Duration) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        wait::until(&format!("the end of {}", self.name), limit, || self.ended())
    }

    /// Ends it at once (`SIGKILL`).
    ///
    /// # Errors
    /// It cannot be killed.
    pub fn kill(&mut self) -> Result {
        self.child.kill().doing(format!("cannot kill {}", self.name))?;
        self.child.wait().doing(format!("cannot wait for {}", self.name)).map(|_| ())
    }

    fn signal(&mut self, signal: Signal) -> Result {
        if self.ended().is_some() {
            return Ok(());
        }
        let id = i32::try_from(self.id()).ok().and_then(Pid::from_raw);
        let id = id.ok_or_else(|| Error::new("no process id"))?;
        rustix::process::kill_process(id, signal).doing(format!("cannot signal {}", self.name))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// The program that starts another one which dies with us, beside the double: `fairlead-tether PARENT PROGRAM …`.
///
/// # Errors
/// The double's program is not found.
pub fn tether() -> Result<PathBuf> {
    let double = super::program("FAIRLEAD_DOUBLE", "debug/fairlead-double")?;
    Ok(double.with_file_name("fairlead-tether"))
}
