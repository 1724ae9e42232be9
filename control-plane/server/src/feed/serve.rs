//! The HTTP side of the feed: who may read which view, long polls, headers. Served behind mTLS by
//! [`mtls`](crate::mtls), which puts the caller's [`Peer`] into each request.

use std::{
    sync::{PoisonError, RwLock, RwLockReadGuard},
    time::Duration,
};

use axum::{
    Extension, Json, Router,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use fairlead_wire::feed::{self, MAX_WAIT_MS, PAGE_BYTES, View, Wanted};
use serde::Deserialize;
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use super::{hub::Hub, page, seen::Seen};
use crate::{
    kubernetes::Missing,
    mtls::{Peer, Remote},
    replica::reports,
    state::{Shared, drained},
};

/// A hub that many tasks read, and that wakes those who wait for a change.
pub struct Lane {
    view: View,
    hub: RwLock<Hub>,
    changed: watch::Sender<u64>,
    seen: Seen,
}

impl Lane {
    /// A lane around an empty hub.
    #[must_use]
    pub fn new(view: View, hub: Hub) -> Self {
        Self { view, hub: RwLock::new(hub), changed: watch::Sender::new(0), seen: Seen::default() }
    }

    /// Reads the hub. Never keep it over an `await`.
    pub fn read(&self) -> RwLockReadGuard<'_, Hub> {
        self.hub.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the hub in one step, then wakes the polls if its revision rose. Returns the revision.
    pub fn change(&self, change: impl FnOnce(&mut Hub)) -> u64 {
        let (before, revision) = {
            let mut hub = self.hub.write().unwrap_or_else(PoisonError::into_inner);
            let before = hub.revision();
            change(&mut hub);
            (before, hub.revision())
        };
        if revision != before {
            self.seen.published(revision);
            self.changed.send_replace(revision);
        }
        revision
    }

    /// Transport profiles that gateways reported missing within the last minute, and for how long already.
    #[must_use]
    pub fn missing_profiles(&self) -> Vec<(String, Duration)> {
        self.seen.missing_profiles()
    }

    /// The same for each gateway.
    #[must_use]
    pub fn missing(&self) -> Vec<Missing> {
        self.seen.missing(self.view)
    }

    /// Gateways that polled within the last minutes, and for how long they have been silent.
    #[must_use]
    pub fn gateways(&self) -> Vec<reports::Seen> {
        self.seen.gateways(self.view)
    }
}

/// Where a poll or a listing stands.
#[derive(Deserialize)]
#[serde(default)]
struct Position {
    epoch: String,
    revision: u64,
    after: String,
    wait: u32,
    bytes: u32,
}

impl Default for Position {
    fn default() -> Self {
        Self { epoch: String::new(), revision: 0, after: String::new(), wait: 0, bytes: PAGE_BYTES }
    }
}

/// The feed's routes.
pub fn router() -> Router<Shared> {
    Router::new()
        .route("/feed/v1/{view}", get(poll))
        .route("/feed/v1/{view}/records", get(records).post(wanted))
        .route("/feed/v1/{view}/hashes", get(hashes))
}

/// The lane that `peer` may read, if `view` names it; otherwise the answer: 404 no such view, 403 another's.
fn lane<'a>(state: &'a Shared, peer: Peer, view: &str) -> Result<&'a Lane, StatusCode> {
    let view = match view {
        "egress" => View::Egress,
        "ingress" => View::Ingress,
        _ => return Err(StatusCode::NOT_FOUND),
    };
    match peer {
        Peer::Gateway(own) if own == view => Ok(state.lane(view)),
        Peer::Gateway(_) | Peer::Replica | Peer::Other => Err(StatusCode::FORBIDDEN),
    }
}

async fn poll(
    State(state): State<Shared>,
    Extension(peer): Extension<Peer>,
    Extension(Remote(gateway)): Extension<Remote>,
    Path(view): Path<String>,
    Query(at): Query<Position>,
    headers: HeaderMap,
) -> Result<Response, StatusCode> {
    let lane = lane(&state, peer, &view)?;
    state.metrics.poll(lane.view);
    let _open = lane.seen.begin(gateway);
    let report = headers.get(feed::REPORT);
    if let Some(report) =
        report.and_then(|value| serde_json::from_slice::<feed::Report>(value.as_bytes()).ok())
    {
        let ours = report.epoch == lane.read().epoch();
        lane.seen.note(gateway, &report, ours, lane.view, &state.metrics);
    }
    let until = Instant::now() + Duration::from_millis(at.wait.min(MAX_WAIT_MS).into());
    let mut changed = lane.changed.subscribe();
    let mut draining = state.draining.clone();
    loop {
        changed.borrow_and_update();
        let answer = {
            let hub = lane.read();
            let something = !hub.knows(&at.epoch, at.revision) || hub.revision() > at.revision;
            (something || Instant::now() >= until || *draining.borrow())
                .then(|| page::poll(&hub, &at.epoch, at.revision, at.bytes))
        };
        if let Some(answer) = answer {
            return Ok(json(&state, lane, "changes", answer));
        }
        // Time-out, change and drain all lead to another look.
        let woken = async {
            tokio::select! {
                _ = changed.changed() => {}
                () = drained(&mut draining) => {}
            }
        };
        let _ = timeout_at(until, woken).await;
    }
}

async fn records(
    State(state): State<Shared>,
    Extension(peer): Extension<Peer>,
    Path(view): Path<String>,
    Query(at): Query<Position>,
) -> Result<Response, StatusCode> {
    let lane = lane(&state, peer, &view)?;
    let page = page::records(&lane.read(), &at.after, at.bytes);
    Ok(json(&state, lane, "records", page))
}

async fn hashes(
    State(state): State<Shared>,
    Extension(peer): Extension<Peer>,
    Path(view): Path<String>,
    Query(at): Query<Position>,
) -> Result<Response, StatusCode> {
    let lane = lane(&state, peer, &view)?;
    let page = page::hashes(&lane.read(), &at.after, at.bytes);
    Ok(json(&state, lane, "hashes", page))
}

async fn wanted(
    State(state): State<Shared>,
    Extension(peer): Extension<Peer>,
    Path(view): Path<String>,
    Query(at): Query<Position>,
    Json(wanted): Json<Wanted>,
) -> Result<Response, StatusCode> {
    let lane = lane(&state, peer, &view)?;
    let page = page::wanted(&lane.read(), &wanted, at.bytes);
    Ok(json(&state, lane, "wanted", page))
}

fn json(state: &Shared, lane: &Lane, answer: &'static str, body: Bytes) -> Response {
    state.metrics.answered(lane.view, answer, body.len());
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}
