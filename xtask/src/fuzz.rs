//! `cargo xtask fuzz [SECONDS]`: libFuzzer on each target of `wasm-tests/fuzz`, two at a time.
//!
//! Coverage comes from LLVM's own pass, so that the stable toolchain does; only libFuzzer's runtime needs a C++
//! compiler. New inputs and what failed stay under `target/fuzz`; the committed corpus is read only.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::{
    root,
    run::{Error, Result, cargo, doing, run as run_command, step},
};

const COVERAGE: &str = "--cfg fuzzing -Cdebug-assertions -Ccodegen-units=1 -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares";

/// How many run at once: what CI's machines have cores for.
const AT_ONCE: usize = 2;

/// Runs all targets, each for so many seconds (60 by default).
pub(crate) fn run(arguments: &[String]) -> Result {
    let seconds = arguments.first().map_or(Ok(60), |text| text.parse::<u32>());
    let seconds = seconds.map_err(|_| Error::new("fuzz takes a number of seconds"))?;
    let directory = root::target().join("fuzz");
    let corpus = root::repository().join("wasm-tests/fuzz/corpus");
    let programs = programs(&directory)?;
    let names = targets(&corpus)?;
    for together in names.chunks(AT_ONCE) {
        step(&format!("{} for {seconds} s", together.join(", ")));
        let running = together
            .iter()
            .map(|name| Ok((name, start(&programs, &directory, &corpus, name, seconds)?)))
            .collect::<Result<Vec<_>>>()?;
        // All are waited for before one failure is reported: none may go on behind our back.
        let ended: Vec<_> = running.into_iter().map(|(name, mut child)| (name, child.wait())).collect();
        for (name, status) in ended {
            let status = doing(format!("cannot wait for fuzz-{name}"), status)?;
            if !status.success() {
                let log = directory.join(format!("{name}.log"));
                let text = std::fs::read_to_string(&log).unwrap_or_default();
                let tail: Vec<&str> = text.lines().rev().take(30).collect();
                return Err(Error::new(format!(
                    "fuzz-{name} found something; its input is under {}:\n{}",
                    directory.display(),
                    tail.into_iter().rev().collect::<Vec<_>>().join("\n")
                )));
            }
        }
    }
    Ok(())
}

fn programs(directory: &Path) -> Result<PathBuf> {
    step("fuzz targets with coverage");
    run_command(
        cargo()
            .args([
                "build",
                "--quiet",
                "--release",
                "--package",
                "fairlead-fuzz",
                "--features",
                "libfuzzer",
                "--bins",
            ])
            // With a target triple the flags do not reach build scripts and procedural macros.
            .args(["--target", &host()?, "--target-dir"])
            .arg(directory)
            .env("RUSTFLAGS", COVERAGE),
    )
    .map_err(|error| {
        Error::new(format!("{error}\nlibFuzzer's runtime needs a C++ compiler (package g++)"))
    })?;
    Ok(directory.join(host()?).join("release"))
}

fn host() -> Result<String> {
    let version = crate::run::output(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned);
    host.ok_or_else(|| Error::new("rustc does not say for which host it is"))
}

/// The directories of the corpus are the targets' names.
fn targets(corpus: &Path) -> Result<Vec<String>> {
    let entries = doing("cannot list the fuzz corpus", std::fs::read_dir(corpus))?;
    let mut names: Vec<String> =
        entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned())).collect();
    names.sort();
    Ok(names)
}

fn start(programs: &Path, directory: &Path, corpus: &Path, name: &str, seconds: u32) -> Result<Child> {
    let found = directory.join("corpus").join(name);
    doing("cannot make a directory for new inputs", std::fs::create_dir_all(&found))?;
    let log = doing("cannot make a log", std::fs::File::create(directory.join(format!("{name}.log"))))?;
    let mut command = Command::new(programs.join(format!("fuzz-{name}")));
    command
        .arg(format!("-max_total_time={seconds}"))
        .args(["-rss_limit_mb=2048", "-timeout=10", "-max_len=65536", "-print_final_stats=1"])
        .arg(format!("-artifact_prefix={}/{name}-", directory.display()))
        .arg(found)
        .arg(corpus.join(name))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    doing(format!("cannot start fuzz-{name}"), command.spawn())
}
