//! A response's way: one read of the status, what the engine makes of it, and whether it is held.

use fairlead_engine::{response, step::Op};
use fairlead_wire::{Reason, header::REASON};

use super::{
    core::number, host::HostResponse, replay, request::perform, with_meter, with_state, with_streams,
};
use crate::{
    abi::{self, Map},
    metrics::TARGET_ERROR,
};

/// The request's half of the exchange is over when its response begins. True if that goes on at once.
pub(crate) fn on_response_headers(context: u32, ended: bool) -> bool {
    let taken = with_streams(|streams| {
        let stream = streams.get_mut(&context)?;
        stream.exchange.take().map(|exchange| (stream.root, exchange, stream.replay.take()))
    });
    let Some((root, exchange, kept)) = taken.flatten() else { return true };
    let Some(status) = abi::header(Map::Response, ":status").and_then(|status| number(&status)) else {
        return true;
    };
    if let Some(connection) = abi::header(Map::Response, "connection") {
        for name in response::named_by_connection(&connection) {
            perform(Map::Response, &Op::Remove(name));
        }
    }
    if status >= 400 {
        // The target's own header of this name is gone: it says that Envoy made the answer.
        let reason = abi::header(Map::Response, REASON)
            .map(|reason| Reason::from(String::from_utf8_lossy(&reason).into_owned()).as_str());
        let reason = reason.or((status >= 500).then_some(TARGET_ERROR));
        with_meter(context, |meter| reason.into_iter().for_each(|reason| meter.reason(reason)));
    }
    let host = HostResponse::default();
    for op in exchange.on_response(status, &host) {
        perform(Map::Response, &op);
    }
    if let Some(rejection) = exchange.rejection(status, &host) {
        return replay::rejected(context, root, exchange, rejection, kept, ended);
    }
    // Without its cluster, or with a cluster that lacks its certificate.
    if matches!(status, 502 | 503)
        && let Some(details) = host.details()
    {
        with_state(|state| {
            if let Some((_, session)) = state.link(root) {
                session.local_answer(&exchange, details);
            }
        });
    }
    true
}
