//! The double's endpoints that take their time, tunnel, upgrade, or guard: what they say without a gateway between.

#![allow(clippy::unwrap_used, reason = "helpers of tests: a failure is a failed test")]

use std::time::Duration;

use fairlead_testkit::{
    certs::Authority,
    double::{Double, Setup},
    external::record::Recorded,
    http::{self, Connection, Request, Tls},
    websocket::{BINARY, Client, PING, PONG, TEXT},
};

const LIMIT: Duration = Duration::from_secs(10);

fn double() -> Double {
    Double::start(&Setup::default()).unwrap()
}

fn get(path: &str) -> Request {
    Request::new("GET", path)
}

fn token_request(path: &str) -> Request {
    Request::new("POST", path)
        .header("Authorization", "Basic aWQ6cyt4")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body("client_id=id&client_secret=s%2Bx&grant_type=client_credentials")
}

#[test]
fn events_come_when_their_gate_opens_and_a_peer_that_leaves_is_noticed() {
    let double = double();
    let mut connection = Connection::open(double.address("http").unwrap()).unwrap();
    connection.write(&get("/gate/one/3").bytes()).unwrap();
    let mut answer = connection.begin(false).unwrap();
    assert_eq!(answer.header("content-type"), ["text/event-stream"]);
    assert_eq!(connection.piece(&mut answer).unwrap().unwrap(), b"id: 1\ndata: event 1\n\n");
    double.open_gate("one").unwrap();
    assert_eq!(connection.piece(&mut answer).unwrap().unwrap(), b"id: 2\ndata: event 2\n\n");
    let id = double.last_id().unwrap();
    drop(connection);
    assert!(!double.wait_ended(id, LIMIT).unwrap());

    double.open_gate("two").unwrap();
    let whole = http::call(double.address("http").unwrap(), &get("/gate/two/2")).unwrap();
    assert_eq!(whole.text(), "id: 1\ndata: event 1\n\nid: 2\ndata: event 2\n\n");
    assert!(double.wait_ended(double.last_id().unwrap(), LIMIT).unwrap());

    // Before the answer begins, and over TLS.
    let mut waiting = Connection::open_tls(double.address("https1").unwrap(), &Tls::new()).unwrap();
    waiting.write(&get("/delay/60000").bytes()).unwrap();
    let id = double.wait_recorded(&[("path", "/delay/60000")], 1, LIMIT).unwrap().pop().unwrap().id;
    drop(waiting);
    assert!(!double.wait_ended(id, LIMIT).unwrap());
}

#[test]
fn large_bodies_have_a_pattern_and_trailers_and_early_answers_are_as_asked() {
    let double = double();
    let http = double.address("http").unwrap();
    for (path, length) in [("/bytes/200000", vec!["200000".to_owned()]), ("/flow/200000", vec![])] {
        let answer = http::get(http, path).unwrap();
        assert_eq!((answer.header("content-length"), answer.body.len()), (length, 200_000));
        assert!(answer.body.iter().enumerate().all(|(at, byte)| at % 251 == usize::from(*byte)), "{path}");
    }
    let path = "/answer?early=103,link:</a>&trailer=x-sum:6&trailer=x-more:1&body=one&status=203";
    let answer = http::get(http, path).unwrap();
    assert_eq!((answer.early.as_slice(), answer.status, answer.text().as_str()), (&[103][..], 203, "one"));
    assert_eq!(answer.trailers, [("x-sum".into(), "6".into()), ("x-more".into(), "1".into())]);
    assert_eq!(http::get(http, "/cookies/40").unwrap().header("set-cookie").len(), 40);
    let slow: Recorded = http::get(http, "/loris/1/0").unwrap().expect(200).unwrap().json().unwrap();
    assert_eq!(slow.target, "/loris/1/0");
}

#[test]
fn websockets_send_back_what_they_get() {
    let double = double();
    let connection = Connection::open(double.address("http").unwrap()).unwrap();
    let mut socket = Client::open(connection, &Client::handshake("/websocket")).unwrap();
    for (opcode, payload) in [(TEXT, &b"hello"[..]), (BINARY, &[7; 70_000][..])] {
        socket.send(opcode, payload).unwrap();
        let frame = socket.receive().unwrap();
        assert_eq!((frame.opcode, frame.payload.as_slice(), frame.masked), (opcode, payload, false));
    }
    socket.send(PING, b"there?").unwrap();
    assert_eq!(socket.receive().unwrap().opcode, PONG);
    socket.close(1000).unwrap();
    assert_eq!(http::get(double.address("http").unwrap(), "/websocket").unwrap().status, 426);
}

