//! Events of the host in, effects of the engine out.
//!
//! One VM has one [`State`] for all its plugin instances (root contexts), which come and go with the configuration: per
//! view and control plane one [`Core`], so that two listeners poll once. State is borrowed only inside one event; the
//! host runs what an event causes (a resumed stream, a failed call) after the event has returned. Should it ever
//! call back sooner, the borrow fails and the request is refused: nothing panics and nothing passes unchecked.

mod core;
mod host;
mod replay;
mod request;
mod response;

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
};

use fairlead_engine::{
    bulkhead::Permit,
    egress, ingress,
    response::Exchange,
    snapshot::Egress,
    vm::{Release, Session},
};
use fairlead_wire::{
    config::{self, PluginConfig},
    feed::{IngressRecord, View},
    json,
};
use hashbrown::HashMap;

use self::core::{Core, Link, core_for};
use crate::{
    abi::{self, Buffer, Level},
    metrics::{
        Metrics,
        requests::{self, Meter},
    },
};

pub(crate) use request::{on_request_body, on_request_headers};
pub(crate) use response::on_response_headers;

/// How often time is looked at, milliseconds: bounds how late a request is given up or a call repeated.
const TICK_MS: u32 = 200;
/// How many paused requests go on in one event.
const BATCH: usize = 32;

#[derive(Default)]
struct State {
    /// Few: a linear search is the fastest.
    roots: Vec<(u32, Root)>,
    egress: Vec<Core<Egress>>,
    ingress: Vec<Core<IngressRecord>>,
    metrics: Metrics,
}

/// A plugin instance: its pipeline and the index of its core.
enum Root {
    Egress(egress::Pipeline, usize),
    Ingress(ingress::Pipeline, usize),
}

impl Root {
    fn view(&self) -> View {
        match self {
            Self::Egress(..) => View::Egress,
            Self::Ingress(..) => View::Ingress,
        }
    }
}

/// A request in progress.
struct Stream {
    root: u32,
    /// Kept from the request's phase to the response's.
    exchange: Option<Exchange>,
    /// It was paused, so that the core knows it.
    held: bool,
    /// The request has no body.
    ended: bool,
    /// Its place in the Application's bulkhead, until the stream has ended.
    permit: Option<Permit>,
    /// What is counted of it at its end.
    meter: Meter,
    /// It may have to be sent again.
    replay: Option<Box<replay::Held>>,
}

impl Stream {
    fn new(root: u32) -> Self {
        Self {
            root,
            exchange: None,
            held: false,
            ended: false,
            permit: None,
            meter: Meter::new(),
            replay: None,
        }
    }
}

type Streams = HashMap<u32, Stream, std::hash::BuildHasherDefault<ContextHasher>>;

/// Contexts are numbered by the host: one multiplication spreads them.
#[derive(Default)]
struct ContextHasher(u64);

impl std::hash::Hasher for ContextHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32((*byte).into());
        }
    }

    fn write_u32(&mut self, context: u32) {
        self.0 = (self.0 ^ u64::from(context)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}

thread_local! {
    static STARTED: Cell<bool> = const { Cell::new(false) };
    static STATE: RefCell<State> = RefCell::default();
    static STREAMS: RefCell<Streams> = RefCell::default();
    /// The time of the last tick or answer: near enough for a request's look-ups, and costs it no call.
    static NOW_MS: Cell<u64> = const { Cell::new(0) };
    /// Paused requests are going on.
    static RELEASING: Cell<bool> = const { Cell::new(false) };
    /// Those that go on next.
    static LATER: RefCell<VecDeque<Release>> = const { RefCell::new(VecDeque::new()) };
    /// The plugin instance whose ticks come fast because of them.
    static HURRIED: Cell<Option<u32>> = const { Cell::new(None) };
}

/// Reads the clock.
fn now_ms() -> u64 {
    let now = abi::now_ns() / 1_000_000;
    NOW_MS.set(now);
    now
}

/// Runs `f` on the state; `None` if the host has called back in the middle of another event.
fn with_state<R>(f: impl FnOnce(&mut State) -> R) -> Option<R> {
    STATE.with(|state| state.try_borrow_mut().ok().map(|mut state| f(&mut state)))
}

fn with_streams<R>(f: impl FnOnce(&mut Streams) -> R) -> Option<R> {
    STREAMS.with(|streams| streams.try_borrow_mut().ok().map(|mut streams| f(&mut streams)))
}

fn with_meter(context: u32, f: impl FnOnce(&mut Meter)) {
    with_streams(|streams| streams.get_mut(&context).map(|stream| f(&mut stream.meter)));
}

/// The host says so for each plugin instance; the VM starts once.
pub(crate) fn on_vm_start() {
    if STARTED.replace(true) {
        return;
    }
    // Where a panic arose helps; its message could show data.
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map_or_else(String::new, ToString::to_string);
        abi::log(Level::Error, &format!("fairlead: panic at {at}"));
    }));
    Metrics::vm_started();
}

