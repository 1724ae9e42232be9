//! `cargo xtask test`: every test that needs no cluster.

use std::path::{Path, PathBuf};

use crate::{
    build, cases, layers, root,
    run::{Result, cargo, doing},
    suites::suite,
    tally::Tally,
    tools,
};

/// Crates without I/O: their tests run natively and as WebAssembly.
pub(crate) const PURE: &[&str] = &[
    "fairlead-wire",
    "fairlead-client-identity",
    "fairlead-app-router",
    "fairlead-credential-injector",
    "fairlead-engine",
];

/// `cargo xtask test [FILTER]`. With a filter only tests of that name run, and rows are not compared.
pub(crate) fn run(arguments: &[String]) -> Result {
    let mut tally = Tally::default();
    all(&mut tally, arguments.first().map(String::as_str))?;
    tally.finish()
}

/// Runs everything into `tally`.
pub(crate) fn all(tally: &mut Tally, filter: Option<&str>) -> Result {
    let built = build::all("dev")?;
    let mut environment = build::environment(&built)?;
    environment.push(("FAIRLEAD_OAUTH_PYTHON", tools::oauth_python()?));
    let covered = covered_directory()?;
    environment.push((fairlead_cases::DIRECTORY, covered.clone()));

    tally.check("layers: dependencies point one way", layers::check());
    let tests = |packages: &[&str]| {
        let mut command = cargo();
        let all = ["test", "--no-fail-fast"];
        command.args(all).envs(environment.iter().cloned()).args(packages).arg("--").args(filter);
        command
    };
    suite(
        tally,
        "native",
        &mut tests(&["--workspace", "--exclude", "fairlead-tests", "--exclude", "fairlead-mesh"]),
    );
    wasm(tally, filter)?;
    suite(tally, "real Envoy", &mut tests(&["--package", "fairlead-tests"]));
    if filter.is_none() {
        cases::compare(tally, &covered)?;
    }
    Ok(())
}

/// The pure crates under wasm32, in node.
fn wasm(tally: &mut Tally, filter: Option<&str>) -> Result {
    let runner = tools::wasm_test_runner()?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let with_node = std::env::join_paths(std::iter::once(runner.node).chain(std::env::split_paths(&path)))
        .unwrap_or(path);
    let mut command = tools::wasm_cargo()?;
    command
        .args(["test", "--no-fail-fast", "--tests", "--target", "wasm32-unknown-unknown"])
        .args(PURE.iter().flat_map(|name| ["--package", name]))
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", runner.runner)
        .env("PATH", with_node)
        .arg("--")
        .args(filter);
    suite(tally, "wasm32 in node", &mut command);
    Ok(())
}

/// An empty directory for [`fairlead_cases::cover`].
fn covered_directory() -> Result<PathBuf> {
    let directory = std::path::absolute(root::target().join("covered"))?;
    empty(&directory)?;
    Ok(directory)
}

/// Makes `directory` anew.
pub(crate) fn empty(directory: &Path) -> Result {
    if directory.exists() {
        doing("cannot clear a directory under target/", std::fs::remove_dir_all(directory))?;
    }
    doing("cannot make a directory under target/", std::fs::create_dir_all(directory))
}
