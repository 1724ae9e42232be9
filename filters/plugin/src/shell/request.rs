//! A request's way: one read of all headers, the engine's decision, its writes.

use fairlead_engine::{
    headers::HeaderBlock,
    ingress::View as IngressView,
    replay::Budget,
    step::{Forward, Op, Step, WaitFor},
    vm::Release,
};
use fairlead_wire::{Reason, Refusal, feed::View};

use super::{
    NOW_MS, Root, STATE, State, host::HostConnection, now_ms, release, replay, with_meter, with_state,
    with_streams,
};
use crate::{
    abi::{self, Buffer, Level, Map},
    pairs,
};

/// Envoy's function that sets what the connection to a target is made by.
const SET_STATE: &str = "set_envoy_filter_state";
/// Its arguments (Envoy's `SetEnvoyFilterStateArguments` as Protobuf): the well-known key, in field 1, of the protocols
/// to offer by ALPN, `http/1.1` in field 2, as long as the request lasts (1 in field 3).
const ONLY_HTTP1: &[u8] = b"\x0a\x23envoy.network.application_protocols\x12\x08http/1.1\x18\x01";

/// What became of a request.
enum Next {
    Continue,
    Wait(Waits),
    Answer(Refusal),
}

/// [`WaitFor`] that outlives the look into the tables.
pub(super) enum Waits {
    Snapshot,
    Grant(String),
    /// Of the response phase.
    Newer(String, u64),
}

impl From<WaitFor<'_>> for Waits {
    fn from(wait: WaitFor<'_>) -> Self {
        match wait {
            WaitFor::Snapshot => Self::Snapshot,
            WaitFor::Grant(id) => Self::Grant(id.to_owned()),
            WaitFor::Newer(id, serial) => Self::Newer(id.to_owned(), serial),
        }
    }
}

