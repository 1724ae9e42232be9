//! What the pipelines' tests share: a peer, a configuration, and steps as text.

use fairlead_wire::{
    Refusal,
    config::{Mode, PluginConfig},
};

use crate::{
    connection::Connection,
    headers::{HeaderBlock, serialise},
    step::{Op, Step},
};

/// A connection with these facts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Peer {
    pub(crate) port: Option<u16>,
    pub(crate) server_name: Option<&'static str>,
    pub(crate) subject: Option<&'static str>,
}

impl Connection for Peer {
    fn port(&self) -> Option<u16> {
        self.port
    }

    fn server_name(&self) -> Option<Vec<u8>> {
        self.server_name.map(|name| name.as_bytes().to_vec())
    }

    fn peer_subject(&self) -> Option<Vec<u8>> {
        self.subject.map(|subject| subject.as_bytes().to_vec())
    }
}

pub(crate) fn config(hosts: &[&str], listeners: &[(u16, Mode)]) -> PluginConfig {
    PluginConfig {
        hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        listeners: listeners.iter().copied().collect(),
        ..PluginConfig::default()
    }
}

/// Calls `with` with these lines as the host hands them over.
pub(crate) fn block<R>(lines: &[(&str, &str)], with: impl FnOnce(&HeaderBlock<'_>) -> R) -> R {
    let bytes = serialise(lines);
    with(&HeaderBlock::parse(&bytes).unwrap())
}

/// A step as text: its kind, then one line for each operation, complete.
pub(crate) fn text(step: &Step<'_>) -> Vec<String> {
    match step {
        Step::Pass(done) => [String::from("pass")].into_iter().chain(done.iter().map(op)).collect(),
        Step::Forward(forward) => {
            [String::from("forward")].into_iter().chain(forward.ops().map(|done| op(&done))).collect()
        }
        Step::Wait(what) => vec![format!("wait {what:?}")],
        Step::Answer(refusal) => vec![answer(refusal)],
    }
}

/// An answer as text: status, reason, body, seconds to wait.
pub(crate) fn answer(refusal: &Refusal) -> String {
    let wait = refusal.retry_after.map(|seconds| format!(" retry after {seconds}")).unwrap_or_default();
    format!("{} {} {}{wait}", refusal.status, refusal.reason, refusal.body.trim_end())
}

/// An operation as text: `-name` removes, `name: value` sets, `+name: value` adds.
pub(crate) fn op(done: &Op<'_>) -> String {
    let latin = |bytes: &[u8]| bytes.iter().map(|byte| char::from(*byte)).collect::<String>();
    match done {
        Op::Set(name, value) => format!("{}: {}", latin(name), latin(value)),
        Op::Add(name, value) => format!("+{}: {}", latin(name), latin(value)),
        Op::Remove(name) => format!("-{}", latin(name)),
    }
}
