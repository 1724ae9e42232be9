//! Deleting what nothing needs any longer.

use std::{collections::BTreeSet, time::Instant};

use super::{
    super::object::{Key, Kind, outlives, written_by_us},
    Writer, api,
};

impl Writer {
    /// Deletes objects of a kind that we wrote and nothing needs; gives back what failed.
    pub(super) async fn collect(&mut self, kind: Kind) -> Vec<Key> {
        let grace = self.config.profiles.grace.get();
        let counted = self.inputs.needed.borrow().complete;
        let plugin = self.inputs.signals.module.borrow().is_some();
        let sources = self.inputs.sources.borrow().complete();
        let mut due = Vec::new();
        let mut waiting = BTreeSet::new();
        for key in self.seen.keys().filter(|key| key.kind == kind && !self.desired.contains_key(*key)) {
            let Some(object) = self.seen.get(key).filter(|object| written_by_us(object)) else { continue };
            let known = match kind {
                Kind::WasmPlugin => plugin,
                Kind::Secret => sources && counted,
                Kind::EnvoyFilter => counted,
                Kind::Telemetry | Kind::VirtualService | Kind::Gateway => true,
            };
            // Before everything is counted, an object that seems to be of no use may be needed.
            if !known {
                continue;
            }
            if !outlives(object) {
                due.push(key.clone());
                continue;
            }
            waiting.insert(key.clone());
            let since = *self.unneeded.entry(key.clone()).or_insert_with(Instant::now);
            if since.elapsed() >= grace {
                due.push(key.clone());
            }
        }
        self.unneeded.retain(|key, _| key.kind != kind || waiting.contains(key));
        let mut failed = Vec::new();
        for key in due {
            match api::delete(&self.cluster, self.which.namespace(), &key).await {
                Ok(()) => {
                    tracing::info!(
                        kind = kind.name(),
                        name = key.name,
                        "an object that nothing needs was deleted"
                    );
                    self.unneeded.remove(&key);
                }
                Err(error) => {
                    tracing::error!(%error, "an object that nothing needs cannot be deleted");
                    failed.push(key);
                }
            }
        }
        failed
    }
}
