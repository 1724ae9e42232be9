//! Grants that cannot be had for some tries in a row: from the broker to the conditions of the Applications that use them.
//!
//! A single failure is no news; the next try may succeed. What a caller is not told (AG §14, E18) stands here.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use fairlead_wire::Reason;
use tokio::sync::Notify;

/// Why a grant cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantTrouble {
    /// The Secret of the credential, `namespace/name`.
    pub secret: String,
    /// In one word.
    pub reason: Reason,
    /// What happened the last time; no secret in it.
    pub cause: String,
    /// Since when, seconds since 1970.
    pub since: i64,
}

/// All troubles, by the grant's id; and those that are news.
#[derive(Default)]
pub(super) struct Troubles {
    known: Mutex<Known>,
    wake: Notify,
}

#[derive(Default)]
struct Known {
    troubles: BTreeMap<String, Arc<GrantTrouble>>,
    news: BTreeSet<String>,
}

impl Troubles {
    /// A grant cannot be had.
    pub(super) fn begin(&self, id: &str, trouble: GrantTrouble) {
        self.change(|known| {
            let before = known.troubles.get(id);
            let since = before.map_or(trouble.since, |before| before.since);
            let trouble = Arc::new(GrantTrouble { since, ..trouble });
            let news = before != Some(&trouble);
            known.troubles.insert(id.to_owned(), trouble);
            news.then(|| known.news.insert(id.to_owned())).is_some()
        });
    }

    /// It was had, or nobody names it any longer.
    pub(super) fn end(&self, id: &str) {
        self.change(|known| {
            let ended = known.troubles.remove(id).is_some();
            ended && known.news.insert(id.to_owned())
        });
    }

    /// All of them are somebody else's business now.
    pub(super) fn clear(&self) {
        self.change(|known| {
            known.news.extend(std::mem::take(&mut known.troubles).into_keys());
            !known.news.is_empty()
        });
    }

    pub(super) fn of(&self, id: &str) -> Option<Arc<GrantTrouble>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).troubles.get(id).cloned()
    }

    /// Waits for news; the ids whose trouble began, changed or is over. For one reader.
    pub(super) async fn news(&self) -> BTreeSet<String> {
        loop {
            let news = {
                let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                std::mem::take(&mut known.news)
            };
            if !news.is_empty() {
                return news;
            }
            self.wake.notified().await;
        }
    }

    fn change(&self, change: impl FnOnce(&mut Known) -> bool) {
        let news = change(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner));
        if news {
            // Kept for who only begins to wait.
            self.wake.notify_one();
        }
    }
}
