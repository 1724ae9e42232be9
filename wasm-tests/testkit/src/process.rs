//! Starting processes whose output is kept and who never outlive the test.

mod running;
mod spawner;
mod usage;

pub use running::{Output, Process, tether};
pub use usage::{Usage, usage};

use std::path::PathBuf;

use crate::{Error, Result};

/// The path in environment variable `name`, or `default` below the nearest `target` directory.
///
/// # Errors
/// Neither is there.
pub fn program(name: &str, default: &str) -> Result<PathBuf> {
    if let Some(named) = std::env::var_os(name) {
        return Ok(PathBuf::from(named));
    }
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let found =
        manifest.ancestors().map(|above| above.join("target").join(default)).find(|file| file.exists());
    found.ok_or_else(|| {
        Error::new(format!(
            "{name} is not set and there is no target/{default}; run the tests by `cargo xtask test`"
        ))
    })
}
