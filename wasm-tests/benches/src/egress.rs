//! The egress pipeline against the same Envoy without it, a bare filter, Lua and ext_authz.

mod job;
mod lua;

use fairlead_testkit::{Result, http::Request};
use fairlead_wire::{
    feed::{Credential, EgressOutcome, EgressRecord, EgressRoute},
    header::{self, PROFILE},
};

use crate::{
    bed::{Bed, DOMAIN},
    feed,
    options::Options,
    race,
    row::Measured,
    variant,
};
use job::Job;

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
            "oauth" => Some(feed::bearer(GRANT)),
            "csrf" => Some(BASIC.to_owned()),
            _ => None,
        }
    }

    fn credential(self) -> Credential {
        match self.credential {
            "basic" | "csrf" => Credential::Static(BASIC.to_owned()),
            "oauth" => Credential::Grant(GRANT.to_owned()),
            _ => Credential::None,
        }
    }

    /// The four header writes in the plugin's order, or three without a credential.
    fn writes(self, bed: &Bed) -> Vec<(&'static str, String)> {
        let mut writes = vec![(":authority", self.authority(bed)), (PROFILE, self.profile(bed))];
        writes.extend(self.authorization().map(|value| ("authorization", value)));
        if self.credential == "csrf" {
            writes.push((header::CSRF_TOKEN, feed::CSRF_TOKEN.to_owned()));
            writes.push(("cookie", feed::CSRF_COOKIE.to_owned()));
        }
        writes.push((":path", format!("/api{REST}")));
        writes
    }
}

const GRANT: &str = "0123456789abcdef0123456789abcdef";
const CSRF_GRANT: &str = "c5f3456789abcdef0123456789abcdef";

const CASES: [Case; 8] = [
    Case { credential: "basic", tls: false },
    Case { credential: "basic", tls: true },
    Case { credential: "none", tls: false },
    Case { credential: "none", tls: true },
    Case { credential: "oauth", tls: false },
    Case { credential: "oauth", tls: true },
    Case { credential: "csrf", tls: false },
    Case { credential: "csrf", tls: true },
];

/// Basic, against everything.
pub(crate) fn basic(options: &Options) -> Result<Measured> {
    run(options, "basic")
}

/// No credential.
pub(crate) fn none(options: &Options) -> Result<Measured> {
    run(options, "none")
}

/// OAuth with a grant that is there.
pub(crate) fn oauth(options: &Options) -> Result<Measured> {
    run(options, "oauth")
}

/// Basic and a CSRF token that is there.
pub(crate) fn csrf(options: &Options) -> Result<Measured> {
    run(options, "csrf")
}

fn run(options: &Options, credential: &str) -> Result<Measured> {
    let bed = Bed::new()?;
    bed.targets.feed.set(records(&bed))?;
    let files = bed.egress()?;
    let template = Bed::template(&files)?;
    let mut jobs = Vec::new();
    for case in CASES.into_iter().filter(|case| case.credential == credential) {
        jobs.push(Job::new(&bed, case)?);
    }
    let mut listeners = vec![
        variant::ours(&template, "ours")?,
        variant::none(&template, "none")?,
        variant::instead(&template, "authz", variant::ext_authz())?,
    ];
    for job in &jobs {
        listeners.extend(job.listeners(&bed, &template)?);
    }
    let mut envoy = bed.envoy(files, &listeners, 1)?;
    let mut measured = Measured::default();
    for job in &jobs {
        let runners = job.runners(&bed, &mut envoy)?;
        let laps = race::run(options, &runners)?;
        if let Some((rows, split)) = job.judge(&laps) {
            measured.add(rows, split.with_notes(job.compare_calls(&envoy)?));
        }
    }
    Ok(measured)
}

/// 1000 Applications with a service for each case.
fn records(bed: &Bed) -> Vec<(String, EgressRecord)> {
    let one = |number: usize, case: Case| {
        let route = EgressRoute {
            profile: case.profile(bed),
            tls: case.tls,
            authority: case.authority(bed),
            base_path: "/api".to_owned(),
            encode_url: true,
            credential: case.credential(),
            csrf: (case.credential == "csrf").then(|| CSRF_GRANT.to_owned()),
            ..EgressRoute::default()
        };
        let record = EgressRecord { manual: true, outcome: EgressOutcome::Route(Box::new(route)) };
        (format!("app-{number}/{}/api", case.service()), record)
    };
    (0..APPLICATIONS).flat_map(|number| CASES.map(|case| one(number, case))).collect()
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
    let mut request = match case.authorization() {
        Some(value) => request.header("Authorization", value),
        None => request,
    };
    if case.credential == "csrf" {
        request = request.header(header::CSRF_TOKEN, feed::CSRF_TOKEN).header("Cookie", feed::CSRF_COOKIE);
    }
    request
}

fn plain(path: &str) -> Request {
    Request::new("GET", path)
        .header("User-Agent", "bench/1.0")
        .header("Accept", "application/json")
        .header("Accept-Encoding", "gzip")
}
