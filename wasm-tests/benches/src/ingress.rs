//! The ingress pipeline against the same mTLS listener without it, and with a bare filter.

use std::net::SocketAddr;

use fairlead_render::{IngressGateway, Pair};
use fairlead_testkit::{
    Result,
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
    options::{self, Options},
    race::{self, CONNECTIONS, Runner},
    row::Row,
    variant,
};

const APPLICATIONS: usize = 1000;
/// The one whose certificate the load has.
const CALLER: &str = "app-500";
const HOST: &str = "gateway.kyma.local";
const EVENT: &str =
    r#"{"specversion":"1.0","id":"17","source":"shop","type":"order.created.v1","data":{"order":17}}"#;

pub(crate) fn run(options: &Options) -> Result<Vec<Row>> {
    let bed = Bed::new()?;
    let authority = format!("target.{DOMAIN}:{}", bed.targets.plain);
    bed.targets.feed.set(records(&bed, &authority))?;
    let clients = Authority::new("clients")?;
    let tls = Tls::new().server_name(HOST).identity(&clients.client(CALLER)?);
    let files = fairlead_render::ingress(&gateway(&bed, &clients)?, [&bed.plain]);
    let template = Bed::template(&files)?;
    let writes = format!(":authority {authority}\n{PROFILE} {}\n:path /publish", bed.plain.id);
    let listeners = [
        variant::ours(&template, "ours")?,
        variant::none(&template, "none")?,
        variant::module(&template, "bare", &options::file("FAIRLEAD_BARE")?, &writes)?,
    ];
    let mut envoy = bed.envoy(files, &listeners, 1)?;
    let event = event(&format!("/{CALLER}/v2/events")).header("Host", HOST);
    let direct = event_to_sink(&authority, &bed.plain.id);
    let mut runners = Vec::new();
    let mut first = None;
    for (name, request) in [("ours", &event), ("none", &direct), ("bare", &event)] {
        let address: SocketAddr = envoy.listener(name, wait::START)?;
        let call = |request: &Request| Ok(http::call_tls(address, &tls, request)?.status);
        let seen = look(&bed, name, std::slice::from_ref(request), call)?;
        if *first.get_or_insert_with(|| seen.clone()) != seen {
            return Err(fairlead_testkit::Error::new(format!(
                "{name}: the sink sees {seen:?}, not {first:?}"
            )));
        }
        runners.push(Runner {
            name: format!("ingress {name}"),
            load: Load::new(address, CONNECTIONS, std::slice::from_ref(request)).tls(tls.clone()),
            process: envoy.process().id(),
        });
    }
    let laps = race::run(options, &runners)?;
    let [ours, none, bare] = laps.as_slice() else { return Ok(Vec::new()) };
    Ok(vec![
        Row::info("ingress: CPU a request", ours.shown(), ours.cost()),
        Row::info("ingress: without plugin", none.shown(), none.cost()),
        Row::at_least("ingress: of no plugin", ours.against(none), 0.82),
        Row::info("ingress: of a bare filter", format!("{:.3}", ours.against(bare)), ours.against(bare)),
        Row::info(
            "ingress: bare filter of no plugin",
            format!("{:.3}", bare.against(none)),
            bare.against(none),
        ),
    ])
}

fn gateway(bed: &Bed, clients: &Authority) -> Result<IngressGateway> {
    let mut common = bed.gateway()?;
    common.plugin.hosts = vec![HOST.to_owned()];
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
