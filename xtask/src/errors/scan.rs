//! What the sources say of reasons and refusals.

use std::collections::BTreeMap;

/// How a refusal is made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Made {
    pub(super) status: u16,
    /// The constructor: `json`, `empty` or `text`.
    pub(super) body: String,
}

/// Variant and name, in the order of `REASONS`.
pub(super) fn names(text: &str) -> Vec<(String, String)> {
    let rows = text.lines().filter_map(|line| line.trim().strip_prefix("(Reason::")?.strip_suffix("\"),"));
    rows.filter_map(|row| row.split_once(", \""))
        .map(|(variant, name)| (variant.into(), name.into()))
        .collect()
}

/// The documentation of each variant, in one line, without references to the specification.
pub(super) fn meanings(text: &str) -> BTreeMap<String, String> {
    let mut meanings = BTreeMap::new();
    let mut said = String::new();
    for line in text.lines().skip_while(|line| !line.starts_with("pub enum Reason")) {
        let line = line.trim();
        if let Some(more) = line.strip_prefix("/// ") {
            said = if said.is_empty() { more.to_owned() } else { format!("{said} {more}") };
        } else if let Some(variant) = line.strip_suffix(',') {
            meanings.insert(variant.to_owned(), without_references(&std::mem::take(&mut said)));
        } else if line == "}" {
            break;
        }
    }
    meanings
}

fn without_references(text: &str) -> String {
    match text.rsplit_once(" (") {
        Some((before, inside)) if inside.ends_with(").") => format!("{before}."),
        _ => text.to_owned(),
    }
}

/// The refusals that a source makes with a reason that it names: variant, and how.
pub(super) fn refusals(text: &str) -> Vec<(String, Made)> {
    // Unit tests are at the end of a file.
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let calls = text.split("Refusal::").skip(1);
    calls.filter_map(refusal).collect()
}

fn refusal(call: &str) -> Option<(String, Made)> {
    let (body, arguments) = call.split_once('(')?;
    let (status, arguments) = match body {
        "json" | "empty" | "text" => {
            let (status, rest) = arguments.split_once(',')?;
            (status.trim().parse().ok()?, rest)
        }
        "retry" => (503, arguments),
        _ => return None,
    };
    let reason = arguments.trim_start().strip_prefix("Reason::")?;
    let end = reason.find(|letter: char| !letter.is_alphanumeric())?;
    let body = if body == "retry" { "json" } else { body };
    Some((reason.get(..end)?.to_owned(), Made { status, body: body.to_owned() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_found_with_status_and_reason() {
        let text = "Refusal::json(\n    400,\n    Reason::Ambiguous,\n) Refusal::retry(Reason::Cold, 1, x)\n\
                    Refusal::json(500, reason, x) Refusal::empty(502, Reason::TargetRefused))\n\
                    #[cfg(test)]\nmod tests { Refusal::empty(1, Reason::Other) }";
        let made =
            |reason: &str, status, body: &str| (reason.to_owned(), Made { status, body: body.to_owned() });
        assert_eq!(
            refusals(text),
            [made("Ambiguous", 400, "json"), made("Cold", 503, "json"), made("TargetRefused", 502, "empty")]
        );
    }

    #[test]
    fn meanings_are_the_variants_documentation() {
        let text = "/// Not this.\npub enum Reason {\n    /// One\n    /// line (AG E1).\n    PathTooShort,\n    /// Two.\n    Cold,\n}\n";
        let meanings = meanings(text);
        assert_eq!(meanings["PathTooShort"], "One line.");
        assert_eq!(meanings["Cold"], "Two.");
    }
}
