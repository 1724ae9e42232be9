//! Records of one view by key.

use std::{fmt, mem, rc::Rc};

use fairlead_wire::feed::FeedRecord;
use hashbrown::HashMap;

use super::{Entry, hash::KeyHash};
use crate::bulkhead::Applications;

/// A table as the feed client sees it, whatever its records are.
pub(crate) trait Records {
    /// Whether there are none.
    fn is_empty(&self) -> bool;
    /// Begins a listing: [`Records::end_listing`] will drop what was neither [confirmed](Records::confirm) nor put in
    /// until then.
    fn begin_listing(&mut self);
    /// The listing names `key` with this hash. False if the record must be fetched.
    fn confirm(&mut self, key: &str, digest: Option<u128>) -> bool;
    /// Drops, at once, what the listing did not name. Returns how many.
    fn end_listing(&mut self) -> usize;
    /// Adds or replaces a record, given as JSON. False if this build cannot read it: it takes its place all the
    /// same, and refuses.
    fn read(&mut self, key: &str, digest: Option<u128>, json: &[u8]) -> bool;
    /// Removes a record, if it is there.
    fn remove(&mut self, key: &str);
    /// Whether some record needs the grant `id`.
    fn needs_grant(&self, id: &str) -> bool;
    /// Grants that no record needs any longer, since this was last called.
    fn take_released(&mut self) -> Vec<Box<str>>;
}

/// Records of one view by key, and by the first two segments of it where the manual port reaches them.
///
/// Sized for 10 000 applications × 3 services: a record costs its two keys, 16 bytes of hash and two pointers.
pub struct Table<E> {
    rows: HashMap<Box<[u8]>, Row<E>, KeyHash>,
    /// `app/service` → the record that the manual port reaches. Its key is longer than this one.
    aliases: HashMap<Box<[u8]>, Claims<E>, KeyHash>,
    /// How many rows need a grant, by its id.
    grants: HashMap<Box<str>, u32, KeyHash>,
    calls: Applications,
    /// Grants that lost their last row since [`Records::take_released`].
    released: Vec<Box<str>>,
    /// Number of the listing in progress or last ended.
    listing: u32,
}

struct Row<E> {
    /// Two halves, so that a row is aligned to 8 bytes; zero where the hash could not be read.
    digest: [u64; 2],
    /// The last listing that named this row.
    listing: u32,
    /// Its calls are among the Application's.
    counted: bool,
    entry: Rc<E>,
}

/// Who answers to an alias. One record in a settled view; more only between two changes that belong together, of
/// which the second has not been applied yet: then the newest.
struct Claims<E> {
    newest: Rc<E>,
    older: Vec<Rc<E>>,
}

impl<E> Default for Table<E> {
    fn default() -> Self {
        Self {
            rows: HashMap::default(),
            aliases: HashMap::default(),
            grants: HashMap::default(),
            calls: Applications::default(),
            released: Vec::new(),
            listing: 0,
        }
    }
}

