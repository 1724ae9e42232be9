//! Size of the module, as gateways load it.

use fairlead_testkit::{Result, error::Doing as _};

use crate::{
    options::{self, Options},
    row::{Measured, Row},
};

pub(crate) fn run(_: &Options) -> Result<Measured> {
    let bytes = std::fs::metadata(options::file("FAIRLEAD_MODULE")?).doing("no module")?.len();
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    let kib = bytes as f64 / 1024.0;
    Ok(vec![Row::at_most("module size", kib, 300.0, "KiB")].into())
}
