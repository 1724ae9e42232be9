//! How answers end: to their end, or because the peer went away.

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// The end of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The recorded request.
    pub id: u64,
    /// The answer was sent to its end. False: the peer went away before.
    pub complete: bool,
}

/// The last ends.
#[derive(Debug, Default)]
pub struct Ends(Mutex<Vec<Ended>>);

/// More are forgotten, the oldest first.
const KEPT: usize = 10_000;

impl Ends {
    /// A request that is being answered from now on.
    #[must_use]
    pub fn begin(self: &Arc<Self>, id: u64) -> Running {
        Running { ends: Some((Arc::clone(self), id)) }
    }

    /// All that are known.
    pub fn all(&self) -> Vec<Ended> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn push(&self, ended: Ended) {
        let mut ends = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ends.push(ended);
        let over = ends.len().saturating_sub(KEPT);
        ends.drain(..over);
    }
}

/// An answer on its way. Dropped before [`finish`](Self::finish), the peer went away.
#[derive(Debug, Default)]
pub struct Running {
    ends: Option<(Arc<Ends>, u64)>,
}

impl Running {
    /// It was sent to its end.
    pub fn finish(&mut self) {
        if let Some((ends, id)) = self.ends.take() {
            ends.push(Ended { id, complete: true });
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some((ends, id)) = self.ends.take() {
            ends.push(Ended { id, complete: false });
        }
    }
}
