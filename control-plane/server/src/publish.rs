//! Make before break (design decision 12): what the model compiled goes out in an order in which nothing points to
//! what is not there yet.
//!
//! New transport profiles are written to Envoy's files and get a moment to settle; then grants and records follow;
//! what is unused any longer goes last, profiles after a grace period.

mod kept;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use fairlead_model::{Changes, ProfileChanges, Record};
use fairlead_render::{Profile, Trust};
use fairlead_wire::feed::FeedRecord;

use crate::{config::ProfilesConfig, files::FileError, gateways::Rendered, state::Shared};

/// Brings changes to gateways.
pub struct Publisher {
    state: Shared,
    config: ProfilesConfig,
    egress: Transport,
    ingress: Transport,
}

/// One gateway's profiles.
struct Transport {
    rendered: Option<Rendered>,
    /// Profile, and since when nothing uses it.
    profiles: BTreeMap<String, (Profile, Option<Instant>)>,
    /// The files are as `profiles` says.
    written: bool,
}

impl Publisher {
    /// With the gateways that have files; a gateway without is fed all the same.
    #[must_use]
    pub fn new(
        state: Shared,
        config: ProfilesConfig,
        egress: Option<Rendered>,
        ingress: Option<Rendered>,
    ) -> Self {
        let transport = |rendered: Option<Rendered>| {
            let before =
                rendered.as_ref().map(|rendered| kept::read(rendered.directory())).unwrap_or_default();
            let unused = |profile: Profile| (profile.id.clone(), (profile, Some(Instant::now())));
            Transport { rendered, profiles: before.into_iter().map(unused).collect(), written: false }
        };
        Self { state, config, egress: transport(egress), ingress: transport(ingress) }
    }

    /// Publishes what became different.
    ///
    /// # Errors
    /// [`FileError`] when Envoy's files cannot be written; the records are not published then, so that none names a
    /// profile that Envoy cannot know.
    pub async fn publish(&mut self, changes: &Changes) -> Result<(), FileError> {
        let egress = self.egress.add(&changes.profiles)?;
        let ingress = self.ingress.add(&changes.sink_profiles)?;
        if egress || ingress {
            tokio::time::sleep(self.config.settle.get()).await;
        }
        for (id, spec) in &changes.grants {
            if let Some(spec) = spec {
                self.state.broker.set(id, spec.clone());
            }
        }
        self.records(&changes.egress);
        self.records(&changes.ingress);
        for (id, _) in changes.grants.iter().filter(|(_, spec)| spec.is_none()) {
            self.state.broker.retire(id);
        }
        self.egress.release(&changes.profiles);
        self.ingress.release(&changes.sink_profiles);
        Ok(())
    }

    fn records<R: FeedRecord>(&self, changes: &[(Arc<str>, Option<Record<R>>)]) {
        if changes.is_empty() {
            return;
        }
        let revision = self.state.lane(R::VIEW).change(|hub| {
            for (key, record) in changes {
                hub.apply(key, record.as_ref());
            }
        });
        self.state.metrics.view(R::VIEW, self.state.lane(R::VIEW).read().len(), revision);
    }

    /// When the next profile's grace ends, if one is waiting for it.
    #[must_use]
    pub fn next_collection(&self) -> Option<Instant> {
        let waiting = |transport: &Transport| {
            transport
                .profiles
                .values()
                .filter_map(|(_, since)| *since)
                .min()
                .map(|s| s + self.config.grace.get())
        };
        [waiting(&self.egress), waiting(&self.ingress)].into_iter().flatten().min()
    }

    /// Takes profiles out of Envoy's files whose grace has ended.
    ///
    /// # Errors
    /// [`FileError`]; the next collection tries again.
    pub fn collect(&mut self) -> Result<(), FileError> {
        self.egress.collect(self.config.grace.get())?;
        self.ingress.collect(self.config.grace.get())
    }

    /// How many profiles are in the gateways' files.
    #[must_use]
    pub fn profiles(&self) -> usize {
        self.egress.profiles.len() + self.ingress.profiles.len()
    }
}

impl Transport {
    /// Takes new profiles in, writes the files, and says whether Envoy has to take something new.
    fn add(&mut self, changes: &ProfileChanges) -> Result<bool, FileError> {
        for (id, profile) in &changes.added {
            let profile = Profile { id: id.clone(), trust: trust(&profile.trust) };
            let known = self.profiles.insert(id.clone(), (profile, None)).is_some();
            self.written &= known;
        }
        self.write()
    }

    fn release(&mut self, changes: &ProfileChanges) {
        let now = Instant::now();
        for id in &changes.unused {
            if let Some((_, since)) = self.profiles.get_mut(id) {
                since.get_or_insert(now);
            }
        }
    }

    fn collect(&mut self, grace: Duration) -> Result<(), FileError> {
        let before = self.profiles.len();
        self.profiles.retain(|_, (_, since)| since.is_none_or(|since| since.elapsed() < grace));
        self.written &= before == self.profiles.len();
        self.write()?;
        Ok(())
    }

    /// Writes the files, if anything changed since they were written; says whether any file is different.
    fn write(&mut self) -> Result<bool, FileError> {
        let Some(rendered) = self.rendered.as_ref().filter(|_| !self.written) else { return Ok(false) };
        let profiles = || self.profiles.values().map(|(profile, _)| profile);
        let changed = rendered.write(profiles())?;
        kept::write(rendered.directory(), profiles())?;
        self.written = true;
        Ok(changed)
    }
}

fn trust(trust: &fairlead_model::Trust) -> Trust {
    match trust {
        fairlead_model::Trust::Plain => Trust::Plain,
        fairlead_model::Trust::System => Trust::System,
        fairlead_model::Trust::Private { ca_pem } => Trust::Private { ca_pem: ca_pem.clone() },
        fairlead_model::Trust::Unverified => Trust::Unverified,
    }
}
