//! Client certificates: for token endpoints (AG §8.4, E17, E18) and for targets (AG §8.5, E19).

use std::sync::Arc;

use fairlead_cases::cover;
use fairlead_model::{Changes, Effect, GrantKind, GrantSpec, Trust};
use fairlead_wire::{Reason, feed::Credential};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::support::{World, error, one_with, secret};

const KEY: &str = "app/svc/api";
const FIELD: &str = "spec.services[0].entries[0].credentials.secretName";
pub(crate) const RSA: (&str, &str) =
    (include_str!("../pairs/rsa.crt"), include_str!("../pairs/rsa.pkcs1.key"));
pub(crate) const P256: (&str, &str) =
    (include_str!("../pairs/p256.crt"), include_str!("../pairs/p256.pkcs8.key"));

fn entry(kind: &str, url: &str, spec: Value) -> Value {
    let credentials =
        json!({"type": kind, "secretName": "s", "authenticationUrl": "https://token.example/t?k=1"});
    one_with(json!({"targetUrl": url, "credentials": credentials}), spec)
}

pub(crate) fn pair((crt, key): (&str, &str)) -> Value {
    secret(
        "s",
        json!({"crt": crt, "key": key, "clientId": "id", "headers": r#"{"X-A": ["1", "2"]}"#,
            "queryParameters": r#"{"resource": ["r"]}"#}),
    )
}

fn world(kind: &str, values: Value, spec: Value) -> (World, Changes) {
    let mut world = World::new();
    world.put(values);
    world.put(secret("ca", json!({"ca.crt": P256.0})));
    let changes = world.apply(entry(kind, "https://t.example", spec));
    (world, changes)
}

fn grant(changes: &Changes) -> Arc<GrantSpec> {
    changes.grants.iter().find_map(|(_, grant)| grant.clone()).unwrap()
}

#[test]
fn a_token_over_mutual_tls_needs_no_other_profile() {
    let (world, changes) = world("OAuthWithCert", pair(RSA), json!({}));
    let grant = grant(&changes);
    assert_eq!(world.route(KEY).credential, Credential::Grant(grant.id.clone()));
    let GrantKind::CertifiedClient { client_id, pair } = &grant.kind else { panic!("{grant:?}") };
    assert_eq!((client_id.expose_secret(), pair.certificate_pem.as_str()), ("id", RSA.0));
    let lines: Vec<_> =
        grant.headers.iter().map(|(name, value)| (name.as_str(), value.expose_secret())).collect();
    assert_eq!(lines, [("x-a", "1"), ("x-a", "2")], "several values, in order");
    assert_eq!(grant.query_parameters[0].0, "resource");
    assert_eq!(grant.endpoint.as_ref().unwrap().url.as_str(), "https://token.example/t?k=1");
    let profile = changes.profiles.added.values().next().unwrap();
    assert_eq!((&profile.trust, &profile.client), (&Trust::System, &None), "the target never sees it");
}

#[test]
fn a_target_that_asks_for_a_certificate_gets_it_by_a_profile_of_its_own() {
    let mut ids = Vec::new();
    for (values, spec, trust) in [
        (pair(RSA), json!({}), Trust::System),
        (pair(P256), json!({}), Trust::System),
        (pair(RSA), json!({"skipVerify": true}), Trust::Unverified),
        (
            pair(RSA),
            json!({"fairlead": {"caSecretName": "ca"}}),
            Trust::Private { ca_pem: P256.0.to_owned() },
        ),
    ] {
        let (world, changes) = world("CertificateGen", values, spec);
        assert_eq!((&world.route(KEY).credential, changes.grants.len()), (&Credential::None, 0));
        let profile = changes.profiles.added.values().next().unwrap();
        assert_eq!((&world.route(KEY).profile, &profile.trust), (&profile.id, &trust));
        assert!(profile.client.is_some() && !profile.pinned, "nothing of it is replayed");
        ids.push(profile.id.clone());
    }
    let before = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), before, "each combination is another profile");
}

#[test]
fn without_tls_a_certificate_is_unused() {
    let mut world = World::new();
    world.put(pair(RSA));
    let changes = world.apply(entry("CertificateGen", "http://t.example", json!({})));
    let profile = changes.profiles.added.values().next().unwrap();
    assert_eq!(profile.id, fairlead_wire::profile::PLAIN);
}

#[test]
fn a_changed_pair_is_a_new_profile_and_nothing_else() {
    let (mut world, _) = world("CertificateGen", pair(RSA), json!({}));
    let old = world.route(KEY).profile.clone();
    let changes = world.apply(pair(P256));
    assert_eq!(changes.profiles.unused, [old]);
    assert_eq!((changes.profiles.added.len(), changes.egress.len(), changes.grants.len()), (1, 1, 0));

    // The same pair in another spelling, or beside other values, is the same.
    let again = (P256.0, include_str!("../pairs/p256.sec1.key"));
    let changes = world.apply(pair(again));
    assert!(changes.is_empty(), "{changes:?}");
}

