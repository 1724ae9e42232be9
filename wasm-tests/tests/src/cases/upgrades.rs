//! WebSocket through the gateway (AG §6, §15): frames both ways, over every kind of target, until either side ends.

use std::time::Duration;

use fairlead_testkit::{
    Result,
    http::Request,
    resources::{Application, Entry, secret},
    websocket::{BINARY, Client, PING, PONG, TEXT},
};

use crate::place::{Needs, Place, Way};

/// An egress gateway.
pub const NEEDS: Needs = Needs::EGRESS;

const HOST: &str = "sockets.example.test";
const LIMIT: Duration = Duration::from_secs(10);

/// Service and listener of the double: no TLS, TLS with HTTP/1.1 only, and TLS that prefers HTTP/2 by ALPN.
const SERVICES: [(&str, &str); 3] = [("plain", "http"), ("one", "https1"), ("two", "https")];

fn plant(place: &dyn Place) -> Result {
    let mut app = Application::new("upgrades");
    for (service, listener) in SERVICES {
        let target = format!("{}/base", place.double().url_by_name(listener, HOST)?);
        app = app.service(service, &[Entry::api(&target).name("api").basic("upgrades")]);
    }
    let credentials = secret("upgrades", &[("username", "user"), ("password", &place.secret("password")?)]);
    let services = SERVICES.map(|(service, _)| format!("upgrades/{service}"));
    place.plant("upgrades", &[app.manifest(), credentials], &services.each_ref().map(String::as_str))
}

/// Messages of every size and kind come back; pings, the end and its code pass.
pub fn messages_flow_both_ways(place: &dyn Place) {
    plant(place).unwrap();
    for (service, listener) in SERVICES {
        for (way, path) in [
            (Way::Manual, format!("/upgrades/{service}/websocket?room=1")),
            (Way::Ucl, format!("/upgrades/{service}/api/websocket?room=1")),
        ] {
            place.double().clear().unwrap();
            let handshake = Client::handshake(&path)
                .header("Origin", "https://page.example.test")
                .header("Sec-WebSocket-Protocol", "chat, superchat");
            let mut socket = Client::open(place.connect(&way).unwrap(), &handshake)
                .unwrap_or_else(|error| panic!("{service}: {error}"));
            let seen = place.double().recorded(&[]).unwrap().pop().unwrap();
            assert_eq!(
                (seen.listener.as_str(), seen.target.text()),
                (listener, "/base/websocket?room=1".to_owned())
            );
            assert_eq!(seen.header("origin"), ["https://page.example.test"]);
            assert_eq!(seen.header("sec-websocket-protocol"), ["chat, superchat"]);
            assert!(seen.header("authorization")[0].starts_with("Basic "), "{:?}", seen.headers);
            for (opcode, payload) in
                [(TEXT, &b"hello"[..]), (BINARY, &[0, 255, 0]), (BINARY, &[7; 1 << 20]), (TEXT, b"")]
            {
                socket.send(opcode, payload).unwrap();
                let frame = socket.receive().unwrap();
                assert_eq!((frame.opcode, frame.payload == payload), (opcode, true), "{service}");
            }
            socket.send(PING, b"there?").unwrap();
            assert_eq!(socket.receive().unwrap().opcode, PONG);
            socket.close(4001).unwrap();
            assert!(place.double().wait_ended(seen.id, LIMIT).unwrap(), "{service}");
        }
    }
}

/// A caller that goes away without a word takes its target's connection along.
pub fn end_when_the_caller_goes(place: &dyn Place) {
    plant(place).unwrap();
    for (service, _) in SERVICES {
        place.double().clear().unwrap();
        let connection = place.connect(&Way::Manual).unwrap();
        let handshake = Client::handshake(&format!("/upgrades/{service}/websocket"));
        let mut socket = Client::open(connection, &handshake).unwrap();
        socket.send(TEXT, b"once").unwrap();
        socket.receive().unwrap();
        let id = place.double().last_id().unwrap();
        drop(socket);
        // However the double's side of it ends, it ends.
        place.double().wait_ended(id, LIMIT).unwrap();
        // A frame without mask, which a target must not take: it ends the connection, and the caller sees it.
        let mut connection = place.connect(&Way::Manual).unwrap();
        assert_eq!(connection.send(&handshake).unwrap().status, 101);
        connection.write(b"\x81\x02hi").unwrap();
        assert_eq!(connection.rest().unwrap(), b"", "{service}");
    }
}

/// A target that does not want to says so.
pub fn refusals_of_targets_pass(place: &dyn Place) {
    plant(place).unwrap();
    for (service, _) in SERVICES {
        for (path, status, system) in [
            ("status/404", 404, None),
            ("status/401", 401, None),
            ("status/500", 502, Some("500")),
            ("answer?status=426&header=Upgrade:other", 426, None),
            ("x", 200, None),
        ] {
            let handshake = Client::handshake(&format!("/upgrades/{service}/{path}"));
            let answer = place.manual(&handshake).unwrap();
            let told = answer.header("target-system-status");
            assert_eq!(
                (answer.status, told.first().map(String::as_str)),
                (status, system),
                "{service} {path}"
            );
        }
    }
}

/// Envoy takes the kinds of upgrades that it is told of and no other; an offer of HTTP/2 costs nobody the answer.
pub fn other_upgrades_are_not_made(place: &dyn Place) {
    plant(place).unwrap();
    for (service, _) in SERVICES {
        place.double().clear().unwrap();
        let upgrade = |to: &str| {
            let path = format!("/upgrades/{service}/upgrade");
            place
                .manual(&Request::new("GET", path).header("Connection", "Upgrade").header("Upgrade", to))
                .unwrap()
        };
        for to in ["tcp", "spdy/3.1", "TLS/1.0", "websocket2"] {
            assert_eq!(upgrade(to).status, 403, "{service} {to}");
        }
        assert!(place.double().recorded(&[]).unwrap().is_empty(), "{service}");
        assert_eq!(upgrade("h2c").status, 426, "{service}: the target sees no upgrade");
        let seen = place.double().recorded(&[]).unwrap().pop().unwrap();
        assert!(
            seen.header("upgrade").is_empty() && seen.header("connection").is_empty(),
            "{:?}",
            seen.headers
        );
    }
}
