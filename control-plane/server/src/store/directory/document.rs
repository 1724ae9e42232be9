//! The text of a file → its YAML documents, each with its place.

use serde_json::Value;

/// A document's text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Document<'a> {
    /// Counted from 1, empty ones included.
    pub(super) number: usize,
    /// Lines of the file before it.
    pub(super) line: usize,
    pub(super) text: &'a str,
}

/// Splits at the markers `---` and `...`, which YAML reserves at the beginning of a line whatever surrounds them
/// (YAML 1.2.2 §9.1.2). Documents of nothing but blanks and comments are left out.
pub(super) fn split(text: &str) -> Vec<Document<'_>> {
    let mut found = Vec::new();
    let (mut number, mut first_line, mut line) = (1, 0, 0);
    let (mut start, mut at) = (0, 0);
    let mut close = |number, line, from: usize, to: usize| {
        let text = text.get(from..to).unwrap_or_default();
        if text.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#')) {
            found.push(Document { number, line, text });
        }
    };
    for whole in text.split_inclusive('\n') {
        let next = at + whole.len();
        if marker(whole, "---") || marker(whole, "...") {
            close(number, first_line, start, at);
            if start > 0 || at > 0 {
                number += 1;
            }
            // `--- {a: 1}` has content on the marker's own line.
            (start, first_line) = (if whole.starts_with("---") { at + 3 } else { next }, line);
        }
        (at, line) = (next, line + 1);
    }
    close(number, first_line, start, at);
    found
}

fn marker(line: &str, marker: &str) -> bool {
    line.strip_prefix(marker).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

/// What is wrong with a document's syntax: `line L column C`, and why.
pub(super) struct SyntaxError {
    pub(super) place: String,
    pub(super) reason: String,
}

/// Reads a document as JSON.
pub(super) fn parse(document: &Document<'_>) -> Result<Value, SyntaxError> {
    yaml_serde::from_str(document.text).map_err(|error| {
        let place = error.location().map_or_else(String::new, |at| {
            format!("line {} column {}", at.line() + document.line, at.column())
        });
        // The parser ends its words with a place within the document; ours is within the file.
        let reason = error.to_string();
        let reason = reason.split(" at line ").next().unwrap_or_default().to_owned();
        SyntaxError { place, reason }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<(usize, usize, &str)> {
        split(text).into_iter().map(|d| (d.number, d.line, d.text.trim())).collect()
    }

    #[test]
    fn documents_are_split_at_markers_only() {
        assert_eq!(texts("a: 1\n"), [(1, 0, "a: 1")]);
        assert_eq!(texts("---\na: 1\n---\nb: 2\n"), [(1, 0, "a: 1"), (2, 2, "b: 2")]);
        assert_eq!(texts("a: 1\n---\n# nothing\n---\nb: 2"), [(1, 0, "a: 1"), (3, 3, "b: 2")]);
        assert_eq!(texts("a: 1\n...\n---\nb: 2"), [(1, 0, "a: 1"), (3, 2, "b: 2")]);
        assert_eq!(
            texts("a: |\n  ---\n  x\nb: ---x\n---x: 1\n"),
            [(1, 0, "a: |\n  ---\n  x\nb: ---x\n---x: 1")]
        );
        assert_eq!(texts("--- {a: 1}\n"), [(1, 0, "{a: 1}")]);
        assert_eq!(texts("---\r\na: 1\r\n---\r\nb: 2\r\n"), [(1, 0, "a: 1"), (2, 2, "b: 2")]);
        assert!(texts("").is_empty() && texts("---\n---\n# x\n").is_empty());
    }

    #[test]
    fn syntax_errors_have_the_line_of_the_file() {
        let text = "a: 1\n---\nb:\n  - c\n d: [\n";
        let documents = split(text);
        let Err(error) = parse(documents.last().unwrap()) else { panic!("accepted") };
        assert!(error.place.starts_with("line 5 ") || error.place.starts_with("line 6 "), "{}", error.place);
        assert!(!error.reason.contains(" at line "), "{}", error.reason);
    }
}
