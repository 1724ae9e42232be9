//! Counting: what passed, what failed, what was skipped and why.

use crate::run::Error;

/// The result of a run of checks.
#[derive(Default)]
pub(crate) struct Tally {
    passed: u64,
    failed: u64,
    failures: Vec<String>,
    skipped: Vec<String>,
}

impl Tally {
    /// One check that either passed or failed.
    pub(crate) fn check(&mut self, name: &str, outcome: Result<(), Error>) {
        match outcome {
            Ok(()) => self.passed += 1,
            Err(error) => {
                println!("FAILED {name}: {error}");
                self.failed += 1;
                self.failures.push(name.to_owned());
            }
        }
    }

    /// Counts of a test runner.
    pub(crate) fn add(&mut self, name: &str, passed: u64, failed: u64) {
        self.passed += passed;
        self.failed += failed;
        if failed > 0 {
            self.failures.push(name.to_owned());
        }
    }

    /// Says that something was not checked, and why.
    pub(crate) fn skip(&mut self, what: &str) {
        self.skipped.push(what.to_owned());
    }

    /// Prints the summary; its last line is `N passed, M failed`.
    pub(crate) fn finish(self) -> Result<(), Error> {
        for what in &self.skipped {
            println!("skipped: {what}");
        }
        for name in &self.failures {
            println!("failed: {name}");
        }
        println!("{} passed, {} failed", self.passed, self.failed);
        match (self.passed, self.failed) {
            (0, 0) => Err(Error::new("nothing was checked")),
            (_, 0) => Ok(()),
            (_, failed) => Err(Error::new(format!("{failed} failed"))),
        }
    }
}
