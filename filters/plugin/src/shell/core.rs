//! One view of one control plane in this VM, with the calls that it has in flight.

use std::collections::BTreeMap;

use fairlead_engine::{
    call::{Answer, Call},
    feed::Counters,
    snapshot::Entry,
    step::WaitFor,
    vm::{Purpose, Release, Vm},
};
use fairlead_wire::{Refusal, config::PluginConfig, feed};

use crate::{
    abi::{self, Buffer, Level, Map},
    metrics::Metrics,
    pairs,
};

/// An engine's [`Vm`] and how it reaches its control plane.
pub(super) struct Core<E> {
    pub(super) vm: Vm<E>,
    cluster: String,
    authority: String,
    /// The plugin instance that sends calls and gets ticks for all; none while there is none.
    leader: Option<u32>,
    /// Calls in flight by token, with the instance that sent each.
    calls: BTreeMap<u32, (u32, Purpose)>,
    counted: Counters,
}

/// The index of the core that `config` wants, made if it is not there. `root` leads it from now on.
pub(super) fn core_for<E: Entry>(
    cores: &mut Vec<Core<E>>,
    config: &PluginConfig,
    root: u32,
    now_ms: u64,
) -> usize {
    let control = &config.control;
    let same = |core: &Core<E>| core.cluster == control.cluster && core.authority == control.authority;
    let index = cores.iter().position(same).unwrap_or_else(|| {
        // Workers start at different moments, if only by microseconds: where in memory and when is seed enough.
        let seed = now_ms.rotate_left(32) ^ u64::from(root) ^ (&raw const *cores as usize as u64);
        cores.push(Core {
            vm: Vm::new(config, seed),
            cluster: control.cluster.clone(),
            authority: control.authority.clone(),
            leader: None,
            calls: BTreeMap::new(),
            counted: Counters::default(),
        });
        cores.len().saturating_sub(1)
    });
    if let Some(core) = cores.get_mut(index) {
        core.vm.configure(config);
        core.leader = Some(root);
    }
    index
}

impl<E: Entry> Core<E> {
    pub(super) fn is_led_by(&self, root: u32) -> bool {
        self.leader == Some(root)
    }

    /// Sends what is due, from the leader's context: it stays the one in effect.
    pub(super) fn send(&mut self, now_ms: u64) -> Vec<Release> {
        let mut releases = Vec::new();
        let Some(leader) = self.leader else { return releases };
        for (purpose, call) in self.vm.calls(now_ms) {
            let token = if abi::focus(leader) { self.dispatch(&call) } else { None };
            match token {
                Some(token) => {
                    self.calls.insert(token, (leader, purpose));
                }
                None => releases.append(&mut self.vm.answered(purpose, now_ms, Answer::Lost)),
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

    /// What came back for a call; `None` if it is not of this core. The call's context is the one in effect.
    pub(super) fn answered(
        &mut self,
        token: u32,
        body_size: usize,
        now_ms: u64,
        metrics: &mut Metrics,
    ) -> Option<Vec<Release>> {
        let (_, purpose) = self.calls.remove(&token)?;
        let ours = abi::header(Map::CallResponse, feed::MARKER).is_some();
        let status = abi::header(Map::CallResponse, ":status").and_then(|status| number(&status));
        let body = abi::buffer(Buffer::CallResponse, body_size);
        let answer = match (ours, status) {
            (true, Some(status)) => Answer::Served { status, body: body.as_deref().unwrap_or_default() },
            _ => Answer::Lost,
        };
        let was_cold = self.vm.table().is_none();
        let mut releases = self.vm.answered(purpose, now_ms, answer);
        drop(body);
        if let Some(table) = self.vm.table().filter(|_| was_cold) {
            let (view, records, revision) = (self.view(), table.len(), self.vm.feed().revision());
            abi::log(
                Level::Info,
                &format!("fairlead: {view} view complete: {records} records, revision {revision}"),
            );
        }
        self.publish(metrics);
        releases.append(&mut self.send(now_ms));
        Some(releases)
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, now_ms: u64, metrics: &mut Metrics) -> Vec<Release> {
        let mut releases = self.vm.tick(now_ms);
        if self.vm.has_become_stale(now_ms) {
            metrics.count(E::VIEW, "feed_stale", 1);
            let view = self.view();
            abi::log(
                Level::Warn,
                &format!("fairlead: {view} view: the control plane has not confirmed it for long"),
            );
        }
        releases.append(&mut self.send(now_ms));
        releases
    }

    /// Pauses the request of `context`, and sends what it waits for. The context in effect is then another one.
    pub(super) fn hold(
        &mut self,
        context: u32,
        wait: WaitFor<'_>,
        now_ms: u64,
        metrics: &mut Metrics,
    ) -> Result<Vec<Release>, Refusal> {
        self.vm.hold(context, wait, now_ms)?;
        metrics.count(E::VIEW, "held", 1);
        Ok(self.send(now_ms))
    }

    pub(super) fn forget(&mut self, context: u32) {
        self.vm.forget(context);
    }

    /// The instance `root` has ended, and with it the calls that it sent.
    pub(super) fn left_by(&mut self, root: u32, heir: Option<u32>) {
        if self.leader == Some(root) {
            self.leader = heir;
        }
        for (_, (_, purpose)) in self.calls.extract_if(.., |_, (sender, _)| *sender == root) {
            self.vm.abandoned(purpose);
        }
    }

    /// Brings the metrics up to date, and says what went wrong.
    fn publish(&mut self, metrics: &mut Metrics) {
        let now = self.vm.feed().counters();
        let was = std::mem::replace(&mut self.counted, now);
        if now == was {
            return;
        }
        for (what, now, was) in [
            ("feed_lost", now.lost, was.lost),
            ("feed_malformed", now.malformed, was.malformed),
            ("feed_unreadable", now.unreadable, was.unreadable),
            ("feed_listings", now.listings, was.listings),
            ("feed_records", now.records, was.records),
        ] {
            metrics.count(E::VIEW, what, now.saturating_sub(was));
        }
        metrics.show(E::VIEW, "feed_revision", self.vm.feed().revision());
        if now.malformed + now.unreadable > was.malformed + was.unreadable {
            let view = self.view();
            abi::log(
                Level::Warn,
                &format!("fairlead: {view} view: the control plane sent what cannot be read"),
            );
        } else if now.lost > was.lost {
            let view = self.view();
            abi::log(Level::Warn, &format!("fairlead: {view} view: the control plane does not answer"));
        }
    }

    fn view(&self) -> &'static str {
        E::VIEW.as_str()
    }
}

/// A decimal number.
pub(super) fn number(digits: &[u8]) -> Option<u16> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}
