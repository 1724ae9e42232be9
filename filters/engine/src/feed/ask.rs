//! The calls of the feed, as the contract spells them.

use fairlead_wire::{
    config::Control,
    feed::{MAX_PAGE_BYTES, MAX_WAIT_MS, PATH, Report, View, Wanted},
    json,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::call::Call;

/// What is not escaped in a query value: RFC 3986's unreserved characters and the slash of keys.
const QUERY_VALUE: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
/// How long a page may take, and how much longer than asked for a poll may.
const PAGE_TIMEOUT_MS: u32 = 10_000;

/// How to ask.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(super) wait_ms: u32,
    page_bytes: u32,
}

impl From<&Control> for Settings {
    fn from(control: &Control) -> Self {
        Self {
            wait_ms: control.wait_ms.min(MAX_WAIT_MS),
            page_bytes: control.page_bytes.clamp(1, MAX_PAGE_BYTES),
        }
    }
}

impl Settings {
    /// Asks for changes since `position`; with none the control plane answers that everything has to be listed.
    pub(super) fn poll(&self, view: View, position: Option<(&str, u64)>, missing: &[Box<str>]) -> Call {
        Call {
            timeout_ms: self.wait_ms.saturating_add(PAGE_TIMEOUT_MS),
            ..self.position(view, position, missing, self.wait_ms, self.page_bytes)
        }
    }

    /// Says what is missing beside a poll in flight: one that is not held, whose answer does not matter and is as
    /// short as one can be.
    pub(super) fn report(&self, view: View, position: Option<(&str, u64)>, missing: &[Box<str>]) -> Call {
        self.position(view, position, missing, 0, 1)
    }

    fn position(
        &self,
        view: View,
        position: Option<(&str, u64)>,
        missing: &[Box<str>],
        wait_ms: u32,
        bytes: u32,
    ) -> Call {
        let (epoch, revision) = position.unwrap_or_default();
        let report = Report {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            epoch: epoch.to_owned(),
            revision,
            missing_profiles: missing.iter().map(|profile| profile.to_string()).collect(),
        };
        Call {
            report: Some(json::write_report(&report)),
            ..get(view, format_args!("?epoch={}&revision={revision}&wait={wait_ms}", escaped(epoch)), bytes)
        }
    }

    /// Asks for a page of `what` (`records` or `hashes`) after a key.
    pub(super) fn page(&self, view: View, what: &str, epoch: &str, after: &str) -> Call {
        get(view, format_args!("/{what}?epoch={}&after={}", escaped(epoch), escaped(after)), self.page_bytes)
    }

    /// Asks for exactly these records.
    pub(super) fn wanted(&self, view: View, epoch: &str, keys: &[String]) -> Call {
        let wanted = Wanted { epoch: epoch.to_owned(), keys: keys.to_vec() };
        Call {
            method: "POST",
            body: json::write_wanted(&wanted).into_bytes(),
            ..get(view, format_args!("/records?epoch={}", escaped(epoch)), self.page_bytes)
        }
    }
}

fn get(view: View, rest: std::fmt::Arguments<'_>, bytes: u32) -> Call {
    Call {
        method: "GET",
        path: format!("{PATH}{}{rest}&bytes={bytes}", view.as_str()),
        report: None,
        body: Vec::new(),
        timeout_ms: PAGE_TIMEOUT_MS,
    }
}

fn escaped(value: &str) -> impl std::fmt::Display {
    utf8_percent_encode(value, QUERY_VALUE)
}
