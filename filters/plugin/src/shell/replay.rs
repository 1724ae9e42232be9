//! A request whose target rejected our grant: its answer is held, the request perhaps sent again, and one of the two
//! answers given (design decision 10). The engine decides ([`fairlead_engine::replay`]).

use std::cell::RefCell;

use fairlead_engine::{
    headers::HeaderBlock,
    replay::{Budget, Next, Rejection, Replay, Second, second, without_newer},
    response::Exchange,
    vm::Release,
};
use fairlead_wire::{Reason, Refusal};

use super::{
    NOW_MS, Root, now_ms, release,
    request::{Waits, answer, wait},
    with_meter, with_state, with_streams,
};
use crate::abi::{self, Buffer, Map};

/// `response.code_details` of an answer that is the target's, although we give it.
const FROM_TARGET: &str = "via_upstream";

/// What is kept of a request that may have to be sent again.
pub(super) struct Held {
    pub(super) replay: Replay,
    stage: Stage,
}

#[derive(Clone, Copy)]
enum Stage {
    /// The first attempt is under way.
    First,
    /// Its answer is held.
    Renewing(First),
    /// The second attempt is under way: the call of this token.
    Second(First, u32),
}

thread_local! {
    /// Second attempts under way: the tokens of their calls, and whose they are. The host does not say it: it names a
    /// context of its own when it brings an answer.
    static ATTEMPTS: RefCell<Vec<(u32, u32)>> = const { RefCell::new(Vec::new()) };
}

fn with_attempts<R>(f: impl FnOnce(&mut Vec<(u32, u32)>) -> R) -> Option<R> {
    ATTEMPTS.with(|attempts| attempts.try_borrow_mut().ok().map(|mut attempts| f(&mut attempts)))
}

/// The stream that sent the call of this token, if it was one.
pub(super) fn sender(token: u32) -> Option<u32> {
    with_attempts(|attempts| attempts.iter().find(|(sent, _)| *sent == token).map(|(_, context)| *context))?
}

/// Its stream has ended, or has its answer.
impl Drop for Held {
    fn drop(&mut self) {
        if let Stage::Second(_, token) = self.stage {
            with_attempts(|attempts| attempts.retain(|(sent, _)| *sent != token));
        }
    }
}

/// The answer that is held.
#[derive(Clone, Copy)]
struct First {
    rejection: Rejection,
    /// It has no body, so that another one without can take its place where it stands.
    bodiless: bool,
}

/// What becomes of a held answer.
enum Verdict {
    /// It goes on.
    Pass,
    /// It stays held.
    Hold,
    /// The caller gets this instead.
    Answer(Refusal),
}

/// Keeps a request: its headers as they were read, and a body of up to `limit` bytes.
pub(super) fn keep(context: u32, headers: Vec<u8>, limit: u32, budget: &Budget) {
    with_streams(|streams| {
        if let Some(stream) = streams.get_mut(&context) {
            let replay = Replay::new(headers, stream.ended, limit, budget);
            stream.replay = Some(Box::new(Held { replay, stage: Stage::First }));
        }
    });
}

/// Whether the stream's answer is held, so that a release concerns that and not its request.
pub(super) fn holds_response(context: u32) -> bool {
    let holds = |held: &Held| !matches!(held.stage, Stage::First);
    with_streams(|streams| streams.get(&context)?.replay.as_deref().map(holds)).flatten().unwrap_or(false)
}

/// The target of the stream in effect rejected a grant. True if its answer goes on at once.
pub(super) fn rejected(
    context: u32,
    root: u32,
    exchange: Exchange,
    rejection: Rejection,
    kept: Option<Box<Held>>,
    bodiless: bool,
) -> bool {
    let Some(mut held) = kept.filter(|_| rejection.again) else {
        report(context, root, &exchange, rejection);
        return true;
    };
    let bodiless = bodiless || held.replay.is_head();
    held.stage = Stage::Renewing(First { rejection, bodiless });
    put_back(context, exchange, held);
    match advance(context) {
        Verdict::Pass => true,
        Verdict::Hold => false,
        Verdict::Answer(refusal) => {
            answer(context, &refusal);
            false
        }
    }
}

/// What a held answer waited for has come, or `refusal` says why not; its context is the one in effect.
pub(super) fn go_on(context: u32, refusal: Option<Refusal>) {
    let verdict = refusal.map_or_else(|| advance(context), |refusal| without(context, &refusal));
    match verdict {
        Verdict::Pass => abi::resume_response(),
        Verdict::Hold => {}
        Verdict::Answer(refusal) => answer(context, &refusal),
    }
}

/// Goes on as far as it can be gone now.
fn advance(context: u32) -> Verdict {
    // A request has two grants at most, each of which another VM may have.
    for _ in 0..3 {
        let Some(waits) = step(context) else { return Verdict::Hold };
        let Some(waits) = waits else { break };
        match wait(context, &waits) {
            Ok(None) => return Verdict::Hold,
            Ok(Some(Release { answer: None, .. })) => {}
            Ok(Some(Release { answer: Some(refusal), .. })) | Err(refusal) => {
                return without(context, &refusal);
            }
        }
    }
    finish(context);
    Verdict::Pass
}

