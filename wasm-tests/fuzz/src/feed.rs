//! Feed pages: what the plugin reads from the control plane.

use std::fmt::Debug;

use fairlead_wire::feed::{EgressRecord, Hashes, IngressRecord, Poll, Records, Report, Wanted, record_hash};
use serde::{Serialize, de::DeserializeOwned};

/// Reads `input` as each kind of page, as either side would.
pub fn run(input: &[u8]) {
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
