//! What the running Envoy says that it has taken: asked through its admin interface. Files have no other acknowledgement,
//! and how long Envoy takes over them depends on how busy the machine is.

use std::{io, time::Duration};

use fairlead_render::Admin;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpStream, UnixStream},
    time::{sleep, timeout},
};

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(10);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(1);
/// Far more than the few lines that are asked for.
const MAX_ANSWER: u64 = 64 * 1024;

/// The answer may come in chunks, whose sizes stand on lines of their own. What is asked: the versions of clusters and listeners in force, and how many of them are not ready yet.
const QUESTION: &str = "GET /stats?filter=%5E(cluster_manager.cds.version_text%7Ccluster_manager.warming_clusters%7C\
    listener_manager.lds.version_text%7Clistener_manager.total_listeners_warming)%24 HTTP/1.1\r\n\
    host: fairlead\r\nconnection: close\r\n\r\n";

/// Returns when Envoy has taken files of these versions, or does not run: then it reads them at its start.
pub(super) async fn taken(admin: &Admin, versions: &[String]) {
    loop {
        match timeout(ANSWER, ask(admin)).await {
            Ok(Err(_)) => return,
            Ok(Ok(answer)) if has(&answer, versions) => return,
            Ok(Ok(_)) | Err(_) => sleep(PAUSE).await,
        }
    }
}

fn has(answer: &str, versions: &[String]) -> bool {
    let said = |wanted: &str| answer.lines().any(|line| line.trim_end() == wanted);
    let versions_of = |name: &str| {
        let line = answer.lines().find_map(|line| line.trim_end().strip_prefix(name)?.strip_prefix(": "));
        line.map(|text| text.trim_matches('"'))
    };
    ["cluster_manager.cds.version_text", "listener_manager.lds.version_text"]
        .iter()
        .zip(versions)
        .all(|(name, version)| versions_of(name) == Some(version))
        && said("cluster_manager.warming_clusters: 0")
        && said("listener_manager.total_listeners_warming: 0")
}

async fn ask(admin: &Admin) -> io::Result<String> {
    match admin {
        Admin::Socket(path) => exchange(UnixStream::connect(path).await?).await,
        Admin::Address(address) => exchange(TcpStream::connect(address).await?).await,
    }
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<String> {
    stream.write_all(QUESTION.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixListener;

    use super::*;

    const OLD: &str = "HTTP/1.0 200 OK\r\n\r\ncluster_manager.cds.version_text: \"old\"\n\
        listener_manager.lds.version_text: \"l\"\ncluster_manager.warming_clusters: 0\n\
        listener_manager.total_listeners_warming: 0\n";

    #[test]
    fn what_is_in_force_counts_once_nothing_warms() {
        let versions = ["c".to_owned(), "l".to_owned()];
        assert!(!has(OLD, &versions));
        let new = OLD.replace("old", "c");
        assert!(has(&new, &versions));
        assert!(!has(&new.replace("clusters: 0", "clusters: 1"), &versions));
        assert!(!has(&new.replace("listeners_warming: 0", "listeners_warming: 2"), &versions));
        assert!(!has("", &versions));
    }

    #[tokio::test]
    async fn nobody_is_waited_for_and_who_is_there_is_asked_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("admin.sock");
        let versions = ["c".to_owned(), "l".to_owned()];
        taken(&Admin::Socket(path.clone()), &versions).await;
        let listener = UnixListener::bind(&path).unwrap();
        let envoy = async {
            for answer in [OLD.to_owned(), OLD.replace("old", "c")] {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut question = vec![0; QUESTION.len()];
                stream.read_exact(&mut question).await.unwrap();
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        };
        let admin = Admin::Socket(path);
        tokio::join!(taken(&admin, &versions), envoy);
    }
}
