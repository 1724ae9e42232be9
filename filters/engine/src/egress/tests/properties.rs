//! Whatever a caller sends: no panic, and nothing that it wrote into an internal header goes on.
#![cfg(not(target_arch = "wasm32"))]

use proptest::prelude::*;

use super::*;
use crate::{headers::serialise, step::Op};

fn header() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let names = prop::sample::select(vec![
        ":path",
        ":authority",
        "authorization",
        "access-token",
        "x-fairlead-profile",
        "x-fairlead-x",
        "x-envoy-max-retries",
        "x-forwarded-client-cert",
        "x-istio-y",
        "x-tenant",
        "cookie",
    ]);
    let paths = "/app/svc[/a.%2fe?&=]{0,16}".prop_map(String::into_bytes);
    let values = prop_oneof![paths, prop::collection::vec(any::<u8>(), 0..24)];
    (names.prop_map(|name| name.as_bytes().to_vec()), values)
}

proptest! {
    #[test]
    fn nothing_internal_that_a_caller_wrote_goes_on(lines in prop::collection::vec(header(), 0..12)) {
        let custom = vec![("x-tenant".to_owned(), "ours".to_owned())];
        let table = only(EgressRoute { credential: Credential::Static("Basic eDp5".into()), headers: custom, ..route() });
        let pipeline = Pipeline::new(&config(&["*"], &[(1, Mode::Manual)]));
        let grants = Broker::new(&[]);
        let bytes = serialise(&lines);
        let headers = HeaderBlock::parse(&bytes).unwrap();
        let step = pipeline.on_request(&headers, &Peer::default(), Some(&table), &grants);
        if let Step::Forward(forward) = step {
            let mut sent = lines.clone();
            for op in forward.ops() {
                apply(&mut sent, &op);
            }
            let values = |name: &[u8]| sent.iter().filter(|line| line.0 == name).map(|line| line.1.clone()).collect::<Vec<_>>();
            prop_assert_eq!(values(b"x-fairlead-profile"), [b"fairlead.t.1"]);
            prop_assert!(values(b"x-fairlead-x").is_empty());
            prop_assert!(values(b"x-envoy-max-retries").is_empty());
            prop_assert!(values(b"x-istio-y").is_empty());
            prop_assert_eq!(values(b"authorization").len(), 1);
            let own = lines.iter().find(|line| line.0 == b"access-token").map(|line| line.1.clone()).filter(|value| !value.is_empty());
            prop_assert_eq!(values(b"access-token").is_empty(), own.is_some() || !lines.iter().any(|line| line.0 == b"access-token"));
            prop_assert_eq!(&values(b"authorization")[0], &own.unwrap_or(b"Basic eDp5".to_vec()));
            prop_assert!(forward.exchange.path().starts_with(b"/base"));
            prop_assert_eq!(forward.exchange.key(), b"app/svc");
        }
    }
}

/// As Envoy does it: setting replaces the first line of a name.
fn apply(lines: &mut Vec<(Vec<u8>, Vec<u8>)>, op: &Op<'_>) {
    match op {
        Op::Remove(name) => lines.retain(|line| line.0 != *name),
        Op::Add(name, value) => lines.push((name.to_vec(), value.to_vec())),
        Op::Set(name, value) => match lines.iter_mut().find(|line| line.0 == *name) {
            Some(line) => line.1 = value.to_vec(),
            None => lines.push((name.to_vec(), value.to_vec())),
        },
    }
}
