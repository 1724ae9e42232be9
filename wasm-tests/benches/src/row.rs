//! The table: what was measured, the bar beside it, and whether it is met.

use std::{
    fmt::Write as _,
    io::{Write as _, stdout},
    path::Path,
};

use fairlead_testkit::{Result, error::Doing as _};
use serde_json::{Value, json};

/// One line of the table.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// What.
    pub(crate) name: String,
    /// How much, with its unit.
    pub(crate) measured: String,
    /// What design.md demands; empty for context.
    pub(crate) bar: String,
    /// Whether it is met; none where there is no bar.
    pub(crate) met: Option<bool>,
    /// The number alone, for the JSON file.
    pub(crate) value: f64,
}

impl Row {
    /// A measurement without a bar: context for others.
    pub(crate) fn info(name: impl Into<String>, measured: impl Into<String>, value: f64) -> Self {
        Self { name: name.into(), measured: measured.into(), bar: String::new(), met: None, value }
    }

    /// At least `bar`.
    pub(crate) fn at_least(name: impl Into<String>, value: f64, bar: f64) -> Self {
        Self {
            name: name.into(),
            measured: format!("{value:.3}"),
            bar: format!("≥ {bar:.2}"),
            met: Some(value >= bar),
            value,
        }
    }

    /// At most `bar`, in `unit`.
    pub(crate) fn at_most(name: impl Into<String>, value: f64, bar: f64, unit: &str) -> Self {
        Self {
            name: name.into(),
            measured: format!("{value:.2} {unit}"),
            bar: format!("≤ {bar} {unit}"),
            met: Some(value <= bar),
            value,
        }
    }

    /// What could not be measured.
    pub(crate) fn failed(name: &str, error: &str) -> Self {
        let first = error.lines().next().unwrap_or_default();
        Self {
            name: name.to_owned(),
            measured: format!("not measured: {first}"),
            bar: String::new(),
            met: Some(false),
            value: f64::NAN,
        }
    }

    fn verdict(&self) -> &'static str {
        match self.met {
            None => "",
            Some(true) => "yes",
            Some(false) => "**no**",
        }
    }

    /// For the screen, as soon as it is known.
    pub(crate) fn line(&self) -> String {
        format!("   {} · {} · {} · {}", self.name, self.measured, self.bar, self.verdict())
    }
}

/// The table as Markdown.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let mut text = String::from("| row | measured | bar | met? |\n| --- | --- | --- | --- |\n");
    for row in rows {
        let _ = writeln!(text, "| {} | {} | {} | {} |", row.name, row.measured, row.bar, row.verdict());
    }
    text
}

/// Writes `bench.md` and `bench.json`.
pub(crate) fn write(directory: &Path, rows: &[Row]) -> Result {
    std::fs::create_dir_all(directory).doing("cannot make the output directory")?;
    let values: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({ "row": row.name, "measured": row.measured, "value": row.value, "bar": row.bar, "met": row.met })
        })
        .collect();
    std::fs::write(directory.join("bench.md"), markdown(rows)).doing("cannot write the table")?;
    let json = serde_json::to_string_pretty(&values).doing("cannot write the table")?;
    std::fs::write(directory.join("bench.json"), json).doing("cannot write the table")
}

/// Prints a line. Whoever closed the output does not want it.
pub(crate) fn say(line: &str) {
    let _ = writeln!(stdout(), "{line}");
}
