//! `cargo xtask …`: the project's own commands. Each installs what it needs by itself, under `target/tools`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool talks to its user")]

mod bench;
mod build;
mod cases;
mod chart;
mod ci;
mod errors;
mod fuzz;
mod generate;
mod images;
mod kind;
mod layers;
mod mesh;
mod root;
mod run;
mod suites;
mod tally;
mod test;
mod tools;
mod up;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask COMMAND

  up [--once] [--debug]  build, start everything embedded with the samples, prove each call, stay up
  test [FILTER]          every test that needs no cluster
  mesh up | test | tools a real Istio without containers: leave one running, run its tests, build its programs
  ci [--full]            format, lints, tests, fuzzing, drift checks: what CI runs
  bench [--quick] [--mesh] [ROW…] the numbers, against the bars of the design; --mesh: those of a mesh
  fuzz [SECONDS]         each fuzz target for so long (60 s by default)
  generate [--check]     what is made from types: configuration schema, CRDs, chart, errors, case lists
  kind up | test | down  the same in a cluster in Docker, for those who have Docker
  images                 container image and the module's, as OCI layouts without a daemon
  build                  module and binaries, with the module's size and exports
  tools                  install everything that the other commands would
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let rest = arguments.get(1..).unwrap_or_default();
    let outcome = match arguments.first().map(String::as_str) {
        Some("up") => up::run(rest),
        Some("test") => test::run(rest),
        Some("mesh") => mesh::run(rest),
        Some("ci") => ci::run(rest),
        Some("bench") => bench::run(rest),
        Some("fuzz") => fuzz::run(rest),
        Some("generate") => generate::run(rest),
        Some("build") => build::run(),
        Some("kind") => kind::run(rest),
        Some("images") => images::run().map(drop),
        Some("tools") => tools::install_all(),
        Some("help" | "--help" | "-h") | None => {
            println!("{USAGE}");
            Ok(())
        }
        Some(other) => Err(run::Error::new(format!("there is no command {other:?}\n\n{USAGE}"))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
