//! Egress on a real Envoy (spec application-gateway).

#![allow(clippy::unwrap_used, reason = "helpers of tests: a failure is a failed test")]

use fairlead_testkit::bed::Bed;
use fairlead_tests::{case::run_all, egress};

#[test]
fn egress_cases() {
    let bed = Bed::start(egress::plant).unwrap();
    let result = egress::cases(&bed.double).and_then(|cases| run_all(&bed, &cases));
    if let Err(error) = &result {
        eprintln!("{}", String::from_utf8_lossy(&bed.egress.log()));
        panic!("{error}");
    }
    bed.finish().unwrap();
}
