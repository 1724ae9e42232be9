//! What needs no more than an installation that runs: the tables of cases, acceptance walk A, hostile neighbours. One after
//! the other in one mesh; each leaves it as it found it.

mod hostile;
mod tables;
mod walk_a;
mod walk_d;

use std::sync::OnceLock;

use fairlead_mesh::MeshBed;
use fairlead_testkit::{Result, fairlead::merge};
use fairlead_tests::place::Needs;
use serde_json::json;

/// Runs a test alone in the installation that all share.
fn run(needs: &Needs, test: impl FnOnce(&MeshBed)) -> Result {
    static BED: OnceLock<Result<MeshBed>> = OnceLock::new();
    let bed = BED.get_or_init(|| {
        MeshBed::start(|setup| {
            // What several tables need and nobody minds, so that the installation need not change for each.
            // Services of all tables together are more than a worker counts apart by default.
            let config = json!({
                "grants": { "timeout": "1s" },
                "profiles": { "grace": "2s" },
                "gateways": { "metered": 20_000 },
            });
            merge(&mut setup.values, &json!({ "config": config }));
            Ok(())
        })
    });
    bed.as_ref().map_err(Clone::clone)?.run(needs, test)
}
