//! Gates: what an answer waits at until a test opens it, so that no test needs to measure time.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Semaphore;

/// Lets through as many as were permitted; permits may come first.
#[derive(Debug)]
pub struct Gate(Semaphore);

impl Gate {
    /// Waits for a permit and uses it up.
    pub async fn pass(&self) {
        if let Ok(permit) = self.0.acquire().await {
            permit.forget();
        }
    }
}

/// All gates by name. One comes into being when it is first named.
#[derive(Debug, Default)]
pub struct Gates(Mutex<BTreeMap<String, Arc<Gate>>>);

impl Gates {
    /// The gate of this name.
    pub fn named(&self, name: &str) -> Arc<Gate> {
        let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(gates.entry(name.to_owned()).or_insert_with(|| Arc::new(Gate(Semaphore::new(0)))))
    }

    /// Lets so many more through.
    pub fn open(&self, name: &str, permits: usize) {
        self.named(name).0.add_permits(permits);
    }
}
