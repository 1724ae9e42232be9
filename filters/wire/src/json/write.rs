//! What the plugin says, as JSON.

use crate::{
    feed::{Report, Wanted},
    grant::GrantRequest,
};

/// Writes what a plugin says of itself.
#[must_use]
pub fn write_report(report: &Report) -> String {
    let mut out = String::with_capacity(256);
    out.push_str("{\"version\":");
    string(&mut out, &report.version);
    out.push_str(",\"epoch\":");
    string(&mut out, &report.epoch);
    out.push_str(",\"revision\":");
    out.push_str(&report.revision.to_string());
    out.push_str(",\"missingProfiles\":");
    strings(&mut out, &report.missing_profiles);
    out.push('}');
    out
}

/// Writes the keys that are wanted.
#[must_use]
pub fn write_wanted(wanted: &Wanted) -> String {
    let mut out = String::with_capacity(64 + wanted.keys.iter().map(|key| key.len() + 3).sum::<usize>());
    out.push_str("{\"epoch\":");
    string(&mut out, &wanted.epoch);
    out.push_str(",\"keys\":");
    strings(&mut out, &wanted.keys);
    out.push('}');
    out
}

/// Writes the call for a grant.
#[must_use]
pub fn write_grant_request(request: &GrantRequest) -> String {
    match request.rejected {
        Some(serial) => ["{\"rejected\":", &serial.to_string(), "}"].concat(),
        None => "{}".to_owned(),
    }
}

fn strings(out: &mut String, strings: &[String]) {
    out.push('[');
    for (index, one) in strings.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        string(out, one);
    }
    out.push(']');
}

fn string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\0'..='\u{1f}' => {
                out.push_str("\\u00");
                for nibble in [u32::from(c) >> 4, u32::from(c) & 0xf] {
                    out.push(char::from_digit(nibble, 16).unwrap_or('0'));
                }
            }
            _ => out.push(c),
        }
    }
    out.push('"');
}
