//! A [`Report`] → what is to be said about each aspect of an Application. Pure: the same for `fairlead status`, the
//! resource's conditions, Events and metrics.

use fairlead_model::{Effect, Problem};
use fairlead_wire::{Reason, feed::View};
use serde::Serialize;

use super::Report;
use crate::{grants::trouble::GrantTrouble, kubernetes::Missing};

/// Characters of a condition's message; the API server takes 32768, people fewer.
const MESSAGE: usize = 2000;

/// Types of conditions: whether all is well, and one for each kind of problem. `True` is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Aspect {
    /// All that the Application says is in force.
    Ready,
    /// The store could read it, and every field has a value that means something.
    FieldsValid,
    /// All Secrets that it names are there.
    SecretsFound,
    /// These Secrets can be used.
    SecretsValid,
    /// No two things go by one name.
    NamesUnique,
    /// Targets and token endpoints are URLs that can be called.
    TargetsValid,
    /// Targets are none that the installation refuses.
    TargetsAllowed,
    /// The gateways have the transport profiles that calls need.
    ProfilesDelivered,
    /// Tokens and CSRF sessions that calls need can be had.
    GrantsFetched,
    /// External systems see the certificate at the ingress gateway that they are meant to see.
    ServerTrusted,
}

impl Aspect {
    /// All, in the order in which they are told.
    pub const ALL: [Self; 10] = [
        Self::Ready,
        Self::FieldsValid,
        Self::SecretsFound,
        Self::SecretsValid,
        Self::NamesUnique,
        Self::TargetsValid,
        Self::TargetsAllowed,
        Self::ProfilesDelivered,
        Self::GrantsFetched,
        Self::ServerTrusted,
    ];

    /// The condition's type.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::FieldsValid => "FieldsValid",
            Self::SecretsFound => "SecretsFound",
            Self::SecretsValid => "SecretsValid",
            Self::NamesUnique => "NamesUnique",
            Self::TargetsValid => "TargetsValid",
            Self::TargetsAllowed => "TargetsAllowed",
            Self::ProfilesDelivered => "ProfilesDelivered",
            Self::GrantsFetched => "GrantsFetched",
            Self::ServerTrusted => "ServerTrusted",
        }
    }

    /// The one of this type, if it is ours.
    #[must_use]
    pub fn of_type(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|aspect| aspect.as_str() == name)
    }

    /// Which aspect a problem is about.
    #[must_use]
    pub fn of(reason: Reason) -> Self {
        match reason {
            Reason::SecretMissing => Self::SecretsFound,
            Reason::SecretInvalid | Reason::CertificateInvalid => Self::SecretsValid,
            Reason::Ambiguous => Self::NamesUnique,
            Reason::TargetRefused => Self::TargetsAllowed,
            Reason::TargetInvalid
            | Reason::TargetUnsupported
            | Reason::TargetUnreachable
            | Reason::TokenEndpointInvalid
            | Reason::TokenEndpointUnreachable
            | Reason::CsrfEndpointUnreachable
            | Reason::ProxyInvalid => Self::TargetsValid,
            Reason::ProfileMissing => Self::ProfilesDelivered,
            _ => Self::FieldsValid,
        }
    }
}

/// What is to be said about one aspect.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Finding {
    /// Which.
    #[serde(rename = "type")]
    pub aspect: Aspect,
    /// All is well.
    pub good: bool,
    /// The cause in one word; as in answers and metrics, but in a condition's spelling.
    pub reason: String,
    /// The cause, and what to do.
    pub message: String,
}

impl Finding {
    /// A problem of this kind is over, or was never there.
    #[must_use]
    pub fn resolved(aspect: Aspect) -> Self {
        Self {
            aspect,
            good: true,
            reason: "Resolved".to_owned(),
            message: "no problem any longer".to_owned(),
        }
    }
}

/// `Ready`, and every aspect that has a problem, in the order of [`Aspect::ALL`]. `missing` are profiles that gateways have lacked for
/// too long; only those that this Application needs count.
#[must_use]
pub fn judge(report: &Report, missing: &[Missing]) -> Vec<Finding> {
    let mut troubles: Vec<Trouble> = report.problems.iter().map(Trouble::of).collect();
    troubles.extend(report.unreadable.iter().map(|reason| Trouble::unreadable(reason, report.in_force)));
    let lacks = |missing: &&Missing| {
        report.profiles.iter().any(|(view, id)| *view == missing.view && *id == missing.profile)
    };
    troubles.extend(missing.iter().filter(lacks).map(Trouble::missing));
    troubles.extend(report.grants.iter().map(|trouble| Trouble::grant(trouble)));
    troubles.extend(report.undelivered.iter().map(|(view, profile)| Trouble::undelivered(*view, profile)));
    troubles.extend(report.server_pair_missing.as_deref().map(Trouble::self_signed));
    let mut findings = vec![ready(&troubles)];
    for aspect in Aspect::ALL {
        let own: Vec<&Trouble> = troubles.iter().filter(|trouble| trouble.aspect == aspect).collect();
        if let Some(first) = own.first() {
            let message = joined(own.iter().map(|trouble| trouble.text.as_str()), "\n");
            findings.push(Finding { aspect, good: false, reason: first.reason.clone(), message });
        }
    }
    findings
}

