//! A record in the form in which it goes out: compiled and put into JSON once, then shared by the index, the changes that it
//! reports, and the feed, so that ten thousand Applications are kept once.

use std::{fmt, marker::PhantomData, sync::Arc};

use fairlead_wire::feed::FeedRecord;

/// A record's JSON, as [`fairlead_wire::feed::record_hash`] hashes it. It may hold credentials.
pub struct Record<R> {
    json: Arc<[u8]>,
    kind: PhantomData<fn() -> R>,
}

impl<R: FeedRecord> Record<R> {
    /// Puts it into JSON.
    #[must_use]
    pub fn new(record: &R) -> Self {
        // Records are made of strings and numbers, whose JSON has no way to fail.
        let json = serde_json::to_vec(record).unwrap_or_default();
        Self { json: json.into(), kind: PhantomData }
    }

    /// The JSON.
    #[must_use]
    pub fn json(&self) -> &Arc<[u8]> {
        &self.json
    }

    /// What it says, which is what it was made of.
    #[must_use]
    pub fn read(&self) -> Option<R> {
        serde_json::from_slice(&self.json).ok()
    }
}

impl<R> Clone for Record<R> {
    fn clone(&self) -> Self {
        Self { json: Arc::clone(&self.json), kind: PhantomData }
    }
}

impl<R> PartialEq for Record<R> {
    fn eq(&self, other: &Self) -> bool {
        self.json == other.json
    }
}

impl<R> Eq for Record<R> {}

/// As the record itself prints: without values.
impl<R: FeedRecord + fmt::Debug> fmt::Debug for Record<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.read() {
            Some(record) => record.fmt(f),
            None => f.write_str("Record([unreadable])"),
        }
    }
}
