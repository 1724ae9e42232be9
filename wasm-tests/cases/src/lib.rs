//! The rows of the specification's tables as test cases.
//!
//! `spec/*.tsv` lists every row with an id made from its table; a test that asserts a row's behaviour calls
//! [`cover`] with that id. `cargo xtask test` compares both and fails on a row that no test covered.

use std::io::Write;

/// Directory into which [`cover`] writes; unset: it does nothing.
pub const DIRECTORY: &str = "FAIRLEAD_CASES_DIR";

/// The committed row lists: file name and text, tab-separated `id`, `section`, `row`.
pub const LISTS: &[(&str, &str)] = &[
    ("application-gateway", include_str!("../spec/application-gateway.tsv")),
    ("connectivity-validator", include_str!("../spec/connectivity-validator.tsv")),
];

/// One row of a specification table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Such as `AG-5.1-r03`: specification, section, row in that section's tables.
    pub id: &'static str,
    /// The issue with which it comes (`#6`), or empty when it is due now.
    pub comes_with: &'static str,
    /// The row's first cell, shortened.
    pub text: &'static str,
}

/// All rows.
pub fn rows() -> impl Iterator<Item = Row> {
    LISTS.iter().flat_map(|(_, list)| list.lines()).filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut cells = line.splitn(3, '\t');
        Some(Row { id: cells.next()?, comes_with: cells.next()?, text: cells.next()? })
    })
}

/// Records that the running test asserts the behaviour of row `id`.
///
/// # Panics
/// When there is no such row, or it cannot be recorded: a test must not claim what does not exist.
#[allow(clippy::panic, reason = "called by tests only, where a wrong id must fail")]
pub fn cover(id: &str) {
    assert!(rows().any(|row| row.id == id), "{id} is no row of spec/*.tsv");
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let path = std::path::Path::new(&directory).join(std::process::id().to_string());
    let written = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .and_then(|mut file| file.write_all(format!("{id}\n").as_bytes()));
    if let Err(error) = written {
        panic!("cannot record case {id} in {}: {error}", path.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique() {
        let mut ids: Vec<_> = rows().map(|row| row.id).collect();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all);
        assert!(all > 100, "{all}");
    }
}