/// True if the request goes on at once.
pub(crate) fn on_request_headers(context: u32, ended: bool) -> bool {
    with_streams(|streams| streams.get_mut(&context).map(|stream| stream.ended = ended));
    match settle(context, decide(context)) {
        Next::Continue => true,
        Next::Wait(_) => false,
        Next::Answer(refusal) => {
            answer(context, &refusal);
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
        Next::Answer(refusal) => answer(context, &refusal),
    }
}

/// Pauses a request that has to wait, unless what it waits for turns out to be there.
fn settle(context: u32, mut next: Next) -> Next {
    // A request needs the view and two grants at most.
    for _ in 0..4 {
        let Next::Wait(waits) = next else { return next };
        next = match wait(context, &waits) {
            Ok(None) => return Next::Wait(waits),
            // It must not be resumed in its own event: Envoy learns of the pause when that returns.
            Ok(Some(Release { answer: Some(refusal), .. })) | Err(refusal) => Next::Answer(refusal),
            Ok(Some(Release { answer: None, .. })) => decide(context),
        };
    }
    broken()
}

/// A part of a request's body passes: it is kept where the request may have to be sent again.
pub(crate) fn on_request_body(context: u32, size: usize, ends: bool) {
    with_streams(|streams| {
        let Some(stream) = streams.get_mut(&context) else { return };
        stream.meter.received(size);
        let Some(held) = stream.replay.as_mut() else { return };
        if held.replay.wants(size, ends)
            && let Some(bytes) = abi::buffer(Buffer::RequestBody, size)
        {
            held.replay.keep(&bytes);
        }
    });
}

/// What the pipeline's decision leaves to be done.
struct Decided {
    next: Next,
    /// The request is to be kept, with a body of up to so many bytes, all of which share the budget.
    keep: Option<(u32, Budget)>,
    /// Something is to be sent.
    calls: bool,
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
    let decided =
        STATE.with(|state| state.try_borrow().ok().and_then(|state| ask(&state, root, context, &block)));
    let Some(Decided { next, keep, calls }) = decided else { return broken() };
    if let Some((limit, budget)) = keep {
        replay::keep(context, headers.into_vec(), limit, &budget);
    }
    if calls {
        // A grant is due for a refresh. Whatever comes of it comes later; this request goes on.
        let releases = with_state(|state| state.send(now_ms())).unwrap_or_default();
        abi::focus(context);
        release(context, releases);
    }
    next
}

fn ask(state: &State, root: u32, context: u32, block: &HeaderBlock<'_>) -> Option<Decided> {
    let now = NOW_MS.get();
    match state.root(root)? {
        Root::Egress(pipeline, core) => {
            let vm = &state.egress.get(*core)?.vm;
            let grants = vm.session().grants(now);
            let step = pipeline.on_request(block, &HostConnection, vm.table(), &grants);
            if let (Step::Answer(_) | Step::Wait(_), Some(table)) = (&step, vm.table())
                && let Some(key) = pipeline.named(block, &HostConnection, table)
            {
                with_meter(context, |meter| meter.is_for(View::Egress, key));
            }
            let (next, keep) = follow(context, View::Egress, step);
            let keep = keep.map(|limit| (limit, vm.session().budget().clone()));
            Some(Decided { next, keep, calls: vm.session().has_calls() })
        }
        Root::Ingress(pipeline, core) => {
            let vm = &state.ingress.get(*core)?.vm;
            let view = vm
                .table()
                .map(|table| IngressView { table, age_ms: vm.session().age_ms(now).unwrap_or(u64::MAX) });
            let step = pipeline.on_request(block, &HostConnection, view);
            let (next, _) = follow(context, View::Ingress, step);
            Some(Decided { next, keep: None, calls: false })
        }
    }
}

/// Performs a step's operations. One that the host refuses ends the request: it must not leave half prepared.
fn follow(context: u32, view: View, step: Step<'_>) -> (Next, Option<u32>) {
    let next = match step {
        Step::Pass(ops) => {
            if ops.iter().all(|op| perform(Map::Request, op)) {
                Next::Continue
            } else {
                broken()
            }
        }
        Step::Forward(forward) => {
            if !forward.ops().all(|op| perform(Map::Request, &op)) {
                return (broken(), None);
            }
            if forward.only_http1 && !abi::foreign(SET_STATE, ONLY_HTTP1) {
                return (broken(), None);
            }
            let Forward { exchange, permit, keep, .. } = forward;
            with_streams(|streams| {
                if let Some(stream) = streams.get_mut(&context) {
                    stream.meter.is_for(view, exchange.key());
                    if exchange.has_grant() {
                        stream.meter.granted();
                    }
                    stream.exchange = Some(exchange);
                    stream.permit = permit;
                }
            });
            return (Next::Continue, keep);
        }
        Step::Wait(wait) => Next::Wait(wait.into()),
        Step::Answer(refusal) => Next::Answer(refusal),
    };
    (next, None)
}

pub(super) fn perform(map: Map, op: &Op<'_>) -> bool {
    match op {
        Op::Set(name, value) => abi::set_header(map, name, value),
        Op::Add(name, value) => abi::add_header(map, name, value),
        Op::Remove(name) => abi::remove_header(map, name),
    }
}

/// Pauses the stream in effect, or says at once what it is to be released with.
pub(super) fn wait(context: u32, waits: &Waits) -> Result<Option<Release>, Refusal> {
    let wait = match waits {
        Waits::Snapshot => WaitFor::Snapshot,
        Waits::Grant(id) => WaitFor::Grant(id),
        Waits::Newer(id, serial) => WaitFor::Newer(id, *serial),
    };
    let root = with_streams(|streams| {
        streams.get_mut(&context).map(|stream| {
            stream.held = true;
            if !matches!(waits, Waits::Snapshot) {
                stream.meter.waits();
            }
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
            state.metrics.count(view, "fairlead_held_total", 1);
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
pub(super) fn answer(context: u32, refusal: &Refusal) {
    let view = with_streams(|streams| streams.get(&context).map(|stream| stream.root)).flatten();
    let view = with_state(|state| state.root(view?).map(Root::view)).flatten();
    with_meter(context, |meter| meter.refused(view.unwrap_or(View::Egress), refusal.reason));
    abi::log(Level::Debug, &format!("fairlead: {} {}", refusal.status, refusal.reason));
    let headers: Vec<_> = refusal.headers().collect();
    let lines: Vec<_> = headers.iter().map(|(name, value)| (*name, &**value)).collect();
    abi::answer(refusal.status, refusal.reason.as_str(), refusal.body.as_bytes(), &pairs::serialise(&lines));
}

/// The host did what it must not: nothing passes unchecked.
fn broken() -> Next {
    Next::Answer(broken_refusal())
}

fn broken_refusal() -> Refusal {
    Refusal::json(500, Reason::Other, "the gateway could not handle the request")
}
