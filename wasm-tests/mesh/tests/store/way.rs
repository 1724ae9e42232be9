//! The way to the API server, which can be cut, or lose what was sent on it, while the server goes on.
#![allow(dead_code, reason = "shared by several programs, none of which uses all of it")]

use std::{net::SocketAddr, path::Path};

use fairlead_testkit::mesh::Mesh;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

/// What becomes of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Open,
    /// They end.
    Cut,
    /// Those that are there stay open, and nothing passes them any longer; new ones are as good as any.
    Silent,
}

/// The way.
pub(crate) struct Way {
    address: SocketAddr,
    state: watch::Sender<State>,
    _tasks: JoinSet<()>,
}

impl Way {
    pub(crate) async fn to(mesh: &Mesh) -> Self {
        let server = SocketAddr::from((mesh.host(), mesh.api_port()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (state, states) = watch::channel(State::Open);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            loop {
                let (near, _) = listener.accept().await.unwrap();
                tokio::spawn(pass(near, server, states.clone()));
            }
        });
        Self { address, state, _tasks: tasks }
    }

    /// From now on it is so.
    pub(crate) fn is(&self, state: State) {
        self.state.send_replace(state);
    }

    /// The configuration of a client that goes this way.
    pub(crate) async fn config(&self, kubeconfig: &Path) -> kube::Config {
        let mut config = super::cluster::config(kubeconfig).await;
        config.tls_server_name = config.cluster_url.host().map(str::to_owned);
        config.cluster_url = format!("https://{}", self.address).parse().unwrap();
        config
    }
}

/// One connection; it ends as one of its ends does.
async fn pass(mut near: TcpStream, server: SocketAddr, mut states: watch::Receiver<State>) {
    if *states.borrow_and_update() == State::Cut {
        return;
    }
    let Ok(mut far) = TcpStream::connect(server).await else { return };
    tokio::select! {
        _ = states.changed() => {}
        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => return,
    }
    // Held, so that neither end hears of it.
    let _ = states.wait_for(|state| *state == State::Cut).await;
}