/// One problem, whoever told it.
struct Trouble {
    aspect: Aspect,
    reason: String,
    text: String,
    /// Calls go nevertheless, as the Application says.
    harmless: bool,
}

impl Trouble {
    fn of(problem: &Problem) -> Self {
        Self {
            aspect: Aspect::of(problem.reason),
            reason: condition_word(problem.reason),
            text: problem.to_string(),
            harmless: problem.effect == Effect::Warning,
        }
    }

    fn unreadable(reason: &str, in_force: bool) -> Self {
        let effect =
            if in_force { "the last good state stays in force" } else { "nothing of it is in force" };
        Self {
            aspect: Aspect::FieldsValid,
            reason: "Unreadable".to_owned(),
            text: format!("{reason} ({effect})"),
            harmless: false,
        }
    }

    /// What endpoints do is not what the Application says: it is in force all the same.
    fn grant(trouble: &GrantTrouble) -> Self {
        let GrantTrouble { secret, reason, cause, since } = trouble;
        let since = jiff::Timestamp::from_second(*since).unwrap_or_default();
        Self {
            aspect: Aspect::GrantsFetched,
            reason: condition_word(*reason),
            text: format!("no grant can be had with Secret {secret} since {since}: {cause}"),
            harmless: true,
        }
    }

    fn undelivered(view: View, profile: &str) -> Self {
        Self {
            aspect: Aspect::ProfilesDelivered,
            reason: "ProfileUndelivered".to_owned(),
            text: format!(
                "transport profile {profile} has not reached the {} gateway yet; what needs it is not in force until then (see the \
                 control plane's log for why it cannot be written)",
                view.as_str()
            ),
            harmless: false,
        }
    }

    fn self_signed(secret: &str) -> Self {
        Self {
            aspect: Aspect::ServerTrusted,
            reason: "ServerPairMissing".to_owned(),
            text: format!(
                "the ingress gateway shows a self-signed certificate, which external systems have no reason to trust: Secret \
                 {secret} is not there or lacks tls.crt or tls.key"
            ),
            harmless: true,
        }
    }

    fn missing(missing: &Missing) -> Self {
        let Missing { view, gateway, profile, since } = missing;
        let since = jiff::Timestamp::from_second(*since).unwrap_or_default();
        Self {
            aspect: Aspect::ProfilesDelivered,
            reason: condition_word(Reason::ProfileMissing),
            text: format!(
                "the {} gateway {gateway} has had no transport profile {profile} since {since}; calls that need it are \
                 answered with 503 (see the gateway's log for why it was refused)",
                view.as_str()
            ),
            harmless: false,
        }
    }
}

fn ready(troubles: &[Trouble]) -> Finding {
    let aspect = Aspect::Ready;
    let serious: Vec<&Trouble> = troubles.iter().filter(|trouble| !trouble.harmless).collect();
    let Some(first) = serious.first() else {
        let message = match troubles.len() {
            0 => "in force".to_owned(),
            warnings => format!("in force, with {warnings} warnings in other conditions"),
        };
        return Finding { aspect, good: true, reason: "InForce".to_owned(), message };
    };
    let message = match serious.len() - 1 {
        0 => cut(&first.text, MESSAGE),
        more => format!("{} (and {more} more, in other conditions)", cut(&first.text, MESSAGE)),
    };
    Finding { aspect, good: false, reason: first.reason.clone(), message }
}

/// `secret_missing` → `SecretMissing`.
fn condition_word(reason: Reason) -> String {
    let mut word = String::new();
    for part in reason.as_str().split('_') {
        let mut letters = part.chars();
        word.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        word.push_str(letters.as_str());
    }
    word
}

/// As many of `texts` as fit, and how many did not.
fn joined<'a>(texts: impl Iterator<Item = &'a str>, separator: &str) -> String {
    let mut all = String::new();
    let mut left_out = 0_usize;
    for text in texts {
        if all.is_empty() {
            all = cut(text, MESSAGE);
        } else if left_out > 0 || all.len() + separator.len() + text.len() > MESSAGE {
            left_out += 1;
        } else {
            all.push_str(separator);
            all.push_str(text);
        }
    }
    if left_out > 0 {
        all.push_str(&format!("{separator}and {left_out} more"));
    }
    all
}

