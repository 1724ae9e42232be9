//! The admin socket: `fairlead status` and `fairlead explain` ask it, the running control plane evaluates.
//!
//! A Unix socket in the state directory, for the owner only (mode 0600). One line of JSON each way, then it closes.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::{mpsc, oneshot, watch},
    time::timeout,
};

use crate::{control::Question, state::drained};

/// How long one conversation may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a question may be, bytes.
const QUESTION: u64 = 16 * 1024;
/// The longest path that a Unix socket can have, bytes.
const SOCKET_PATH: usize = 107;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Ask {
    /// How things are.
    Status,
    /// How a call of this path would be answered.
    Explain(String),
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// For people.
    pub text: String,
    /// For programs.
    pub data: Value,
}

/// Why there is no answer or no socket: one sentence each.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Nobody is there.
    #[error("no control plane runs with the state directory {directory}: {reason}", directory = directory.display())]
    Away {
        /// The state directory.
        directory: PathBuf,
        /// What the system says.
        reason: std::io::Error,
    },
    /// Somebody else is there.
    #[error("another control plane runs with the state directory {}; stop it or choose another", .0.display())]
    Taken(PathBuf),
    /// The path does not fit.
    #[error("the path {path} is longer than {SOCKET_PATH} bytes, the limit for sockets; choose a shorter state directory", path = .0.display())]
    Long(PathBuf),
    /// The socket cannot be made.
    #[error("cannot make the admin socket {path}: {reason}", path = path.display())]
    Make {
        /// Its path.
        path: PathBuf,
        /// What the system says.
        reason: std::io::Error,
    },
    /// The conversation broke off.
    #[error("the control plane gave no answer: {0}")]
    Broken(String),
}

/// Makes the socket; `private` is a directory of mode 0700 on the same file system, in which it gets its mode before
/// anybody can reach it.
///
/// # Errors
/// [`AdminError`].
pub async fn bind(path: &Path, private: &Path) -> Result<UnixListener, AdminError> {
    let made = private.join("a.sock");
    for path in [path, &made] {
        if path.as_os_str().len() > SOCKET_PATH {
            return Err(AdminError::Long(path.to_owned()));
        }
    }
    if UnixStream::connect(path).await.is_ok() {
        return Err(AdminError::Taken(path.parent().unwrap_or(path).to_owned()));
    }
    let failed = |reason| AdminError::Make { path: path.to_owned(), reason };
    let _ = fs::remove_file(&made);
    let listener = UnixListener::bind(&made).map_err(failed)?;
    fs::set_permissions(&made, fs::Permissions::from_mode(0o600)).map_err(failed)?;
    fs::rename(&made, path).map_err(failed)?;
    Ok(listener)
}

/// Answers until `draining` becomes true.
pub async fn serve(
    listener: UnixListener,
    questions: mpsc::Sender<Question>,
    mut draining: watch::Receiver<bool>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = drained(&mut draining) => return,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let questions = questions.clone();
        tokio::spawn(async move {
            let _ = timeout(PATIENCE, converse(stream, questions)).await;
        });
    }
}

async fn converse(mut stream: UnixStream, questions: mpsc::Sender<Question>) -> Option<()> {
    let (reader, mut writer) = stream.split();
    let mut line = String::new();
    BufReader::new(reader.take(QUESTION)).read_line(&mut line).await.ok()?;
    let answer = match serde_json::from_str(&line).ok()? {
        Ask::Status => {
            let (ask, answer) = oneshot::channel();
            questions.send(Question::Status(ask)).await.ok()?;
            let status = answer.await.ok()?;
            Answer { text: status.to_string(), data: serde_json::to_value(&status).ok()? }
        }
        Ask::Explain(path) => {
            let (ask, answer) = oneshot::channel();
            questions.send(Question::Explain(path, ask)).await.ok()?;
            let explanation = answer.await.ok()?;
            Answer { text: explanation.to_string(), data: serde_json::to_value(&explanation).ok()? }
        }
    };
    let mut text = serde_json::to_vec(&answer).ok()?;
    text.push(b'\n');
    writer.write_all(&text).await.ok()
}

/// Asks the control plane that keeps its state in `directory`.
///
/// # Errors
/// [`AdminError::Away`] when none runs, [`AdminError::Broken`] when it does not answer.
pub async fn ask(directory: &Path, question: &Ask) -> Result<Answer, AdminError> {
    let path = crate::config::admin_socket(directory);
    let mut stream = UnixStream::connect(&path)
        .await
        .map_err(|reason| AdminError::Away { directory: directory.to_owned(), reason })?;
    let broken = |e: &dyn std::fmt::Display| AdminError::Broken(e.to_string());
    let conversation = async {
        let mut text = serde_json::to_vec(question).map_err(|e| broken(&e))?;
        text.push(b'\n');
        stream.write_all(&text).await.map_err(|e| broken(&e))?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.map_err(|e| broken(&e))?;
        serde_json::from_slice(&answer).map_err(|e| broken(&e))
    };
    timeout(PATIENCE, conversation).await.map_err(|e| broken(&e))?
}
