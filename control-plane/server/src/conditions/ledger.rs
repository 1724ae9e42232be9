//! What each Application's status says as far as we know, so that nothing is written that is there already, transition times
//! stay, and an Event is sent once. Made from a listing when a replica begins to lead, then kept by what it writes.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use fairlead_resources::application::status::{
    Condition, ConditionStatus, InstallationStatus, ServiceStatus, Status,
};

use super::{Aspect, Finding, Report};

/// What is known about all of them.
pub(super) type Ledger = HashMap<Arc<str>, Seen>;

/// What one status says, without the texts.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    uid: Option<Box<str>>,
    content: u64,
    aspects: Box<[SeenAspect]>,
}

#[derive(Clone, Debug)]
struct SeenAspect {
    aspect: Aspect,
    status: ConditionStatus,
    /// Of reason and message.
    cause: u64,
    since: Box<str>,
}

/// A status to be written, and what is new in it.
pub(super) struct Due {
    /// The object that it is about.
    pub(super) uid: Option<Box<str>>,
    pub(super) status: Status,
    /// Kinds of problems that are there newly, for another cause, or no longer; `Ready` only sums them up.
    pub(super) news: Vec<Finding>,
    /// What is known once it is written.
    pub(super) seen: Seen,
}

impl Seen {
    /// Of a status that the API server has. Conditions of others do not count.
    pub(super) fn of(uid: Option<&str>, status: &Status) -> Self {
        let ours = || status.conditions.iter().filter_map(|c| Some((Aspect::of_type(&c.kind)?, c)));
        let aspects = ours().map(|(aspect, condition)| SeenAspect {
            aspect,
            status: condition.status,
            cause: hash(&(&condition.reason, &condition.message)),
            since: condition.last_transition_time.as_str().into(),
        });
        Self { uid: uid.map(Box::from), content: content(status), aspects: aspects.collect() }
    }

    fn aspect(&self, aspect: Aspect) -> Option<&SeenAspect> {
        self.aspects.iter().find(|seen| seen.aspect == aspect)
    }
}

/// What is to be written, if anything is. `now` is RFC 3339.
pub(super) fn due(report: &Report, findings: Vec<Finding>, seen: Option<&Seen>, now: &str) -> Option<Due> {
    let uid = report.identity.uid.clone();
    // An earlier object's status tells nothing about one that came after it under the same name.
    let seen = seen.filter(|seen| seen.uid.is_none() || uid.is_none() || seen.uid == uid);
    let findings = with_resolved(findings, seen);
    let generation = report.identity.generation;
    let conditions = findings.iter().map(|finding| condition(finding, generation, seen, now)).collect();
    let status = Status {
        installation_status: Some(installation(report)),
        observed_generation: generation,
        conditions,
        service_count: u32::try_from(report.service_count).ok(),
        services: report.services.clone(),
    };
    let after = Seen::of(uid.as_deref(), &status);
    if seen.is_some_and(|seen| seen.content == after.content) {
        return None;
    }
    let news = findings
        .into_iter()
        .filter(|finding| finding.aspect != Aspect::Ready && new(finding, seen))
        .collect();
    Some(Due { uid, status, news, seen: after })
}

/// A kind of problem that was told once is told again when it is over.
fn with_resolved(mut findings: Vec<Finding>, seen: Option<&Seen>) -> Vec<Finding> {
    for aspect in Aspect::ALL {
        let told = findings.iter().any(|finding| finding.aspect == aspect);
        if !told && seen.is_some_and(|seen| seen.aspect(aspect).is_some()) {
            findings.push(Finding::resolved(aspect));
        }
    }
    findings.sort_by_key(|finding| finding.aspect);
    findings
}

fn condition(finding: &Finding, generation: Option<i64>, seen: Option<&Seen>, now: &str) -> Condition {
    let status = status(finding);
    let before = seen.and_then(|seen| seen.aspect(finding.aspect)).filter(|before| before.status == status);
    Condition {
        kind: finding.aspect.as_str().to_owned(),
        status,
        observed_generation: generation,
        last_transition_time: before.map_or(now, |before| &before.since).to_owned(),
        reason: finding.reason.clone(),
        message: finding.message.clone(),
    }
}

fn new(finding: &Finding, seen: Option<&Seen>) -> bool {
    let before = seen.and_then(|seen| seen.aspect(finding.aspect));
    match before {
        None => !finding.good,
        Some(before) if before.status != status(finding) => true,
        Some(before) => !finding.good && before.cause != hash(&(&finding.reason, &finding.message)),
    }
}

fn status(finding: &Finding) -> ConditionStatus {
    if finding.good { ConditionStatus::True } else { ConditionStatus::False }
}

/// NC §4.3: scripts wait for `deployed`.
fn installation(report: &Report) -> InstallationStatus {
    let (status, description) = if report.identity.skip_installation {
        ("INSTALLATION_SKIPPED", "Installation will not be performed")
    } else if report.in_force {
        ("deployed", "Install complete")
    } else {
        ("failed", "the Application cannot be read; see its conditions")
    };
    InstallationStatus { status: status.to_owned(), description: Some(description.to_owned()) }
}

