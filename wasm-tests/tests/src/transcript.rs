//! What the engine's client and the real control plane say to each other, written down.
//!
//! [`Talk`] plays a gateway: the engine decides what to ask, mTLS carries it, each question and its answer is kept.
//! What differs from run to run (epochs, ids that depend on a port, lifetimes) is replaced by fixed words.

use fairlead_engine::{
    call::{Answer, Call},
    snapshot::Entry,
    step::WaitFor,
    vm::{Purpose, Vm},
};
use fairlead_testkit::{
    Error, Result,
    bed::Bed,
    certs::Identity,
    error::Doing as _,
    http::{self, Request, Tls},
};
use fairlead_wire::config::{Control, PluginConfig};
use serde_json::{Value, json};

/// One gateway's conversation.
pub struct Talk<E> {
    vm: Vm<E>,
    now: u64,
    exchanges: Vec<Value>,
}

/// Small pages, so that few records fill several.
const PAGE_BYTES: u32 = 700;

/// More questions than a handful of records can need.
const ROUNDS: usize = 50;

/// The configuration that conversations are recorded and replayed with.
#[must_use]
pub fn config() -> PluginConfig {
    let control = Control { wait_ms: 0, page_bytes: PAGE_BYTES, ..Control::default() };
    PluginConfig { control, ..PluginConfig::default() }
}

impl<E: Entry> Default for Talk<E> {
    fn default() -> Self {
        Self { vm: Vm::new(&config(), 1), now: 0, exchanges: Vec::new() }
    }
}

impl<E: Entry> Talk<E> {
    /// Asks what is due until a poll has no more; what was asked and answered is kept under `about`.
    ///
    /// # Errors
    /// The control plane does not answer.
    pub fn settle(&mut self, bed: &Bed, about: &str) -> Result {
        let tls = tls(bed, E::VIEW.as_str())?;
        for _ in 0..ROUNDS {
            // Later than any pause.
            self.now += 60_000;
            let (calls, _) = self.vm.session_mut().calls(self.now, &());
            let mut over = !calls.is_empty();
            for (purpose, call) in calls {
                let (status, body) = ask(bed, &tls, &call)?;
                over &= !call.path.contains("records")
                    && !call.path.contains("hashes")
                    && purpose == Purpose::Feed;
                self.vm.answered(purpose, self.now, Answer::Served { status, body: body.as_bytes() }, &());
                let body: Value = serde_json::from_str(&body).doing(&body)?;
                let some =
                    |list| body.get(list).and_then(Value::as_array).is_some_and(|list| !list.is_empty());
                over &= body.get("resync").is_none() && !some("changed") && !some("removed");
                self.exchanges.push(json!({
                    "about": about,
                    "view": E::VIEW.as_str(),
                    "request": request(&call),
                    "answer": { "status": status, "body": body },
                }));
            }
            if over {
                return Ok(());
            }
        }
        Err(Error::new(format!("no end of it ({about}): {:?}", self.exchanges.last())))
    }

    /// Lets a request wait for a grant, so that it is asked for.
    ///
    /// # Errors
    /// It may not wait.
    pub fn want(&mut self, grant: &str) -> Result {
        // Each request has a context of its own, and they rise.
        self.now += 1;
        let context = u32::try_from(self.now).unwrap_or(u32::MAX);
        let held = self.vm.session_mut().hold(context, WaitFor::Grant(grant), self.now);
        held.map_err(|refusal| Error::new(refusal.body))
    }

    /// The grants that the answers so far named, each once.
    #[must_use]
    pub fn grants(&self) -> Vec<String> {
        let mut ids = Vec::new();
        let bodies = self.exchanges.iter().filter_map(|exchange| exchange.pointer("/answer/body"));
        let lists = bodies.flat_map(|body| ["changed", "records"].map(|list| body.get(list)));
        for keyed in lists.flatten().filter_map(Value::as_array).flatten() {
            let grant = keyed.pointer("/record/outcome/route/credential/grant").and_then(Value::as_str);
            ids.extend(grant.filter(|grant| !ids.iter().any(|have| have == grant)).map(str::to_owned));
        }
        ids
    }

    /// The conversation so far.
    #[must_use]
    pub fn exchanges(self) -> Vec<Value> {
        self.exchanges
    }
}

/// A question as it is written down. The report's version is the build's, not the contract's.
#[must_use]
pub fn request(call: &Call) -> Value {
    let mut request = json!({ "method": call.method, "path": call.path });
    if let Some(fields) = request.as_object_mut() {
        if let Ok(body) = serde_json::from_slice::<Value>(&call.body) {
            fields.insert("body".to_owned(), body);
        }
        if let Some(Ok(mut report)) = call.report.as_deref().map(serde_json::from_str::<Value>) {
            if let Some(version) = report.get_mut("version") {
                *version = json!("0.0.0");
            }
            fields.insert("report".to_owned(), report);
        }
    }
    request
}

fn ask(bed: &Bed, tls: &Tls, call: &Call) -> Result<(u16, String)> {
    let mut request = Request::new(call.method, &call.path).header("Host", "fairlead-control");
    if let Some(report) = &call.report {
        request = request.header("x-fairlead-report", report);
    }
    if !call.body.is_empty() {
        request = request.header("Content-Type", "application/json").body(&call.body);
    }
    let answer = http::call_tls(bed.control.address("gateways")?, tls, &request)?;
    if answer.header("x-fairlead-feed") != ["1"] {
        return Err(Error::new(format!("no marker in {answer:?}")));
    }
    Ok((answer.status, answer.text()))
}

fn tls(bed: &Bed, view: &str) -> Result<Tls> {
    let read = |file: std::path::PathBuf| std::fs::read_to_string(&file).doing(file.display());
    let (certificate, key) = bed.control.pair(view);
    let identity = Identity { certificate_pem: read(certificate)?, key_pem: read(key)? };
    Ok(Tls::new().server_name("fairlead-control").roots(&read(bed.control.pair("ca").0)?).identity(&identity))
}

/// What is in `new`, or else is missing or different in it, of all that is in `old`: fields may be added, none may go.
///
/// # Errors
/// The path of the first difference.
pub fn kept(old: &Value, new: &Value, at: &str) -> Result {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => old.iter().try_for_each(|(key, old)| {
            let at = format!("{at}.{key}");
            kept(old, new.get(key).ok_or_else(|| Error::new(format!("{at} is missing")))?, &at)
        }),
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            let mut pairs = old.iter().zip(new).enumerate();
            pairs.try_for_each(|(n, (old, new))| kept(old, new, &format!("{at}[{n}]")))
        }
        _ if old == new => Ok(()),
        _ => Err(Error::new(format!("{at}: {old} became {new}"))),
    }
}