#[test]
fn token_endpoints_misbehave_as_asked() {
    let double = double();
    let http = double.address("http").unwrap();
    let ask = |path: &str| http::call(http, &token_request(path)).unwrap();
    let field = |path: &str| ask(path).json::<serde_json::Value>().unwrap()["expires_in"].to_string();
    for (query, expected) in [
        ("", "3600"),
        ("?expires_in=-1", "-1"),
        ("?expires_in=%223600%22", "\"3600\""),
        ("?expires_in=soon", "\"soon\""),
        ("?expires_in=none", "null"),
        ("?expires_in=1e99", "1e+99"),
    ] {
        assert_eq!(field(&format!("/oauth/token{query}")), expected, "{query}");
    }
    let statuses: Vec<u16> = (0..4).map(|_| ask("/flap/oauth/token?flapping=503,200").status).collect();
    assert_eq!(statuses, [503, 200, 503, 200]);
    assert_eq!(ask("/oauth/token?pad=100000").body.len() / 100_000, 1);
    let odd = ask("/oauth/token?type=text/html&body=no&drip=1");
    assert_eq!((odd.header("content-type"), odd.text()), (vec!["text/html".to_owned()], "no".to_owned()));
    double
        .change(|settings| {
            let here = settings.token_at.entry("/here/oauth/token".to_owned()).or_default();
            here.status = Some(429);
        })
        .unwrap();
    assert_eq!((ask("/here/oauth/token").status, ask("/oauth/token").status), (429, 200));
    let counts = double.counts().unwrap();
    assert_eq!(
        (counts.token_requests_at["/flap/oauth/token"], counts.token_requests_at["/here/oauth/token"]),
        (4, 1)
    );
}

#[test]
fn certified_clients_get_tokens_and_guards_let_them_through() {
    let double = double();
    let mtls = double.address("mtls").unwrap();
    let tls = Tls::new().identity(&Authority::new("clients").unwrap().client("one").unwrap());
    let form = |body: &str| {
        Request::new("POST", "/oauth/certificate")
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(body)
    };
    let good = form("client_id=id&grant_type=client_credentials");
    let secret = form("client_id=id&client_secret=s&grant_type=client_credentials");
    assert_eq!(http::call_tls(mtls, &tls, &secret).unwrap().status, 401);
    assert_eq!(http::call(double.address("http").unwrap(), &good).unwrap().status, 401);
    let token: serde_json::Value =
        http::call_tls(mtls, &tls, &good).unwrap().expect(200).unwrap().json().unwrap();
    assert!(double.recorded(&[("listener", "mtls")]).unwrap()[1].tls.as_ref().unwrap().peer.is_some());

    let bearer = format!("Bearer {}", token["access_token"].as_str().unwrap());
    let http = double.address("http").unwrap();
    let guarded = Request::new("POST", "/base/guarded/403/x").header("Authorization", &bearer).body("once");
    let echo: Recorded = http::call(http, &guarded).unwrap().expect(200).unwrap().json().unwrap();
    assert_eq!(echo.body.content.unwrap(), "once");
    double.revoke_token(token["access_token"].as_str().unwrap()).unwrap();
    assert_eq!(http::call(http, &guarded).unwrap().status, 403);
    assert_eq!(http::get(http, "/guarded/bytes/5").unwrap().status, 401);
    let judged = double.counts().unwrap().judged["/base/guarded/403/x"];
    assert_eq!((judged.executed, judged.rejected), (1, 1));
}

#[test]
fn sessions_tie_a_token_to_its_cookies() {
    let double = double();
    let http = double.address("http").unwrap();
    let fetch = || {
        let request = get("/csrf/token/basic/u/p").header("Authorization", "Basic dTpw");
        let answer = http::call(http, &request.header("X-CSRF-Token", "fetch")).unwrap().expect(200).unwrap();
        assert_eq!(answer.header("set-cookie").len(), 3);
        let cookie = answer.header("set-cookie")[0].split(';').next().unwrap().to_owned();
        (answer.header("x-csrf-token")[0].clone(), cookie)
    };
    assert_eq!(http::get(http, "/csrf/token/bearer").unwrap().status, 401);
    let (one, two) = (fetch(), fetch());
    let call = |token: &str, cookie: &str| {
        let request = get("/csrf/guarded/status/203").header("X-CSRF-Token", token);
        http::call(http, &request.header("Cookie", format!("mine=1; {cookie}"))).unwrap().status
    };
    assert_eq!((call(&one.0, &one.1), call(&two.0, &two.1)), (203, 203));
    assert_eq!(
        (call(&one.0, &two.1), call("", ""), call(&one.0, &format!("{}; {}", one.1, two.1))),
        (403, 403, 403)
    );
    double.revoke_sessions().unwrap();
    assert_eq!(call(&one.0, &one.1), 403);
    assert_eq!(double.counts().unwrap().csrf_requests, 2);
}

#[test]
fn the_proxy_tunnels_by_name_and_refuses_as_told() {
    let double = double();
    let target = format!("api.example.test:{}", double.address("http").unwrap().port());
    let connect = |target: &str| Request::new("CONNECT", target).header("Host", target);
    let mut tunnel = Connection::open(double.address("proxy").unwrap()).unwrap();
    tunnel.write(&connect(&target).bytes()).unwrap();
    assert_eq!(tunnel.begin(true).unwrap().status, 200);
    assert_eq!(tunnel.send(&get("/through")).unwrap().status, 200);
    let asked = double.recorded(&[("listener", "proxy")]).unwrap();
    assert_eq!((asked.len(), asked[0].target.text()), (1, target.clone()));
    let proxy = double.address("proxy").unwrap();
    assert_eq!(http::call(proxy, &connect("nobody.invalid:1")).unwrap().status, 502);
    assert_eq!(http::call(proxy, &get("http://api.example.test/whole")).unwrap().status, 200);
    assert_eq!(http::call(proxy, &get("http://nobody.invalid/")).unwrap().status, 502);
    assert_eq!(http::call(proxy, &get("/nowhere")).unwrap().status, 400);
    double.change(|settings| settings.proxy.authorization = Some("Basic eDp5".to_owned())).unwrap();
    assert_eq!(http::call(proxy, &connect(&target)).unwrap().status, 407);
}
