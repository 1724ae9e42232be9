//! What replicas tell each other, on the mTLS port: followers ask the leader for grants and tell it what gateways
//! reported to them.
//!
//! Only a certificate of Fairlead's own CA with the replicas' SPIFFE id opens these paths. They are answered by the leader
//! itself or with 421, and never forwarded.

pub mod client;
pub mod reports;

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use fairlead_wire::grant::GrantRequest;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::{kubernetes::Leadership, mtls::Peer, state::Shared};
use reports::{Report, Reports};

/// Path under which a follower asks for a grant; the id follows.
pub const GRANTS: &str = "/replica/v1/grants/";
/// Path of a follower's report.
pub const REPORTS: &str = "/replica/v1/reports";
/// How large a message may be, bytes: a report of many gateways.
const MESSAGE: usize = 1024 * 1024;
/// How long the leader waits for a grant that it does not know yet: another replica may have seen the change first.
const UNKNOWN: Duration = Duration::from_secs(1);

/// What the routes need.
#[derive(Clone)]
pub struct Replica {
    /// Feed and broker.
    pub state: Shared,
    /// Who leads.
    pub leadership: watch::Receiver<Leadership>,
    /// What gateways reported, of all replicas.
    pub reports: Arc<Reports>,
}

/// The routes between replicas.
pub fn router(replica: Replica) -> Router {
    Router::new()
        .route("/replica/v1/grants/{id}", post(grant))
        .route(REPORTS, post(report))
        .layer(DefaultBodyLimit::max(MESSAGE))
        .with_state(replica)
}

impl Replica {
    /// Whether `peer` may ask and we are to answer; otherwise the answer: 403, or 421 from one that does not lead.
    fn admits(&self, peer: Peer) -> Result<(), StatusCode> {
        match peer {
            Peer::Replica if self.leadership.borrow().leading => Ok(()),
            Peer::Replica => Err(StatusCode::MISDIRECTED_REQUEST),
            Peer::Gateway(_) | Peer::Other => Err(StatusCode::FORBIDDEN),
        }
    }
}

async fn grant(
    State(replica): State<Replica>,
    Extension(peer): Extension<Peer>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, StatusCode> {
    replica.admits(peer)?;
    let request: GrantRequest = read(&body)?;
    let broker = &replica.state.broker;
    broker.known(&id, UNKNOWN).await;
    let answer = broker.ask(&id, request.rejected).await;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

async fn report(
    State(replica): State<Replica>,
    Extension(peer): Extension<Peer>,
    body: Bytes,
) -> Result<StatusCode, StatusCode> {
    replica.admits(peer)?;
    replica.reports.take(read::<Report>(&body)?);
    Ok(StatusCode::NO_CONTENT)
}

/// A message, read once it is clear that its sender may send one.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, StatusCode> {
    serde_json::from_slice(body).map_err(|_| StatusCode::BAD_REQUEST)
}
