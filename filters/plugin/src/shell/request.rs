//! A request's way: one read of all headers, the engine's decision, its writes.

use fairlead_engine::{
    headers::HeaderBlock,
    ingress::View,
    step::{Op, Step, WaitFor},
    vm::Release,
};
use fairlead_wire::{Reason, Refusal};

use super::{
    NOW_MS, Root, STATE, State,
    core::number,
    host::{HostConnection, HostResponse},
    now_ms, release, with_state, with_streams,
};
use crate::{
    abi::{self, Level, Map},
    pairs,
};

/// What became of a request.
enum Next {
    Continue,
    Wait(Waits),
    Answer(Refusal),
}

/// [`WaitFor`] that outlives the look into the tables.
enum Waits {
    Snapshot,
    Grant(String),
}

/// True if the request goes on at once.
pub(crate) fn on_request_headers(context: u32) -> bool {
    match settle(context, decide(context)) {
        Next::Continue => true,
        Next::Wait(_) => false,
        Next::Answer(refusal) => {
            answer(&refusal);
            false
        }
    }
}

/// A paused request is released; its context is the one in effect.
pub(super) fn go_on(context: u32, refusal: Option<Refusal>) {
    let next = refusal.map_or_else(|| decide(context), Next::Answer);
    match settle(context, next) {
        Next::Continue => abi::resume_request(),
        Next::Wait(_) => {}
        Next::Answer(refusal) => answer(&refusal),
    }
}

/// Pauses a request that has to wait, unless what it waits for turns out to be there.
fn settle(context: u32, next: Next) -> Next {
    let Next::Wait(waits) = next else { return next };
    match wait(context, &waits) {
        Ok(None) => Next::Wait(waits),
        // It must not be resumed in its own event: Envoy learns of the pause when that returns.
        Ok(Some(Release { answer: Some(refusal), .. })) | Err(refusal) => Next::Answer(refusal),
        Ok(Some(Release { answer: None, .. })) => match decide(context) {
            Next::Wait(_) => broken(),
            next => next,
        },
    }
}

/// The request's half of the exchange is over when its response begins.
pub(crate) fn on_response_headers(context: u32) {
    let exchange = with_streams(|streams| {
        let stream = streams.get_mut(&context)?;
        stream.exchange.take().map(|exchange| (stream.root, exchange))
    });
    let Some((root, exchange)) = exchange.flatten() else { return };
    let Some(status) = abi::header(Map::Response, ":status").and_then(|status| number(&status)) else {
        return;
    };
    let response = HostResponse::default();
    for op in exchange.on_response(status, &response) {
        perform(Map::Response, &op);
    }
    if status == 503
        && let Some(details) = response.details()
    {
        with_state(|state| {
            if let Some((_, session)) = state.link(root) {
                session.local_answer(&exchange, details);
            }
        });
    }
}

/// Asks the pipeline, and performs what it says about headers.
fn decide(context: u32) -> Next {
    let Some(headers) = abi::headers(Map::Request) else { return broken() };
    let Ok(block) = HeaderBlock::parse(&headers) else { return broken() };
    #[cfg(feature = "crash-test")]
    if block.contains(b"x-crash-test") {
        std::process::abort();
    }
    let Some(root) = with_streams(|streams| streams.get(&context).map(|stream| stream.root)).flatten() else {
        return broken();
    };
    let (next, calls) = STATE.with(|state| match state.try_borrow() {
        Ok(state) => ask(&state, root, context, &block).unwrap_or_else(|| (broken(), false)),
        Err(_) => (broken(), false),
    });
    if calls {
        // A grant is due for a refresh. Whatever comes of it comes later; this request goes on.
        let releases = with_state(|state| state.send(now_ms())).unwrap_or_default();
        abi::focus(context);
        release(context, releases);
    }
    next
}

