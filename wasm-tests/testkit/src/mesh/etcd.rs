//! etcd: the API server's database.

use std::{
    ffi::OsString,
    net::{Ipv4Addr, SocketAddr},
};

use super::{component::Component, state::State, tool};
use crate::{Result, http, process::Process};

/// Where it serves.
pub(super) const PORT: u16 = 2379;
const PEERS: u16 = 2380;

pub(super) fn start(state: &State) -> Result<Component> {
    let url = |port| format!("http://127.0.0.1:{port}");
    let mut arguments: Vec<OsString> = vec!["--data-dir".into(), state.directory("etcd")?.into()];
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
    let program = tool("etcd")?;
    let ready = || http::get(SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)), "/health")?.expect(200).map(drop);
    Component::start("etcd", move || Process::start(&program, &arguments, &[]), ready)
}
