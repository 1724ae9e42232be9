//! A control plane for measurements: serves one fixed view, as large as wanted, without a store behind it.
//!
//! It speaks the feed (`fairlead_wire::feed`) as far as a plugin without faults needs it: a poll that asks for a
//! listing, pages in key order, then polls that are held; and grants that never end.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use fairlead_testkit::{Result, error::Doing as _};
use fairlead_wire::{
    feed::{self, FeedRecord, Keyed},
    grant,
};
use serde_json::json;
use tokio::sync::watch;

use crate::responder::{self, Message};

/// Records of both views as the JSON that goes over the wire; replaced as a whole.
#[derive(Default)]
pub(crate) struct Feed {
    state: watch::Sender<State>,
    /// VMs that asked for the first time.
    vms: AtomicU32,
}

/// Hex digits of an epoch that name the content; the others name the VM that asks, so that who looks on knows whose
/// request is whose.
const CONTENT: usize = 24;

#[derive(Clone, Default)]
struct State {
    /// Names the content: a new one makes plugins compare everything.
    epoch: u32,
    views: BTreeMap<&'static str, Arc<BTreeMap<String, Entry>>>,
}

struct Entry {
    hash: String,
    json: String,
}

impl Feed {
    /// Replaces a view.
    pub(crate) fn set<R: FeedRecord>(&self, records: impl IntoIterator<Item = (String, R)>) -> Result {
        let mut view = BTreeMap::new();
        for (key, record) in records {
            let hash = feed::record_hash(&record).doing("cannot hash a record")?;
            let keyed = Keyed { key: key.clone(), hash: hash.clone(), record };
            let json = serde_json::to_string(&keyed).doing("cannot write a record")?;
            view.insert(key, Entry { hash, json });
        }
        self.state.send_modify(|state| {
            state.epoch += 1;
            state.views.insert(R::VIEW.as_str(), Arc::new(view));
        });
        Ok(())
    }

    /// Answers a plugin.
    pub(crate) async fn answer(&self, message: Message) -> Bytes {
        let target = message.target();
        let body = if let Some(id) = target.strip_prefix(grant::PATH) {
            granted(id, &message.body)
        } else {
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            self.page(path.strip_prefix(feed::PATH).unwrap_or_default(), query, &message.body).await
        };
        responder::ok(&format!("content-type: application/json\r\n{}: 1\r\n", feed::MARKER), body.as_bytes())
    }

    async fn page(&self, path: &str, query: &str, body: &[u8]) -> String {
        let state = self.state.borrow().clone();
        let asked = field(query, "epoch").unwrap_or_default();
        let vm = asked.get(CONTENT..).filter(|vm| !vm.is_empty()).map(str::to_owned);
        let vm = vm.unwrap_or_else(|| format!("{:08x}", self.vms.fetch_add(1, Ordering::Relaxed)));
        let epoch = format!("{:0CONTENT$x}{vm}", state.epoch);
        let (view, what) = path.split_once('/').unwrap_or((path, ""));
        let view = state.views.get(view).cloned().unwrap_or_default();
        let after = field(query, "after").unwrap_or_default();
        let bytes = field(query, "bytes").and_then(|n| n.parse().ok()).unwrap_or(feed::PAGE_BYTES as usize);
        match what {
            "records" if !body.is_empty() => wanted(&epoch, &view, body, bytes),
            "records" => {
                page(&epoch, "records", bytes, rows(&view, &after).map(|(_, entry)| entry.json.clone()))
            }
            "hashes" => page(
                &epoch,
                "hashes",
                bytes,
                rows(&view, &after).map(|(key, entry)| json!([key, entry.hash]).to_string()),
            ),
            _ if asked == epoch => {
                let wait = field(query, "wait").and_then(|n| n.parse().ok()).unwrap_or(0);
                self.hold(state.epoch, Duration::from_millis(wait)).await;
                json!({ "epoch": epoch, "revision": 1 }).to_string()
            }
            _ => json!({ "epoch": epoch, "revision": 1, "resync": true }).to_string(),
        }
    }

