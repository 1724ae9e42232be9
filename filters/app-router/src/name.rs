//! Display names as they appear in a path. Comes from an Application's `displayName`s, goes into look-up keys.

/// Longest result, in characters (AG §4).
const MAX: usize = 57;

/// The path segment that `name` is reached by (AG §4): each run of characters outside `[A-Za-z0-9]` becomes one
/// `-`, letters lower case; then one trailing `-` goes, then all beyond 57 characters, then one leading `-`.
///
/// In this order, so a name that begins with a symbol keeps 56 characters at most, and a cut name may end in `-`.
/// Names without an ASCII letter or digit give the empty string.
#[must_use]
pub fn normalise(name: &str) -> String {
    let mut segment = String::with_capacity(name.len().min(MAX + 2));
    for character in name.chars() {
        // One more than the cut: the character that shows whether a dash at the cut is the trailing one.
        if segment.len() > MAX {
            break;
        }
        if character.is_ascii_alphanumeric() {
            segment.push(character.to_ascii_lowercase());
        } else if !segment.ends_with('-') {
            segment.push('-');
        }
    }
    if segment.ends_with('-') {
        segment.pop();
    }
    segment.truncate(MAX);
    if segment.starts_with('-') {
        segment.remove(0);
    }
    segment
}
