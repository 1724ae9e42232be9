//! One view of one control plane in this VM, with the calls that it has in flight.

use fairlead_engine::{
    call::{Answer, Call},
    feed::Counters,
    snapshot::Entry,
    vm::{Purpose, Release, Session, Vm},
};
use fairlead_wire::{config::PluginConfig, feed};

use super::host::HostData;
use crate::{
    abi::{self, Buffer, Level, Map},
    metrics::Metrics,
    pairs,
};

/// An engine's [`Vm`] and how it reaches its control plane.
pub(super) struct Core<E> {
    pub(super) vm: Vm<E>,
    pub(super) link: Link,
}

/// How a view's control plane is reached.
pub(super) struct Link {
    cluster: String,
    authority: String,
    /// The plugin instance that sends calls and gets ticks for all; none while there is none.
    leader: Option<u32>,
    calls: Vec<InFlight>,
    counted: Counters,
}

struct InFlight {
    token: u32,
    sender: u32,
    purpose: Purpose,
}

/// The index of the core that `config` wants, made if it is not there. `root` leads it from now on.
pub(super) fn core_for<E: Entry>(
    cores: &mut Vec<Core<E>>,
    config: &PluginConfig,
    root: u32,
    seed: u64,
) -> usize {
    let control = &config.control;
    let same =
        |core: &Core<E>| core.link.cluster == control.cluster && core.link.authority == control.authority;
    let index = cores.iter().position(same).unwrap_or_else(|| {
        let link = Link {
            cluster: control.cluster.clone(),
            authority: control.authority.clone(),
            leader: None,
            calls: Vec::new(),
            counted: Counters::default(),
        };
        cores.push(Core { vm: Vm::new(config, seed), link });
        cores.len().saturating_sub(1)
    });
    if let Some(core) = cores.get_mut(index) {
        core.vm.session_mut().configure(config);
        core.link.leader = Some(root);
    }
    index
}

impl<E: Entry> Core<E> {
    /// What came back for a call; `None` if it is not of this core. The call's context is the one in effect.
    pub(super) fn answered(
        &mut self,
        token: u32,
        body_size: usize,
        now_ms: u64,
        metrics: &mut Metrics,
    ) -> Option<Vec<Release>> {
        let at = self.link.calls.iter().position(|call| call.token == token)?;
        let InFlight { purpose, .. } = self.link.calls.swap_remove(at);
        let was_cold = self.vm.table().is_none();
        let mut releases =
            with_answer(body_size, |answer| self.vm.answered(purpose, now_ms, answer, &HostData));
        if let Some(table) = self.vm.table().filter(|_| was_cold) {
            let (view, records, revision) =
                (E::VIEW.as_str(), table.len(), self.vm.session().feed().revision());
            abi::log(
                Level::Info,
                &format!("fairlead: {view} view complete: {records} records, revision {revision}"),
            );
        }
        let session = self.vm.session_mut();
        self.link.publish(session, metrics);
        releases.append(&mut self.link.send(session, now_ms));
        Some(releases)
    }
}

/// Reads the answer in effect. What Envoy says in the control plane's stead lacks the marker.
fn with_answer(body_size: usize, f: impl FnOnce(Answer<'_>) -> Vec<Release>) -> Vec<Release> {
    let ours = abi::header(Map::CallResponse, feed::MARKER).is_some();
    let status = abi::header(Map::CallResponse, ":status").and_then(|status| number(&status));
    let body = abi::buffer(Buffer::CallResponse, body_size);
    f(match (ours, status) {
        (true, Some(status)) => Answer::Served { status, body: body.as_deref().unwrap_or_default() },
        _ => Answer::Lost,
    })
}

impl Link {
    pub(super) fn is_led_by(&self, root: u32) -> bool {
        self.leader == Some(root)
    }

    /// Sends what is due, from the leader's context: it stays the one in effect. Returns the requests whose grant
    /// another VM had.
    pub(super) fn send(&mut self, session: &mut Session, now_ms: u64) -> Vec<Release> {
        let Some(sender) = self.leader else { return Vec::new() };
        let (calls, releases) = session.calls(now_ms, &HostData);
        for (purpose, call) in calls {
            let token = if abi::focus(sender) { self.dispatch(&call) } else { None };
            match token {
                Some(token) => self.calls.push(InFlight { token, sender, purpose }),
                None => session.not_sent(&purpose, now_ms),
            }
        }
        releases
    }

    fn dispatch(&self, call: &Call) -> Option<u32> {
        let mut lines =
            vec![(":method", call.method), (":path", &call.path), (":authority", &self.authority)];
        if let Some(report) = &call.report {
            lines.push((feed::REPORT, report));
        }
        if !call.body.is_empty() {
            lines.push(("content-type", "application/json"));
        }
        abi::http_call(&self.cluster, &pairs::serialise(&lines), &call.body, call.timeout_ms)
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, session: &mut Session, now_ms: u64, metrics: &mut Metrics) -> Vec<Release> {
        let mut releases = session.tick(now_ms);
        if session.has_become_stale(now_ms) {
            let view = session.feed().view();
            metrics.count(view, "fairlead_feed_stale_total", 1);
            let view = view.as_str();
            abi::log(
                Level::Warn,
                &format!("fairlead: {view} view: not confirmed by the control plane for long"),
            );
        }
        releases.append(&mut self.send(session, now_ms));
        releases
    }

    /// The instance `root` has ended, and with it the calls that it sent.
    pub(super) fn left_by(&mut self, root: u32, heir: Option<u32>, session: &mut Session) {
        if self.leader == Some(root) {
            self.leader = heir;
        }
        for call in self.calls.extract_if(.., |call| call.sender == root) {
            session.abandoned(&call.purpose);
        }
    }

    /// Brings the metrics up to date, and says what went wrong.
    fn publish(&mut self, session: &Session, metrics: &mut Metrics) {
        let view = session.feed().view();
        let now = session.feed().counters();
        let was = std::mem::replace(&mut self.counted, now);
        if now == was {
            return;
        }
        for (what, now, was) in [
            ("fairlead_feed_lost_total", now.lost, was.lost),
            ("fairlead_feed_malformed_total", now.malformed, was.malformed),
            ("fairlead_feed_unreadable_total", now.unreadable, was.unreadable),
            ("fairlead_feed_listings_total", now.listings, was.listings),
            ("fairlead_feed_records_total", now.records, was.records),
        ] {
            metrics.count(view, what, now.saturating_sub(was));
        }
        metrics.show(view, "fairlead_feed_revision", session.feed().revision());
        let what = if now.malformed + now.unreadable > was.malformed + was.unreadable {
            "the control plane sent what cannot be read"
        } else if now.lost > was.lost {
            "the control plane does not answer"
        } else {
            return;
        };
        abi::log(Level::Warn, &format!("fairlead: {} view: {what}", view.as_str()));
    }
}

/// A decimal number.
pub(super) fn number(digits: &[u8]) -> Option<u16> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}
