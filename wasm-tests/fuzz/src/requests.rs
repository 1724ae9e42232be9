//! Requests and answers through both pipelines.
//!
//! An input is header lines, `name: value`, as Envoy would hand them over; a `location` among them is the target's.

use fairlead_credential_injector::csrf::Session;
use fairlead_engine::{
    call::Answer,
    connection::Connection,
    egress,
    headers::HeaderBlock,
    ingress,
    replay::{Budget, Next, Replay},
    response::{Exchange, Response},
    snapshot::{Egress, Entry, Grant, GrantState, Grants},
    step::{Op, Step},
    vm::{Purpose, Vm},
};
use fairlead_wire::{
    config::{Mode, PluginConfig},
    feed::{
        Credential, EgressOutcome, EgressRecord, EgressRoute, IngressRecord, Keyed, Poll, Records, Sink,
        record_hash,
    },
    header::{HEADERS_TIMEOUT, INTERNAL_PREFIX, KEPT_PREFIX, ORIGINAL_DST, REQUEST, Rule},
};
use serde::Serialize;

use crate::{bytes::is_one_line, headers::serialise};

thread_local! {
    static EGRESS: Vm<Egress> = vm(&[("app/other", egress(false)), ("app/service/entry", egress(true))]);
    static INGRESS: Vm<IngressRecord> = vm(&[("app", ingress())]);
}

/// Takes `input` through the listeners of both gateways, cold and warm.
pub fn run(input: &[u8]) {
    let Some(lines) = lines(input) else { return };
    let bytes = serialise(&lines);
    let parsed = HeaderBlock::parse(&bytes);
    assert!(parsed.is_ok());
    let Ok(headers) = parsed else { return };
    let grants = [1, 2].map(grant);
    let [grant, newer] = &grants;
    let (host, newer) = (Host { lines: &lines, grant }, Host { lines: &lines, grant: newer });
    EGRESS.with(|vm| {
        for (mode, table) in [(Mode::Manual, vm.table()), (Mode::Ucl, vm.table()), (Mode::Ucl, None)] {
            let pipeline = egress::Pipeline::new(&config(mode));
            let step = pipeline.on_request(&headers, &host, table, &host);
            check(&lines, &host, &step);
            if let Step::Forward(forward) = &step {
                again(&lines, &forward.exchange, &newer);
            }
        }
    });
    INGRESS.with(|vm| {
        let view = vm.table().map(|table| ingress::View { table, age_ms: 0 });
        for (mode, view) in [(Mode::Route, view), (Mode::Identify, view), (Mode::Route, None)] {
            let pipeline = ingress::Pipeline::new(&config(mode));
            check(&lines, &host, &pipeline.on_request(&headers, &host, view));
        }
    });
}

/// Name and value of each line; `None` for what no Envoy lets through.
fn lines(input: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let lines = input.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let lines = lines.map(|line| {
        let colon = 1 + line.get(1..)?.iter().position(|byte| *byte == b':')?;
        let (name, value) = (line.get(..colon)?, line.get(colon + 1..)?);
        let plain = name.iter().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase());
        (plain && is_one_line(value)).then_some((name, value.trim_ascii()))
    });
    lines.collect()
}

/// What the pipelines ask of the host.
struct Host<'a> {
    lines: &'a [(&'a [u8], &'a [u8])],
    /// Stands for every grant.
    grant: &'a Grant,
}

/// An `Authorization` and a CSRF session in one.
fn grant(serial: u64) -> Grant {
    let csrf = Session::from_parts(b"token", b"sid=1");
    Grant { authorization: (*b"Bearer token").into(), csrf, serial, same_since: serial }
}

impl Host<'_> {
    fn line(&self, name: &[u8]) -> Option<Vec<u8>> {
        self.lines.iter().find(|(line, _)| *line == name).map(|(_, value)| value.to_vec())
    }
}

impl Connection for Host<'_> {
    fn port(&self) -> Option<u16> {
        Some(1)
    }

    fn server_name(&self) -> Option<Vec<u8>> {
        self.line(b":authority")
    }

    fn peer_subject(&self) -> Option<Vec<u8>> {
        self.line(b"subject")
    }
}

impl Response for Host<'_> {
    fn header(&self, name: &str) -> Option<Vec<u8>> {
        self.line(name.as_bytes())
    }

    fn code_details(&self) -> Option<Vec<u8>> {
        Some(b"via_upstream".to_vec())
    }
}

impl Grants for Host<'_> {
    fn grant(&self, _id: &str) -> GrantState<'_> {
        GrantState::Ready(self.grant)
    }
}

/// No step lets a caller write header lines, or keep an internal one.
fn check(lines: &[(&[u8], &[u8])], host: &Host<'_>, step: &Step<'_>) {
    match step {
        Step::Pass(ops) => {
            ops.iter().for_each(check_op);
            stripped(lines, ops);
        }
        Step::Forward(forward) => {
            let ops: Vec<_> = forward.ops().collect();
            ops.iter().for_each(check_op);
            stripped(lines, &ops);
            assert!(forward.exchange.path().starts_with(b"/"));
            for status in [200, 201, 302, 503] {
                forward.exchange.on_response(status, host).iter().for_each(check_op);
            }
        }
        Step::Answer(refusal) => assert!((400..600).contains(&refusal.status)),
        Step::Wait(_) => {}
    }
}

