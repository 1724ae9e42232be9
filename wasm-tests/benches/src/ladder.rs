//! Where the CPU of a request goes: from no filter to our plugin, one kind of host call more at each rung.
//!
//! Rungs are the bare filter (`fairlead-bare`) with fewer callbacks and calls. They run in the same race as what
//! they explain. The last rung makes the calls that the plugin makes, so what the plugin costs above it is its own
//! time: the time within the module. Whether the calls are the same is looked up in the host's own trace ([`calls`]).

pub(crate) mod calls;
mod split;

use std::{collections::BTreeSet, path::Path};

use fairlead_testkit::{Result, error::Doing as _};
use fairlead_wire::config::{IdentitySource, PluginConfig};
use serde_json::Value;

use crate::{options, variant};

pub(crate) use split::Split;

/// Callbacks that the plugin may do without; [`REQUEST`] it cannot.
const CREATE: &str = "proxy_on_context_create";
const DELETE: &str = "proxy_on_delete";
const RESPONSE: &str = "proxy_on_response_headers";
const REQUEST: &str = "proxy_on_request_headers";

/// What a rung adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any Wasm filter at all.
    Filter,
    /// A stream's beginning and end.
    Contexts,
    /// One read of all request headers.
    Read,
    /// Properties of the connection.
    Property,
    /// The first change of a header.
    FirstWrite,
    /// Further ones.
    Writes,
    /// The callback of the response, and the read of its status.
    Response,
    /// What is counted of a request at its end.
    Metrics,
    /// What the plugin computes.
    Own,
}

/// A variant of the bare filter.
#[derive(Debug)]
pub(crate) struct Rung {
    pub(crate) kind: Kind,
    /// What it adds, for the table.
    pub(crate) label: String,
    /// All writes are made: it gets the plugin's requests. The others get what the plugin would have made of them,
    /// which is also what the race without a filter gets.
    pub(crate) complete: bool,
    callbacks: Vec<&'static str>,
    calls: String,
}

/// All rungs of a job, the complete bare filter last.
#[derive(Debug)]
pub(crate) struct Ladder {
    name: String,
    module: Vec<u8>,
    pub(crate) rungs: Vec<Rung>,
}

impl Ladder {
    /// The rungs of a job that reads these properties and makes these writes: lines for the bare filter. Callbacks that
    /// our module does not have are on no rung.
    pub(crate) fn new(name: &str, properties: &[&str], writes: &[String]) -> Result<Self> {
        let read = |variable| std::fs::read(options::file(variable)?).doing("cannot read a module");
        let (module, ours) = (read("FAIRLEAD_BARE")?, read("FAIRLEAD_MODULE")?);
        let has = |callback: &&str| memchr::memmem::find(&ours, callback.as_bytes()).is_some();
        let mut ladder = Self { name: name.to_owned(), module, rungs: Vec::new() };
        ladder.add(Kind::Filter, "an empty filter", &[REQUEST], "");
        let contexts: Vec<_> = [CREATE, DELETE].into_iter().filter(has).collect();
        if !contexts.is_empty() {
            ladder.add(Kind::Contexts, "callbacks of a stream's beginning and end", &contexts, "");
        }
        ladder.add(Kind::Read, "one read of all headers", &[], "read");
        for property in properties {
            ladder.add(Kind::Property, &format!("property {property}"), &[], &format!("property {property}"));
        }
        if let Some((first, others)) = writes.split_first() {
            ladder.add(Kind::FirstWrite, "the first write", &[], first);
            ladder.add(Kind::Writes, &format!("{} more writes", others.len()), &[], &others.join("\n"));
        }
        if has(&RESPONSE) {
            ladder.add(
                Kind::Response,
                "response phase, as far as the listener lets it come",
                &[RESPONSE],
                "",
            );
        }
        let metrics = "clock\nend property response.size\nend clock\nend histogram bench";
        ladder.add(Kind::Metrics, "metrics: bytes sent, two looks at the clock, a duration", &[], metrics);
        Ok(ladder)
    }

    fn add(&mut self, kind: Kind, label: &str, callbacks: &[&'static str], calls: &str) {
        let (mut all, mut lines) =
            self.rungs.last().map(|rung| (rung.callbacks.clone(), rung.calls.clone())).unwrap_or_default();
        all.extend(callbacks);
        if !calls.is_empty() {
            lines.push_str(calls);
            lines.push('\n');
        }
        let complete = matches!(kind, Kind::Writes | Kind::Response | Kind::Metrics);
        self.rungs.push(Rung { kind, label: label.to_owned(), complete, callbacks: all, calls: lines });
    }

    /// Name of a rung's listener.
    pub(crate) fn listener(&self, rung: usize) -> String {
        format!("{}-{rung}", self.name)
    }

    /// Name of the complete bare filter's listener.
    pub(crate) fn complete(&self) -> String {
        self.listener(self.rungs.len().saturating_sub(1))
    }

    /// Listeners of all rungs; the modules are written to `directory`.
    pub(crate) fn listeners(&self, template: &Value, directory: &Path) -> Result<Vec<Value>> {
        let one = |(index, rung): (usize, &Rung)| {
            let name = self.listener(index);
            let file = directory.join(format!("{name}.wasm"));
            std::fs::write(&file, with_callbacks(&self.module, &rung.callbacks)).doing(file.display())?;
            let mut template = template.clone();
            if !rung.complete {
                template = variant::open(&template)?;
            }
            if !matches!(rung.kind, Kind::Response | Kind::Metrics) {
                template = variant::unwrapped(&template)?;
            }
            variant::module(&template, &name, &file, &rung.calls)
        };
        self.rungs.iter().enumerate().map(one).collect()
    }
}

/// The properties that the ingress pipeline reads when it is configured so.
pub(crate) fn ingress_properties(config: &PluginConfig) -> Vec<&'static str> {
    let subject =
        (config.identity == IdentitySource::Connection).then_some("connection.subject_peer_certificate");
    let name = (!config.server_name_matched).then_some("connection.requested_server_name");
    subject.into_iter().chain(name).collect()
}

/// The module with only these of its optional callbacks: the host looks for exports by name, and does not call what
/// it does not find.
fn with_callbacks(module: &[u8], wanted: &[&str]) -> Vec<u8> {
    let unwanted: BTreeSet<_> =
        [CREATE, DELETE, RESPONSE].into_iter().filter(|callback| !wanted.contains(callback)).collect();
    let mut module = module.to_vec();
    for callback in unwanted {
        let at: Vec<_> = memchr::memmem::find_iter(&module, callback).collect();
        for first in at {
            if let Some(letter) = module.get_mut(first) {
                *letter = b'_';
            }
        }
    }
    module
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callbacks_that_are_not_wanted_have_another_name() {
        let module = [REQUEST, CREATE, DELETE, RESPONSE].join("\0");
        let left = with_callbacks(module.as_bytes(), &[REQUEST, DELETE]);
        let renamed = |callback: &str| callback.replacen('p', "_", 1);
        let expected = [REQUEST.to_owned(), renamed(CREATE), DELETE.to_owned(), renamed(RESPONSE)];
        assert_eq!(String::from_utf8(left).unwrap(), expected.join("\0"));
    }
}
