//! `fairlead status`: how things are, as data and as text. Evaluated by the running control plane.

use std::fmt;

use fairlead_model::{Index, Problem};
use fairlead_wire::feed::View;
use serde::Serialize;

use crate::{
    conditions::{Aspect, Finding, Report, finding::judge},
    kubernetes::Missing,
    state::Shared,
    store::StoreProblem,
};

/// How things are.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Epoch of the feed: new with each start.
    pub epoch: String,
    /// The two views.
    pub views: Vec<ViewStatus>,
    /// How many grants are known.
    pub grants: usize,
    /// The Secret that lacks what external systems are to see of the ingress gateway.
    pub server_pair_missing: Option<String>,
    /// All Applications.
    pub applications: Vec<ApplicationStatus>,
    /// Manifests that cannot be used.
    pub manifests: Vec<StoreProblem>,
}

/// One view of the feed.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ViewStatus {
    /// `egress` or `ingress`.
    pub view: &'static str,
    /// Revision of its last change.
    pub revision: u64,
    /// How many records it has.
    pub records: usize,
    /// Transport profiles that the gateway lacks, and for how many seconds.
    pub missing_profiles: Vec<(String, u64)>,
}

/// One Application.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationStatus {
    /// Its name.
    pub name: String,
    /// Where it is defined.
    pub file: String,
    /// How many services it has.
    pub services: usize,
    /// API entries that can be called.
    pub callable: usize,
    /// API entries that are refused.
    pub refused: usize,
    /// What the resource's conditions say, or would say in a cluster.
    pub conditions: Vec<Finding>,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

/// `file` says where an Application is defined, `told` what there is to say about it.
pub(crate) fn gather(
    index: &Index,
    state: &Shared,
    file: impl Fn(&str) -> Option<String>,
    told: impl Fn(&str) -> Option<Report>,
    manifests: &[StoreProblem],
) -> Status {
    let view = |view: View| {
        let lane = state.lane(view);
        let missing = lane.missing_profiles().into_iter().map(|(id, time)| (id, time.as_secs())).collect();
        let hub = lane.read();
        ViewStatus {
            view: view.as_str(),
            revision: hub.revision(),
            records: hub.len(),
            missing_profiles: missing,
        }
    };
    let missing: Vec<Missing> =
        [View::Egress, View::Ingress].into_iter().flat_map(|view| state.lane(view).missing()).collect();
    let applications = index.applications().map(|overview| ApplicationStatus {
        name: overview.name.to_owned(),
        file: file(overview.name).unwrap_or_default(),
        services: overview.services,
        callable: overview.callable,
        refused: overview.refused,
        conditions: told(overview.name).map(|report| judge(&report, &missing)).unwrap_or_default(),
        problems: overview.problems.to_vec(),
    });
    let mut applications: Vec<_> = applications.collect();
    applications.sort_by(|a, b| a.name.cmp(&b.name));
    Status {
        epoch: state.lane(View::Egress).read().epoch().to_owned(),
        views: vec![view(View::Egress), view(View::Ingress)],
        grants: state.broker.len(),
        server_pair_missing: state.server_pair_missing.borrow().as_deref().map(str::to_owned),
        applications,
        manifests: manifests.to_vec(),
    }
}

/// How many healthy Applications are listed one by one.
const LISTED: usize = 50;

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for view in &self.views {
            writeln!(f, "{}: {} records, revision {}", view.view, view.records, view.revision)?;
            for (profile, seconds) in &view.missing_profiles {
                writeln!(f, "  the gateway has no transport profile {profile} (for {seconds} s)")?;
            }
        }
        writeln!(f, "grants: {}", self.grants)?;
        if let Some(secret) = &self.server_pair_missing {
            writeln!(
                f,
                "the ingress gateway shows a self-signed certificate: Secret {secret} has none for it"
            )?;
        }
        let sound = self.applications.iter().filter(|application| application.is_sound());
        let troubled = self.applications.iter().filter(|application| !application.is_sound());
        writeln!(f, "applications: {}", self.applications.len())?;
        for application in sound.clone().take(LISTED) {
            writeln!(f, "  {application}")?;
        }
        if let Some(more) = sound.count().checked_sub(LISTED).filter(|more| *more > 0) {
            writeln!(f, "  and {more} more without problems")?;
        }
        for application in troubled {
            writeln!(f, "  {application}")?;
            for problem in &application.problems {
                writeln!(f, "    {problem}")?;
            }
            for finding in application.beside_problems() {
                writeln!(f, "    {}", finding.message)?;
            }
        }
        if !self.manifests.is_empty() {
            writeln!(f, "manifests that cannot be used (their last good state stays):")?;
            for problem in &self.manifests {
                writeln!(f, "  {problem}")?;
            }
        }
        Ok(())
    }
}

impl ApplicationStatus {
    fn is_sound(&self) -> bool {
        // That is the same for all of them, and told once.
        let counts = |finding: &&Finding| finding.aspect != Aspect::ServerTrusted;
        self.problems.is_empty() && self.conditions.iter().filter(counts).all(|finding| finding.good)
    }

    /// What is wrong beside what the model knows.
    fn beside_problems(&self) -> impl Iterator<Item = &Finding> {
        let beside = |aspect| matches!(aspect, Aspect::ProfilesDelivered | Aspect::GrantsFetched);
        self.conditions.iter().filter(move |finding| beside(finding.aspect) && !finding.good)
    }
}

impl fmt::Display for ApplicationStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, file, services, callable, refused, .. } = self;
        write!(f, "{name} ({file}): {services} services, {callable} entries callable")?;
        if *refused > 0 {
            write!(f, ", {refused} refused")?;
        }
        match self.conditions.iter().find(|finding| finding.aspect == Aspect::Ready && !finding.good) {
            Some(finding) => write!(f, "; not ready: {}", finding.reason),
            None => Ok(()),
        }
    }
}