/// Whatever a caller sent, what is sent again is one request with nothing internal in it but what replays need.
fn again(lines: &[(&[u8], &[u8])], exchange: &Exchange, newer: &Host<'_>) {
    let mut replay = Replay::new(serialise(lines), true, 0, &Budget::new(0));
    match replay.next(exchange, newer, Some(b"192.0.2.1:443"), 1000) {
        Next::Send(dispatch) => {
            let parsed = HeaderBlock::parse(&dispatch.headers);
            assert!(parsed.is_ok());
            for (name, value) in parsed.iter().flat_map(HeaderBlock::iter) {
                assert!(is_one_line(value));
                assert!(!name.starts_with(INTERNAL_PREFIX.as_bytes()), "{}", name.escape_ascii());
                let internal = name.starts_with(b"x-envoy-");
                let ours = [ORIGINAL_DST, HEADERS_TIMEOUT].iter().any(|ours| ours.as_bytes() == name);
                assert!(!internal || ours, "{}", name.escape_ascii());
            }
        }
        other => assert!(matches!(other, Next::Pass), "every grant is newer"),
    }
}

fn check_op(op: &Op<'_>) {
    let (name, value) = match op {
        Op::Set(name, value) | Op::Add(name, value) => (name, value.as_ref()),
        Op::Remove(name) => (name, [].as_slice()),
    };
    assert!(!name.is_empty() && !name.iter().any(u8::is_ascii_uppercase));
    assert!(is_one_line(value), "{op:?}");
}

/// Internal headers that a caller sent are removed, unless the route does it: those that it reads itself.
fn stripped(lines: &[(&[u8], &[u8])], ops: &[Op<'_>]) {
    let kept = |name: &[u8]| {
        let name = name.strip_prefix(KEPT_PREFIX.as_bytes());
        REQUEST.iter().any(|row| row.rule == Rule::CallersOnly && Some(row.name.as_bytes()) == name)
    };
    for (name, _) in
        lines.iter().filter(|(name, _)| name.starts_with(INTERNAL_PREFIX.as_bytes()) && !kept(name))
    {
        assert!(
            ops.iter().any(|op| matches!(op, Op::Remove(removed) if removed == name)),
            "{}",
            name.escape_ascii()
        );
    }
}

fn config(mode: Mode) -> PluginConfig {
    PluginConfig { hosts: vec!["*".to_owned()], listeners: [(1, mode)].into(), ..PluginConfig::default() }
}

fn egress(encode_url: bool) -> EgressRecord {
    let route = EgressRoute {
        profile: format!("fairlead.t.{:032}", 0),
        tls: true,
        authority: "target.example.com".to_owned(),
        base_path: "/base path/%2F/".to_owned(),
        query: "a=b".to_owned(),
        encode_url,
        credential: Credential::Grant("g1".to_owned()),
        headers: vec![("x-added".to_owned(), "value".to_owned())],
        query_parameters: vec![("key".to_owned(), vec!["1".to_owned(), "2".to_owned()])],
        headers_timeout_ms: Some(1000),
        csrf: Some("g2".to_owned()),
        ..EgressRoute::default()
    };
    EgressRecord { manual: true, outcome: EgressOutcome::Route(Box::new(route)) }
}

fn ingress() -> IngressRecord {
    let sink = Sink {
        profile: format!("fairlead.t.{:032}", 0),
        authority: "publisher".to_owned(),
        publish_path: "/publish".to_owned(),
    };
    IngressRecord { common_names: vec!["app".to_owned()], organization: None, sink: Some(sink) }
}

/// A VM that has listed these records, given in key order.
fn vm<E: Entry<Record: Serialize>>(records: &[(&str, E::Record)]) -> Vm<E> {
    let mut vm = Vm::new(&PluginConfig::default(), 1);
    let epoch = "0".repeat(32);
    let keyed = records.iter().map(|(key, record)| Keyed {
        key: (*key).to_owned(),
        hash: record_hash(record).unwrap_or_default(),
        record: record.clone(),
    });
    let poll = Poll::<E::Record> {
        epoch: epoch.clone(),
        revision: 1,
        resync: true,
        more: false,
        changed: Vec::new(),
        removed: Vec::new(),
    };
    let listing = Records { epoch, records: keyed.collect(), more: false };
    for body in [serde_json::to_vec(&poll), serde_json::to_vec(&listing)].into_iter().flatten() {
        vm.session_mut().calls(0, &());
        vm.answered(Purpose::Feed, 0, Answer::Served { status: 200, body: &body }, &());
    }
    assert!(vm.table().is_some());
    vm
}