/// Everything of ours but times. Whose `installationStatus` it is does not matter, only that there is one: another writer may
/// have words of its own.
fn content(status: &Status) -> u64 {
    let Status { installation_status, observed_generation, conditions, service_count, services } = status;
    let mut hasher = DefaultHasher::new();
    (installation_status.is_some(), observed_generation, service_count).hash(&mut hasher);
    let mut ours: Vec<_> = conditions
        .iter()
        .filter_map(|condition| {
            let Condition { kind, status, observed_generation, reason, message, .. } = condition;
            Some((Aspect::of_type(kind)?, *status as u8, observed_generation, reason, message))
        })
        .collect();
    ours.sort();
    ours.hash(&mut hasher);
    for ServiceStatus { name, url, entries } in services {
        (name, url).hash(&mut hasher);
        for entry in entries {
            (&entry.name, &entry.url, &entry.refused).hash(&mut hasher);
        }
    }
    hasher.finish()
}

/// Differences only have to show within one process.
fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conditions::report::Identity;

    fn finding(aspect: Aspect, good: bool, message: &str) -> Finding {
        Finding { aspect, good, reason: "Word".to_owned(), message: message.to_owned() }
    }

    fn report(generation: i64) -> Report {
        let identity =
            Identity { uid: Some("1".into()), generation: Some(generation), ..Identity::default() };
        Report { identity, in_force: true, ..Report::default() }
    }

    fn time<'a>(due: &'a Due, kind: &str) -> &'a str {
        &due.status.conditions.iter().find(|condition| condition.kind == kind).unwrap().last_transition_time
    }

    #[test]
    fn what_is_there_is_not_written_again_and_times_change_only_with_the_status() {
        let good = || vec![finding(Aspect::Ready, true, "")];
        let bad = |text: &str| {
            vec![finding(Aspect::Ready, false, text), finding(Aspect::SecretsFound, false, text)]
        };
        let first = due(&report(1), good(), None, "t1").unwrap();
        assert!(first.news.is_empty(), "a sound Application is no news");
        assert!(due(&report(1), good(), Some(&first.seen), "t2").is_none());
        let next = due(&report(2), good(), Some(&first.seen), "t2").unwrap();
        assert_eq!((time(&next, "Ready"), next.status.observed_generation), ("t1", Some(2)));

        let broken = due(&report(2), bad("a"), Some(&next.seen), "t3").unwrap();
        assert_eq!((time(&broken, "Ready"), time(&broken, "SecretsFound")), ("t3", "t3"));
        assert_eq!(broken.news.len(), 1);
        let other = due(&report(2), bad("b"), Some(&broken.seen), "t4").unwrap();
        assert_eq!((time(&other, "Ready"), other.news.len()), ("t3", 1));

        let over = due(&report(2), good(), Some(&other.seen), "t5").unwrap();
        assert_eq!((over.status.conditions.len(), time(&over, "SecretsFound")), (2, "t5"));
        assert!(over.news.len() == 1 && over.news[0].good);
        assert!(due(&report(2), good(), Some(&over.seen), "t6").is_none());
    }

    #[test]
    fn a_listing_says_the_same_as_what_was_written() {
        let written = due(&report(1), vec![finding(Aspect::Ready, true, "")], None, "t1").unwrap();
        let mut listed = written.status;
        listed.conditions.insert(0, Condition { kind: "Theirs".to_owned(), ..Condition::default() });
        listed.installation_status =
            Some(InstallationStatus { status: "theirs".to_owned(), description: None });
        let seen = Seen::of(Some("1"), &listed);
        assert!(due(&report(1), vec![finding(Aspect::Ready, true, "")], Some(&seen), "t2").is_none());
        listed.observed_generation = None;
        let seen = Seen::of(Some("1"), &listed);
        assert!(due(&report(1), vec![finding(Aspect::Ready, true, "")], Some(&seen), "t2").is_some());
    }

    #[test]
    fn a_new_object_under_an_old_name_gets_its_status() {
        let first = due(&report(1), vec![finding(Aspect::Ready, true, "")], None, "t1").unwrap();
        let mut again = report(1);
        again.identity.uid = Some("2".into());
        let second = due(&again, vec![finding(Aspect::Ready, true, "")], Some(&first.seen), "t2").unwrap();
        assert_eq!(time(&second, "Ready"), "t2");
    }

    #[test]
    fn installation_status_is_kymas() {
        let skip =
            Report { identity: Identity { skip_installation: true, ..Identity::default() }, ..report(1) };
        let lost = Report { in_force: false, ..report(1) };
        for (report, word) in [(report(1), "deployed"), (skip, "INSTALLATION_SKIPPED"), (lost, "failed")] {
            assert_eq!(installation(&report).status, word);
        }
    }
}
