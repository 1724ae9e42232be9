//! A real OAuth server for tests: Python packages in an environment of their own.

use std::path::PathBuf;

use super::python;
use crate::{root, run::Result};

/// Python that can run `wasm-tests/testkit/oauth/server.py`.
pub(crate) fn oauth_python() -> Result<PathBuf> {
    python::environment("oauth", &root::repository().join("wasm-tests/testkit/oauth/requirements.txt"))
}
