//! Names of Applications whose status is to be looked at: marked by [`Control`](crate::control), taken by the
//! [`Writer`](super::Writer). Marking one twice is the same as once, so however much changes, little waits.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::Notify;

/// The board. It takes nothing until somebody reads it, so in the embedded mode it stays empty.
#[derive(Default)]
pub struct Board {
    read: AtomicBool,
    names: Mutex<BTreeSet<Arc<str>>>,
    marked: Notify,
}

impl Board {
    /// From now on somebody reads it.
    pub fn open(&self) {
        self.read.store(true, Ordering::Relaxed);
    }

    /// Whether somebody reads it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.read.load(Ordering::Relaxed)
    }

    /// Marks these, if somebody reads.
    pub fn mark(&self, names: impl IntoIterator<Item = Arc<str>>) {
        if !self.is_open() {
            return;
        }
        let mut marked = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        marked.extend(names);
        if !marked.is_empty() {
            self.marked.notify_one();
        }
    }

    /// Waits until something is marked.
    pub async fn marked(&self) {
        self.marked.notified().await;
    }

    /// Takes all that is marked.
    pub fn take(&self) -> BTreeSet<Arc<str>> {
        std::mem::take(&mut *self.names.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_board_that_nobody_reads_stays_empty_and_marks_count_once() {
        let board = Board::default();
        board.mark(["a".into()]);
        assert!(board.take().is_empty());
        board.open();
        board.mark(["b".into(), "a".into()]);
        board.mark(["a".into()]);
        assert_eq!(board.take().into_iter().collect::<Vec<_>>(), ["a".into(), "b".into()]);
        assert!(board.take().is_empty());
    }
}
