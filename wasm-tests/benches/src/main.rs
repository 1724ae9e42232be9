//! `cargo xtask bench`: the numbers of design.md, measured side by side in one run.
//!
//! Each row family is a module of its own ([`FAMILIES`], and [`MESH`] with `--mesh`) that returns [`Row`]s; they are
//! printed as they come, and written as Markdown and JSON. What the rows share: [`bed`] (Envoy, targets, a feed),
//! [`variant`] (the same listener with another filter), [`race`] (interleaved turns under saturation), [`spread`]
//! (medians), [`ladder`] (where the CPU goes), [`proc`] (CPU and memory).

mod applications;
mod authz;
mod bed;
mod broker;
mod compile;
mod egress;
mod feed;
mod first_call;
mod grants;
mod ingress;
mod installation;
mod ladder;
mod mesh;
mod module;
mod neighbour;
mod options;
mod proc;
mod propagation;
mod race;
mod replay;
mod responder;
mod row;
mod spread;
mod stall;
mod target;
mod variant;

use std::{process::ExitCode, time::Instant};

use fairlead_testkit::Result;

use options::Options;
use row::{Measured, Row, say};

/// A row family: what `cargo xtask bench NAME` runs.
struct Family {
    name: &'static str,
    run: fn(&Options) -> Result<Measured>,
}

const FAMILIES: &[Family] = &[
    Family { name: "egress-basic", run: egress::basic },
    Family { name: "egress-none", run: egress::none },
    Family { name: "egress-oauth", run: egress::oauth },
    Family { name: "egress-csrf", run: egress::csrf },
    Family { name: "egress-certificate", run: egress::certificate },
    Family { name: "replay", run: replay::run },
    Family { name: "ingress", run: ingress::run },
    Family { name: "applications", run: applications::run },
    Family { name: "first-call", run: first_call::run },
    Family { name: "stall", run: stall::run },
    Family { name: "installation", run: installation::run },
    Family { name: "propagation", run: propagation::run },
    Family { name: "grants", run: grants::run },
    Family { name: "broker", run: broker::run },
    Family { name: "neighbour", run: neighbour::run },
    Family { name: "compile", run: compile::run },
    Family { name: "module", run: module::run },
];

/// Those that run in a mesh: in a program that `fairlead-enter` started.
const MESH: &[Family] = &[Family { name: "mesh", run: mesh::run }];

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
    let names: Vec<_> = FAMILIES.iter().chain(MESH).map(|family| family.name).collect();
    let options = Options::read(&names)?;
    if !options.mesh {
        proc::pin(std::process::id(), proc::OTHERS)?;
    }
    let families = if options.mesh { MESH } else { FAMILIES };
    let mut all = Measured::default();
    let begin = Instant::now();
    for family in families.iter().filter(|family| options.wants(family.name)) {
        let begin = Instant::now();
        say(&format!("── {}", family.name));
        let measured = (family.run)(&options)
            .unwrap_or_else(|error| vec![Row::failed(family.name, &error.to_string())].into());
        measured.rows.iter().for_each(|row| say(&row.line()));
        say(&format!("   took {:.0} s", begin.elapsed().as_secs_f64()));
        all.append(measured);
        // Should the run be broken off, what was measured is there.
        row::write(&options.output, options.name(), &all)?;
    }
    say(&row::markdown(&all));
    say(&format!(
        "Took {:.0} s; the table is in {}.",
        begin.elapsed().as_secs_f64(),
        options.output.display()
    ));
    Ok(())
}
