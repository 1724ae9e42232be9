//! The Secrets that count: those of the namespaces that are looked into.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use fairlead_resources::Secret;

use crate::{ClientPair, PairError};

/// Secrets by name, then in the order of the installation's namespaces.
#[derive(Debug)]
pub(crate) struct Secrets {
    namespaces: Vec<String>,
    /// One place a namespace, so that the first that is filled wins (decision 1).
    by_name: HashMap<Arc<str>, Box<[Option<Held>]>>,
}

/// A Secret, and what is made of it once although several entries use it.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) secret: Secret,
    pair: OnceLock<Box<Result<Arc<ClientPair>, PairError>>>,
}

impl Held {
    /// The client certificate of the keys `crt` and `key`; missing ones read as empty (AG §8).
    pub(crate) fn pair(&self) -> Result<Arc<ClientPair>, PairError> {
        let [crt, key] = ["crt", "key"].map(|name| self.secret.get(name).unwrap_or_default());
        let pair = self.pair.get_or_init(|| Box::new(ClientPair::read(crt, key).map(Arc::new)));
        Result::clone(pair)
    }
}

impl Secrets {
    pub(crate) fn new(namespaces: &[String]) -> Self {
        Self { namespaces: namespaces.to_vec(), by_name: HashMap::new() }
    }

    /// The Secrets of this name, the one that counts first.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &Held> {
        self.by_name.get(name).into_iter().flatten().flatten()
    }

    /// Where Secrets are looked for, for messages.
    pub(crate) fn places(&self) -> String {
        self.namespaces.join(" or ")
    }

    /// Stores it; `false`: its namespace does not count.
    pub(crate) fn insert(&mut self, secret: Secret) -> bool {
        let Some(place) = self.place(&secret.namespace) else { return false };
        let empty = || self.namespaces.iter().map(|_| None).collect();
        let slots = self.by_name.entry(secret.name.clone()).or_insert_with(empty);
        if let Some(slot) = slots.get_mut(place) {
            *slot = Some(Held { secret, pair: OnceLock::new() });
        }
        true
    }

    /// Forgets it; `false`: it was not here.
    pub(crate) fn remove(&mut self, namespace: &str, name: &str) -> bool {
        let Some(place) = self.place(namespace) else { return false };
        let Some(slots) = self.by_name.get_mut(name) else { return false };
        let removed = slots.get_mut(place).and_then(Option::take).is_some();
        if slots.iter().all(Option::is_none) {
            self.by_name.remove(name);
        }
        removed
    }

    fn place(&self, namespace: &str) -> Option<usize> {
        self.namespaces.iter().position(|known| known == namespace)
    }
}
