//! What there is to say about one Application, as [`Control`](crate::control) knows it: gathered from the index and the store.

use std::sync::Arc;

use fairlead_model::{Index, Problem};
use fairlead_resources::{
    Application,
    application::status::{EntryStatus, ServiceStatus},
};
use fairlead_wire::feed::View;

use crate::{grants::trouble::GrantTrouble, store::StoreProblem};

/// What workloads call (decision 7); ports as in AG §3.
const GATEWAY: &str = "http://central-application-gateway.kyma-system";
/// How the Kubernetes store names an Application; the rest is its name.
const ORIGIN: &str = "Application/";
/// At most so many entries are listed: an Application's status must not outgrow the API server's limit for an object.
const LISTED: usize = 1000;

/// Which object it is, beside its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The API server's id.
    pub uid: Option<Box<str>>,
    /// Generation of the spec that the model was told of.
    pub generation: Option<i64>,
    /// `spec.skipInstallation`.
    pub skip_installation: bool,
}

impl Identity {
    /// Of what the store brought.
    #[must_use]
    pub fn of(application: &Application) -> Self {
        Self {
            uid: application.metadata.uid.as_deref().map(Box::from),
            generation: application.metadata.generation,
            skip_installation: application.spec.skip_installation.unwrap_or(false),
        }
    }
}

/// What there is to say about one Application.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Which object.
    pub identity: Identity,
    /// It is compiled: there is a state, perhaps the last good one.
    pub in_force: bool,
    /// How many services it has.
    pub service_count: usize,
    /// How they are called.
    pub services: Vec<ServiceStatus>,
    /// What the model says.
    pub problems: Vec<Problem>,
    /// Why the store could not read what is there now.
    pub unreadable: Vec<String>,
    /// Transport profiles that it needs, and at which gateway.
    pub profiles: Vec<(View, String)>,
    /// Those of them that its records wait for longer than they should.
    pub undelivered: Vec<(View, String)>,
    /// Grants that cannot be had, for some tries in a row.
    pub grants: Vec<Arc<GrantTrouble>>,
    /// The Secret that lacks what external systems are to see of the ingress gateway.
    pub server_pair_missing: Option<Arc<str>>,
}

impl Report {
    /// Gathers it; `None`: there is no such Application. `unreadable` are the store's problems with it.
    #[must_use]
    pub fn gather<'a>(
        index: &Index,
        name: &str,
        identity: Option<&Identity>,
        unreadable: impl Iterator<Item = &'a StoreProblem>,
    ) -> Option<Self> {
        let unreadable: Vec<String> = unreadable.map(reason).collect();
        let overview = index.application(name);
        if overview.is_none() && unreadable.is_empty() {
            return None;
        }
        let mut profiles: Vec<_> = index.profiles_of(name).map(|id| (View::Egress, id.to_owned())).collect();
        profiles.extend(index.sink_profile_of(name).map(|id| (View::Ingress, id.to_owned())));
        profiles.sort();
        profiles.dedup();
        Some(Self {
            identity: identity.cloned().unwrap_or_default(),
            in_force: overview.is_some(),
            service_count: overview.as_ref().map_or(0, |overview| overview.services),
            services: services(index, name),
            problems: overview.map(|overview| overview.problems.to_vec()).unwrap_or_default(),
            unreadable,
            profiles,
            undelivered: Vec::new(),
            grants: Vec::new(),
            server_pair_missing: None,
        })
    }
}

/// The name of the Application that a problem of the Kubernetes store is about, if it is about one.
#[must_use]
pub fn about(problem: &StoreProblem) -> Option<Arc<str>> {
    problem.file.strip_prefix(ORIGIN).map(Arc::from)
}

/// Whether a problem of the Kubernetes store is about this Application.
#[must_use]
pub fn is_about(problem: &StoreProblem, name: &str) -> bool {
    problem.file.strip_prefix(ORIGIN) == Some(name)
}

fn reason(problem: &StoreProblem) -> String {
    if problem.field.is_empty() {
        return problem.reason.clone();
    }
    format!("{}: {}", problem.field, problem.reason)
}

fn services(index: &Index, name: &str) -> Vec<ServiceStatus> {
    let mut services: Vec<ServiceStatus> = Vec::new();
    for path in index.paths(name).take(LISTED) {
        let entry = EntryStatus {
            name: path.entry.to_owned(),
            url: format!("{GATEWAY}:8082/{name}/{}/{}", path.service, path.entry),
            refused: path.refused.map(|reason| reason.as_str().to_owned()),
        };
        match services.last_mut().filter(|service| service.name == path.service) {
            Some(service) => service.entries.push(entry),
            None => services.push(ServiceStatus {
                name: path.service.to_owned(),
                url: path.manual.then(|| format!("{GATEWAY}:8080/{name}/{}", path.service)),
                entries: vec![entry],
            }),
        }
    }
    services
}
