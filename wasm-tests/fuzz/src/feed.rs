//! Feed pages and grants: what the plugin reads from the control plane.
//!
//! An input is a conversation: each line answers the next call. `-` is a call that is lost, `503` such an answer;
//! anything else is the body of an answer with status 200.

use std::fmt::Debug;

use fairlead_engine::{
    call::Answer,
    snapshot::{Egress, Entry},
    step::WaitFor,
    vm::{Purpose, Vm},
};
use fairlead_wire::{
    config::PluginConfig,
    feed::{EgressRecord, Hashes, IngressRecord, Poll, Records, Report, Wanted, record_hash},
};
use serde::{Serialize, de::DeserializeOwned};

/// Answers are this far apart, milliseconds: no pause lasts so long.
const APART_MS: u64 = 60_000;

/// Holds the conversation with a plugin of either view, and reads each answer as each kind of page.
pub fn run(input: &[u8]) {
    let answers: Vec<&[u8]> = input.split(|byte| *byte == b'\n').collect();
    answers.iter().for_each(|answer| pages(answer));
    converse::<Egress>(&answers);
    converse::<IngressRecord>(&answers);
}

/// A plugin asks, and a request waits for a grant meanwhile.
fn converse<E: Entry>(answers: &[&[u8]]) {
    let mut vm = Vm::<E>::new(&PluginConfig::default(), 1);
    let mut now_ms = 0;
    let mut answers = answers.iter().copied();
    loop {
        now_ms += APART_MS;
        vm.session_mut().tick(now_ms);
        let _ = vm.session_mut().hold(1, WaitFor::Grant("g1"), now_ms);
        let _ = vm.session_mut().hold(2, WaitFor::Snapshot, now_ms);
        let (calls, _) = vm.session_mut().calls(now_ms, &());
        // A client that asks no more, whatever it was told, would never hear of a change.
        assert!(calls.iter().any(|(purpose, _)| *purpose == Purpose::Feed));
        for (purpose, _) in calls {
            let Some(answer) = answers.next() else { return };
            let answer = match answer {
                b"-" => Answer::Lost,
                b"503" => Answer::Served { status: 503, body: b"" },
                body => Answer::Served { status: 200, body },
            };
            vm.answered(purpose, now_ms, answer, &());
        }
        // An age, a table and a listing that has ended come together.
        assert_eq!(vm.table().is_some(), vm.session().age_ms(now_ms).is_some());
        assert_eq!(vm.table().is_some(), vm.session().feed().counters().listings > 0);
        vm.session_mut().forget(1);
        vm.session_mut().forget(2);
    }
}

fn pages(input: &[u8]) {
    page::<Poll<EgressRecord>>(input);
    page::<Poll<IngressRecord>>(input);
    page::<Hashes>(input);
    page::<Wanted>(input);
    page::<Report>(input);
    if let Some(records) = page::<Records<EgressRecord>>(input) {
        records.records.iter().for_each(|keyed| hash(&keyed.record));
    }
    if let Some(records) = page::<Records<IngressRecord>>(input) {
        records.records.iter().for_each(|keyed| hash(&keyed.record));
    }
}

/// Whatever is read is written such that it reads the same again.
fn page<P: Serialize + DeserializeOwned + PartialEq + Debug>(input: &[u8]) -> Option<P> {
    let read: P = serde_json::from_slice(input).ok()?;
    let written = serde_json::to_vec(&read);
    let again = written.ok().and_then(|written| serde_json::from_slice::<P>(&written).ok());
    assert_eq!(again.as_ref(), Some(&read));
    Some(read)
}

fn hash<R: Serialize>(record: &R) {
    assert!(record_hash(record).is_ok_and(|hash| hash.len() == 32));
}