/// At most `limit` characters of `text`.
pub(super) fn cut(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn problem(reason: Reason, effect: Effect) -> Problem {
        Problem { field: "spec.x".to_owned(), reason, message: "is wrong".to_owned(), effect }
    }

    fn report(problems: Vec<Problem>) -> Report {
        Report {
            in_force: true,
            problems,
            profiles: vec![(View::Egress, "fairlead.t.1".to_owned())],
            ..Report::default()
        }
    }

    fn missing(view: View, profile: &str) -> Missing {
        Missing { view, gateway: [10, 0, 0, 1].into(), profile: profile.to_owned(), since: 0 }
    }

    #[test]
    fn a_sound_application_has_one_condition() {
        let findings = judge(&report(Vec::new()), &[missing(View::Egress, "other")]);
        assert!(matches!(findings.as_slice(), [Finding { aspect: Aspect::Ready, good: true, .. }]));
    }

    #[test]
    fn a_grant_that_cannot_be_had_is_told_and_leaves_the_application_ready() {
        let trouble = GrantTrouble {
            secret: "kyma-system/s".to_owned(),
            reason: Reason::TokenEndpointStatus,
            cause: "it said 401".to_owned(),
            since: 0,
        };
        let findings = judge(&Report { grants: vec![Arc::new(trouble)], ..report(Vec::new()) }, &[]);
        let [ready, fetched] = findings.as_slice() else { panic!("{findings:?}") };
        assert!(ready.good && !fetched.good && fetched.aspect == Aspect::GrantsFetched);
        assert_eq!(fetched.reason, "TokenEndpointStatus");
        let message = "no grant can be had with Secret kyma-system/s since 1970-01-01T00:00:00Z: it said 401";
        assert_eq!(fetched.message, message);
    }

    #[test]
    fn each_kind_of_problem_has_a_condition_and_ready_names_the_first() {
        let findings = judge(
            &report(vec![
                problem(Reason::Ambiguous, Effect::Refused),
                problem(Reason::SecretMissing, Effect::LastGood),
                problem(Reason::SecretMissing, Effect::Refused),
            ]),
            &[missing(View::Egress, "fairlead.t.1"), missing(View::Ingress, "fairlead.t.1")],
        );
        let told: Vec<_> = findings.iter().map(|f| (f.aspect, f.good, f.reason.as_str())).collect();
        assert_eq!(
            told,
            [
                (Aspect::Ready, false, "Ambiguous"),
                (Aspect::SecretsFound, false, "SecretMissing"),
                (Aspect::NamesUnique, false, "Ambiguous"),
                (Aspect::ProfilesDelivered, false, "ProfileMissing"),
            ]
        );
        assert!(
            findings[0].message.ends_with("(and 3 more, in other conditions)"),
            "{}",
            findings[0].message
        );
        assert_eq!(findings[1].message.lines().count(), 2);
        assert!(
            findings[3].message.contains("egress gateway 10.0.0.1") && findings[3].message.contains("1970-")
        );
    }

    #[test]
    fn a_self_signed_certificate_leaves_it_ready() {
        let report = Report { server_pair_missing: Some("a/b".into()), ..report(Vec::new()) };
        let findings = judge(&report, &[]);
        assert!(findings[0].good && findings[1].message.contains("Secret a/b is not there"), "{findings:?}");
        assert_eq!((findings[1].aspect, findings.len()), (Aspect::ServerTrusted, 2));
    }

    #[test]
    fn a_warning_leaves_it_ready() {
        let findings = judge(&report(vec![problem(Reason::FieldInvalid, Effect::Warning)]), &[]);
        assert!(findings[0].good && !findings[1].good, "{findings:?}");
    }

    #[test]
    fn what_cannot_be_read_is_told_with_what_is_in_force() {
        for (in_force, words) in [(true, "last good"), (false, "nothing of it")] {
            let report = Report { in_force, unreadable: vec!["spec.x: no".to_owned()], ..Report::default() };
            let findings = judge(&report, &[]);
            assert!(!findings[0].good && findings[0].message.contains(words), "{findings:?}");
            assert_eq!(
                (findings[1].aspect, findings[1].reason.as_str()),
                (Aspect::FieldsValid, "Unreadable")
            );
        }
    }

    #[test]
    fn messages_have_an_end() {
        let many = (0..5000).map(|_| problem(Reason::SecretInvalid, Effect::Refused)).collect();
        let findings = judge(&report(many), &[]);
        assert!(findings.iter().all(|finding| finding.message.chars().count() < 2 * MESSAGE));
        assert!(findings[1].message.ends_with("more"), "{}", findings[1].message);
    }

    #[test]
    fn every_word_is_one_that_a_condition_may_have() {
        for (reason, _) in fairlead_wire::reason::REASONS {
            let word = condition_word(*reason);
            assert!(word.bytes().all(|byte| byte.is_ascii_alphanumeric()) && !word.is_empty(), "{word}");
        }
        for aspect in Aspect::ALL {
            assert_eq!(Aspect::of_type(aspect.as_str()), Some(aspect));
        }
    }
}
