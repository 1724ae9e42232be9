//! The feed over real mTLS: who gets what.

use fairlead_pki::{Authority, Leaf};
use fairlead_wire::feed::{EgressRecord, Hashes, IngressRecord, Poll, Records};

use crate::support::{Plane, application, credentials, secret};

const CANARY: &str = "canary-4711-password";

async fn plane() -> Plane {
    let app = application("shop", "orders", "https://t.example", &credentials("Basic", "shop", ""));
    let secret = secret("shop", &[("username", "u"), ("password", CANARY)]);
    Plane::start(&[("shop.yaml", &app), ("secret.yaml", &secret)]).await
}

#[tokio::test]
async fn gateways_read_their_own_view_only() {
    let plane = plane().await;
    let (egress, ingress) = (plane.client("egress"), plane.client("ingress"));
    for (client, own, other) in [(&egress, "egress", "ingress"), (&ingress, "ingress", "egress")] {
        let got = client.get(&format!("/feed/v1/{own}")).await.unwrap();
        assert!(got.status == 200 && got.marked);
        for path in ["", "/records", "/hashes"] {
            let got = client.get(&format!("/feed/v1/{other}{path}")).await.unwrap();
            assert!(got.status == 403 && got.marked && got.body.is_empty(), "{path}");
        }
        let wanted = "{\"epoch\":\"\",\"keys\":[\"shop\"]}";
        let got = client.call("POST", &format!("/feed/v1/{other}/records"), wanted).await.unwrap();
        assert_eq!(got.status, 403);
        assert_eq!(client.get("/feed/v1/other").await.unwrap().status, 404);
    }
    assert_eq!(ingress.call("POST", "/grants/v1/x", "{}").await.unwrap().status, 403);
    assert_eq!(egress.call("POST", "/grants/v1/x", "{}").await.unwrap().body, "\"unknown\"");
    plane.running.stop().await;
}

#[tokio::test]
async fn ingress_view_has_no_credential_on_the_wire() {
    let plane = plane().await;
    let egress = plane.client("egress").get("/feed/v1/egress/records").await.unwrap();
    let basic = fairlead_credential_injector::basic("u", CANARY);
    // The control: the search finds it where it has to be.
    assert!(String::from_utf8_lossy(&egress.body).contains(&basic));
    let records: Records<EgressRecord> = serde_json::from_slice(&egress.body).unwrap();
    assert_eq!(records.records[0].key, "shop/orders/v1");
    let ingress = plane.client("ingress");
    for path in ["/feed/v1/ingress", "/feed/v1/ingress/records", "/feed/v1/ingress/hashes"] {
        let got = ingress.get(path).await.unwrap();
        let text = String::from_utf8_lossy(&got.body).into_owned();
        let encoded = basic.trim_start_matches("Basic ");
        assert!(
            !text.contains(CANARY) && !text.contains(encoded) && !text.contains("Basic"),
            "{path}: {text}"
        );
    }
    let got = ingress.get("/feed/v1/ingress/records").await.unwrap();
    let records: Records<IngressRecord> = serde_json::from_slice(&got.body).unwrap();
    assert_eq!(records.records[0].key, "shop");
    plane.running.stop().await;
}

#[tokio::test]
async fn strangers_are_refused_in_the_handshake_and_others_with_403() {
    let plane = plane().await;
    assert!(plane.client_with(None).get("/feed/v1/egress").await.is_err(), "no certificate");
    let now =
        i64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs());
    let now = now.unwrap();
    let foreign = Authority::generate("foreign", now).unwrap();
    let id = "spiffe://cluster.local/ns/fairlead-egress/sa/fairlead-egress";
    let pair = foreign.issue(&Leaf::client("x", id), now).unwrap();
    let stranger = plane.client_with(Some((pair.certificate_pem.into(), pair.key_pem.into())));
    assert!(stranger.get("/feed/v1/egress").await.is_err(), "foreign CA");

    let read =
        |name: &str| std::fs::read_to_string(plane.config.state_directory.join("pki").join(name)).unwrap();
    let own = Authority::from_pem(&read("ca.crt"), &read("ca.key")).unwrap();
    let mut two = Leaf::client("x", id);
    two.uris.push("spiffe://cluster.local/ns/fairlead-ingress/sa/fairlead-ingress".to_owned());
    for leaf in [
        Leaf::client("x", "spiffe://cluster.local/ns/fairlead-egress/sa/default"),
        Leaf::client("x", "spiffe://other/ns/fairlead-egress/sa/fairlead-egress"),
        Leaf::client("x", "spiffe://cluster.local/ns/fairlead-egress/sa/fairlead-egress/x"),
        two,
    ] {
        let pair = own.issue(&leaf, now).unwrap();
        let other = plane.client_with(Some((pair.certificate_pem.into(), pair.key_pem.into())));
        let got = other.get("/feed/v1/egress").await.unwrap();
        assert_eq!(got.status, 403, "{:?}", leaf.uris);
        assert_eq!(other.call("POST", "/grants/v1/x", "{}").await.unwrap().status, 403);
    }

    let mut elsewhere = plane.client("egress");
    elsewhere.name = "other-name".to_owned();
    assert!(elsewhere.get("/feed/v1/egress").await.is_err(), "another server name");
    plane.running.stop().await;
}

#[tokio::test]
async fn poll_waits_for_a_change_and_ends_when_the_process_drains() {
    let plane = plane().await;
    let egress = plane.client("egress");
    let cold: Poll<EgressRecord> = parse(&egress.get("/feed/v1/egress?wait=0").await.unwrap().body);
    assert!(cold.resync);
    let hashes: Hashes = parse(&egress.get("/feed/v1/egress/hashes").await.unwrap().body);
    assert_eq!(hashes.hashes.len(), 1);
    let path = format!("/feed/v1/egress?epoch={}&revision={}&wait=50000", cold.epoch, cold.revision);
    let waiting = tokio::spawn({
        let (egress, path) = (egress.clone(), path.clone());
        async move { egress.get(&path).await.unwrap().body }
    });
    plane.write("more.yaml", &application("more", "api", "http://t.example", ""));
    let changed: Poll<EgressRecord> = parse(&waiting.await.unwrap());
    assert_eq!(changed.changed[0].key, "more/api/v1");
    let path = format!("/feed/v1/egress?epoch={}&revision={}&wait=50000", changed.epoch, changed.revision);
    let waiting = tokio::spawn(async move { egress.get(&path).await });
    plane.running.stop().await;
    // Answered, or closed before it was read.
    if let Ok(got) = waiting.await.unwrap() {
        let poll: Poll<EgressRecord> = parse(&got.body);
        assert!(poll.changed.is_empty() && !poll.resync);
    }
}

fn parse<T: serde::de::DeserializeOwned>(body: &[u8]) -> T {
    serde_json::from_slice(body).unwrap()
}
