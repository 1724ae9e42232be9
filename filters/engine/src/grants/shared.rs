//! Grants that the VMs of one process share, so that what one worker was given serves all of them, also while the
//! control plane is away.
//!
//! A VM writes what the control plane gave it, and looks here before it asks. A key is [`PREFIX`] and the grant's id.
//! Keys of the host's data cannot be deleted: the value of a grant that no record names any longer is emptied.
//! Other plugins of the same VM id can write here too: what cannot be read does not count. Values are secrets.

use fairlead_credential_injector::csrf::Session;

use super::{entry::Held, is_header_value};
use crate::snapshot::Grant;

/// What keys begin with.
const PREFIX: &str = "fairlead.grant.";
/// The layout, a value's first byte. Then serial, refresh-at and expires-at, each a little-endian `u64`, the times in
/// milliseconds of the clock that all VMs of the process read; then the authorization.
const LAYOUT: u8 = 1;
/// The layout of a grant with a CSRF session: after the times, the lengths of authorization and token, each a
/// little-endian `u32`; then authorization, token and cookies.
const LAYOUT_CSRF: u8 = 2;
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

/// The grant of another VM, if it exceeds the serial `floor` and serves better than `own`: it is newer and not due for a
/// refresh, or `own` cannot be used.
pub(super) fn better(
    shared: &dyn SharedData,
    id: &str,
    own: Option<&Held>,
    floor: Option<u64>,
    now_ms: u64,
) -> Option<Held> {
    let (value, _) = shared.read(&key(id))?;
    let usable = |held: &Held| held.is_good(now_ms) && floor.is_none_or(|floor| held.serial() > floor);
    let own = own.filter(|own| usable(own));
    decode(&value).filter(|there| {
        usable(there) && own.is_none_or(|own| there.serial() > own.serial() && now_ms < there.refresh_at)
    })
}

/// Writes a grant, unless one with a higher serial is there and good.
pub(super) fn publish(shared: &dyn SharedData, id: &str, held: &Held, now_ms: u64) {
    let (key, value) = (key(id), encode(held));
    for _ in 0..ATTEMPTS {
        let (there, version) = shared.read(&key).unwrap_or((Vec::new(), ABSENT));
        let newer = |there: Held| there.serial() >= held.serial() && there.is_good(now_ms);
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
    let Grant { authorization, csrf, serial, .. } = &held.grant;
    let [serial, refresh_at, expires_at] = [*serial, held.refresh_at, held.expires_at].map(u64::to_le_bytes);
    let times = [&serial[..], &refresh_at, &expires_at].concat();
    let Some(csrf) = csrf else { return [&[LAYOUT], &times[..], authorization].concat() };
    // A header is no longer than this: what is, no other VM can read.
    let [first, second] = [authorization.len(), csrf.token().len()]
        .map(|len| u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes());
    [&[LAYOUT_CSRF], &times[..], &first, &second, authorization, csrf.token(), csrf.own_cookies()].concat()
}

fn decode(value: &[u8]) -> Option<Held> {
    let (layout, rest) = value.split_first()?;
    let (serial, rest) = number(rest)?;
    let (refresh_at, rest) = number(rest)?;
    let (expires_at, rest) = number(rest)?;
    let (authorization, csrf) = match *layout {
        LAYOUT => (rest, None),
        LAYOUT_CSRF => {
            let (first, rest) = length(rest)?;
            let (second, rest) = length(rest)?;
            let (authorization, rest) = rest.split_at_checked(first)?;
            let (token, cookies) = rest.split_at_checked(second)?;
            (authorization, Some(Session::from_parts(token, cookies)?))
        }
        _ => return None,
    };
    is_header_value(authorization).then(|| Held {
        grant: Grant { authorization: authorization.into(), csrf, serial, same_since: serial },
        refresh_at,
        expires_at,
    })
}

fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u64::from_le_bytes(*number), rest))
}

fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((usize::try_from(u32::from_le_bytes(*number)).ok()?, rest))
}

#[cfg(test)]
mod tests;
