//! One Application and the Secrets that it refers to → its records, with what they need and what is wrong.
//!
//! An entry is compiled by itself ([`entry`]); here entries are put under the keys that requests come by, names that lead
//! to several entries become refusals (AG §4), and the last good state is kept where a change broke a Secret.

mod ca;
mod credential;
mod endpoint;
mod entry;
mod grant;
mod ingress;
mod limits;
mod proxy;
mod secret;
mod target;
pub(crate) mod text;

use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use fairlead_app_router::normalise;
use fairlead_resources::{Application, Entry, EntryType, Service};
use fairlead_wire::{
    Reason, Refusal,
    feed::{EgressOutcome, EgressRecord, IngressRecord},
};

pub(crate) use ingress::Installed;
use limits::Limits;
pub(crate) use target::Guard;

use crate::{Effect, GrantSpec, Problem, Profile, Record, index::Secrets};

/// What an Application is compiled with.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) secrets: &'a Secrets,
    pub(crate) guard: &'a Guard,
    pub(crate) installed: &'a Installed,
    /// Whether the installation replays calls.
    pub(crate) replay: bool,
    /// Seconds since 1970; what is told of certificates depends on it.
    pub(crate) now: i64,
}

/// What became of an Application.
#[derive(Debug)]
pub(crate) struct Compiled {
    /// How many services the Application has.
    pub(crate) services: usize,
    /// By key, in its order.
    pub(crate) egress: Box<[(Arc<str>, Way)]>,
    pub(crate) ingress: Record<IngressRecord>,
    /// The sink's transport profile.
    pub(crate) sink: Option<Arc<Profile>>,
    pub(crate) problems: Box<[Problem]>,
    /// Names of Secrets whose change makes it necessary to compile again; each once.
    pub(crate) refers_to: Box<[Arc<str>]>,
    /// When it must be compiled again because a certificate ends, seconds since 1970.
    pub(crate) due: Option<i64>,
}

/// What a key leads to.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) record: Record<EgressRecord>,
    /// The record's field of this name.
    pub(crate) manual: bool,
    /// What the record's route needs; nothing for a refusal.
    pub(crate) needs: Option<Needs>,
}

/// What a route needs.
#[derive(Clone, Debug)]
pub(crate) struct Needs {
    pub(crate) profile: Arc<Profile>,
    /// That of `Authorization`, then that of CSRF.
    pub(crate) grants: Box<[Arc<GrantSpec>]>,
    /// Namespace and name of the Secrets that its record holds something of.
    pub(crate) secrets: Box<[(Arc<str>, Arc<str>)]>,
    /// The Application or one of these Secrets was deleted: the route must not outlive the next compilation.
    pub(crate) revoked: bool,
}

impl Needs {
    /// The grant of this id.
    pub(crate) fn grant(&self, id: &str) -> Option<&GrantSpec> {
        self.grants.iter().find(|grant| grant.id == id).map(Arc::as_ref)
    }
}

/// Where an entry stands, for field paths.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) application: &'a Application,
    pub(crate) service: &'a Service,
    pub(crate) entry: &'a Entry,
    at: (usize, usize),
}

impl Place<'_> {
    /// Path of one of the entry's fields.
    pub(crate) fn field(&self, name: &str) -> String {
        format!("spec.services[{}].entries[{}].{name}", self.at.0, self.at.1)
    }

    fn service_field(&self, name: &str) -> String {
        format!("spec.services[{}].{name}", self.at.0)
    }
}

/// Why an entry cannot be called.
pub(crate) struct Refused {
    pub(crate) refusal: Refusal,
    pub(crate) problem: Problem,
}

