//! `cargo xtask mesh tools|up|test`: the process mesh, a real Istio without containers.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    build, images, root,
    run::{Error, Result, cargo, doing, step},
    suites::suite,
    tally::Tally,
    tools,
};

const USAGE: &str =
    "cargo xtask mesh tools | up [--debug] | test [--full] [FILTER] | test --cluster (the one of KUBECONFIG)";

/// `cargo xtask mesh …`.
pub(crate) fn run(arguments: &[String]) -> Result {
    let rest = arguments.get(1..).unwrap_or_default();
    match arguments.first().map(String::as_str) {
        Some("tools") => tools::mesh_tools().map(|directory| println!("{}", directory.display())),
        Some("up") => up(rest),
        Some("test") => {
            let mut tally = Tally::default();
            // Asked for by name: many a shell has a `KUBECONFIG` whose cluster is nobody's test bed.
            if rest.iter().any(|argument| argument == "--cluster") {
                let Some(kubeconfig) = std::env::var_os("KUBECONFIG") else {
                    return Err(Error::new(
                        "`--cluster` tests the cluster that KUBECONFIG names, and it names none",
                    ));
                };
                cluster(&mut tally, &PathBuf::from(kubeconfig), None)?;
                return tally.finish();
            }
            let full = rest.iter().any(|argument| argument == "--full");
            let filter = rest.iter().find(|argument| *argument != "--full");
            test(&mut tally, full, filter.map(String::as_str))?;
            tally.finish()
        }
        _ => Err(Error::new(USAGE)),
    }
}

/// Runs the tests on the mesh into `tally`, at full size or at one that CI has time for; with a filter only the program, or
/// tests, of that name.
pub(crate) fn test(tally: &mut Tally, full: bool, filter: Option<&str>) -> Result {
    // First, so that a machine without Go learns it at once.
    let tools = tools::mesh_tools()?;
    // What is measured at full size is what users run.
    let built = build::all(if full { "release" } else { "dev" })?;
    let enter = enter("dev")?;
    let program = filter.filter(|name| is_program(name));
    let mut command = cargo();
    // Cargo starts each test program by this one, which gives it a machine of its own.
    let runner = format!("target.'cfg(unix)'.runner = '{}'", enter.display());
    command
        .args(["test", "--no-fail-fast", "--config", &runner, "--package", "fairlead-mesh"])
        .args(program.iter().flat_map(|name| ["--test", *name]))
        .envs(environment(&built, tools)?)
        .arg("--")
        .args(filter.filter(|_| program.is_none()));
    if full {
        command.env("FAIRLEAD_FULL", "1");
    } else {
        tally.skip(
            "the mesh at full size (10 000 Applications) and waits of a minute: cargo xtask mesh test --full",
        );
    }
    suite(tally, "process mesh", &mut command);
    tally.skip("tests in kind, not yet run anywhere: cargo xtask kind test, for those who have Docker");
    Ok(())
}

/// Whether one of the test programs is called so.
fn is_program(name: &str) -> bool {
    let tests = root::repository().join("wasm-tests/mesh/tests");
    tests.join(format!("{name}.rs")).exists() || tests.join(name).join("main.rs").exists()
}

/// What only the process mesh gives a test, and hence no other cluster is asked.
const ONLY_PROCESSES: [&str; 3] = [
    "tables of cases and acceptance walk A in a cluster: their targets need names, public authorities and addresses that only the process mesh makes up",
    "hostile neighbours, lost replicas, API server and istiod taken away in a cluster: it is not ours to break",
    "chart, rights and resource definitions in a cluster: what their tests leave behind is not taken away",
];

/// Runs the tests that any cluster with Istio and the chart can take, in the one of `kubeconfig`, into `tally`; `values`
/// are those that the chart was installed with.
pub(crate) fn cluster(tally: &mut Tally, kubeconfig: &Path, values: Option<&Path>) -> Result {
    let tools = tools::mesh_tools()?;
    let mut command = cargo();
    command
        .args(["test", "--package", "fairlead-mesh", "--test", "cluster", "--", "--include-ignored"])
        .env("KUBECONFIG", kubeconfig)
        .env("FAIRLEAD_MESH_TOOLS", tools)
        .envs(values.map(|values| ("FAIRLEAD_CHART_VALUES", values)));
    suite(tally, "cluster", &mut command);
    ONLY_PROCESSES.iter().for_each(|what| tally.skip(what));
    Ok(())
}

/// Leaves a mesh running for a person, until Ctrl-C.
fn up(arguments: &[String]) -> Result {
    let tools = tools::mesh_tools()?;
    let profile = if arguments.iter().any(|argument| argument == "--debug") { "dev" } else { "release" };
    let binaries = build::binaries(profile)?;
    let built = build::Built {
        module: build::module(&[])?,
        crashing_module: None,
        server: binaries.join("fairlead"),
        double: binaries.join("fairlead-double"),
    };
    let enter = enter(profile)?;
    step("starting");
    let mut launcher = Command::new(&enter);
    launcher
        .arg(enter.with_file_name("fairlead-mesh-up"))
        .envs(environment(&built, tools)?)
        .args(arguments.iter().filter(|argument| *argument != "--debug"));
    let status = doing("cannot start the launcher", launcher.status())?;
    if status.success() { Ok(()) } else { Err(Error::new(format!("the launcher ended with {status}"))) }
}

/// What another program is started in a mesh by.
pub(crate) struct Launch {
    /// Starts it: `enter PROGRAM ARGUMENTS…`.
    pub(crate) enter: PathBuf,
    tools: PathBuf,
}

impl Launch {
    /// Finds or builds the mesh's tools; the starter comes with the binaries of `profile`.
    pub(crate) fn new(profile: &str) -> Result<Self> {
        let tools = tools::mesh_tools()?;
        Ok(Self { enter: enter(profile)?, tools })
    }

    /// What the program finds everything by.
    pub(crate) fn environment(&self, built: &build::Built) -> Result<Vec<(&'static str, PathBuf)>> {
        environment(built, self.tools.clone())
    }
}

/// The program that others are started by, among what [`build::binaries`] makes.
fn enter(profile: &str) -> Result<PathBuf> {
    let directory = if profile == "dev" { "debug" } else { profile };
    let program = root::target().join(directory).join("fairlead-enter");
    doing("cannot find target/", std::path::absolute(program))
}

fn environment(built: &build::Built, tools: PathBuf) -> Result<Vec<(&'static str, PathBuf)>> {
    let mut environment = build::environment(built)?;
    let state = doing("cannot find target/", std::path::absolute(root::target().join("mesh")))?;
    let image = doing("cannot find target/", std::path::absolute(images::of_module(&built.module)?))?;
    environment.extend([
        ("FAIRLEAD_MESH_TOOLS", tools),
        ("FAIRLEAD_MODULE_IMAGE", image),
        ("FAIRLEAD_MESH_STATE", state),
        // What the other tests need too, for cases that both beds share.
        ("FAIRLEAD_OAUTH_PYTHON", tools::oauth_python()?),
    ]);
    Ok(environment)
}