#[test]
fn a_changed_secret_of_a_token_is_a_new_grant_and_nothing_else() {
    for kind in ["OAuth", "OAuthWithCert"] {
        let (mut world, before) = world(kind, pair(RSA), json!({}));
        let changes = world.apply(pair(P256));
        assert!(changes.profiles.is_empty() && changes.egress.len() == 1, "{changes:?}");
        assert_eq!(changes.grants.len(), 2, "the new one, and the old one gone");
        assert_ne!(world.route(KEY).credential, Credential::Grant(grant(&before).id.clone()));
    }
}

#[test]
fn a_bad_pair_is_e17_and_e19() {
    cover("AG-14-r19");
    cover("AG-14-r21");
    for (kind, begin) in [
        ("OAuthWithCert", "Failed to get token: Failed to prepare certificate, "),
        ("CertificateGen", "Failed to prepare certificate, "),
    ] {
        for (values, text) in [
            (json!({}), "'crt' holds no certificate"),
            (json!({"crt": RSA.0}), "'key' holds no private key"),
            (json!({"crt": RSA.0, "key": P256.1}), "'key' does not belong to the first certificate"),
        ] {
            let (mut world, changes) = world(kind, secret("s", values), json!({}));
            assert!(changes.grants.is_empty() && changes.profiles.added.is_empty(), "{changes:?}");
            let refusal = world.refusal(KEY);
            assert_eq!((refusal.status, refusal.reason), (500, Reason::CertificateInvalid));
            assert!(error(refusal).starts_with(&format!("{begin}{text}")), "{refusal:?}");
            assert_eq!(world.problems("app"), [(FIELD, Reason::CertificateInvalid, Effect::Refused)]);
            let message = &world.index.problems("app")[0].message;
            assert!(message.contains("kyma-system/s") && message.contains(text), "{message}");
            world.apply(pair(RSA));
            assert_eq!(world.index.problems("app"), []);
            assert_eq!(world.route(KEY).authority, "t.example");
        }
    }
}

#[test]
fn a_pair_edited_into_nonsense_leaves_the_last_good_one_in_force() {
    for kind in ["OAuthWithCert", "CertificateGen"] {
        let (mut world, _) = world(kind, pair(RSA), json!({}));
        let before = world.route(KEY).clone();
        let changes = world.apply(pair((RSA.0, P256.1)));
        assert!(changes.egress.is_empty() && changes.profiles.is_empty() && changes.grants.is_empty());
        assert_eq!(*world.route(KEY), before);
        assert_eq!(world.problems("app"), [(FIELD, Reason::CertificateInvalid, Effect::LastGood)]);
        let changes = world.delete_secret("kyma-system", "s");
        assert_eq!(changes.egress.len(), 1);
        assert_eq!(world.refusal(KEY).reason, Reason::SecretMissing, "a deletion revokes");
    }
}

#[test]
fn a_bad_token_endpoint_is_e18_whatever_is_wrong() {
    cover("AG-14-r20");
    for (url, reason) in [
        ("", Reason::TokenEndpointUnreachable),
        ("https://token.example/%zz", Reason::TokenEndpointInvalid),
        ("https://kubernetes.default.svc/x", Reason::TargetRefused),
    ] {
        let mut world = World::new();
        world.put(pair(RSA));
        let credentials = json!({"type": "OAuthWithCert", "secretName": "s", "authenticationUrl": url});
        let changes = world.apply(one_with(
            json!({"targetUrl": "https://t.example", "credentials": credentials}),
            json!({}),
        ));
        let grant = grant(&changes);
        let refusal = grant.endpoint.as_ref().unwrap_err();
        assert_eq!((refusal.status, refusal.reason), (500, reason));
        assert_eq!(
            error(refusal),
            "Failed to get token: Failed to fetch token, possible certificate problem"
        );
        assert_eq!(
            world.route(KEY).credential,
            Credential::Grant(grant.id.clone()),
            "a caller may bring its own"
        );
    }
}

#[test]
fn the_end_of_a_certificate_is_told_and_refuses_nothing() {
    let (mut world, changes) = world("CertificateGen", pair(RSA), json!({}));
    assert_eq!(world.index.problems("app"), [], "without a clock nothing ends");
    let client = changes.profiles.added.values().next().unwrap().client.clone().unwrap();
    for (now, word) in [
        (client.ending - 1, None),
        (client.ending, Some("ends on ")),
        (client.expires - 1, Some("ends on ")),
        (client.expires, Some("ended on ")),
        (client.expires + 1, Some("ended on ")),
    ] {
        world.index.at(now);
        let changes = world.settle();
        assert!(changes.egress.is_empty() && changes.profiles.is_empty());
        match (word, world.index.problems("app")) {
            (None, []) => {}
            (Some(word), [problem]) => {
                assert_eq!((problem.effect, problem.reason), (Effect::Warning, Reason::CertificateInvalid));
                assert!(
                    problem.message.contains(word) && problem.message.contains("kyma-system/s"),
                    "{problem}"
                );
            }
            (_, other) => panic!("{now}: {other:?}"),
        }
    }
    world.apply(pair(P256));
    assert_eq!(world.index.problems("app").len(), 1, "made on the same day");
    world.delete_application("app");
    world.index.at(i64::MAX);
    assert!(world.settle().is_empty());
}