/// A plugin instance starts, or has a new configuration. The first poll goes out from here.
pub(crate) fn on_configure(root: u32, configuration_size: usize) -> bool {
    let Some(config) = configuration(configuration_size) else { return false };
    let kind = abi::property("plugin_root_id");
    requests::configure(&config);
    let now = now_ms();
    // Workers start at different moments, if only by microseconds.
    let seed = abi::now_ns() ^ u64::from(root).rotate_left(32);
    let configured = with_state(|state| {
        let instance = match kind.as_deref() {
            Some(kind) if kind == config::EGRESS.as_bytes() => {
                Root::Egress(egress::Pipeline::new(&config), core_for(&mut state.egress, &config, root, seed))
            }
            Some(kind) if kind == config::INGRESS.as_bytes() => Root::Ingress(
                ingress::Pipeline::new(&config),
                core_for(&mut state.ingress, &config, root, seed),
            ),
            _ => {
                abi::log(Level::Error, "fairlead: the root id must be `egress` or `ingress`");
                return false;
            }
        };
        state.roots.retain(|(context, _)| *context != root);
        state.roots.push((root, instance));
        true
    });
    abi::set_tick_period(TICK_MS);
    let releases = with_state(|state| state.send(now)).unwrap_or_default();
    release(root, releases);
    configured.unwrap_or(false)
}

/// No configuration at all means all defaults: nothing is ours.
fn configuration(size: usize) -> Option<PluginConfig> {
    if size == 0 {
        return Some(PluginConfig::default());
    }
    let read = abi::buffer(Buffer::PluginConfiguration, size)
        .ok_or_else(|| "it cannot be had from the host".to_owned())
        .and_then(|bytes| json::read_config(&bytes).map_err(|error| error.to_string()));
    read.inspect_err(|error| abi::log(Level::Error, &format!("fairlead: plugin configuration: {error}"))).ok()
}

pub(crate) fn on_stream(context: u32, root: u32) {
    with_streams(|streams| streams.insert(context, Stream::new(root)));
}

pub(crate) fn on_tick(root: u32) {
    let now = now_ms();
    let releases = with_state(|state| {
        let mut releases = Vec::new();
        let State { egress, ingress, metrics, .. } = state;
        for (link, session) in links(egress, ingress).filter(|(link, _)| link.is_led_by(root)) {
            releases.append(&mut link.tick(session, now, metrics));
        }
        releases
    });
    release_more(root, releases.unwrap_or_default());
    requests::flush();
}

pub(crate) fn on_call_response(context: u32, token: u32, headers: u32, body_size: usize) {
    if let Some(stream) = replay::sender(token) {
        replay::answered(stream, headers, body_size);
        return;
    }
    let now = now_ms();
    let releases = with_state(|state| {
        let State { egress, ingress, metrics, .. } = state;
        let found = egress.iter_mut().find_map(|core| core.answered(token, body_size, now, metrics));
        found.or_else(|| ingress.iter_mut().find_map(|core| core.answered(token, body_size, now, metrics)))
    });
    release(context, releases.flatten().unwrap_or_default());
}

