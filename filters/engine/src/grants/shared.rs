//! Grants that the VMs of one process share, so that what one worker was given serves all of them, also while the
//! control plane is away.
//!
//! A VM writes what the control plane gave it, and looks here before it asks. A key is [`PREFIX`] and the grant's id.
//! Keys of the host's data cannot be deleted: the value of a grant that no record names any longer is emptied.
//! Other plugins of the same VM id can write here too: what cannot be read does not count. Values are secrets.

use super::{Held, is_header_value};

/// What keys begin with.
const PREFIX: &str = "fairlead.grant.";
/// The layout, a value's first byte. Then serial, refresh-at and expires-at, each a little-endian `u64`, the times in
/// milliseconds of the clock that all VMs of the process read; then the authorization.
const LAYOUT: u8 = 1;
/// How often a write is tried while other VMs write as well.
const ATTEMPTS: usize = 4;
/// Not the version of any value: the host counts up from 1. Writing with it makes a key only where there is none.
const ABSENT: u32 = u32::MAX;

/// The host's data that the VMs of one process share.
pub trait SharedData {
    /// The value of `key` and that value's version; none where there is no such key.
    fn read(&self, key: &str) -> Option<(Vec<u8>, u32)>;
    /// Replaces the value if its version still is `version`, or makes the key. False if the version is another one.
    fn write(&self, key: &str, value: &[u8], version: u32) -> bool;
}

/// Nothing is shared: a VM that is alone.
impl SharedData for () {
    fn read(&self, _: &str) -> Option<(Vec<u8>, u32)> {
        None
    }

    fn write(&self, _: &str, _: &[u8], _: u32) -> bool {
        true
    }
}

/// The grant of another VM, if it serves better than `own`: it is newer and not due for a refresh, or `own` is over.
pub(super) fn better(shared: &dyn SharedData, id: &str, own: Option<&Held>, now_ms: u64) -> Option<Held> {
    let (value, _) = shared.read(&key(id))?;
    let own = own.filter(|own| own.is_good(now_ms));
    decode(&value).filter(|there| {
        there.is_good(now_ms) && own.is_none_or(|own| there.serial > own.serial && now_ms < there.refresh_at)
    })
}

/// Writes a grant, unless one with a higher serial is there and good.
pub(super) fn publish(shared: &dyn SharedData, id: &str, held: &Held, now_ms: u64) {
    let (key, value) = (key(id), encode(held));
    for _ in 0..ATTEMPTS {
        let (there, version) = shared.read(&key).unwrap_or((Vec::new(), ABSENT));
        let newer = |there: Held| there.serial >= held.serial && there.is_good(now_ms);
        if decode(&there).is_some_and(newer) || shared.write(&key, &value, version) {
            return;
        }
    }
}

/// Empties the value. Who writes at the same moment still needs it, and empties it later.
pub(super) fn clear(shared: &dyn SharedData, id: &str) {
    let key = key(id);
    if let Some((value, version)) = shared.read(&key)
        && !value.is_empty()
    {
        shared.write(&key, &[], version);
    }
}

fn key(id: &str) -> String {
    [PREFIX, id].concat()
}

fn encode(held: &Held) -> Vec<u8> {
    let [serial, refresh_at, expires_at] =
        [held.serial, held.refresh_at, held.expires_at].map(u64::to_le_bytes);
    [&[LAYOUT], &serial[..], &refresh_at, &expires_at, &held.authorization].concat()
}

fn decode(value: &[u8]) -> Option<Held> {
    let rest = value.strip_prefix(&[LAYOUT])?;
    let (serial, rest) = number(rest)?;
    let (refresh_at, rest) = number(rest)?;
    let (expires_at, authorization) = number(rest)?;
    let held = || Held { authorization: authorization.into(), serial, refresh_at, expires_at };
    is_header_value(authorization).then(held)
}

fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u64::from_le_bytes(*number), rest))
}

#[cfg(test)]
mod tests;
