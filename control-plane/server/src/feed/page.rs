//! Pages of the feed, spliced from bytes that were serialised when the record changed (wire: `feed`).
//!
//! A page ends at about the size that was asked for, has at least one record, and never exceeds
//! [`feed::MAX_PAGE_BYTES`] by more than one record.

use bytes::Bytes;
use fairlead_wire::feed::{self, MAX_PAGE_BYTES, MAX_WANTED};

use super::hub::{Hub, Stored};

/// What is added around a record's own bytes, roughly; keeps the estimate honest for short ones.
const OVERHEAD: usize = 4;

/// Answer to a poll at (`epoch`, `revision`): [`feed::Poll`].
#[must_use]
pub fn poll(hub: &Hub, epoch: &str, revision: u64, bytes: u32) -> Bytes {
    let mut out = head(hub);
    if !hub.knows(epoch, revision) {
        out.extend_from_slice(format!(",\"revision\":{},\"resync\":true}}", hub.revision()).as_bytes());
        return out.into();
    }
    let limit = limit(bytes);
    let (mut reached, mut more) = (revision, false);
    let mut changed = Array::new();
    let mut removed = Array::new();
    for (at, key, record) in hub.since(revision) {
        if changed.len() + removed.len() >= limit {
            more = true;
            break;
        }
        match record {
            Some(stored) => changed.push(|out| keyed(out, key, stored)),
            None => removed.push(|out| string(out, key)),
        }
        reached = at;
    }
    out.extend_from_slice(format!(",\"revision\":{reached}").as_bytes());
    finish(out, more, &[("changed", changed), ("removed", removed)])
}

/// Records after `after`, in key order: [`feed::Records`].
#[must_use]
pub fn records(hub: &Hub, after: &str, bytes: u32) -> Bytes {
    let (page, more) = fill(hub.after(after), bytes, |out, (key, stored)| keyed(out, key, stored));
    finish(head(hub), more, &[("records", page)])
}

/// The wanted records, in the order of the question, which is key order: [`feed::Records`].
#[must_use]
pub fn wanted(hub: &Hub, wanted: &feed::Wanted, bytes: u32) -> Bytes {
    let asked = wanted.keys.iter().take(MAX_WANTED);
    let known = asked.filter_map(|key| hub.get(key).map(|stored| (key, stored)));
    let (page, more) = fill(known, bytes, |out, (key, stored)| keyed(out, key, stored));
    finish(head(hub), more || wanted.keys.len() > MAX_WANTED, &[("records", page)])
}

/// Hashes after `after`, in key order: [`feed::Hashes`].
#[must_use]
pub fn hashes(hub: &Hub, after: &str, bytes: u32) -> Bytes {
    let (page, more) = fill(hub.after(after), bytes, |out, (key, stored)| {
        out.push(b'[');
        string(out, key);
        out.extend_from_slice(b",\"");
        hash(out, stored);
        out.extend_from_slice(b"\"]");
    });
    finish(head(hub), more, &[("hashes", page)])
}

/// Writes items until about `bytes` are there; whether some are left.
fn fill<T>(items: impl Iterator<Item = T>, bytes: u32, write: impl Fn(&mut Vec<u8>, T)) -> (Array, bool) {
    let limit = limit(bytes);
    let mut page = Array::new();
    for item in items {
        if page.len() >= limit {
            return (page, true);
        }
        page.push(|out| write(out, item));
    }
    (page, false)
}

fn limit(bytes: u32) -> usize {
    usize::try_from(bytes.clamp(1, MAX_PAGE_BYTES)).unwrap_or(usize::MAX)
}

fn head(hub: &Hub) -> Vec<u8> {
    let mut out = Vec::with_capacity(4096);
    out.extend_from_slice(b"{\"epoch\":\"");
    out.extend_from_slice(hub.epoch().as_bytes());
    out.push(b'"');
    out
}

/// Always writes the arrays: `Records` and `Hashes` demand theirs, and a poll may have empty ones.
fn finish(mut out: Vec<u8>, more: bool, arrays: &[(&str, Array)]) -> Bytes {
    if more {
        out.extend_from_slice(b",\"more\":true");
    }
    for (name, array) in arrays {
        out.extend_from_slice(b",\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":[");
        out.extend_from_slice(&array.0);
        out.push(b']');
    }
    out.push(b'}');
    out.into()
}

/// Elements of a JSON array, joined by commas.
struct Array(Vec<u8>);

impl Array {
    fn new() -> Self {
        Self(Vec::new())
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn push(&mut self, element: impl FnOnce(&mut Vec<u8>)) {
        if !self.0.is_empty() {
            self.0.push(b',');
        }
        self.0.reserve(OVERHEAD);
        element(&mut self.0);
    }
}

/// Writes a `Keyed`.
fn keyed(out: &mut Vec<u8>, key: &str, stored: &Stored) {
    out.extend_from_slice(b"{\"key\":");
    string(out, key);
    out.extend_from_slice(b",\"hash\":\"");
    hash(out, stored);
    out.extend_from_slice(b"\",\"record\":");
    out.extend_from_slice(&stored.json);
    out.push(b'}');
}

/// Writes the 32 hex digits of a hash.
fn hash(out: &mut Vec<u8>, stored: &Stored) {
    out.extend_from_slice(format!("{:032x}", stored.hash).as_bytes());
}

/// Writes a JSON string.
fn string(out: &mut Vec<u8>, text: &str) {
    // Writing to memory cannot fail, and strings always have a JSON form.
    let _ = serde_json::to_writer(out, text);
}
