//! The egress pipeline against the same Envoy without it, a bare filter, Lua and ext_authz.

mod lua;

use fairlead_testkit::{
    Result,
    envoy::Envoy,
    http::{self, Request},
    load::Load,
    wait,
};
use fairlead_wire::{
    feed::{Credential, EgressOutcome, EgressRecord, EgressRoute},
    header::PROFILE,
};
use serde_json::Value;

use crate::{
    bed::{Bed, DOMAIN, look},
    options::{self, Options},
    race::{self, CONNECTIONS, Laps, Runner},
    row::Row,
    variant,
};

/// Applications in the table.
const APPLICATIONS: usize = 1000;
/// What every caller sends behind application and service.
const REST: &str = "/orders/17?full=true";
/// `Host` of callers.
const GATEWAY: &str = "central-application-gateway.kyma-system:8080";
/// What Basic becomes.
const BASIC: &str = "Basic dXNlci0wMDE3OnNlY3JldC1vZi1hLXVzdWFsLWxlbmd0aA==";

/// Credential and target.
#[derive(Clone, Copy)]
struct Case {
    credential: &'static str,
    tls: bool,
}

impl Case {
    fn service(self) -> String {
        format!("{}-{}", self.credential, self.target())
    }

    fn target(self) -> &'static str {
        if self.tls { "tls" } else { "plain" }
    }

    fn authority(self, bed: &Bed) -> String {
        let port = if self.tls { bed.targets.tls } else { bed.targets.plain };
        format!("target.{DOMAIN}:{port}")
    }

    fn profile(self, bed: &Bed) -> String {
        if self.tls { bed.tls.id.clone() } else { bed.plain.id.clone() }
    }

    /// The value that the target gets.
    fn authorization(self) -> Option<String> {
        match self.credential {
            "basic" => Some(BASIC.to_owned()),
            "oauth" => Some(crate::feed::bearer(GRANT)),
            _ => None,
        }
    }

    fn credential(self) -> Credential {
        match self.credential {
            "basic" => Credential::Static(BASIC.to_owned()),
            "oauth" => Credential::Grant(GRANT.to_owned()),
            _ => Credential::None,
        }
    }

    /// The four header writes, or three without a credential.
    fn writes(self, bed: &Bed) -> Vec<(&'static str, String)> {
        let mut writes = vec![
            (":authority", self.authority(bed)),
            (PROFILE, self.profile(bed)),
            (":path", format!("/api{REST}")),
        ];
        writes.extend(self.authorization().map(|value| ("authorization", value)));
        writes
    }
}

const GRANT: &str = "0123456789abcdef0123456789abcdef";

const CASES: [Case; 6] = [
    Case { credential: "basic", tls: false },
    Case { credential: "basic", tls: true },
    Case { credential: "none", tls: false },
    Case { credential: "none", tls: true },
    Case { credential: "oauth", tls: false },
    Case { credential: "oauth", tls: true },
];

/// Basic, against everything.
pub(crate) fn basic(options: &Options) -> Result<Vec<Row>> {
    run(options, "basic")
}

/// No credential.
pub(crate) fn none(options: &Options) -> Result<Vec<Row>> {
    run(options, "none")
}

/// OAuth with a grant that is there.
pub(crate) fn oauth(options: &Options) -> Result<Vec<Row>> {
    run(options, "oauth")
}

fn run(options: &Options, credential: &str) -> Result<Vec<Row>> {
    let bed = Bed::new()?;
    bed.targets.feed.set(records(&bed))?;
    let files = bed.egress()?;
    let listeners = listeners(&bed, &Bed::template(&files)?)?;
    let mut envoy = bed.envoy(files, &listeners, 1)?;
    let mut rows = Vec::new();
    for case in CASES.into_iter().filter(|case| case.credential == credential) {
        let runners = runners(&bed, &mut envoy, case)?;
        let laps = race::run(options, &runners)?;
        rows.extend(judge(case, &runners, &laps));
    }
    Ok(rows)
}

/// 1000 Applications with a service for each case.
fn records(bed: &Bed) -> Vec<(String, EgressRecord)> {
    let one = |number: usize, case: Case| {
        let route = EgressRoute {
            profile: case.profile(bed),
            tls: case.tls,
            authority: case.authority(bed),
            base_path: "/api".to_owned(),
            query: String::new(),
            encode_url: true,
            credential: case.credential(),
            headers: Vec::new(),
            query_parameters: Vec::new(),
            headers_timeout_ms: None,
        };
        let record = EgressRecord { manual: true, outcome: EgressOutcome::Route(Box::new(route)) };
        (format!("app-{number}/{}/api", case.service()), record)
    };
    (0..APPLICATIONS).flat_map(|number| CASES.map(|case| one(number, case))).collect()
}

