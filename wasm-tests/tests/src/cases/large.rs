//! Bodies of any size, in constant memory of the gateway: 1 GiB each way where `FAIRLEAD_FULL` is set, 64 MiB otherwise.

use std::time::{Duration, Instant};

use fairlead_testkit::{
    Result,
    external::{answer::PERIOD, record::Recorded},
    http::{Connection, Request},
    resources::{Application, Entry},
    wait,
};

use crate::place::{Needs, Place, Way};

/// An egress gateway.
pub const NEEDS: Needs = Needs::EGRESS;

const HOST: &str = "large.example.test";
const MIB: u64 = 1 << 20;

/// More than this Envoy must not grow by, whatever the body's size: its buffers are 1 MiB a connection.
const GROWTH: u64 = 24 * MIB;

/// Until nothing moves any more.
const LIMIT: Duration = Duration::from_secs(30);
/// Memory that did not change for so long.
const STILL: Duration = Duration::from_millis(500);

/// Service and listener of the double.
const SERVICES: [(&str, &str); 2] = [("plain", "http"), ("secure", "https")];

fn plant(place: &dyn Place) -> Result {
    let mut app = Application::new("large");
    for (service, listener) in SERVICES {
        app = app.service(service, &[Entry::api(&place.double().url_by_name(listener, HOST)?)]);
    }
    place.plant("large", &[app.manifest()], &["large/plain", "large/secure"])
}

/// Half of the cases are the large ones: each protocol, and each way to say where a body ends.
fn size(large: bool) -> u64 {
    if large && std::env::var_os("FAIRLEAD_FULL").is_some() { 1024 * MIB } else { 64 * MIB }
}

/// Watches that the gateway's memory stays where it was.
struct Memory<'a> {
    place: &'a dyn Place,
    before: u64,
}

impl<'a> Memory<'a> {
    /// After a first call, so that what every connection needs once is there.
    fn new(place: &'a dyn Place) -> Self {
        for (service, _) in SERVICES {
            let warm = Request::new("GET", format!("/large/{service}/bytes/{}", 4 * MIB));
            place.manual(&warm).unwrap().expect(200).unwrap();
        }
        Self { place, before: place.memory().unwrap() }
    }

    fn check(&self, what: &str) {
        let grown = self.place.memory().unwrap().saturating_sub(self.before);
        assert!(grown < GROWTH, "{what}: Envoy grew by {} MiB", grown / MIB);
    }
}

/// Where a piece is in the pattern that the double sends.
fn expect_pattern(piece: &[u8], at: u64) {
    let start = at % PERIOD;
    let wrong = piece.iter().zip(start..).position(|(byte, at)| u64::from(*byte) != at % PERIOD);
    assert_eq!(wrong, None, "behind byte {at}");
}

/// With a content length and without, over HTTP/1.1 and HTTP/2, to a caller that reads.
pub fn answers_stream_in_constant_memory(place: &dyn Place) {
    plant(place).unwrap();
    let memory = Memory::new(place);
    for (service, _) in SERVICES {
        for form in ["bytes", "flow"] {
            let what = format!("{service} {form}");
            let size = size((service == "plain") == (form == "flow"));
            let mut caller = place.connect(&Way::Manual).unwrap();
            caller.write(&Request::new("GET", format!("/large/{service}/{form}/{size}")).bytes()).unwrap();
            let mut answer = caller.begin(false).unwrap();
            let (mut at, mut checked) = (0, 0);
            while let Some(piece) = caller.piece(&mut answer).unwrap() {
                expect_pattern(&piece, at);
                at += piece.len() as u64;
                if at > checked + 16 * MIB {
                    memory.check(&what);
                    checked = at;
                }
            }
            assert_eq!((answer.status, answer.complete, at), (200, true, size), "{what}");
            memory.check(&what);
        }
    }
}

/// To a caller that does not read: the target waits, not the gateway's memory.
pub fn a_caller_that_does_not_read_holds_the_target(place: &dyn Place) {
    plant(place).unwrap();
    let memory = Memory::new(place);
    for (service, _) in SERVICES {
        let mut callers: Vec<Connection> = (0..4).map(|_| place.connect(&Way::Manual).unwrap()).collect();
        let mut answers = Vec::new();
        for caller in &mut callers {
            caller
                .write(&Request::new("GET", format!("/large/{service}/bytes/{}", size(false))).bytes())
                .unwrap();
            answers.push(caller.begin(false).unwrap());
        }
        // What can flow has flowed when the memory stands still.
        let (mut last, mut since) = (0, Instant::now());
        wait::until("memory that stands still", LIMIT, || {
            let now = place.memory().ok()?;
            if std::mem::replace(&mut last, now) != now {
                since = Instant::now();
            }
            (since.elapsed() > STILL).then_some(())
        })
        .unwrap();
        memory.check(&format!("{service}, unread"));
        for (caller, answer) in callers.iter_mut().zip(&mut answers).take(1) {
            let mut at = 0;
            while let Some(piece) = caller.piece(answer).unwrap() {
                expect_pattern(&piece, at);
                at += piece.len() as u64;
            }
            assert_eq!((answer.complete, at), (true, size(false)), "{service}");
        }
    }
}

/// With a content length and chunked, over HTTP/1.1 and HTTP/2; the target's sum says that all of it came.
pub fn requests_stream_in_constant_memory(place: &dyn Place) {
    plant(place).unwrap();
    let memory = Memory::new(place);
    let piece: Vec<u8> = (0..MIB).map(|at| (at % PERIOD) as u8).collect();
    let mut sums = Vec::new();
    for (service, _) in SERVICES {
        for chunked in [false, true] {
            let what = format!("{service}, chunked: {chunked}");
            let size = size((service == "plain") == chunked);
            let framing = match chunked {
                true => "transfer-encoding: chunked".to_owned(),
                false => format!("content-length: {size}"),
            };
            let mut caller = place.connect(&Way::Manual).unwrap();
            let head = format!("PUT /large/{service}/x HTTP/1.1\r\nhost: x\r\n{framing}\r\n\r\n");
            caller.write(head.as_bytes()).unwrap();
            for number in 0..size / MIB {
                if chunked {
                    caller.write(format!("{MIB:x}\r\n").as_bytes()).unwrap();
                }
                caller.write(&piece).unwrap();
                if chunked {
                    caller.write(b"\r\n").unwrap();
                }
                if number % 16 == 15 {
                    memory.check(&what);
                }
            }
            if chunked {
                caller.write(b"0\r\n\r\n").unwrap();
            }
            let mut answer = caller.begin(false).unwrap();
            caller.finish(&mut answer).unwrap();
            let seen: Recorded = answer.expect(200).unwrap().json().unwrap();
            assert_eq!((seen.body.length, seen.body.complete), (size, true), "{what}");
            sums.push((size, seen.body.sha256));
            memory.check(&what);
        }
    }
    // The same bytes whichever way they went.
    assert!(sums.iter().all(|one| sums.iter().all(|other| one.0 != other.0 || one.1 == other.1)), "{sums:?}");
}
