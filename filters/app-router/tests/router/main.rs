//! The router as its users see it: by table and by property.
#![allow(
    clippy::unwrap_used,
    reason = "tests fail by panicking; the configured exception does not reach helpers"
)]

mod grammar;
mod names;
mod paths;
#[cfg(not(target_arch = "wasm32"))]
mod properties;
mod queries;
mod redirects;

use fairlead_app_router::{Base, Ports, join, split};

/// What goes out for `path` on the manual port: the path for the target, or `400` and why.
fn sent(base: &str, path: &str, encode: bool) -> String {
    let split = match split(Ports::Manual, path.as_bytes()) {
        Ok(split) => split,
        Err(error) => return format!("400 {error:?}"),
    };
    let mut out = b"before".to_vec();
    match join(&mut out, &Base::new(base).unwrap(), split.rest, encode) {
        Ok(()) => String::from_utf8(out).unwrap().strip_prefix("before").unwrap().to_owned(),
        Err(error) => {
            assert_eq!(out, b"before", "an error leaves the buffer as it was");
            format!("400 {error:?}")
        }
    }
}
