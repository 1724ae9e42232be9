//! The external system's double as a process; see [`fairlead_testkit::external`].

use std::{
    io::{Write as _, stderr, stdout},
    process::ExitCode,
};

use clap::Parser as _;
use fairlead_testkit::{
    Result,
    error::Doing as _,
    external::{listen, options::Options},
};

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(stderr(), "fairlead-double: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result {
    let ready = listen::start(options).await?;
    let line = serde_json::to_string(&ready).doing("cannot print addresses")?;
    writeln!(stdout(), "{line}").doing("cannot print addresses")?;
    tokio::signal::ctrl_c().await.doing("cannot wait for a signal")
}
