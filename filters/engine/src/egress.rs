//! The egress pipeline: a caller's request in, the target's request out (AG §2–§10).
//!
//! Order of decisions: host ours? → path (E1) → view there? → key known (E2, E3), precomputed refusal (E4–E19) →
//! bulkhead → rest of the path (decision 20) → credential and CSRF session (may wait for a grant each) → headers. An old view is still used: a lost
//! control plane changes nothing (design decision 7).
//!
//! Left to the host, natively: `User-Agent` is not invented, `X-Forwarded-For` appended, hop-by-hop headers end,
//! the default time-out to response headers. The body is not touched, so that what was said of its length stays
//! true.
//!
//! Better than Kyma, by the same steps: a custom `User-Agent` applies where the caller sent none (AG §10, quirk),
//! custom headers are compared without regard to case, a caller's `Connection` cannot strip what is set here (AG
//! §19 no. 6).

use fairlead_app_router::{Ports, split};
use fairlead_wire::config::{Mode, PluginConfig};

use crate::{
    connection::Connection,
    headers::HeaderBlock,
    ours::Ours,
    snapshot::{Egress, Grants, Table},
    step::{Step, WaitFor},
    strip,
};

mod refusals;
mod request;
mod target;

use request::Seen;
pub(crate) use target::prepared_again;

/// The egress pipeline of one plugin instance.
#[derive(Debug)]
pub struct Pipeline {
    ours: Ours,
    limits: target::Limits,
    replay_answer_bytes: u32,
    headers_timeout_ms: u32,
}

impl Pipeline {
    /// The pipeline for this configuration.
    #[must_use]
    pub fn new(config: &PluginConfig) -> Self {
        Self {
            ours: Ours::new(config),
            limits: target::Limits { replay_bytes: config.replay_bytes, concurrency: config.concurrency },
            replay_answer_bytes: config.replay_answer_bytes,
            headers_timeout_ms: config.headers_timeout_ms,
        }
    }

    /// The largest answer to a request that is sent again, bytes.
    #[must_use]
    pub fn replay_answer_bytes(&self) -> u32 {
        self.replay_answer_bytes
    }

    /// Milliseconds until response headers where a route does not say; 0 for no limit.
    #[must_use]
    pub fn headers_timeout_ms(&self) -> u32 {
        self.headers_timeout_ms
    }

    /// Decides on a request. `table` is absent while no complete view is there.
    #[must_use]
    pub fn on_request<'a>(
        &self,
        headers: &HeaderBlock<'a>,
        connection: &dyn Connection,
        table: Option<&'a Table<Egress>>,
        grants: &'a dyn Grants,
    ) -> Step<'a> {
        let seen = Seen::read(headers);
        let ports = match self.ours.mode(seen.authority, connection) {
            Some(Mode::Manual) => Ports::Manual,
            Some(Mode::Ucl) => Ports::Ucl,
            Some(Mode::Route | Mode::Identify) | None => return Step::Pass(strip::internal(headers, None)),
        };
        let split = match split(ports, seen.path) {
            Ok(split) => split,
            Err(error) => return Step::Answer(refusals::path(error)),
        };
        let Some(table) = table else { return Step::Wait(WaitFor::Snapshot) };
        let Some(entry) = table.get(split.key) else { return Step::Answer(refusals::unknown(&split)) };
        match &**entry {
            Egress::Refusal(refusal) => Step::Answer(refusal.clone()),
            Egress::Route(route) => target::forward(headers, seen, &split, entry, route, grants, self.limits),
        }
    }

    /// The key of the record that a request of ours names, if there is one: for the metrics of a request that is not
    /// forwarded.
    #[must_use]
    pub fn named<'a>(
        &self,
        headers: &HeaderBlock<'a>,
        connection: &dyn Connection,
        table: &Table<Egress>,
    ) -> Option<&'a [u8]> {
        let seen = Seen::read(headers);
        let ports = match self.ours.mode(seen.authority, connection)? {
            Mode::Manual => Ports::Manual,
            Mode::Ucl => Ports::Ucl,
            Mode::Route | Mode::Identify => return None,
        };
        let key = split(ports, seen.path).ok()?.key;
        table.get(key).map(|_| key)
    }
}

#[cfg(test)]
pub(crate) mod tests;
