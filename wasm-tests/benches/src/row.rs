//! The table: what was measured, the bar beside it, and whether it is met.

use std::{
    fmt::Write as _,
    io::{Write as _, stdout},
    path::Path,
};

use fairlead_testkit::{Result, error::Doing as _};
use serde_json::{Value, json};

use crate::{ladder::Split, spread::Spread};

/// What a family measured.
#[derive(Default)]
pub(crate) struct Measured {
    pub(crate) rows: Vec<Row>,
    /// Where the CPU goes, for rows that are ratios.
    pub(crate) splits: Vec<Split>,
}

impl From<Vec<Row>> for Measured {
    fn from(rows: Vec<Row>) -> Self {
        Self { rows, splits: Vec::new() }
    }
}

impl Measured {
    /// Adds rows and the split that explains them.
    pub(crate) fn add(&mut self, rows: Vec<Row>, mut split: Split) {
        split.missed = rows.iter().any(|row| row.met == Some(false));
        self.rows.extend(rows);
        self.splits.push(split);
    }

    /// Adds what another family measured.
    pub(crate) fn append(&mut self, other: Self) {
        self.rows.extend(other.rows);
        self.splits.extend(other.splits);
    }
}

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

    /// A ratio without a bar.
    pub(crate) fn ratio(name: impl Into<String>, ratio: Spread) -> Self {
        Self::info(name, format!("{ratio:.3}"), ratio.median)
    }

    /// A ratio of at least `bar`.
    pub(crate) fn at_least(name: impl Into<String>, ratio: Spread, bar: f64) -> Self {
        let met = Some(ratio.median >= bar);
        Self { bar: format!("≥ {bar:.2}"), met, ..Self::ratio(name, ratio) }
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

    /// The median of many at most `bar`, in `unit`.
    pub(crate) fn spread_at_most(name: impl Into<String>, value: Spread, bar: f64, unit: &str) -> Self {
        Self { measured: format!("{value:.2} {unit}"), ..Self::at_most(name, value.median, bar, unit) }
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

/// The table as Markdown, and below it where the CPU goes for each bar that is not met.
pub(crate) fn markdown(measured: &Measured) -> String {
    let mut text = String::from("| row | measured | bar | met? |\n| --- | --- | --- | --- |\n");
    for row in &measured.rows {
        let _ = writeln!(text, "| {} | {} | {} | {} |", row.name, row.measured, row.bar, row.verdict());
    }
    let with_bar = || measured.rows.iter().filter_map(|row| row.met);
    let met = with_bar().filter(|met| *met).count();
    let _ = writeln!(
        text,
        "\n{met} of {} bars are met. Behind a median, in brackets: the range of the middle half of all rounds.",
        with_bar().count()
    );
    for split in measured.splits.iter().filter(|split| split.missed) {
        let _ = write!(text, "\n{}", split.markdown());
    }
    text
}

/// Writes Markdown and JSON, as `bench.md` and `bench.json`, or under another name.
pub(crate) fn write(directory: &Path, name: &str, measured: &Measured) -> Result {
    std::fs::create_dir_all(directory).doing("cannot make the output directory")?;
    let row = |row: &Row| json!({ "row": row.name, "measured": row.measured, "value": row.value, "bar": row.bar, "met": row.met });
    let rows: Vec<Value> = measured.rows.iter().map(row).collect();
    let splits: Vec<Value> = measured.splits.iter().map(Split::json).collect();
    std::fs::write(directory.join(format!("{name}.md")), markdown(measured))
        .doing("cannot write the table")?;
    let json = serde_json::to_string_pretty(&json!({ "rows": rows, "splits": splits }));
    std::fs::write(directory.join(format!("{name}.json")), json.doing("cannot write the table")?)
        .doing("cannot write the table")
}

/// Prints a line. Whoever closed the output does not want it.
pub(crate) fn say(line: &str) {
    let _ = writeln!(stdout(), "{line}");
}
