//! The command line. Each command ends with a status and, if it failed, one clear sentence on stderr.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    admin::{self, Ask},
    config::Config,
    run,
    telemetry::level,
};

/// Connects systems outside a cluster with workloads inside: the control plane.
#[derive(Parser)]
#[command(name = "fairlead", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the control plane until SIGTERM or SIGINT. Prints a line beginning with `ready` to stdout once it serves.
    Run {
        /// Configuration file; without it all defaults hold.
        #[arg(long)]
        config: Option<PathBuf>,
        /// Roles, joined by commas; without it all that this build has.
        #[arg(long, value_delimiter = ',')]
        roles: Vec<String>,
    },
    /// Say what is in force and what is wrong.
    Status {
        #[command(flatten)]
        state: StateDirectory,
        /// JSON instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Say how a call would be resolved, without making it.
    Explain {
        #[command(flatten)]
        state: StateDirectory,
        /// JSON instead of text.
        #[arg(long)]
        json: bool,
        /// `app/service`, or `app/service/entry`.
        path: String,
    },
    /// Print the JSON schema of the configuration file.
    Schema,
}

#[derive(clap::Args)]
struct StateDirectory {
    /// State directory of the running control plane.
    #[arg(long)]
    state: Option<PathBuf>,
    /// Configuration file that names the state directory.
    #[arg(long, conflicts_with = "state")]
    config: Option<PathBuf>,
}

impl StateDirectory {
    fn path(self) -> Result<PathBuf, String> {
        match self {
            Self { state: Some(state), .. } => Ok(state),
            Self { config, .. } => Ok(read(config)?.state_directory),
        }
    }
}

/// How many threads work at most: one gateway's polls and grants need no more, and each takes memory.
const THREADS: usize = 4;

/// Roles of this build.
const ROLES: &[&str] = &["core"];
/// Roles of the design that this build does not have yet.
const LATER: &[&str] = &["enrolment", "registry", "events", "runtime-agent"];

/// Runs the command line.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(THREADS));
    let result = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .map_err(|e| format!("cannot start: {e}"))
        .and_then(|runtime| runtime.block_on(perform(cli.command)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            // Nobody is left to tell when stderr is closed.
            let _ = writeln!(io::stderr(), "fairlead: {sentence}");
            ExitCode::FAILURE
        }
    }
}

async fn perform(command: Command) -> Result<(), String> {
    match command {
        Command::Run { config, roles } => serve(config, &roles).await,
        Command::Status { state, json } => ask(state, &Ask::Status, json).await,
        Command::Explain { state, json, path } => ask(state, &Ask::Explain(path), json).await,
        Command::Schema => {
            let schema = serde_json::to_string_pretty(&Config::schema()).map_err(|e| e.to_string())?;
            print(&format!("{schema}\n"))
        }
    }
}

async fn serve(config: Option<PathBuf>, roles: &[String]) -> Result<(), String> {
    check(roles)?;
    let config = read(config)?;
    let level = level::start(config.log_level, config.allow_log_level_change);
    let failed = |e: io::Error| format!("cannot listen for signals: {e}");
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let running = run::start(&config, level).await.map_err(|e| e.to_string())?;
    let addresses = running.addresses;
    let (gateways, health, metrics) = (addresses.gateways, addresses.health, addresses.metrics);
    tracing::info!(%gateways, %health, %metrics, "ready");
    print(&format!("ready gateways={gateways} health={health} metrics={metrics}\n"))?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("draining");
    running.stop().await;
    Ok(())
}

async fn ask(state: StateDirectory, question: &Ask, json: bool) -> Result<(), String> {
    let answer = admin::ask(&state.path()?, question).await.map_err(|e| e.to_string())?;
    if json {
        let data = serde_json::to_string_pretty(&answer.data).map_err(|e| e.to_string())?;
        return print(&format!("{data}\n"));
    }
    print(&format!("{}\n", answer.text.trim_end()))
}

fn read(config: Option<PathBuf>) -> Result<Config, String> {
    config.map_or_else(|| Ok(Config::default()), |path| Config::read(&path).map_err(|e| e.to_string()))
}

fn check(roles: &[String]) -> Result<(), String> {
    for role in roles {
        let role = role.trim();
        if LATER.contains(&role) {
            return Err(format!("the role `{role}` is not in this version; it has: {}", ROLES.join(", ")));
        }
        if !ROLES.contains(&role) {
            return Err(format!("there is no role `{role}`; this version has: {}", ROLES.join(", ")));
        }
    }
    Ok(())
}

fn print(text: &str) -> Result<(), String> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|e| format!("cannot write the answer: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(list: &[&str]) -> Result<(), String> {
        check(&list.iter().map(|role| (*role).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn roles_of_today_run_and_others_are_explained() {
        assert_eq!(roles(&["core"]), Ok(()));
        assert_eq!(roles(&[]), Ok(()));
        assert_eq!(
            roles(&["core", "events"]).unwrap_err(),
            "the role `events` is not in this version; it has: core"
        );
        assert_eq!(roles(&["cors"]).unwrap_err(), "there is no role `cors`; this version has: core");
    }

    #[test]
    fn command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
