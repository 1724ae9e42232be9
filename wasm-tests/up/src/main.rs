//! The launcher behind `cargo xtask up`.
//!
//! Writes a state directory ([`ground`]), starts the external system's double, the control plane and two Envoys
//! ([`processes`]), makes every sample call over sockets and compares ([`calls`]), prints what to try ([`show`]),
//! and stays up until Ctrl-C or until a process ends.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool talks to its user")]

mod calls;
mod ground;
mod ports;
mod processes;
mod show;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::Parser;
use fairlead_testkit::Result;

/// Starts everything embedded with the samples, proves each sample call, stays up.
#[derive(Parser)]
struct Options {
    /// Directory of sample resources.
    #[arg(long)]
    samples: PathBuf,
    /// Directory for everything that is written; made anew.
    #[arg(long)]
    state: PathBuf,
    /// End after the table, with its result.
    #[arg(long)]
    once: bool,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("up: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<bool> {
    let ground = ground::Ground::prepare(&options.samples, &options.state)?;
    let mut running = processes::start(&ground)?;
    let rows = calls::all(&ground);
    let good = show::table(&rows);
    if options.once {
        return Ok(good);
    }
    show::what_to_try(&ground);
    loop {
        if let Some(ended) = running.ended() {
            eprintln!("up: {ended} ended; see {}", ground.logs().display());
            return Ok(false);
        }
        // Nothing to do but to notice an end; Ctrl-C ends us, and the others with us.
        std::thread::sleep(Duration::from_millis(500));
    }
}
