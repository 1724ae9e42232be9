//! Names: certificates' subjects, and names of services that become path segments.

use fairlead_app_router::normalise;
use fairlead_client_identity::{Subject, matches, name};

/// Reads `input` as an RFC 2253 name, and as the name of a service.
pub fn run(input: &[u8]) {
    subject(input);
    if let Ok(name) = std::str::from_utf8(input) {
        let segment = normalise(name);
        assert!(segment.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-')), "{segment}");
        assert!(segment.len() <= 57 && !segment.starts_with('-') && !segment.contains("--"), "{segment}");
    }
}

fn subject(input: &[u8]) {
    let Ok(subject) = Subject::parse(input) else { return };
    let common_name = subject.common_name();
    assert!(!common_name.is_empty());
    assert!(matches(&subject, [common_name], None));
    assert!(!matches(&subject, [b""], None));
    let attributes: Vec<_> = name::attributes(input).map_while(Result::ok).collect();
    let common_names = attributes.iter().filter(|attribute| attribute.kind == b"CN").count();
    assert_eq!(common_names, 1);
    // Nothing but separators and the equals signs is between what was read.
    let read: usize = attributes.iter().map(|attribute| attribute.kind.len() + attribute.raw.len() + 2).sum();
    assert_eq!(read, input.len() + 1);
}
