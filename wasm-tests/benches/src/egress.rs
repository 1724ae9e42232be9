//! The egress pipeline with each kind of credential, all warm: against the same Envoy without it, a bare filter, Lua and ext_authz.

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
    row::{Measured, say},
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
    target: Target,
}

/// How a target is reached.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    Plain,
    Tls,
    /// TLS with a client certificate.
    Mutual,
}

impl Case {
    fn service(self) -> String {
        format!("{}-{}", self.credential, self.target())
    }

    fn target(self) -> &'static str {
        match self.target {
            Target::Plain => "plain",
            Target::Tls => "tls",
            Target::Mutual => "mutual",
        }
    }

    fn authority(self, bed: &Bed) -> String {
        let port = match self.target {
            Target::Plain => bed.targets.plain,
            Target::Tls => bed.targets.tls,
            Target::Mutual => bed.targets.mutual,
        };
        format!("target.{DOMAIN}:{port}")
    }

    fn profile(self, bed: &Bed) -> String {
        let profile = match self.target {
            Target::Plain => &bed.plain,
            Target::Tls => &bed.tls,
            Target::Mutual => &bed.certified,
        };
        profile.id.clone()
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

    /// The header writes in the plugin's order: three, one for a credential, and two for a CSRF token.
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

const CASES: [Case; 9] = [
    Case { credential: "basic", target: Target::Plain },
    Case { credential: "basic", target: Target::Tls },
    Case { credential: "none", target: Target::Plain },
    Case { credential: "none", target: Target::Tls },
    Case { credential: "oauth", target: Target::Plain },
    Case { credential: "oauth", target: Target::Tls },
    Case { credential: "csrf", target: Target::Plain },
    Case { credential: "csrf", target: Target::Tls },
    Case { credential: "certificate", target: Target::Mutual },
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

/// A client certificate, which Envoy shows to the target.
pub(crate) fn certificate(options: &Options) -> Result<Measured> {
    run(options, "certificate")
}

fn run(options: &Options, credential: &str) -> Result<Measured> {
    let bed = Bed::new()?;
    bed.targets.feed.set(records(&bed))?;
    let files = bed.egress()?;
    let template = Bed::template(&files)?;
    let mut jobs = Vec::new();
    for case in CASES.into_iter().filter(|case| case.credential == credential) {
        jobs.push(Job::new(&bed, case, options.quick)?);
    }
    let mut listeners = vec![
        variant::ours(&template, "ours")?,
        variant::none(&template, "none")?,
        variant::ext_authz(&template, "authz")?,
    ];
    for job in &jobs {
        listeners.extend(job.listeners(&bed, &template)?);
    }
    let mut envoy = bed.envoy(files, &listeners, 1)?;
    let mut measured = Measured::default();
    for job in &jobs {
        let runners = job.runners(&bed, &mut envoy)?;
        let laps = race::run(options, &runners)?;
        let rows = job.rows(&laps);
        let difference = job.compare_calls(&envoy)?;
        difference.iter().for_each(|text| say(&format!("   {text}")));
        match job.split(&laps) {
            Some(split) => measured.add(rows, split.with_notes(difference)),
            None => measured.append(rows.into()),
        }
    }
    Ok(measured)
}

/// 1000 Applications with a service for each case.
fn records(bed: &Bed) -> Vec<(String, EgressRecord)> {
    let one = |number: usize, case: Case| {
        let route = EgressRoute {
            profile: case.profile(bed),
            tls: case.target != Target::Plain,
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
fn direct(bed: &Bed, case: Case) -> Request {
    let mut request =
        plain(&format!("/api{REST}")).header("Host", case.authority(bed)).header(PROFILE, case.profile(bed));
    if let Some(value) = case.authorization() {
        request = request.header("Authorization", value);
    }
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