impl<E> Table<E> {
    /// The record that `key` leads to: `app/service` or `app/service/entry` (egress), `app` (ingress).
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<&Rc<E>> {
        match self.rows.get(key) {
            Some(row) => Some(&row.entry),
            None => self.aliases.get(key).map(|claims| &claims.newest),
        }
    }

    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl<E: Entry> Table<E> {
    /// Adds or replaces a record. `digest` is its hash as delivered; without one the next listing fetches it again.
    pub fn insert(&mut self, key: &str, digest: Option<u128>, record: E::Record) {
        let manual = E::manual(&record);
        self.put(key, digest, manual, E::compile(record));
    }

    fn put(&mut self, key: &str, digest: Option<u128>, manual: bool, mut entry: E) {
        let counted = entry.calls().map(|calls| *calls = self.calls.join(key.as_bytes())).is_some();
        let entry = Rc::new(entry);
        for id in entry.grants().into_iter().flatten() {
            match self.grants.get_mut(id) {
                Some(count) => *count += 1,
                None => {
                    self.grants.insert(id.into(), 1);
                }
            }
        }
        let digest = digest.map_or([0, 0], halves);
        let row = Row { digest, listing: self.listing, counted, entry: Rc::clone(&entry) };
        if let Some(old) = self.rows.insert(key.as_bytes().into(), row) {
            self.forget(key.as_bytes(), &old);
        }
        if let Some(alias) = alias_of(key.as_bytes()).filter(|_| manual) {
            self.claim(alias, entry);
        }
    }

    fn claim(&mut self, alias: &[u8], entry: Rc<E>) {
        match self.aliases.get_mut(alias) {
            Some(claims) => {
                let older = mem::replace(&mut claims.newest, entry);
                claims.older.push(older);
            }
            None => {
                self.aliases.insert(alias.into(), Claims { newest: entry, older: Vec::new() });
            }
        }
    }

    /// Takes back what [`Table::put`] did beside the row.
    fn forget(&mut self, key: &[u8], row: &Row<E>) {
        let entry = &row.entry;
        for id in entry.grants().into_iter().flatten() {
            let Some(count) = self.grants.get_mut(id) else { continue };
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.grants.remove(id);
                self.released.push(id.into());
            }
        }
        if row.counted {
            self.calls.leave(key);
        }
        if let Some(alias) = alias_of(key)
            && let Some(claims) = self.aliases.get_mut(alias)
        {
            if !Rc::ptr_eq(&claims.newest, entry) {
                claims.older.retain(|other| !Rc::ptr_eq(other, entry));
            } else if let Some(other) = claims.older.pop() {
                claims.newest = other;
            } else {
                self.aliases.remove(alias);
            }
        }
    }

    fn claims(&self, alias: &[u8], entry: &Rc<E>) -> bool {
        self.aliases.get(alias).is_some_and(|claims| {
            Rc::ptr_eq(&claims.newest, entry) || claims.older.iter().any(|other| Rc::ptr_eq(other, entry))
        })
    }
}

impl<E: Entry> Records for Table<E> {
    fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn begin_listing(&mut self) {
        self.listing = self.listing.wrapping_add(1);
    }

    fn confirm(&mut self, key: &str, digest: Option<u128>) -> bool {
        match (self.rows.get_mut(key.as_bytes()), digest) {
            (Some(row), Some(digest)) if row.digest == halves(digest) => {
                row.listing = self.listing;
                true
            }
            _ => false,
        }
    }

    fn end_listing(&mut self) -> usize {
        let listing = self.listing;
        let gone: Vec<_> = self.rows.extract_if(|_, row| row.listing != listing).collect();
        for (key, row) in &gone {
            self.forget(key, row);
        }
        gone.len()
    }

    fn read(&mut self, key: &str, digest: Option<u128>, json: &[u8]) -> bool {
        if let Ok(record) = E::Record::read(json) {
            self.insert(key, digest, record);
            return true;
        }
        // Whether it was meant for the manual port is not known: it keeps the alias it had.
        let manual = alias_of(key.as_bytes()).is_some_and(|alias| {
            self.rows.get(key.as_bytes()).is_some_and(|row| self.claims(alias, &row.entry))
        });
        self.put(key, None, manual, E::unreadable());
        false
    }

    fn remove(&mut self, key: &str) {
        if let Some(row) = self.rows.remove(key.as_bytes()) {
            self.forget(key.as_bytes(), &row);
        }
    }

    fn needs_grant(&self, id: &str) -> bool {
        self.grants.contains_key(id)
    }

    fn take_released(&mut self) -> Vec<Box<str>> {
        let mut released = mem::take(&mut self.released);
        released.retain(|id| !self.needs_grant(id));
        released
    }
}

/// Only the numbers: records hold secrets.
impl<E> fmt::Debug for Table<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("rows", &self.rows.len())
            .field("aliases", &self.aliases.len())
            .field("grants", &self.grants.len())
            .field("applications", &self.calls.len())
            .finish_non_exhaustive()
    }
}

fn halves(digest: u128) -> [u64; 2] {
    [(digest >> 64) as u64, digest as u64]
}

/// `app/service` of a key `app/service/entry`.
fn alias_of(key: &[u8]) -> Option<&[u8]> {
    let end = memchr::memrchr(b'/', key)?;
    let alias = key.get(..end)?;
    alias.contains(&b'/').then_some(alias)
}

#[cfg(test)]
mod tests;
