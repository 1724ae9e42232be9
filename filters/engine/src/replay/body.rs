//! A request's body as it passes, kept up to a bound.

use std::{cell::Cell, rc::Rc};

/// How many bytes a VM may still keep, for all requests together.
#[derive(Clone, Debug)]
pub struct Budget(Rc<Cell<usize>>);

impl Budget {
    /// `bytes` in all.
    #[must_use]
    pub fn new(bytes: u32) -> Self {
        Self(Rc::new(Cell::new(usize::try_from(bytes).unwrap_or(usize::MAX))))
    }

    /// The bytes that are left.
    #[must_use]
    pub fn left(&self) -> usize {
        self.0.get()
    }

    fn take(&self, bytes: usize) -> bool {
        let left = self.0.get().checked_sub(bytes);
        if let Some(left) = left {
            self.0.set(left);
        }
        left.is_some()
    }

    fn give_back(&self, bytes: usize) {
        self.0.set(self.0.get().saturating_add(bytes));
    }
}

/// A body. What does not fit is not kept at all: the request passes, and is not sent again.
pub(super) struct Body {
    bytes: Vec<u8>,
    /// What the budget was asked for.
    taken: usize,
    limit: usize,
    state: State,
    budget: Budget,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Passing,
    Complete,
    TooLarge,
}

impl Body {
    pub(super) fn new(ended: bool, limit: u32, budget: &Budget) -> Self {
        let state = if ended { State::Complete } else { State::Passing };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Self { bytes: Vec::new(), taken: 0, limit, state, budget: budget.clone() }
    }

    /// A part of `size` bytes passes, the last one if it `ends`. True if it is to be kept.
    pub(super) fn wants(&mut self, size: usize, ends: bool) -> bool {
        if self.state != State::Passing {
            return false;
        }
        let fits =
            self.bytes.len().checked_add(size).is_some_and(|all| all <= self.limit) && self.budget.take(size);
        if fits {
            self.taken += size;
        }
        if !fits || self.bytes.try_reserve(size).is_err() {
            self.drop_bytes();
            self.state = State::TooLarge;
            return false;
        }
        if ends {
            self.state = State::Complete;
        }
        size > 0
    }

    /// Takes what is [wanted](Body::wants).
    pub(super) fn keep(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// All of it is here.
    pub(super) fn is_complete(&self) -> bool {
        self.state == State::Complete && self.bytes.len() == self.taken
    }

    /// It passed the limit, or the budget had no room for it.
    pub(super) fn is_too_large(&self) -> bool {
        self.state == State::TooLarge
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Gives the memory back.
    pub(super) fn drop_bytes(&mut self) {
        self.bytes = Vec::new();
        self.budget.give_back(std::mem::take(&mut self.taken));
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.drop_bytes();
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn pass(body: &mut Body, bytes: &[u8], ends: bool) {
        if body.wants(bytes.len(), ends) {
            body.keep(bytes);
        }
    }

    #[test]
    fn a_body_up_to_the_limit_is_kept_whole() {
        for (size, complete) in [(0, true), (1, true), (10, true), (11, false)] {
            let budget = Budget::new(100);
            let mut body = Body::new(false, 10, &budget);
            for part in vec![b'x'; size].chunks(3) {
                pass(&mut body, part, false);
                assert!(!body.is_complete());
            }
            pass(&mut body, b"", true);
            assert_eq!((body.is_complete(), body.bytes().len()), (complete, if complete { size } else { 0 }));
            assert_eq!(budget.left(), 100 - body.bytes().len());
            drop(body);
            assert_eq!(budget.left(), 100);
        }
    }

    #[test]
    fn one_that_the_budget_has_no_room_for_is_let_go_and_leaves_room_for_others() {
        let budget = Budget::new(10);
        let mut first = Body::new(false, 100, &budget);
        let mut second = Body::new(false, 100, &budget);
        pass(&mut first, b"123456", false);
        pass(&mut second, b"12345", true);
        assert!(!second.is_complete() && second.bytes().is_empty());
        pass(&mut first, b"7890", true);
        assert!(first.is_complete());
        drop(first);
        assert_eq!(budget.left(), 10);
    }

    #[test]
    fn what_the_host_could_not_give_makes_no_complete_body() {
        let mut body = Body::new(false, 10, &Budget::new(10));
        assert!(body.wants(3, true));
        assert!(!body.is_complete());
    }

    #[test]
    fn a_request_without_a_body_is_complete_at_once() {
        let mut body = Body::new(true, 0, &Budget::new(0));
        assert!(body.is_complete() && !body.wants(1, true) && body.is_complete());
    }
}
