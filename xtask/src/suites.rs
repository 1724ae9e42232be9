//! Running cargo's test runner and counting what it says.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use crate::{
    run::{Error, Result, doing, step},
    tally::Tally,
};

/// Runs one `cargo test`, shows its output and adds its counts to `tally`.
pub(crate) fn suite(tally: &mut Tally, name: &str, command: &mut Command) {
    step(name);
    match counted(command) {
        Ok(counts) if counts.finished => tally.add(name, counts.passed, counts.failed),
        // A build error or a crash ends the runner without a result line.
        Ok(counts) => tally.add(name, counts.passed, counts.failed + 1),
        Err(error) => tally.check(name, Err(error)),
    }
}

#[derive(Default)]
struct Counts {
    passed: u64,
    failed: u64,
    finished: bool,
}

fn counted(command: &mut Command) -> Result<Counts> {
    let mut child =
        doing("cannot start the tests", command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn())?;
    let output = child.stdout.take().ok_or_else(|| Error::new("the tests have no output"))?;
    let mut counts = Counts::default();
    for line in BufReader::new(output).lines() {
        let line = doing("cannot read the tests' output", line)?;
        println!("{line}");
        if let Some((passed, failed)) = result_line(&line) {
            counts.passed += passed;
            counts.failed += failed;
        }
    }
    let status = doing("cannot wait for the tests", child.wait())?;
    counts.finished = status.success() || counts.failed > 0;
    Ok(counts)
}

/// `test result: ok. 5 passed; 0 failed; …` → (5, 0).
fn result_line(line: &str) -> Option<(u64, u64)> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let mut numbers = counts.split("; ").map_while(|part| part.split_once(' ')?.0.parse().ok());
    Some((numbers.next()?, numbers.next()?))
}

#[cfg(test)]
mod tests {
    use super::result_line;

    #[test]
    fn counts_are_read_from_result_lines_only() {
        let line = "test result: FAILED. 41 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s";
        assert_eq!(result_line(line), Some((41, 2)));
        assert_eq!(result_line("test result: ok. 7 passed; 0 failed; 0 ignored"), Some((7, 0)));
        assert_eq!(result_line("test a::b ... ok"), None);
    }
}
