//! What all listeners share.

use std::sync::Arc;

use fairlead_wire::feed::View;
use tokio::sync::watch;

use crate::{
    conditions::Board,
    feed::{hub::Hub, serve::Lane},
    grants::{broker::Broker, forward::Forwarder},
    telemetry::{level::LevelSwitch, metrics::Metrics},
};

/// Shared by all listeners' tasks.
pub type Shared = Arc<Core>;

/// The running control plane, as listeners see it.
pub struct Core {
    egress: Lane,
    ingress: Lane,
    /// Grants.
    pub broker: Broker,
    /// The way to the replica that fetches grants; none where this one always does.
    pub forwarder: Option<Forwarder>,
    /// Applications whose status is to be looked at.
    pub board: Board,
    /// The Secret with the pair that external systems are to see (`namespace/name`), while there is none that can be used
    /// and the ingress gateway shows a self-signed one.
    pub server_pair_missing: watch::Sender<Option<Arc<str>>>,
    /// Counters.
    pub metrics: Metrics,
    /// True from the moment on at which the process is to end.
    pub draining: watch::Receiver<bool>,
    /// The log level.
    pub level: LevelSwitch,
}

impl Core {
    /// With empty lanes of a new epoch.
    #[must_use]
    pub fn new(
        broker: Broker,
        forwarder: Option<Forwarder>,
        metrics: Metrics,
        draining: watch::Receiver<bool>,
        level: LevelSwitch,
    ) -> Self {
        let epoch = format!("{:032x}", rand::random::<u128>());
        let lane = |view| Lane::new(view, Hub::new(&epoch, crate::feed::hub::TOMBSTONES));
        let (egress, ingress) = (lane(View::Egress), lane(View::Ingress));
        let (board, server_pair_missing) = (Board::default(), watch::Sender::default());
        Self { egress, ingress, broker, forwarder, board, server_pair_missing, metrics, draining, level }
    }

    /// One view's records.
    #[must_use]
    pub fn lane(&self, view: View) -> &Lane {
        match view {
            View::Egress => &self.egress,
            View::Ingress => &self.ingress,
        }
    }
}

/// Waits for the moment at which the process is to end.
pub async fn drained(draining: &mut watch::Receiver<bool>) {
    // The sender gone means the same.
    let _ = draining.wait_for(|on| *on).await;
}
