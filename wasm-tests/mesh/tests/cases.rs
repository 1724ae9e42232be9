//! All tables of cases in the mesh, one after the other in one installation.

use std::sync::OnceLock;

use fairlead_mesh::MeshBed;
use fairlead_testkit::{Result, fairlead::merge};
use fairlead_tests::place::{Needs, Place};
use serde_json::json;

fn run(needs: &Needs, table: fn(&dyn Place)) -> Result {
    static BED: OnceLock<Result<MeshBed>> = OnceLock::new();
    let bed = BED.get_or_init(|| {
        MeshBed::start(|setup| {
            // What most tables need; nobody minds.
            merge(&mut setup.values, &json!({ "config": { "grants": { "timeout": "1s" } } }));
            Ok(())
        })
    });
    bed.as_ref().map_err(Clone::clone)?.run(needs, table)
}

fairlead_tests::each_table! { super::run }
