//! The Kubernetes store: Applications of the whole cluster, and the Secrets of some namespaces that they name.
//!
//! Applications are listed page by page and watched; so is the *metadata* of the Secrets. A Secret's values are fetched
//! only when an Application names it, and again when its version changes; where most of a namespace is
//! wanted at once, page by page, and what nobody wants is dropped while it is read. Nothing is kept here but names and
//! versions: objects go to the model, without `managedFields`, annotations and `status`.
//!
//! `reflect` lists and watches, `fetch` fetches Secrets, `catalog` (pure) decides what became different, `follow` makes
//! batches of that. `api` sends requests, `decode` reads answers, `failure` sorts what goes wrong.
//!
//! # When the API server is away
//! What is known stays. Every request is repeated after a wait that grows from 0.2 s to 15 s and differs at random; a watch goes
//! on from the version that it had, and only when the server has forgotten that, all is listed again, page by page, and what is
//! gone meanwhile is deleted then. Until everything has been listed *once*, no batch is complete: a control plane
//! that lacks a permission or cannot reach the server does not start to refuse what others serve.
//!
//! # Permissions (RBAC)
//! * ClusterRole: `list`, `watch` on `applications` of `applicationconnector.kyma-project.io`
//! * Role in each of the namespaces of `secretNamespaces`: `get`, `list`, `watch` on `secrets` (core group). Metadata cannot be
//!   permitted without values; that others' values are not read is this store's doing.

mod api;
mod backoff;
mod catalog;
mod decode;
mod failure;
mod fetch;
mod follow;
mod reflect;

use std::{sync::Arc, time::Duration};

use kube::Client;
use tokio::sync::mpsc;

use self::follow::Follower;
use super::{Batch, Store, StoreError};

/// The Kubernetes API.
pub struct KubernetesStore {
    client: Client,
    namespaces: Vec<Arc<str>>,
    debounce: Duration,
}

impl KubernetesStore {
    /// Reads Applications, and Secrets of `namespaces`, which need not exist. Changes are gathered for `debounce` (`store.debounce`).
    #[must_use]
    pub fn new(client: Client, namespaces: &[String], debounce: Duration) -> Self {
        let mut distinct: Vec<Arc<str>> = Vec::new();
        for namespace in namespaces {
            if distinct.iter().all(|known| **known != **namespace) {
                distinct.push(namespace.as_str().into());
            }
        }
        Self { client, namespaces: distinct, debounce }
    }
}

impl Store for KubernetesStore {
    /// Begins; within a tokio runtime. Failures are no end: they are told as problems and repeated.
    fn watch(self) -> Result<mpsc::Receiver<Batch>, StoreError> {
        // One that is taken and one that waits: more would only keep memory.
        let (batches, receiver) = mpsc::channel(1);
        tokio::spawn(Follower::start(&self.client, &self.namespaces, self.debounce).run(batches));
        Ok(receiver)
    }
}
