//! One thread that starts every child.
//!
//! The kernel's "signal at the parent's death" means the death of the *thread* that forked. Tests run in threads
//! that end early while a shared bed lives on, so children are forked by a thread that ends with the process.

use std::{
    process::{Child, Command},
    sync::{Mutex, OnceLock, mpsc},
};

use crate::{Error, Result, error::Doing as _};

struct Job {
    command: Command,
    answer: mpsc::SyncSender<std::io::Result<Child>>,
}

/// Starts `command` from the spawner thread.
pub(super) fn spawn(command: Command) -> Result<Child> {
    static SPAWNER: OnceLock<Mutex<mpsc::Sender<Job>>> = OnceLock::new();
    let shown = format!("cannot start {}", command.get_program().to_string_lossy());
    let jobs = SPAWNER.get_or_init(|| {
        let (sender, receiver) = mpsc::channel::<Job>();
        std::thread::spawn(move || {
            for mut job in receiver {
                // A requester that is gone no longer wants its child, which dies by the drop below.
                if let Err(mpsc::SendError(Ok(mut child))) = job.answer.send(job.command.spawn()) {
                    let _ = child.kill();
                    let _ = child.wait();
                }
            }
        });
        Mutex::new(sender)
    });
    let (answer, result) = mpsc::sync_channel(1);
    let gone = || Error::new("the spawner thread ended");
    jobs.lock().map_err(|_| gone())?.send(Job { command, answer }).map_err(|_| gone())?;
    result.recv().map_err(|_| gone())?.doing(shown)
}
