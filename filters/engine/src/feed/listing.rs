//! A listing of everything, for a table that equals no revision of the control plane's epoch.

use fairlead_wire::{
    feed::{Hashes, MAX_WANTED, Records, View},
    json::{self, Raw},
};

use super::{
    Settings,
    page::{self, Malformed, Record},
};
use crate::{call::Call, snapshot};

/// How far a listing has come.
#[derive(Clone, Debug)]
pub(super) struct Listing {
    pub(super) epoch: String,
    /// Poll from here when it has ended.
    pub(super) revision: u64,
    /// When the control plane said so: what is listed is at least as new.
    pub(super) since: u64,
    by_hashes: bool,
    /// The last key listed.
    after: String,
    /// Pages follow.
    more: bool,
    /// Keys whose records differ and have not been fetched yet, in order.
    wanted: Vec<String>,
}

impl Listing {
    pub(super) fn new(epoch: String, revision: u64, since: u64, by_hashes: bool) -> Self {
        Self { epoch, revision, since, by_hashes, after: String::new(), more: true, wanted: Vec::new() }
    }

    pub(super) fn is_done(&self) -> bool {
        !self.more && self.wanted.is_empty()
    }

    /// The next call. Differences are fetched page by page, so that only one page's keys are ever remembered.
    pub(super) fn ask(&self, settings: &Settings, view: View) -> Call {
        if !self.wanted.is_empty() {
            settings.wanted(view, &self.epoch, self.batch())
        } else if self.by_hashes {
            settings.page(view, "hashes", &self.epoch, &self.after)
        } else {
            settings.page(view, "records", &self.epoch, &self.after)
        }
    }

    /// Reads the answer to that call. Returns records to apply; `None` when another epoch answered.
    pub(super) fn read<'a>(
        &mut self,
        body: &'a [u8],
        table: &mut dyn snapshot::Records,
    ) -> Result<Option<Vec<Record<'a>>>, Malformed> {
        if self.wanted.is_empty() && self.by_hashes {
            let page: Hashes = json::read_hashes(body).map_err(|_| Malformed)?;
            if page.epoch != self.epoch {
                return Ok(None);
            }
            self.turn_page(page.hashes.iter().map(|(key, _)| key), page.more)?;
            let differs = |(key, hash): &(String, String)| !table.confirm(key, page::digest(hash));
            self.wanted = page.hashes.into_iter().filter(differs).map(|(key, _)| key).collect();
            return Ok(Some(Vec::new()));
        }
        let page: Records<Raw<'a>> = json::read_records(body).map_err(|_| Malformed)?;
        if page.epoch != self.epoch {
            return Ok(None);
        }
        if self.wanted.is_empty() {
            self.turn_page(page.records.iter().map(|record| &record.key), page.more)?;
        } else {
            self.fetched(&page)?;
        }
        Ok(Some(page.records))
    }

    fn batch(&self) -> &[String] {
        self.wanted.get(..MAX_WANTED).unwrap_or(&self.wanted)
    }

    /// Keys must rise, or a listing could go in circles.
    fn turn_page<'k>(&mut self, keys: impl Iterator<Item = &'k String>, more: bool) -> Result<(), Malformed> {
        let mut last = &self.after;
        for key in keys {
            if key <= last {
                return Err(Malformed);
            }
            last = key;
        }
        if more && *last == self.after {
            return Err(Malformed);
        }
        self.after = last.clone();
        self.more = more;
        Ok(())
    }

    /// Takes what was fetched off the wanted keys, with those that turned out to be gone.
    fn fetched(&mut self, page: &Records<Raw<'_>>) -> Result<(), Malformed> {
        let batch = self.batch();
        let mut asked = batch.iter();
        // Both are in order: each record's key must come later in the batch than the one before.
        if !page.records.iter().all(|record| asked.any(|key| *key == record.key)) {
            return Err(Malformed);
        }
        let settled = match (page.more, page.records.is_empty()) {
            (true, true) => return Err(Malformed),
            (true, false) => batch.len().saturating_sub(asked.len()),
            (false, _) => batch.len(),
        };
        self.wanted.drain(..settled);
        Ok(())
    }
}
