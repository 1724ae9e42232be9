//! Delivery to an embedded gateway: files that Envoy watches.
//!
//! New profiles are written, their client certificates before (`clients`); then Envoy is asked when it has taken them
//! (`envoy`). What is unused any longer goes after a grace period, also over a restart: gateways still have records that
//! name the profiles of the process before (`kept`).

mod clients;
mod envoy;
mod kept;

use std::{
    collections::BTreeMap,
    future,
    sync::Arc,
    time::{Duration, Instant},
};

use fairlead_model::{ClientPair, Profile};
use futures_util::future::BoxFuture;

use super::{Deliver, rendered};
use crate::{config::ProfilesConfig, files::FileError, gateways::Rendered};

/// From Envoy's main thread, which answers for it, to all workers.
const WORKERS: Duration = Duration::from_millis(10);
/// An Envoy that has not taken its files for so long has refused them, or will not say: records go out then. What needs a
/// profile that is not there is answered with 503, and reported by the plugin.
const LONGEST: Duration = Duration::from_secs(5);

/// After files could not be written, the next try comes after this time.
const AGAIN: Duration = Duration::from_secs(1);

/// The files of one gateway.
pub struct Files {
    gateway: Rendered,
    config: ProfilesConfig,
    profiles: BTreeMap<String, Entry>,
    /// The files are as `profiles` says.
    written: bool,
    /// What Envoy has not been heard to have taken.
    pending: Option<Pending>,
}

/// Files that were written.
struct Pending {
    versions: Vec<String>,
    since: Instant,
}

struct Entry {
    profile: fairlead_render::Profile,
    /// Its client certificate, until that is written.
    client: Option<Arc<ClientPair>>,
    /// Since when nothing uses it.
    unused: Option<Instant>,
    /// When Envoy can be expected to know it; `None`: not in the files yet.
    settled: Option<Instant>,
}

impl Files {
    /// Of a gateway, with the profiles that the process before left in its files.
    #[must_use]
    pub fn new(gateway: Rendered, config: ProfilesConfig) -> Self {
        let now = Instant::now();
        let before = kept::read(gateway.directory()).into_iter();
        let entry = |profile| Entry { profile, client: None, unused: Some(now), settled: None };
        let profiles = before.map(|profile| (profile.id.clone(), entry(profile))).collect();
        Self { gateway, config, profiles, written: false, pending: None }
    }

    /// Writes the files, and notes when Envoy will have taken them.
    fn write(&mut self) -> Result<(), FileError> {
        let directory = self.gateway.directory();
        for entry in self.profiles.values_mut() {
            if let Some(client) = &entry.client {
                clients::write(directory, client)?;
                entry.client = None;
            }
        }
        let profiles = || self.profiles.values().map(|entry| &entry.profile);
        let written = self.gateway.write(profiles())?;
        kept::write(directory, profiles())?;
        clients::keep(directory, &profiles().filter_map(|profile| profile.client.as_deref()).collect())?;
        self.written = true;
        if written.changed {
            self.pending = Some(Pending { versions: written.versions, since: Instant::now() });
        } else if self.pending.is_none() {
            self.settle(Instant::now());
        }
        Ok(())
    }

    /// Envoy knows whatever is in the files, from then on.
    fn settle(&mut self, at: Instant) {
        for entry in self.profiles.values_mut() {
            entry.settled.get_or_insert(at);
        }
        self.pending = None;
    }

    /// Gives up waiting for an Envoy that says nothing.
    fn hurry(&mut self, now: Instant) {
        if self.pending.as_ref().is_some_and(|pending| pending.since + LONGEST <= now) {
            tracing::warn!(
                directory = %self.gateway.directory().display(),
                "the gateway has not taken its files; its log says why"
            );
            self.settle(now);
        }
    }

    fn collect(&mut self) {
        let grace = self.config.grace.get();
        let before = self.profiles.len();
        self.profiles.retain(|_, entry| entry.unused.is_none_or(|since| since.elapsed() < grace));
        self.written &= before == self.profiles.len();
    }
}

impl Deliver for Files {
    fn add(&mut self, profile: &Profile) {
        if let Some(entry) = self.profiles.get_mut(&profile.id) {
            entry.unused = None;
        } else {
            let client = profile.client.clone();
            let entry = Entry { profile: rendered(profile), client, unused: None, settled: None };
            self.profiles.insert(profile.id.clone(), entry);
            self.written = false;
        }
    }

    fn release(&mut self, id: &str) {
        if let Some(entry) = self.profiles.get_mut(id) {
            entry.unused.get_or_insert_with(Instant::now);
        }
    }

    fn has(&self, id: &str) -> bool {
        let now = Instant::now();
        self.profiles.get(id).and_then(|entry| entry.settled).is_some_and(|settled| settled <= now)
    }

    fn work(&mut self) -> Option<Instant> {
        self.collect();
        let now = Instant::now();
        if !self.written
            && let Err(error) = self.write()
        {
            tracing::error!(%error, "new and unused transport profiles wait until the gateways' files can be written");
            return Some(now + AGAIN);
        }
        self.hurry(now);
        let limit = self.pending.as_ref().map(|pending| pending.since + LONGEST);
        let grace = self.config.grace.get();
        let ends = self.profiles.values().filter_map(|entry| Some(entry.unused? + grace));
        let settles =
            self.profiles.values().filter_map(|entry| entry.settled).filter(|settled| *settled > now);
        ends.chain(settles).chain(limit).min()
    }

    fn changed(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let Some(pending) = &self.pending else { return future::pending().await };
            let least = pending.since + self.config.settle.get();
            envoy::taken(self.gateway.admin(), &pending.versions).await;
            self.settle(least.max(Instant::now() + WORKERS));
        })
    }

    fn count(&self) -> usize {
        self.profiles.len()
    }
}