    /// Until the content changes, or `wait` is over.
    async fn hold(&self, epoch: u32, wait: Duration) {
        let mut changed = self.state.subscribe();
        let _ = tokio::time::timeout(wait, changed.wait_for(|state| state.epoch != epoch)).await;
    }
}

/// The VM that asks, by the request's first line; none for its first request.
pub(crate) fn vm(line: &str) -> Option<String> {
    let (_, query) = line.split(' ').nth(1)?.split_once('?')?;
    field(query, "epoch")?.get(CONTENT..).filter(|vm| !vm.is_empty()).map(str::to_owned)
}

fn rows<'a>(view: &'a BTreeMap<String, Entry>, after: &str) -> impl Iterator<Item = (&'a String, &'a Entry)> {
    let from = if after.is_empty() { Bound::Unbounded } else { Bound::Excluded(after.to_owned()) };
    view.range::<String, _>((from, Bound::Unbounded))
}

/// A page of about `bytes` bytes.
fn page(epoch: &str, name: &str, bytes: usize, items: impl Iterator<Item = String>) -> String {
    let mut text = format!("{{\"epoch\":\"{epoch}\",\"{name}\":[");
    let mut first = true;
    let mut more = false;
    for item in items {
        if !first && text.len() + item.len() > bytes {
            more = true;
            break;
        }
        if !first {
            text.push(',');
        }
        text.push_str(&item);
        first = false;
    }
    text.push_str(&format!("],\"more\":{more}}}"));
    text
}

fn wanted(epoch: &str, view: &BTreeMap<String, Entry>, body: &[u8], bytes: usize) -> String {
    let keys = serde_json::from_slice::<feed::Wanted>(body).map(|wanted| wanted.keys).unwrap_or_default();
    page(epoch, "records", bytes, keys.iter().filter_map(|key| Some(view.get(key)?.json.clone())))
}

/// The first grant of `id`.
pub(crate) fn bearer(id: &str) -> String {
    format!("Bearer {id}-0123456789abcdef0123456789abcdef.1")
}

/// Ids of grants that are CSRF tokens begin so.
pub(crate) const CSRF: &str = "c5f";
/// Token and cookie of each.
pub(crate) const CSRF_TOKEN: &str = "0123456789abcdef0123456789abcdef";
pub(crate) const CSRF_COOKIE: &str = "session=0123456789abcdef0123456789abcdef";

/// Ids of grants that last [`SHORT_MS`] begin so.
pub(crate) const SHORT: &str = "5407";
/// Less than it takes until a caller comes back to the same of a thousand Applications.
const SHORT_MS: u64 = 20;

/// Each has the serial that follows the one that cannot be used any longer.
fn granted(id: &str, body: &[u8]) -> String {
    let request = serde_json::from_slice::<grant::GrantRequest>(body).unwrap_or_default();
    let serial = request.rejected.unwrap_or(0) + 1;
    let granted = if id.starts_with(CSRF) {
        let csrf = grant::Csrf { token: CSRF_TOKEN.to_owned(), cookies: vec![CSRF_COOKIE.to_owned()] };
        grant::Granted { serial, csrf: Some(csrf), ..grant::Granted::default() }
    } else {
        let expires_ms = id.starts_with(SHORT).then_some(SHORT_MS);
        let authorization = format!("{}{serial}", bearer(id).trim_end_matches('1'));
        grant::Granted { serial, authorization, expires_ms, ..grant::Granted::default() }
    };
    serde_json::to_string(&grant::GrantAnswer::Granted(granted)).unwrap_or_default()
}

/// The value of a query parameter. Keys here hold nothing but letters, digits, `-` and, escaped or not, `/`.
fn field(query: &str, name: &str) -> Option<String> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    Some(value.replace("%2F", "/").replace("%2f", "/").replace("%2D", "-").replace("%2E", "."))
}