/// A stream or a plugin instance has ended.
pub(crate) fn on_delete(context: u32) {
    let stream = with_streams(|streams| streams.remove(&context)).flatten();
    match stream {
        Some(Stream { root, held, meter, .. }) => {
            meter.end();
            if held {
                with_state(|state| {
                    if let Some((_, session)) = state.link(root) {
                        session.forget(context);
                    }
                });
            }
        }
        None => {
            let now = now_ms();
            let releases = with_state(|state| {
                state.end(context);
                state.send(now)
            });
            release(context, releases.unwrap_or_default());
        }
    }
}

/// Lets paused requests go on, each as if its event came now, and turns back to the context of the event.
///
/// At most [`BATCH`] of them in one event: the host performs what was said to each only when the event is over, the next
/// one inside of what the last one causes, so that its stack grows with each, and ends the VM when it is too deep. The
/// others come with the next tick, which then is near.
fn release(event: u32, releases: Vec<Release>) {
    if releases.is_empty() {
        return;
    }
    LATER.with_borrow_mut(|later| later.extend(releases));
    if RELEASING.replace(true) {
        return;
    }
    for _ in 0..BATCH {
        let Some(Release { context, answer }) = LATER.with_borrow_mut(VecDeque::pop_front) else { break };
        if !abi::focus(context) {
            continue;
        }
        if replay::holds_response(context) {
            replay::go_on(context, answer);
        } else {
            request::go_on(context, answer);
        }
    }
    RELEASING.set(false);
    if !LATER.with_borrow(VecDeque::is_empty) {
        hurry();
    }
    abi::focus(event);
}

/// Lets the next tick come at once.
fn hurry() {
    let root = with_state(|state| state.roots.first().map(|(root, _)| *root)).flatten();
    if let Some(root) = root.filter(|root| abi::focus(*root)) {
        abi::set_tick_period(1);
        HURRIED.set(Some(root));
    }
}

/// The same at a tick, after those that one event was not enough for.
fn release_more(root: u32, releases: Vec<Release>) {
    let mut due = Vec::from(LATER.take());
    due.extend(releases);
    release(root, due);
    if HURRIED.get() == Some(root) && LATER.with_borrow(VecDeque::is_empty) {
        HURRIED.set(None);
        abi::set_tick_period(TICK_MS);
    }
}

/// The parts of all cores that do not depend on their records.
fn links<'s>(
    egress: &'s mut [Core<Egress>],
    ingress: &'s mut [Core<IngressRecord>],
) -> impl Iterator<Item = (&'s mut Link, &'s mut Session)> {
    let egress = egress.iter_mut().map(|core| (&mut core.link, core.vm.session_mut()));
    egress.chain(ingress.iter_mut().map(|core| (&mut core.link, core.vm.session_mut())))
}

impl State {
    fn root(&self, context: u32) -> Option<&Root> {
        self.roots.iter().find(|(root, _)| *root == context).map(|(_, root)| root)
    }

    /// What the plugin instance `root` shares with others.
    fn link(&mut self, root: u32) -> Option<(&mut Link, &mut Session)> {
        match *self.root(root)? {
            Root::Egress(_, core) => {
                self.egress.get_mut(core).map(|core| (&mut core.link, core.vm.session_mut()))
            }
            Root::Ingress(_, core) => {
                self.ingress.get_mut(core).map(|core| (&mut core.link, core.vm.session_mut()))
            }
        }
    }

    /// Sends what is due in every core.
    fn send(&mut self, now: u64) -> Vec<Release> {
        let mut releases = Vec::new();
        for (link, session) in links(&mut self.egress, &mut self.ingress) {
            releases.append(&mut link.send(session, now));
        }
        releases
    }

    /// A plugin instance has ended: another one of the same core sends from now on.
    fn end(&mut self, root: u32) {
        self.roots.retain(|(context, _)| *context != root);
        for (index, core) in self.egress.iter_mut().enumerate() {
            let heir =
                self.roots.iter().rev().find(|(_, root)| matches!(root, Root::Egress(_, i) if *i == index));
            core.link.left_by(root, heir.map(|(context, _)| *context), core.vm.session_mut());
        }
        for (index, core) in self.ingress.iter_mut().enumerate() {
            let heir =
                self.roots.iter().rev().find(|(_, root)| matches!(root, Root::Ingress(_, i) if *i == index));
            core.link.left_by(root, heir.map(|(context, _)| *context), core.vm.session_mut());
        }
    }
}