/// Compiles `application`; `before` is what it was compiled to the last time.
pub(crate) fn compile(
    application: &Application,
    before: Option<&Compiled>,
    context: Context<'_>,
) -> Compiled {
    let mut problems = Vec::new();
    let mut refers_to = BTreeSet::new();
    let (ingress, sink) = ingress::compile(application, context, &mut problems);
    let limits = Limits::of(application, context.replay, &mut problems);
    let own_ca = OnceCell::new();
    let mut due: Option<i64> = None;
    let mut egress = BTreeMap::new();
    for (segment, candidates) in group(apis(application), |place| normalise(&place.service.display_name)) {
        let manual_key = format!("{}/{segment}", application.metadata.name);
        let manual = candidates.len() == 1;
        if !manual {
            let refusal = text::ambiguous(&segment, None, pairs(&candidates));
            egress.insert(manual_key.clone(), Way::refused(refusal, false));
            problems.extend(same_service_name(&segment, &candidates));
        }
        for (entry_segment, twins) in group(candidates, |place| normalise(&place.entry.name)) {
            let key = format!("{manual_key}/{entry_segment}");
            let way = match twins.as_slice() {
                [place] => {
                    let last = before.and_then(|before| before.find(&key)).map(|(_, way)| way);
                    let mut entry = entry::Compiler::new(*place, context, limits, &own_ca);
                    let outcome = entry.compile();
                    problems.append(&mut entry.problems);
                    refers_to.append(&mut entry.refers_to);
                    due = [due, entry.due].into_iter().flatten().min();
                    settle(outcome, last, manual, &mut problems)
                }
                _ => {
                    let refusal = text::ambiguous(&segment, Some(&entry_segment), pairs(&twins));
                    problems.extend(same_entry_name(&segment, &entry_segment, &twins));
                    Way::refused(refusal, false)
                }
            };
            if let Some(needs) = &way.needs {
                refers_to.extend(needs.secrets.iter().map(|(_, name)| name.to_string()));
            }
            egress.insert(key, way);
        }
    }
    // What holds for the whole Application, its CA for instance, is met with every entry.
    let mut told = BTreeSet::new();
    problems.retain(|problem| told.insert((problem.field.clone(), problem.message.clone())));
    Compiled {
        services: application.spec.services.len(),
        egress: egress.into_iter().map(|(key, way)| shared(key, way, before)).collect(),
        ingress: Record::new(&ingress),
        sink,
        problems: problems.into(),
        refers_to: refers_to.into_iter().map(Arc::from).collect(),
        due,
    }
}

/// Keys and records that stay are kept as they are, since the feed holds them too.
fn shared(key: String, mut way: Way, before: Option<&Compiled>) -> (Arc<str>, Way) {
    let Some((known, last)) = before.and_then(|before| before.find(&key)) else { return (key.into(), way) };
    if last.record == way.record {
        way.record = last.record.clone();
    }
    (known.clone(), way)
}

impl Compiled {
    /// What this key leads to.
    pub(crate) fn find(&self, key: &str) -> Option<&(Arc<str>, Way)> {
        let at = self.egress.binary_search_by(|(known, _)| (**known).cmp(key)).ok()?;
        self.egress.get(at)
    }

    /// What its routes need.
    pub(crate) fn needs(&self) -> impl Iterator<Item = &Needs> {
        self.egress.iter().filter_map(|(_, way)| way.needs.as_ref())
    }

    /// The same, to be changed.
    pub(crate) fn needs_mut(&mut self) -> impl Iterator<Item = &mut Needs> {
        self.egress.iter_mut().filter_map(|(_, way)| way.needs.as_mut())
    }

    /// Takes from the routes that `deleted` picks the right to outlive the next compilation.
    pub(crate) fn revoke(&mut self, deleted: impl Fn(&Needs) -> bool) {
        for needs in self.needs_mut() {
            needs.revoked |= deleted(needs);
        }
    }
}

impl Way {
    fn new(outcome: EgressOutcome, manual: bool, needs: Option<Needs>) -> Self {
        Self { record: Record::new(&EgressRecord { manual, outcome }), manual, needs }
    }

    fn refused(refusal: Refusal, manual: bool) -> Self {
        Self::new(EgressOutcome::Refusal(refusal), manual, None)
    }