/// No newer grant is to be had.
fn without(context: u32, refusal: &Refusal) -> Verdict {
    finish(context);
    without_newer(refusal).map_or(Verdict::Pass, Verdict::Answer)
}

/// Asks the engine. None: the request was sent again; `Some(None)`: it is not going to be.
fn step(context: u32) -> Option<Option<Waits>> {
    let Some((root, exchange, mut held)) = take(context) else { return Some(None) };
    let Stage::Renewing(first) = held.stage else { return Some(None) };
    let address = abi::property("upstream\0address");
    let next = with_state(|state| {
        let Root::Egress(pipeline, core) = state.root(root)? else { return None };
        let grants = state.egress.get(*core)?.vm.session().grants(NOW_MS.get());
        let timeout = pipeline.headers_timeout_ms();
        Some(match held.replay.next(&exchange, &grants, address.as_deref(), timeout) {
            Next::Pass => Ok(None),
            Next::Wait(wait) => Ok(Some(Waits::from(wait))),
            Next::Send(dispatch) => Err(dispatch),
        })
    });
    let waits = match next.flatten() {
        None => Some(None),
        Some(Ok(waits)) => Some(waits),
        Some(Err(dispatch)) => {
            let body = held.replay.body();
            let sent = abi::http_call(&dispatch.cluster, &dispatch.headers, body, dispatch.timeout_ms);
            if let Some(token) = sent {
                held.stage = Stage::Second(first, token);
                with_attempts(|attempts| attempts.push((token, context)));
                held.replay.dismiss();
            }
            sent.is_none().then_some(None)
        }
    };
    put_back(context, exchange, held);
    waits
}

/// What came back for a stream's second attempt.
pub(super) fn answered(context: u32, headers: u32, body_size: usize) {
    let Some((root, exchange, held)) = take(context) else { return };
    let Stage::Second(first, _) = held.stage else { return };
    abi::focus(context);
    let lines = if headers == 0 { None } else { abi::headers(Map::CallResponse) };
    let Ok(block) = HeaderBlock::parse(lines.as_deref().unwrap_or_default()) else { return failed(context) };
    let limit = with_state(|state| match state.root(root)? {
        Root::Egress(pipeline, _) => Some(pipeline.replay_answer_bytes()),
        Root::Ingress(..) => None,
    });
    let in_place = first.bodiless && body_size == 0;
    let second = second(&exchange, &block, body_size, limit.flatten().unwrap_or(0), in_place);
    let status = match &second {
        Second::Answer(status, _) => Some(*status),
        Second::Refused(_) => None,
    };
    with_meter(context, |meter| meter.replayed(status));
    match second {
        Second::Refused(refusal) => answer(context, &refusal),
        Second::Answer(_, lines) if in_place => {
            if abi::replace_headers(Map::Response, &lines) {
                abi::resume_response();
            } else {
                failed(context);
            }
        }
        Second::Answer(status, lines) if body_size == 0 => abi::answer(status, FROM_TARGET, &[], &lines),
        Second::Answer(status, lines) => match abi::buffer(Buffer::CallResponse, body_size) {
            Some(body) => abi::answer(status, FROM_TARGET, &body, &lines),
            None => failed(context),
        },
    }
}

fn failed(context: u32) {
    answer(context, &Refusal::empty(502, Reason::ReplayFailed));
}

/// The request is not sent again. What the target rejected is said all the same, as far as it was not.
fn finish(context: u32) {
    if let Some((root, exchange, held)) = take(context)
        && let Stage::Renewing(First { rejection, .. }) = held.stage
    {
        report(context, root, &exchange, rejection);
    }
}

/// The control plane is told which grants the target rejected; nobody waits for newer ones.
fn report(context: u32, root: u32, exchange: &Exchange, rejection: Rejection) {
    let now = now_ms();
    let releases = with_state(|state| {
        let (link, session) = state.link(root)?;
        for (id, serial) in exchange.rejected(rejection) {
            session.rejected(id, serial, now);
        }
        Some(link.send(session, now))
    });
    abi::focus(context);
    release(context, releases.flatten().unwrap_or_default());
}

fn take(context: u32) -> Option<(u32, Exchange, Box<Held>)> {
    with_streams(|streams| {
        let stream = streams.get_mut(&context)?;
        Some((stream.root, stream.exchange.take()?, stream.replay.take()?))
    })?
}

fn put_back(context: u32, exchange: Exchange, held: Box<Held>) {
    with_streams(|streams| {
        if let Some(stream) = streams.get_mut(&context) {
            stream.exchange = Some(exchange);
            stream.replay = Some(held);
        }
    });
}
