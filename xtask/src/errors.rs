//! `istio/docs/errors.md`: every reason with its statuses, body and meaning, out of the sources, and what to do about it.
//!
//! A reason's meaning is its documentation in the wire crate; statuses and bodies are those of the refusals that the
//! sources make. What to do stands here ([`advice`]), as do statuses of reasons that the sources compute ([`COMPUTED`]).

mod advice;
mod scan;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::{Path, PathBuf},
};

use crate::{
    root,
    run::{Error, Result, doing},
};
use scan::{Made, refusals};

/// Where refusals are made.
const SOURCES: &[&str] = &[
    "filters/engine/src",
    "filters/plugin/src",
    "control-plane/model/src",
    "control-plane/render/src",
    "control-plane/server/src",
];

/// Statuses of reasons that are not named where the refusal is made.
const COMPUTED: &[(&str, u16, &str)] = &[
    ("PathTooShort", 400, "json"),
    ("PathRefused", 400, "json"),
    ("PathLeavesBase", 400, "json"),
    ("TokenEndpointUnreachable", 502, "json"),
    ("TokenEndpointUnreachable", 500, "json"),
    ("TokenEndpointStatus", 502, "json"),
    ("TokenEndpointStatus", 500, "json"),
    ("TokenEndpointAnswer", 502, "json"),
    ("TokenEndpointAnswer", 500, "json"),
    ("TokenEndpointLimited", 502, "json"),
    ("TokenEndpointLimited", 500, "json"),
    ("CsrfEndpointUnreachable", 502, "json"),
    ("CsrfEndpointStatus", 502, "json"),
];

/// No answer to a request: a condition of a resource alone.
const CONDITIONS: &[&str] = &["FieldInvalid"];
/// Comes with issue 7; known already so that a newer control plane is understood.
const LATER: &[&str] = &["Revoked"];

const HEAD: &str = "\
# Answers that Fairlead gives itself

Made by `cargo xtask generate` from the sources: do not edit.

An answer that a target did not give carries `x-fairlead-reason`; the same word is the label `reason` of the metrics
([metrics.md](metrics.md)) and stands in the log and in the Application's conditions. A JSON body is
`{\"code\":<status>,\"error\":\"<text>\"}` and a line feed. With 503 comes `Retry-After`.

A target's own 5xx is answered with 502, its body and `Target-System-Status: <its status>`, without a reason; everything else that a target answers passes as it is.

";

/// The page's text.
pub(crate) fn page() -> Result<String> {
    let text = read(&root::repository().join("filters/wire/src/reason.rs"))?;
    let names = scan::names(&text);
    let meanings = scan::meanings(&text);
    let mut made = BTreeMap::<String, BTreeSet<Made>>::new();
    for (reason, status, body) in COMPUTED {
        made.entry((*reason).to_owned())
            .or_default()
            .insert(Made { status: *status, body: (*body).to_owned() });
    }
    for directory in SOURCES {
        for file in sources(&root::repository().join(directory))? {
            for (reason, refusal) in refusals(&read(&file)?) {
                made.entry(reason).or_default().insert(refusal);
            }
        }
    }
    let mut page = HEAD.to_owned();
    page.push_str("| reason | status | body | meaning | what to do |\n| --- | --- | --- | --- | --- |\n");
    for (variant, name) in &names {
        let none = || Error::new(format!("nothing is said of the reason {variant}: xtask/src/errors.rs"));
        let meaning = meanings.get(variant).ok_or_else(none)?;
        let advice = advice::of(name).ok_or_else(none)?;
        let (status, body) = match made.get(variant) {
            Some(made) => shown(made),
            None if CONDITIONS.contains(&variant.as_str()) => ("–".to_owned(), "a condition only".to_owned()),
            None if LATER.contains(&variant.as_str()) => ("403".to_owned(), "not given yet".to_owned()),
            None => return Err(none()),
        };
        let _ = writeln!(page, "| `{name}` | {status} | {body} | {meaning} | {advice} |");
    }
    let known: BTreeSet<_> = names.iter().map(|(_, name)| name.as_str()).collect();
    match advice::ALL.iter().find(|(name, _)| !known.contains(name)) {
        Some((name, _)) => Err(Error::new(format!("there is no reason {name}: xtask/src/errors/advice.rs"))),
        None => Ok(page),
    }
}

fn shown(made: &BTreeSet<Made>) -> (String, String) {
    let join = |words: BTreeSet<String>| words.into_iter().collect::<Vec<_>>().join(", ");
    let body = |body: &str| match body {
        "empty" => "none".to_owned(),
        "text" => "plain text".to_owned(),
        _ => "JSON".to_owned(),
    };
    (
        join(made.iter().map(|made| made.status.to_string()).collect()),
        join(made.iter().map(|made| body(&made.body)).collect()),
    )
}

/// Rust files below a directory, tests excepted.
fn sources(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in doing(format!("cannot list {}", directory.display()), std::fs::read_dir(directory))? {
        let path = entry?.path();
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        if ["tests", "testing", "explain"].contains(&name) {
            continue;
        }
        if path.is_dir() {
            files.extend(sources(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(files)
}

fn read(file: &Path) -> Result<String> {
    doing(format!("cannot read {}", file.display()), std::fs::read_to_string(file))
}
