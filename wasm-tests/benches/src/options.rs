//! `--output DIR [--quick] [--mesh] [ROW…]`, and what the environment names.

use std::{path::PathBuf, time::Duration};

use fairlead_testkit::{Error, Result};

/// What to measure, and how long.
pub(crate) struct Options {
    /// Where the table goes.
    pub(crate) output: PathBuf,
    /// Shorter and less certain.
    pub(crate) quick: bool,
    /// The rows that need a mesh instead of the others.
    pub(crate) mesh: bool,
    rows: Vec<String>,
}

impl Options {
    /// Reads the command line. `known` are the names of row families.
    pub(crate) fn read(known: &[&str]) -> Result<Self> {
        let mut options =
            Self { output: PathBuf::from("target/bench"), quick: false, mesh: false, rows: Vec::new() };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--quick" => options.quick = true,
                "--mesh" => options.mesh = true,
                "--output" => {
                    let directory = arguments.next();
                    options.output =
                        directory.ok_or_else(|| Error::new("--output needs a directory"))?.into();
                }
                row if known.contains(&row) => options.rows.push(argument),
                other => {
                    return Err(Error::new(format!("`{other}` is no row; there are: {}", known.join(", "))));
                }
            }
        }
        Ok(options)
    }

    /// Whether this family is to be measured: all are, unless some are named.
    pub(crate) fn wants(&self, family: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|row| row == family)
    }

    /// Name of the table's files.
    pub(crate) fn name(&self) -> &'static str {
        if self.mesh { "bench-mesh" } else { "bench" }
    }

    /// How often each variant has its turn. Many short turns: what disturbs the machine then disturbs neighbours alike.
    pub(crate) fn rounds(&self) -> usize {
        if self.quick { 5 } else { 35 }
    }

    /// How long a turn lasts.
    pub(crate) fn window(&self) -> Duration {
        Duration::from_millis(200)
    }
}

/// A file that the environment names; `cargo xtask bench` sets them all.
pub(crate) fn file(variable: &str) -> Result<PathBuf> {
    let path = std::env::var_os(variable).map(PathBuf::from);
    path.ok_or_else(|| Error::new(format!("{variable} is not set; use `cargo xtask bench`")))
}
