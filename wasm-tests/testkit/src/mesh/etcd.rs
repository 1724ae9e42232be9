//! etcd: the API server's database.

use std::net::{Ipv4Addr, SocketAddr};

use super::{
    component::{Component, Plan},
    state::State,
    tool,
};
use crate::{Result, http};

/// Where it serves.
pub(super) const PORT: u16 = 2379;
const PEERS: u16 = 2380;

pub(super) fn start(state: &State) -> Result<Component> {
    let url = |port| format!("http://127.0.0.1:{port}");
    let mut arguments = vec!["--data-dir".into(), state.directory("etcd")?.into_os_string()];
    for (name, value) in [
        ("--listen-client-urls", url(PORT)),
        ("--advertise-client-urls", url(PORT)),
        ("--listen-peer-urls", url(PEERS)),
        ("--initial-advertise-peer-urls", url(PEERS)),
        ("--initial-cluster", format!("default={}", url(PEERS))),
        ("--log-level", "warn".to_owned()),
    ] {
        arguments.extend([name.into(), value.into()]);
    }
    // Nothing here outlives the machine's power.
    arguments.push("--unsafe-no-fsync".into());
    let ready = || http::get(SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)), "/health")?.expect(200).map(drop);
    Component::start(Plan {
        name: "etcd",
        program: tool("etcd")?,
        arguments,
        environment: Vec::new(),
        ready: Box::new(ready),
    })
}