    /// Why calls are refused, if they are.
    pub(crate) fn refused_for(&self) -> Option<Reason> {
        if self.needs.is_some() {
            return None;
        }
        match self.record.read()?.outcome {
            EgressOutcome::Refusal(refusal) => Some(refusal.reason),
            EgressOutcome::Route(_) => None,
        }
    }
}

/// The entries that can be called, in the order of the resource.
fn apis(application: &Application) -> Vec<Place<'_>> {
    let services = application.spec.services.iter().enumerate();
    services
        .flat_map(|(i, service)| {
            let entries =
                service.entries.iter().enumerate().filter(|(_, entry)| entry.kind == EntryType::Api);
            entries.map(move |(j, entry)| Place { application, service, entry, at: (i, j) })
        })
        .collect()
}

fn group<'a>(
    places: Vec<Place<'a>>,
    name: impl Fn(&Place<'a>) -> String,
) -> BTreeMap<String, Vec<Place<'a>>> {
    let mut groups: BTreeMap<String, Vec<Place<'a>>> = BTreeMap::new();
    for place in places {
        groups.entry(name(&place)).or_default().push(place);
    }
    groups
}

fn pairs<'a>(places: &[Place<'a>]) -> impl Iterator<Item = (&'a Service, &'a Entry)> {
    places.iter().map(|place| (place.service, place.entry))
}

/// The last good state stays where what is new or changed has an unusable Secret, unless one that it used was deleted: that
/// revokes. Everything else takes effect as it is.
fn settle(
    outcome: Result<(EgressOutcome, Needs), Box<Refused>>,
    last: Option<&Way>,
    manual: bool,
    problems: &mut Vec<Problem>,
) -> Way {
    let Refused { refusal, mut problem } = match outcome {
        Ok((outcome, needs)) => {
            return Way::new(outcome, manual, Some(needs));
        }
        Err(refused) => *refused,
    };
    let keepable =
        matches!(refusal.reason, Reason::SecretMissing | Reason::SecretInvalid | Reason::CertificateInvalid);
    let kept = last.filter(|way| keepable && way.needs.as_ref().is_some_and(|needs| !needs.revoked));
    let way = match kept {
        Some(way) => {
            problem.effect = Effect::LastGood;
            match way.record.read() {
                Some(record) if record.manual != manual => {
                    Way::new(record.outcome, manual, way.needs.clone())
                }
                _ => way.clone(),
            }
        }
        None => Way::refused(refusal, manual),
    };
    problems.push(problem);
    way
}

/// Several services become one segment (decision 3). Several entries of one service are no mistake: port 8082 tells them apart.
fn same_service_name(segment: &str, candidates: &[Place<'_>]) -> Option<Problem> {
    let first = candidates.first()?;
    let other = candidates.iter().find(|place| place.at.0 != first.at.0)?;
    let mut services: Vec<&Service> = candidates.iter().map(|place| place.service).collect();
    services.dedup_by_key(|service| std::ptr::from_ref(*service));
    let names: Vec<String> = services.iter().map(|s| format!("'{}' ({})", s.display_name, s.name)).collect();
    Some(Problem {
        field: other.service_field("displayName"),
        reason: Reason::Ambiguous,
        message: format!(
            "the services {} all become the path segment '{segment}', so port 8080 cannot tell them apart: \
             give them display names that differ in letters or digits",
            names.join(", ")
        ),
        effect: Effect::Refused,
    })
}

fn same_entry_name(segment: &str, entry_segment: &str, twins: &[Place<'_>]) -> Option<Problem> {
    let names: Vec<String> = twins
        .iter()
        .map(|place| format!("'{}' of '{}'", place.entry.name, place.service.display_name))
        .collect();
    Some(Problem {
        field: twins.get(1)?.field("name"),
        reason: Reason::Ambiguous,
        message: format!(
            "the entries {} all become the path '{segment}/{entry_segment}', so port 8082 cannot tell them apart: \
             give them names that differ in letters or digits",
            names.join(", ")
        ),
        effect: Effect::Refused,
    })
}
