//! Fairlead in the process mesh: tests against a real etcd, API server, istiod and Envoy.
//!
//! `cargo xtask mesh test [FILTER]` builds everything that is needed and runs the tests of this crate. By hand, with
//! the environment that `xtask` sets (`FAIRLEAD_MESH_TOOLS`, `FAIRLEAD_ENVOY`, `FAIRLEAD_MODULE`, `FAIRLEAD_BIN`,
//! `FAIRLEAD_DOUBLE`, or all of it built under `target/`):
//!
//! ```sh
//! cargo build -p fairlead-mesh -p fairlead-testkit --bins
//! cargo --config "target.'cfg(unix)'.runner='$PWD/target/debug/fairlead-enter'" test -p fairlead-mesh --test ground
//! ```
//!
//! A test file is a program with one mesh at a time: a bare one ([`mesh()`]) or one with Fairlead installed ([`bed()`],
//! [`MeshBed`]). Its cases run in threads and share it, each with namespaces or names of its own. A case that takes
//! something away from all (the API server, istiod, replicas) goes into a file of its own.

pub mod bed;
pub mod kubelet;

use std::sync::OnceLock;

pub use bed::MeshBed;
use fairlead_testkit::{Result, mesh::Mesh};

/// The mesh that the cases of a test program share, started at its first use. It ends with the program.
///
/// # Errors
/// It does not start; every case gets the same words.
pub fn mesh() -> Result<&'static Mesh> {
    static MESH: OnceLock<Result<Mesh>> = OnceLock::new();
    MESH.get_or_init(Mesh::start).as_ref().map_err(Clone::clone)
}

/// The installation with its defaults that the cases of a test program share, started at its first use. It ends with
/// the program; the last case of it should be the search for leaked secrets ([`MeshBed::check`]).
///
/// # Errors
/// It does not start; every case gets the same words.
pub fn bed() -> Result<&'static MeshBed> {
    static BED: OnceLock<Result<MeshBed>> = OnceLock::new();
    BED.get_or_init(|| MeshBed::start(|_| Ok(()))).as_ref().map_err(Clone::clone)
}
