//! `cargo xtask bench`: the numbers of design.md, measured side by side in one run.
//!
//! Each row family is a module of its own ([`FAMILIES`]) that returns [`Row`]s; they are printed as they come, and
//! written as Markdown and JSON at the end. What the rows share: [`bed`] (Envoy, targets, a feed), [`variant`] (the
//! same listener with another filter), [`race`] (interleaved windows under saturation), [`proc`] (CPU and memory).

mod applications;
mod bed;
mod compile;
mod egress;
mod feed;
mod first_call;
mod grants;
mod ingress;
mod installation;
mod module;
mod options;
mod proc;
mod propagation;
mod race;
mod responder;
mod row;
mod stall;
mod target;
mod variant;

use std::process::ExitCode;

use fairlead_testkit::Result;

use options::Options;
use row::{Row, say};

/// A row family: what `cargo xtask bench NAME` runs.
struct Family {
    name: &'static str,
    run: fn(&Options) -> Result<Vec<Row>>,
}

const FAMILIES: &[Family] = &[
    Family { name: "egress-basic", run: egress::basic },
    Family { name: "egress-none", run: egress::none },
    Family { name: "egress-oauth", run: egress::oauth },
    Family { name: "ingress", run: ingress::run },
    Family { name: "applications", run: applications::run },
    Family { name: "first-call", run: first_call::run },
    Family { name: "stall", run: stall::run },
    Family { name: "installation", run: installation::run },
    Family { name: "propagation", run: propagation::run },
    Family { name: "grants", run: grants::run },
    Family { name: "compile", run: compile::run },
    Family { name: "module", run: module::run },
];

fn main() -> ExitCode {
    match measure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("bench: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// A family that cannot be measured is a row too: the others still count.
fn measure() -> Result {
    let names: Vec<_> = FAMILIES.iter().map(|family| family.name).collect();
    let options = Options::read(&names)?;
    proc::pin(std::process::id(), proc::OTHERS)?;
    let mut rows = Vec::new();
    for family in FAMILIES.iter().filter(|family| options.wants(family.name)) {
        say(&format!("── {}", family.name));
        let measured =
            (family.run)(&options).unwrap_or_else(|error| vec![Row::failed(family.name, &error.to_string())]);
        for row in measured {
            say(&row.line());
            rows.push(row);
        }
    }
    row::write(&options.output, &rows)?;
    say(&row::markdown(&rows));
    Ok(())
}