/// One listener for what serves all cases, one a case for what has its values built in.
fn listeners(bed: &Bed, template: &Value) -> Result<Vec<Value>> {
    let bare = options::file("FAIRLEAD_BARE")?;
    let mut listeners = vec![variant::ours(template, "ours")?, variant::none(template, "none")?];
    for case in CASES {
        let name = format!("bare-{}", case.service());
        let lines: Vec<_> = case.writes(bed).iter().map(|(name, value)| format!("{name} {value}")).collect();
        listeners.push(variant::module(template, &name, &bare, &lines.join("\n"))?);
    }
    for case in CASES.into_iter().filter(|case| case.credential == "basic") {
        let apps = (case.service(), case.profile(bed), case.authority(bed), BASIC);
        for (kind, response) in [("lua", true), ("lua-requests-only", false)] {
            let script = lua::script(APPLICATIONS, &apps.0, &apps.1, &apps.2, apps.3, response);
            let name = format!("{kind}-{}", case.service());
            listeners.push(variant::instead(template, &name, variant::lua(&script))?);
        }
    }
    listeners.push(variant::instead(template, "authz", variant::ext_authz())?);
    Ok(listeners)
}

/// Checks first that the target sees the same by every way.
fn runners(bed: &Bed, envoy: &mut Envoy, case: Case) -> Result<Vec<Runner>> {
    let service = case.service();
    let granted = case.writes(bed).into_iter().filter(|(name, _)| !name.starts_with(':'));
    let granted: String = granted.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    if let Ok(mut lines) = bed.targets.granted.lock() {
        *lines = granted;
    }
    let mut ways = vec![
        ("ours", "ours".to_owned(), by_application(case)),
        ("none", "none".to_owned(), vec![direct(bed, case, true)]),
        ("bare", format!("bare-{service}"), by_application(case)),
    ];
    if case.credential == "basic" {
        ways.push(("lua", format!("lua-{service}"), by_application(case)));
        ways.push(("lua-requests-only", format!("lua-requests-only-{service}"), by_application(case)));
        ways.push(("ext_authz", "authz".to_owned(), vec![direct(bed, case, false)]));
    }
    let mut seen_first = None;
    let mut runners = Vec::new();
    for (name, listener, requests) in ways {
        let address = envoy.listener(&listener, wait::START)?;
        let seen = look(bed, &listener, &requests, |request| Ok(http::call(address, request)?.status))?;
        let first = seen_first.get_or_insert_with(|| seen.clone());
        if *first != seen {
            return Err(fairlead_testkit::Error::new(format!(
                "{listener}: the target sees {seen:?}, by ours {first:?}"
            )));
        }
        runners.push(Runner {
            name: format!("{service} {name}"),
            load: Load::new(address, CONNECTIONS, &requests),
            process: envoy.process().id(),
        });
    }
    Ok(runners)
}

/// What workloads send: one request an Application.
fn by_application(case: Case) -> Vec<Request> {
    let service = case.service();
    let path = |number| format!("/app-{number}/{service}{REST}");
    (0..APPLICATIONS).map(|number| plain(&path(number)).header("Host", GATEWAY)).collect()
}

/// What a caller sends who knows what the plugin would have set.
fn direct(bed: &Bed, case: Case, all: bool) -> Request {
    let request = plain(&format!("/api{REST}")).header("Host", case.authority(bed));
    if !all {
        return request;
    }
    let request = request.header(PROFILE, case.profile(bed));
    match case.authorization() {
        Some(value) => request.header("Authorization", value),
        None => request,
    }
}

fn plain(path: &str) -> Request {
    Request::new("GET", path)
        .header("User-Agent", "bench/1.0")
        .header("Accept", "application/json")
        .header("Accept-Encoding", "gzip")
}

fn judge(case: Case, runners: &[Runner], laps: &[Laps]) -> Vec<Row> {
    let of = |name: &str| {
        let wanted = format!("{} {name}", case.service());
        runners.iter().position(|runner| runner.name == wanted).and_then(|index| laps.get(index))
    };
    let (Some(ours), Some(none), Some(bare)) = (of("ours"), of("none"), of("bare")) else {
        return Vec::new();
    };
    let title = format!("egress, {}, {} target", case.credential, case.target());
    let mut rows = vec![
        Row::info(format!("{title}: CPU a request"), ours.shown(), ours.cost()),
        Row::info(format!("{title}: without plugin"), none.shown(), none.cost()),
        Row::at_least(format!("{title}: of a bare filter"), ours.against(bare), 0.95),
        Row::at_least(format!("{title}: of no plugin"), ours.against(none), 0.80),
        Row::info(
            format!("{title}: bare filter of no plugin"),
            format!("{:.3}", bare.against(none)),
            bare.against(none),
        ),
    ];
    if let Some(lua) = of("lua") {
        rows.push(Row::at_least(format!("{title}: of the same job in Lua"), ours.against(lua), 1.0));
        let ratio = lua.against(none);
        rows.push(Row::info(format!("{title}: Lua of no plugin"), format!("{ratio:.3}"), ratio));
    }
    if let Some(lua) = of("lua-requests-only") {
        let ratio = lua.against(none);
        rows.push(Row::info(
            format!("{title}: Lua without response phase, of no plugin"),
            format!("{ratio:.3}"),
            ratio,
        ));
    }
    if let Some(authz) = of("ext_authz") {
        rows.push(Row::at_least(format!("{title}: of HTTP ext_authz"), ours.against(authz), 1.5));
    }
    rows
}
