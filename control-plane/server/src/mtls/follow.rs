//! Certificates and CAs that change while the listener serves.

use std::sync::Arc;

use tokio::sync::watch;

use super::{OwnName, Tls, TlsError};
use crate::{kubernetes::authority::Material, state::drained};

/// Gives new connections what `material` (Fairlead's CA and this replica's certificate) and `mesh_roots` (PEM) say now. What is
/// unusable is logged, and what was there stays.
pub async fn follow(
    name: Arc<OwnName>,
    mut material: watch::Receiver<Material>,
    mut mesh_roots: watch::Receiver<String>,
    tls: watch::Sender<Arc<Tls>>,
    mut draining: watch::Receiver<bool>,
) {
    loop {
        match renewed(&name, &material.borrow_and_update(), &mesh_roots.borrow_and_update()) {
            Ok(new) => {
                tls.send_replace(Arc::new(new));
            }
            Err(error) => tracing::error!(%error, "new certificates cannot be used; the old ones stay"),
        }
        tokio::select! {
            () = drained(&mut draining) => return,
            Ok(()) = material.changed() => {}
            Ok(()) = mesh_roots.changed() => {}
        }
    }
}

fn renewed(name: &Arc<OwnName>, material: &Material, mesh_roots: &str) -> Result<Tls, TlsError> {
    name.replace(&material.own.certificate_pem, &material.own.key_pem)?;
    Tls::new(name.clone(), &material.bundle, mesh_roots)
}
