//! Names that wait to be looked at: what changed lately first, then the rest; each once.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

/// See the module.
#[derive(Default)]
pub(super) struct Queue {
    urgent: Lane,
    rest: Lane,
}

#[derive(Default)]
struct Lane {
    order: VecDeque<Arc<str>>,
    members: HashSet<Arc<str>>,
}

impl Queue {
    /// These go first.
    pub(super) fn push(&mut self, names: impl IntoIterator<Item = Arc<str>>) {
        self.urgent.push(names);
    }

    /// These have time.
    pub(super) fn push_rest(&mut self, names: impl IntoIterator<Item = Arc<str>>) {
        self.rest.push(names);
    }

    /// Takes so many of those that are next.
    pub(super) fn take(&mut self, count: usize) -> Vec<Arc<str>> {
        std::iter::from_fn(|| self.urgent.pop().or_else(|| self.rest.pop())).take(count).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.urgent.order.len() + self.rest.order.len()
    }
}

impl Lane {
    fn push(&mut self, names: impl IntoIterator<Item = Arc<str>>) {
        for name in names {
            if self.members.insert(name.clone()) {
                self.order.push_back(name);
            }
        }
    }

    fn pop(&mut self) -> Option<Arc<str>> {
        let name = self.order.pop_front()?;
        self.members.remove(&name);
        Some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_lately_goes_first_and_nothing_waits_twice() {
        let names = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect::<Vec<Arc<str>>>();
        let mut queue = Queue::default();
        queue.push_rest(names(&["a", "b"]));
        queue.push(names(&["z", "y", "z"]));
        assert_eq!(queue.len(), 4);
        assert_eq!(queue.take(3), names(&["z", "y", "a"]));
        queue.push_rest(names(&["b"]));
        assert_eq!(queue.take(3), names(&["b"]));
        assert_eq!(queue.len(), 0);
    }
}
