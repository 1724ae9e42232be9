//! Endpoints behind an outbound proxy: against a proxy that really tunnels and forwards.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use fairlead_model::{Endpoint, GrantKind, GrantSpec, Proxy, Trust};
use fairlead_wire::Reason;

use super::{
    TOKEN, at,
    endpoint::{Tls, TokenEndpoint, client, clients, json, redirect},
    parts, setup,
};

/// Takes `CONNECT` and whole URLs on 127.0.0.2 and leads every name to 127.0.0.2.
struct Tunnels {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Tunnels {
    /// `answer` instead of a tunnel, if given.
    fn start(answer: Option<&'static str>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen = heads.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, seen) = (stream.unwrap(), seen.clone());
                thread::spawn(move || tunnel(stream, answer, &seen));
            }
        });
        Self { address, heads }
    }

    fn proxy(&self, host: &str) -> Option<Proxy> {
        Some(Proxy { host: host.to_owned(), port: self.address.port() })
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn tunnel(mut inside: TcpStream, answer: Option<&str>, seen: &Mutex<Vec<String>>) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && inside.read_exact(&mut byte).is_ok() {
        head.extend_from_slice(&byte);
    }
    let head = String::from_utf8(head).unwrap();
    let target = head.split(' ').nth(1).unwrap().trim_start_matches("http://");
    let authority = target.split('/').next().unwrap().to_owned();
    let port: u16 = authority.rsplit_once(':').map_or(0, |(_, port)| port.parse().unwrap());
    seen.lock().unwrap().push(head.clone());
    if let Some(answer) = answer {
        return inside.write_all(answer.as_bytes()).unwrap_or_default();
    }
    let Ok(mut outside) = TcpStream::connect((Ipv4Addr::new(127, 0, 0, 2), port)) else { return };
    match head.starts_with("CONNECT ") {
        true => inside.write_all(b"HTTP/1.1 200 Connection established\r\nVia: proxy\r\n\r\n").unwrap(),
        false => outside.write_all(head.replacen(&format!("http://{authority}"), "", 1).as_bytes()).unwrap(),
    }
    let (mut from, mut to) = (inside.try_clone().unwrap(), outside.try_clone().unwrap());
    thread::spawn(move || drop(std::io::copy(&mut from, &mut to)));
    let _ = std::io::copy(&mut outside, &mut inside);
    let _ = inside.shutdown(std::net::Shutdown::Both);
}

fn through(mut spec: GrantSpec, proxy: Option<Proxy>) -> GrantSpec {
    let endpoint = spec.endpoint.unwrap();
    spec.endpoint = Ok(Endpoint { proxy, ..endpoint });
    spec
}

#[tokio::test]
async fn tokens_come_through_the_proxy_which_gets_the_name_and_nothing_else() {
    let (tunnels, ca) = (Tunnels::start(None), clients());
    for tls in [Tls::None, Tls::Server, Tls::Demanded(&ca)] {
        let setup = at(TokenEndpoint::with(vec![redirect(307, "/b"), json(TOKEN)], tls));
        let trust = if matches!(tls, Tls::None) { Trust::Plain } else { setup.trust() };
        // The proxy is named by a name; the endpoint's name is the proxy's to find.
        let spec = match tls {
            Tls::Demanded(_) => {
                let (client_id, pair) = ("id".to_owned().into(), Arc::new(client(&ca)));
                setup.of(GrantKind::CertifiedClient { client_id, pair }, &setup.url("/t"), trust)
            }
            _ => setup.spec(&setup.url("/t?x=1"), trust),
        };
        let before = tunnels.heads().len();
        setup.set(through(spec, tunnels.proxy("proxy.example.test")));
        assert_eq!(setup.granted(None).await.authorization, "Bearer t1");
        let authority = format!("token.example.test:{}", setup.endpoint.port());
        let heads = tunnels.heads().split_off(before);
        if matches!(tls, Tls::None) {
            for (head, path) in heads.iter().zip(["/t?x=1", "/b"]) {
                let (first, lines, _) = parts(head);
                assert_eq!(first, format!("POST http://{authority}{path} HTTP/1.1"));
                assert!(lines.contains(&format!("host: {authority}")), "{lines:?}");
                assert!(!lines.iter().any(|line| line.starts_with("proxy-")), "{lines:?}");
            }
        } else {
            let want = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
            assert_eq!(heads, [want.clone(), want]);
        }
        assert_eq!((heads.len(), setup.endpoint.requests().len()), (2, 2), "each hop");
    }
}

#[tokio::test]
async fn what_the_proxy_says_is_told() {
    for (answer, want) in [
        ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "status 407"),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", "status 502"),
        ("SSH-2.0-x\r\n\r\n", "it does not speak HTTP"),
        ("", ""),
    ] {
        let (tunnels, setup) = (Tunnels::start(Some(answer)), setup(Vec::new(), false));
        let spec = setup.spec("https://token.example.test/t?key=secret", Trust::System);
        // The machine's CAs are not what this is about.
        std::fs::write(setup.directory.path().join("system.pem"), super::endpoint::other_ca()).unwrap();
        setup.set(through(spec, tunnels.proxy("127.0.0.2")));
        let refusal = setup.refused().await;
        assert_eq!((refusal.status, refusal.reason), (502, Reason::TokenEndpointUnreachable));
        let proxy = tunnels.address;
        let start =
            format!("failed to make a request to 'https://token.example.test/t': proxy {proxy}: {want}");
        assert!(refusal.body.contains(&start), "{}", refusal.body);
    }
}

#[tokio::test]
async fn what_is_refused_without_a_proxy_is_refused_behind_one() {
    let (tunnels, setup) = (Tunnels::start(None), setup(vec![json(TOKEN)], false));
    let port = setup.endpoint.port();
    for (number, (url, host, want)) in [
        (format!("http://127.0.0.1:{port}/t"), "127.0.0.2", "127.0.0.1 of 127.0.0.1 is not allowed"),
        (format!("http://[::1]:{port}/t"), "127.0.0.2", "is not allowed"),
        ("http://169.254.169.254/x".to_owned(), "127.0.0.2", "169.254.169.254 of 169.254.169.254 is not"),
        (format!("http://localhost:{port}/t"), "127.0.0.2", "localhost is not allowed through a proxy"),
        (format!("http://a.LocalHost.:{port}/t"), "127.0.0.2", "a.localhost is not allowed through a proxy"),
        // The proxy itself, by address and by name.
        (setup.url("/t"), "127.0.0.1", "the address 127.0.0.1 of 127.0.0.1 is not allowed"),
        (setup.url("/t"), "inside.example.test", "127.0.0.1 of inside.example.test is not allowed"),
        (setup.url("/t"), "[::1]", "is not allowed"),
        (setup.url("/t"), "gone.example.test", "lookup gone.example.test: "),
    ]
    .into_iter()
    .enumerate()
    {
        let id = number.to_string();
        let spec = through(setup.spec(&url, Trust::Plain), tunnels.proxy(host));
        setup.broker.set(&id, Arc::new(spec));
        let fairlead_wire::grant::GrantAnswer::Refused(refusal) = setup.broker.ask(&id, None).await else {
            panic!("{url} by {host}")
        };
        assert!(refusal.status == 502 && refusal.body.contains(want), "{url} by {host}: {}", refusal.body);
    }
    assert!(tunnels.heads().is_empty() && setup.endpoint.requests().is_empty());
}
