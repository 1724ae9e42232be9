//! Every row of the specification's tables must have been asserted by a test of this run.

use std::{collections::BTreeSet, path::Path};

use crate::{
    run::{Error, Result, doing},
    tally::Tally,
};

/// Compares the rows with what the tests recorded in `covered`.
pub(crate) fn compare(tally: &mut Tally, covered: &Path) -> Result {
    let mut seen = BTreeSet::new();
    for entry in doing("cannot list covered rows", std::fs::read_dir(covered))? {
        let text = doing("cannot read covered rows", std::fs::read_to_string(entry?.path()))?;
        seen.extend(text.lines().map(str::to_owned));
    }
    let (due, later): (Vec<_>, Vec<_>) = fairlead_cases::rows().partition(|row| row.comes_with.is_empty());
    let missing: Vec<String> = due
        .iter()
        .filter(|row| !seen.contains(row.id))
        .map(|row| format!("{} ({})", row.id, row.text))
        .collect();
    println!(
        "rows of the specification: {} asserted, {} come with later issues",
        due.len() - missing.len(),
        later.len()
    );
    let outcome = if missing.is_empty() {
        Ok(())
    } else {
        Err(Error::new(format!("no test asserts\n  {}", missing.join("\n  "))))
    };
    tally.check("each row of the specification's tables has its case", outcome);
    Ok(())
}
