//! Version 1 of the feed as it was recorded (`filters/wire/transcripts/feed-v1.json`): today's client asks what it asked
//! then, and comes to the same view by the answers of then.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "helpers of tests: a failure is a failed test"
)]

use fairlead_engine::{
    call::{Answer, Call},
    snapshot::{Egress, Entry},
    step::WaitFor,
    vm::Vm,
};
use fairlead_wire::{
    config::{Control, PluginConfig},
    feed::{Credential, IngressRecord},
};
use serde_json::Value;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn exchanges(view: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(include_str!("../../wire/transcripts/feed-v1.json")).unwrap();
    let all = file["exchanges"].as_array().unwrap().iter();
    all.filter(|exchange| exchange["view"] == view).cloned().collect()
}

/// The question as the transcript spells it.
fn same(call: &Call, recorded: &Value) -> bool {
    let body: Option<Value> = serde_json::from_slice(&call.body).ok();
    recorded["method"] == call.method
        && recorded["path"] == *call.path
        && recorded.get("body") == body.as_ref()
}

/// Replays a view's conversation; `check` looks at the VM after each part of it.
fn replay<E: Entry>(mut check: impl FnMut(&str, &Vm<E>)) {
    // As the recording was configured: small pages.
    let control = Control { wait_ms: 0, page_bytes: 700, ..Control::default() };
    let mut vm = Vm::<E>::new(&PluginConfig { control, ..PluginConfig::default() }, 1);
    let exchanges = exchanges(E::VIEW.as_str());
    let (mut now, mut due) = (0, Vec::new());
    for (n, exchange) in exchanges.iter().enumerate() {
        let recorded = &exchange["request"];
        if let Some(id) = recorded["path"].as_str().unwrap().strip_prefix("/grants/v1/") {
            vm.session_mut().hold(u32::try_from(n).unwrap(), WaitFor::Grant(id), now).unwrap();
        }
        let at = due.iter().position(|(_, call)| same(call, recorded)).unwrap_or_else(|| {
            now += 60_000;
            let (calls, _) = vm.session_mut().calls(now, &());
            due.extend(calls);
            let found = due.iter().position(|(_, call)| same(call, recorded));
            found.unwrap_or_else(|| panic!("exchange {n}: {recorded} was not asked, but {due:?}"))
        });
        let (purpose, _) = due.remove(at);
        let body = exchange["answer"]["body"].to_string();
        let status = u16::try_from(exchange["answer"]["status"].as_u64().unwrap()).unwrap();
        vm.answered(purpose, now, Answer::Served { status, body: body.as_bytes() }, &());
        let about = exchange["about"].as_str().unwrap();
        if exchanges.get(n + 1).is_none_or(|next| next["about"] != about) {
            check(about, &vm);
        }
    }
    let counters = vm.session().feed().counters();
    assert_eq!((counters.lost, counters.malformed, counters.unreadable), (0, 0, 0));
}

#[test]
fn egress_comes_to_the_same_view() {
    let mut parts = 0;
    replay::<Egress>(|about, vm| {
        let table = vm.table().unwrap();
        let path = |key: &[u8]| match table.get(key).map(|entry| &**entry) {
            Some(Egress::Route(route)) => {
                let mut path = Vec::new();
                app_router_join(&mut path, route);
                String::from_utf8(path).unwrap()
            }
            other => panic!("{other:?}"),
        };
        assert!(matches!(table.get(b"shop/two").map(|entry| &**entry), Some(Egress::Refusal(_))));
        assert!(matches!(table.get(b"shop/lost").map(|entry| &**entry), Some(Egress::Refusal(_))));
        let Some(Egress::Route(basic)) = table.get(b"shop/basic").map(|entry| &**entry) else {
            panic!("{about}")
        };
        assert!(
            matches!(&basic.credential, Credential::Static(value) if value == "Basic dXNlcjpwYXNzd29yZA==")
        );
        assert_eq!((basic.tls, basic.headers.len(), basic.query_parameters.len()), (true, 2, 1));
        let (gone, base) = match about {
            "a gateway that has nothing" | "a grant" | "a grant that is not known" => (true, "/v1/"),
            "records changed and removed" => (false, "/v2/"),
            "another epoch, some records changed" => (false, "/v3/"),
            other => panic!("{other}"),
        };
        assert_eq!((table.get(b"gone/svc").is_some(), path(b"shop/none").as_str()), (gone, base), "{about}");
        parts += 1;
    });
    assert_eq!(parts, 5);
}

fn app_router_join(path: &mut Vec<u8>, route: &fairlead_engine::snapshot::Route) {
    fairlead_app_router::join(path, &route.base, b"/", route.encode_url).unwrap();
}

#[test]
fn ingress_comes_to_the_same_view() {
    let mut parts = 0;
    replay::<IngressRecord>(|about, vm| {
        let table = vm.table().unwrap();
        let shop = table.get(b"shop").unwrap();
        assert_eq!(shop.common_names, ["client-1", "client-2"], "{about}");
        assert!(shop.organization.is_some() && shop.sink.is_some());
        assert_eq!(table.get(b"gone").is_some(), about == "a gateway that has nothing");
        parts += 1;
    });
    assert_eq!(parts, 3);
}
