//! A DNS server for the names in [`Settings::dns`](super::settings::Settings::dns): A and AAAA over UDP (RFC 1035).
//! Other names do not exist (NXDOMAIN); a known name without addresses of the asked kind has none (NOERROR).

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use tokio::net::UdpSocket;

use super::state::State;

const HEADER: usize = 12;
const A: u16 = 1;
const AAAA: u16 = 28;
const NXDOMAIN: u16 = 3;

/// Answers until the process ends.
pub async fn serve(socket: UdpSocket, state: Arc<State>) {
    let mut packet = [0; 1500];
    loop {
        let Ok((length, peer)) = socket.recv_from(&mut packet).await else { continue };
        if let Some(answer) = packet.get(..length).and_then(|question| answer(question, &state)) {
            let _ = socket.send_to(&answer, peer).await;
        }
    }
}

fn answer(packet: &[u8], state: &State) -> Option<Vec<u8>> {
    let settings = state.settings();
    reply(packet, settings.dns_ttl, |name| {
        state.asked(name);
        lookup(&settings.dns, name).cloned()
    })
}

/// The answer to a packet with one question, of which `find` knows the addresses; none to anything else.
pub(crate) fn reply(
    packet: &[u8],
    ttl: u32,
    find: impl FnOnce(&str) -> Option<Vec<IpAddr>>,
) -> Option<Vec<u8>> {
    let (name, after) = name(packet)?;
    let kind = u16::from_be_bytes([*packet.get(after)?, *packet.get(after + 1)?]);
    let question = packet.get(HEADER..after + 4)?;
    let found = find(&name);
    let addresses: Vec<&IpAddr> =
        found.iter().flatten().filter(|address| kind == if address.is_ipv4() { A } else { AAAA }).collect();
    let mut out = packet.get(..2)?.to_vec();
    // QR, RD as asked, RA, and the code.
    let flags = 0x8080 | u16::from(packet.get(2)? & 1) << 8 | if found.is_none() { NXDOMAIN } else { 0 };
    for field in [flags, 1, u16::try_from(addresses.len()).ok()?, 0, 0] {
        out.extend(field.to_be_bytes());
    }
    out.extend(question);
    for address in addresses {
        // A pointer to the question's name, kind, class IN, time to live, address.
        out.extend([0xc0, 0x0c]);
        out.extend(kind.to_be_bytes());
        out.extend([0, 1]);
        out.extend(ttl.to_be_bytes());
        let bytes = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        out.extend(u16::try_from(bytes.len()).ok()?.to_be_bytes());
        out.extend(bytes);
    }
    Some(out)
}

/// The question's name in lower case, and where it ends.
fn name(packet: &[u8]) -> Option<(String, usize)> {
    let mut labels = Vec::new();
    let mut at = HEADER;
    loop {
        let length = usize::from(*packet.get(at)?);
        at += 1;
        if length == 0 {
            return Some((labels.join("."), at));
        }
        labels.push(String::from_utf8_lossy(packet.get(at..at + length)?).to_ascii_lowercase());
        at += length;
    }
}

/// The exact name, or the longest suffix that has a `*.` entry.
pub(crate) fn lookup<'a>(table: &'a BTreeMap<String, Vec<IpAddr>>, name: &str) -> Option<&'a Vec<IpAddr>> {
    if let Some(exact) = table.get(name) {
        return Some(exact);
    }
    let mut rest = name;
    while let Some((_, suffix)) = rest.split_once('.') {
        if let Some(found) = table.get(&format!("*.{suffix}")) {
            return Some(found);
        }
        rest = suffix;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::external::settings::Settings;

    fn ask(name: &str, kind: u16) -> Vec<u8> {
        let mut packet = vec![7, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            packet.push(u8::try_from(label.len()).unwrap());
            packet.extend(label.bytes());
        }
        packet.push(0);
        packet.extend(kind.to_be_bytes());
        packet.extend([0, 1]);
        packet
    }

    #[test]
    fn exact_names_win_over_suffixes_and_others_do_not_exist() {
        let mut settings = Settings::default();
        settings.dns.insert("*.example.test".to_owned(), vec!["127.0.0.2".parse().unwrap()]);
        settings.dns.insert("loop.example.test".to_owned(), vec!["127.0.0.1".parse().unwrap()]);
        let state = State::new(settings);
        let code = |answer: &[u8]| answer[3] & 0xf;
        let some = answer(&ask("A.b.Example.test", A), &state).unwrap();
        assert_eq!((&some[..2], code(&some), &some[some.len() - 4..]), (&[7, 9][..], 0, &[127, 0, 0, 2][..]));
        let exact = answer(&ask("loop.example.test", A), &state).unwrap();
        assert_eq!(exact[exact.len() - 4..], [127, 0, 0, 1]);
        let other_kind = answer(&ask("loop.example.test", AAAA), &state).unwrap();
        assert_eq!((code(&other_kind), other_kind[7]), (0, 0));
        let none = answer(&ask("example.test", A), &state).unwrap();
        assert_eq!(code(&none), 3);
        assert_eq!(state.queries()["a.b.example.test"], 1);
        assert!(answer(&[1, 2, 3], &state).is_none());
    }
}
