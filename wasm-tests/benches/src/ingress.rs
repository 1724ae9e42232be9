//! The ingress pipeline against the same mTLS listener without it, and with the bare filter's ladder.

use std::net::SocketAddr;

use fairlead_render::{IngressGateway, Pair};
use fairlead_testkit::{
    Error, Result,
    certs::Authority,
    error::Doing as _,
    http::{self, Request, Tls},
    load::Load,
    wait,
};
use fairlead_wire::{
    feed::{IngressRecord, Sink},
    header::PROFILE,
};

use crate::{
    bed::{Bed, DOMAIN, look},
    ladder::{Ladder, Split, calls, ingress_properties},
    options::Options,
    proc::Thread,
    race::{self, CONNECTIONS, Laps, Runner},
    row::{Measured, Row},
    variant,
};

const APPLICATIONS: usize = 1000;
/// The one whose certificate the load has.
const CALLER: &str = "app-500";
const HOST: &str = "gateway.kyma.local";
const EVENT: &str =
    r#"{"specversion":"1.0","id":"17","source":"shop","type":"order.created.v1","data":{"order":17}}"#;

pub(crate) fn run(options: &Options) -> Result<Measured> {
    let bed = Bed::new()?;
    let authority = format!("target.{DOMAIN}:{}", bed.targets.plain);
    bed.targets.feed.set(records(&bed, &authority))?;
    let clients = Authority::new("clients")?;
    let tls = Tls::new().server_name(HOST).identity(&clients.client(CALLER)?);
    let gateway = gateway(&bed, &clients)?;
    let files = fairlead_render::ingress(&gateway, []);
    let template = Bed::template(&files)?;
    let properties = ingress_properties(&variant::configuration(&template)?);
    let ladder = Ladder::new("bare", &properties, &writes(&bed, &authority))?;
    let mut listeners = vec![variant::ours(&template, "ours")?, variant::none(&template, "none")?];
    listeners.extend(ladder.listeners(&template, bed.directory.path())?);
    let mut envoy = bed.envoy(files, &listeners, 1)?;
    let worker = Thread::worker(envoy.process().id())?;
    let event = event(&format!("/{CALLER}/v2/events")).header("Host", HOST);
    let direct = event_to_sink(&authority, &bed.plain.id);
    let mut ways = vec![("ours".to_owned(), &event), ("none".to_owned(), &direct)];
    for (index, rung) in ladder.rungs.iter().enumerate() {
        ways.push((ladder.listener(index), if rung.complete { &event } else { &direct }));
    }
    let mut runners = Vec::new();
    let mut first = None;
    for (name, request) in ways {
        let address: SocketAddr = envoy.listener(&name, wait::START)?;
        let call = |request: &Request| http::call_tls(address, &tls, request);
        let seen = look(&bed, &name, std::slice::from_ref(request), call)?;
        if *first.get_or_insert_with(|| seen.clone()) != seen {
            return Err(Error::new(format!("{name}: the sink sees {seen:?}, not {first:?}")));
        }
        runners.push(Runner {
            name: format!("ingress {name}"),
            load: Load::new(address, CONNECTIONS, std::slice::from_ref(request)).tls(tls.clone()),
            different: 1,
            threads: vec![worker.clone()],
        });
    }
    let laps = race::run(options, &runners)?;
    let [ours, none, rungs @ ..] = laps.as_slice() else { return Ok(Measured::default()) };
    let calls = |listener: &str| {
        let address = envoy.listener(listener, wait::START)?;
        calls::of(&envoy, || http::call_tls(address, &tls, &event)?.expect(200).map(|_| ()))
    };
    let difference = calls::difference(&calls("ours")?, &calls(&ladder.complete())?);
    Ok(judge(&ladder, ours, none, rungs, difference))
}

fn judge(ladder: &Ladder, ours: &Laps, none: &Laps, rungs: &[Laps], note: Option<String>) -> Measured {
    let mut rows = vec![
        Row::info("ingress: CPU a request", ours.shown(), ours.cost().median),
        Row::info("ingress: without plugin", none.shown(), none.cost().median),
        Row::at_least("ingress: of no plugin", ours.against(none), 0.82),
    ];
    if let Some(bare) = rungs.last() {
        rows.push(Row::ratio("ingress: of a bare filter", ours.against(bare)));
        rows.push(Row::ratio("ingress: bare filter of no plugin", bare.against(none)));
    }
    let rungs: Vec<_> = rungs.iter().collect();
    let split = Split::new("ingress".to_owned(), ladder, none, &rungs, ours).with_notes(note);
    let mut measured = Measured::default();
    measured.add(rows, split);
    measured
}

/// The plugin's, in its order.
fn writes(bed: &Bed, authority: &str) -> Vec<String> {
    vec![
        "remove x-forwarded-client-cert".to_owned(),
        format!("set :authority {authority}"),
        format!("set {PROFILE} {}", bed.plain.id),
        "set :path /publish".to_owned(),
    ]
}

fn gateway(bed: &Bed, clients: &Authority) -> Result<IngressGateway> {
    let mut common = bed.gateway()?;
    common.settings.plugin.hosts = vec![HOST.to_owned()];
    let directory = bed.directory.path();
    let (certificate, key) = Authority::new("server CA")?.server(&[HOST])?.write(directory, "server")?;
    let client_ca = directory.join("clients.pem");
    std::fs::write(&client_ca, clients.pem()).doing("cannot write a CA")?;
    Ok(IngressGateway::new(common, 0, Pair { certificate, key }, client_ca))
}

fn records(bed: &Bed, authority: &str) -> Vec<(String, IngressRecord)> {
    let one = |number| {
        let name = format!("app-{number}");
        let sink = Sink {
            profile: bed.plain.id.clone(),
            authority: authority.to_owned(),
            publish_path: "/publish".to_owned(),
        };
        (name.clone(), IngressRecord { common_names: vec![name], organization: None, sink: Some(sink) })
    };
    (0..APPLICATIONS).map(one).collect()
}

fn event(path: &str) -> Request {
    Request::new("POST", path)
        .header("User-Agent", "bench/1.0")
        .header("Content-Type", "application/cloudevents+json")
        .body(EVENT)
}

fn event_to_sink(authority: &str, profile: &str) -> Request {
    event("/publish").header("Host", authority).header(PROFILE, profile)
}