/// The decision, and whether it left something to send.
fn ask(state: &State, root: u32, context: u32, block: &HeaderBlock<'_>) -> Option<(Next, bool)> {
    let now = NOW_MS.get();
    match state.root(root)? {
        Root::Egress(pipeline, core) => {
            let vm = &state.egress.get(*core)?.vm;
            let grants = vm.session().grants(now);
            let next = follow(context, pipeline.on_request(block, &HostConnection, vm.table(), &grants));
            Some((next, vm.session().has_calls()))
        }
        Root::Ingress(pipeline, core) => {
            let vm = &state.ingress.get(*core)?.vm;
            let view =
                vm.table().map(|table| View { table, age_ms: vm.session().age_ms(now).unwrap_or(u64::MAX) });
            Some((follow(context, pipeline.on_request(block, &HostConnection, view)), false))
        }
    }
}

/// Performs a step's operations. One that the host refuses ends the request: it must not leave half prepared.
fn follow(context: u32, step: Step<'_>) -> Next {
    match step {
        Step::Pass(ops) => {
            if ops.iter().all(|op| perform(Map::Request, op)) {
                Next::Continue
            } else {
                broken()
            }
        }
        Step::Forward(forward) => {
            if !forward.ops().all(|op| perform(Map::Request, &op)) {
                return broken();
            }
            with_streams(|streams| {
                if let Some(stream) = streams.get_mut(&context) {
                    stream.exchange = Some(forward.exchange);
                }
            });
            Next::Continue
        }
        Step::Wait(WaitFor::Snapshot) => Next::Wait(Waits::Snapshot),
        Step::Wait(WaitFor::Grant(id)) => Next::Wait(Waits::Grant(id.to_owned())),
        Step::Answer(refusal) => Next::Answer(refusal),
    }
}

fn perform(map: Map, op: &Op<'_>) -> bool {
    match op {
        Op::Set(name, value) => abi::set_header(map, name, value),
        Op::Add(name, value) => abi::add_header(map, name, value),
        Op::Remove(name) => abi::remove_header(map, name),
    }
}

/// Pauses the request in effect, or says at once what it is to be released with.
fn wait(context: u32, waits: &Waits) -> Result<Option<Release>, Refusal> {
    let wait = match waits {
        Waits::Snapshot => WaitFor::Snapshot,
        Waits::Grant(id) => WaitFor::Grant(id),
    };
    let root = with_streams(|streams| {
        streams.get_mut(&context).map(|stream| {
            stream.held = true;
            stream.root
        })
    });
    let now = now_ms();
    let held = with_state(|state| {
        let (link, session) = state.link(root.flatten()?)?;
        if let Err(refusal) = session.hold(context, wait, now) {
            return Some(Err(refusal));
        }
        let (view, releases) = (session.feed().view(), link.send(session, now));
        if !releases.iter().any(|release| release.context == context) {
            state.metrics.count(view, "held", 1);
        }
        Some(Ok(releases))
    });
    abi::focus(context);
    let mut releases = held.flatten().unwrap_or_else(|| Err(broken_refusal()))?;
    let own = releases.iter().position(|release| release.context == context);
    let own = own.map(|at| releases.swap_remove(at));
    release(context, releases);
    Ok(own)
}

/// Answers the request in effect.
fn answer(refusal: &Refusal) {
    with_state(|state| state.metrics.refused(refusal.reason));
    abi::log(Level::Debug, &format!("fairlead: {} {}", refusal.status, refusal.reason));
    let headers: Vec<_> = refusal.headers().collect();
    let lines: Vec<_> = headers.iter().map(|(name, value)| (*name, &**value)).collect();
    abi::answer(refusal.status, refusal.reason.as_str(), &refusal.body, &pairs::serialise(&lines));
}

/// The host did what it must not: nothing passes unchecked.
fn broken() -> Next {
    Next::Answer(broken_refusal())
}

fn broken_refusal() -> Refusal {
    Refusal::json(500, Reason::Other, "the gateway could not handle the request")
}
