//! `spec.fairlead`'s limits → what each route of the Application says of them (decisions 21, 22, 30). Absent: the gateway's
//! own, from the installation's configuration.

use fairlead_resources::{Application, duration::Duration};
use fairlead_wire::{Reason, feed::EgressRoute, idle::Idle};

use crate::{Effect, Problem};

/// The largest request body that may be kept for a replay, bytes: what one worker keeps for all of them together by default.
pub(crate) const MAX_REPLAY_BYTES: u32 = 16 * 1024 * 1024;

/// Limits of a call.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    headers_timeout_ms: Option<u32>,
    idle: Option<Idle>,
    concurrency: Option<u32>,
    no_replay: bool,
    replay_bytes: Option<u32>,
}

impl Limits {
    /// The limits of an Application; `replay` is what the installation says. What is out of bounds is told.
    pub(crate) fn of(application: &Application, replay: bool, problems: &mut Vec<Problem>) -> Self {
        let Some(fairlead) = &application.spec.fairlead else {
            return Self { no_replay: !replay, ..Self::default() };
        };
        let timeouts = fairlead.timeouts.clone().unwrap_or_default();
        let asked = fairlead.replay.clone().unwrap_or_default();
        Self {
            headers_timeout_ms: timeouts.headers.map(Duration::millis),
            idle: timeouts.idle.and_then(|idle| Idle::at_least(idle.millis().into())),
            concurrency: fairlead.concurrency,
            no_replay: !asked.enabled.unwrap_or(replay),
            replay_bytes: asked.max_request_bytes.map(|bytes| bounded(bytes, problems)),
        }
    }

    /// Puts them into a route.
    pub(crate) fn fill(self, route: &mut EgressRoute) {
        route.headers_timeout_ms = self.headers_timeout_ms;
        route.idle = self.idle;
        route.concurrency = self.concurrency;
        route.no_replay = self.no_replay;
        route.replay_bytes = self.replay_bytes;
    }
}

fn bounded(bytes: u64, problems: &mut Vec<Problem>) -> u32 {
    match u32::try_from(bytes) {
        Ok(bytes) if bytes <= MAX_REPLAY_BYTES => bytes,
        _ => {
            problems.push(Problem {
                field: "spec.fairlead.replay.maxRequestBytes".to_owned(),
                reason: Reason::FieldInvalid,
                message: format!("is above {MAX_REPLAY_BYTES}, which is in force instead: lower it"),
                effect: Effect::Warning,
            });
            MAX_REPLAY_BYTES
        }
    }
}
