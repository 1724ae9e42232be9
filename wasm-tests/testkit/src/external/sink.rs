//! The event sink: what Kyma's publisher answers to legacy events and CloudEvents (CV §5). Tests read what came from
//! the recorded requests of listener `sink`.

use std::time::Duration;

use serde_json::json;

use super::{answer::Answer, record::Recorded, state::State};

/// The answer to an event.
pub fn answer(state: &State, request: &Recorded) -> Answer {
    let settings = state.settings();
    let mut answer = match settings.sink.status {
        Some(status) => Answer::with(status, "text/plain", format!("sink says {status}")),
        None if request.path() == b"/publish" => Answer::status(204),
        None => {
            Answer::json(&json!({ "event-id": format!("event-{}", request.id), "status": "", "reason": "" }))
        }
    };
    answer.delay = Duration::from_millis(settings.sink.delay_ms);
    answer
}
