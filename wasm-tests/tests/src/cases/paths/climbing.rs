//! Nothing leaves a service's base path: every spelling of dots between every spelling of slashes, judged by readers
//! that know nothing of how Fairlead decides.

use percent_encoding::percent_decode_str;

use super::{APPS, plant, sent};
use crate::place::{Place, Way};

/// Two dots as some server reads them.
const DOTS: &[&str] =
    &["..", "%2e%2e", ".%2E", "..;x=1", "%2E%2e%3b", "..%09", ".%252e", "..%00", "..%23", "%c0%ae%c0%ae"];
/// A slash as some server reads it.
const SLASHES: &[&str] = &["/", "//", "%2F", "%2f", "\\", "%5C", "%5c", "/%2F", "%252F"];
/// What stands before the dots, and how deep that is.
const BEFORE: &[&str] = &["", "a", "a/b", "a%2Fb", ".", ";p", "%20"];

/// Ways in which servers read a path before they resolve it.
type Reader = fn(&str) -> String;

const READERS: &[Reader] = &[
    str::to_owned,
    decode,
    |path| decode(path).replace('\\', "/"),
    |path| without_parameters(&decode(path).replace('\\', "/")),
    |path| decode(&without_parameters(path)).replace('\\', "/"),
    |path| without_parameters(&decode(path).replace('\\', "/")).replace("//", "/"),
    |path| decode(path).split(['\0', '?', '#']).next().unwrap_or_default().to_owned(),
    |path| trimmed(&decode(path).replace('\\', "/")),
];

fn decode(path: &str) -> String {
    percent_decode_str(path).decode_utf8_lossy().into_owned()
}

/// `/a;b=c/d` → `/a/d`, as servlet containers do.
fn without_parameters(path: &str) -> String {
    let segments: Vec<&str> =
        path.split('/').map(|segment| segment.split(';').next().unwrap_or_default()).collect();
    segments.join("/")
}

/// Without blanks and control bytes around segments, as some file systems do.
fn trimmed(path: &str) -> String {
    let blank = |byte: char| byte <= ' ';
    let segments: Vec<&str> = path.split('/').map(|segment| segment.trim_matches(blank)).collect();
    segments.join("/")
}

/// Whether dot segments lead out of `/base`, with empty segments as a level of their own, and without.
fn leaves(path: &str) -> bool {
    let Some(below) = path.strip_prefix("/base") else { return true };
    let below = below.strip_prefix('/').unwrap_or(below);
    climbs(below.split('/')) || climbs(below.split('/').filter(|segment| !segment.is_empty()))
}

fn climbs<'a>(mut segments: impl Iterator<Item = &'a str>) -> bool {
    let mut depth = 0;
    segments.any(|segment| {
        depth += match segment {
            "." => 0,
            ".." => -1,
            _ => 1,
        };
        depth < 0
    })
}

/// Every combination is refused, or what arrives is below the base path for every reader.
pub fn nothing_leaves_the_base_path(place: &dyn Place) {
    plant(place).unwrap();
    let (mut arrived, mut refused, mut failures) = (0, 0, Vec::new());
    for (app, _) in APPS {
        for before in BEFORE {
            for dots in DOTS {
                for slash in SLASHES {
                    for climbs in [1, 3] {
                        let climb = format!("{slash}{dots}").repeat(climbs);
                        // From below the service: from where `/app/plain` is the service itself, it is another's turn.
                        let path = format!("/{app}/plain/{before}{climb}{slash}x");
                        let got = sent(place, &Way::Manual, &path).unwrap_or_else(|error| error.to_string());
                        match got.as_str() {
                            "400" | "404" => refused += 1,
                            target if READERS.iter().any(|read| leaves(&read(target))) => {
                                failures.push(format!("{path} arrived as {target}"));
                            }
                            _ => arrived += 1,
                        }
                    }
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
    // Both sides of the decision were seen.
    assert!(arrived > 200 && refused > 200, "{arrived} arrived, {refused} were refused");
}
