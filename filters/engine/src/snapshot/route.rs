//! What an egress key leads to, as a request needs it.

use std::fmt;

use fairlead_app_router::Base;
use fairlead_wire::{
    Reason, Refusal,
    feed::{Credential, EgressOutcome, EgressRoute},
    idle::Idle,
};

use crate::bulkhead::Calls;

/// What an egress key leads to.
#[derive(Debug)]
pub enum Egress {
    /// Forward so.
    Route(Route),
    /// Answer with this.
    Refusal(Refusal),
}

/// A query parameter: key and values, undecoded.
pub type Parameter = (Box<str>, Box<[Box<str>]>);

/// A route, compiled from [`EgressRoute`] when its record arrives.
pub struct Route {
    /// Cluster name of the transport profile.
    pub profile: Box<str>,
    /// TLS to the target.
    pub tls: bool,
    /// `Host` towards the target.
    pub authority: Box<str>,
    /// Path of the target URL, parsed.
    pub base: Base,
    /// Query of the target URL, without `?`.
    pub query: Box<str>,
    /// `spec.encodeUrl`.
    pub encode_url: bool,
    /// What goes on top.
    pub credential: Credential,
    /// Header lines to add where absent, names in lower case.
    pub headers: Box<[(Box<str>, Box<str>)]>,
    /// Query parameters to add where absent.
    pub query_parameters: Box<[Parameter]>,
    /// Milliseconds until response headers, if not the installation's default.
    pub headers_timeout_ms: Option<u32>,
    /// Class of idle time, if not the default.
    pub idle: Option<Idle>,
    /// The grant with the CSRF token.
    pub csrf: Option<Box<str>>,
    /// A request whose grant the target rejects may be sent again.
    pub replay: bool,
    /// The largest body that is kept for that, if not the installation's default.
    pub replay_bytes: Option<u32>,
    /// How many calls of the Application there may be at a time, if not the installation's default.
    pub concurrency: Option<u32>,
    /// How many there are.
    pub calls: Calls,
}

impl Route {
    /// The grant of `Authorization`, if the credential is one.
    pub(crate) fn grant(&self) -> Option<&str> {
        match &self.credential {
            Credential::Grant(id) => Some(id),
            Credential::None | Credential::Static(_) => None,
        }
    }

    /// All grants that requests need, in the order in which they are had.
    pub(crate) fn grants(&self) -> [Option<&str>; 2] {
        [self.grant(), self.csrf.as_deref()]
    }
}

/// Header and parameter values are secrets: they are not shown.
impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route")
            .field("profile", &self.profile)
            .field("authority", &self.authority)
            .field("credential", &self.credential)
            .finish_non_exhaustive()
    }
}

impl Egress {
    pub(super) fn not_understood() -> Self {
        Self::Refusal(Refusal::retry(
            Reason::CredentialUnsupported,
            30,
            "the gateway's plugin cannot read this record: it is older than the control plane",
        ))
    }
}

/// A base path that does not parse refuses this record's requests only; the control plane checks it by the same parser.
impl From<EgressOutcome> for Egress {
    fn from(outcome: EgressOutcome) -> Self {
        match outcome {
            EgressOutcome::Refusal(refusal) => Self::Refusal(refusal),
            EgressOutcome::Route(route) => match Base::new(&route.base_path) {
                Ok(base) => Self::Route(compile(*route, base)),
                Err(_) => Self::Refusal(Refusal::json(
                    500,
                    Reason::TargetInvalid,
                    "failed to parse target url: its path cannot be used",
                )),
            },
        }
    }
}

fn compile(route: EgressRoute, base: Base) -> Route {
    Route {
        profile: route.profile.into(),
        tls: route.tls,
        authority: route.authority.into(),
        base,
        query: route.query.into(),
        encode_url: route.encode_url,
        credential: route.credential,
        headers: route.headers.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
        query_parameters: route
            .query_parameters
            .into_iter()
            .map(|(name, values)| (name.into(), values.into_iter().map(Into::into).collect()))
            .collect(),
        headers_timeout_ms: route.headers_timeout_ms,
        idle: route.idle,
        csrf: route.csrf.map(Into::into),
        replay: !route.no_replay,
        replay_bytes: route.replay_bytes,
        concurrency: route.concurrency,
        calls: Calls::default(),
    }
}
