//! `cargo xtask ci`: what CI runs. Its last line is `N passed, M failed`.

use crate::{
    fuzz, generate, mesh,
    run::{Result, cargo, output, run as run_command, step},
    tally::Tally,
    test, tools,
};

/// `cargo xtask ci [--full]`: `--full` fuzzes ten times as long, and has the mesh at full size.
pub(crate) fn run(arguments: &[String]) -> Result {
    let full = arguments.iter().any(|argument| argument == "--full");
    let mut tally = Tally::default();
    step("format");
    tally.check("format", run_command(cargo().args(["fmt", "--all", "--check"])));
    step("lints");
    tally.check("lints", lints());
    step("documentation");
    tally.check("documentation", documentation());
    if let Err(error) = test::all(&mut tally, None) {
        tally.check("tests", Err(error));
    }
    if let Err(error) = mesh::test(&mut tally, full, None) {
        tally.check("tests on the process mesh", Err(error));
    }
    step("fuzzing");
    tally.check("fuzzing", fuzz::run(&[if full { "600" } else { "60" }.to_owned()]));
    step("generated files");
    let generated = generate::check().map(|left_out| left_out.iter().for_each(|what| tally.skip(what)));
    tally.check("generated files", generated);
    step("dependencies");
    tally.check("dependencies: licences, sources, bans", dependencies());
    tally.skip("advisories of dependencies: their database is no package of a registry");
    tally.finish()
}

fn lints() -> Result {
    run_command(cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--quiet",
        "--",
        "--deny",
        "warnings",
    ]))?;
    run_command(
        tools::wasm_cargo()?
            .args([
                "clippy",
                "--package",
                "fairlead-plugin",
                "--target",
                "wasm32-unknown-unknown",
                "--quiet",
                "--",
            ])
            .args(["--deny", "warnings"]),
    )
}

fn documentation() -> Result {
    run_command(
        cargo().args(["doc", "--workspace", "--no-deps", "--quiet"]).env("RUSTDOCFLAGS", "--deny warnings"),
    )
}

fn dependencies() -> Result {
    let deny = tools::cargo_deny()?;
    let checks = ["check", "bans", "licenses", "sources"];
    output(std::process::Command::new(deny).current_dir(crate::root::repository()).args(checks)).map(drop)
}
