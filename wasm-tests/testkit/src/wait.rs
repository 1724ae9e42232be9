//! Waiting for a condition, with a limit.

use std::time::{Duration, Instant};

use crate::{Error, Result};

/// How long anything may take to start on a busy machine.
pub const START: Duration = Duration::from_secs(30);

/// Between two looks at a condition. Short, because tests measure propagation in tens of milliseconds.
const PAUSE: Duration = Duration::from_millis(2);

/// Asks `condition` until it gives a value.
///
/// # Errors
/// After `limit`: what was waited for.
pub fn until<T>(what: &str, limit: Duration, mut condition: impl FnMut() -> Option<T>) -> Result<T> {
    attempt(what, limit, || condition().ok_or_else(|| Error::new("not yet")))
}

/// Repeats `attempt` until it succeeds.
///
/// # Errors
/// After `limit`: what was waited for, and the last error.
pub fn attempt<T>(what: &str, limit: Duration, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let end = Instant::now() + limit;
    loop {
        match attempt() {
            Ok(value) => return Ok(value),
            Err(error) if Instant::now() >= end => {
                return Err(Error::new(format!("waited {limit:?} for {what}: {error}")));
            }
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}
