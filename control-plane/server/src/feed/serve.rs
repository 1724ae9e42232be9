//! The HTTP side of the feed: who may read which view, long polls, headers. Served behind mTLS by
//! [`mtls`](crate::mtls), which puts the caller's [`Peer`] into each request.

use std::{
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
    time::Duration,
};

use axum::{
    Extension, Json, Router,
    extract::{FromRequestParts, Path, Query},
    http::{HeaderMap, StatusCode, header, request::Parts},
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
    let records = async |question: Question| question.answer("records", page::records);
    let hashes = async |question: Question| question.answer("hashes", page::hashes);
    let wanted = async |question: Question, Json(wanted): Json<Wanted>| {
        question.answer("wanted", |hub, _, bytes| page::wanted(hub, &wanted, bytes))
    };
    Router::new()
        .route("/feed/v1/{view}", get(poll))
        .route("/feed/v1/{view}/records", get(records).post(wanted))
        .route("/feed/v1/{view}/hashes", get(hashes))
}

/// A question about a view from who may read it.
struct Question {
    state: Shared,
    view: View,
    at: Position,
}

impl FromRequestParts<Shared> for Question {
    /// 404: there is no such view. 403: it is another's. 400: a query that is none.
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, state: &Shared) -> Result<Self, StatusCode> {
        let bad = |_| StatusCode::BAD_REQUEST;
        let Path(view) =
            Path::<String>::from_request_parts(parts, state).await.map_err(|_| StatusCode::NOT_FOUND)?;
        let view = match view.as_str() {
            "egress" => View::Egress,
            "ingress" => View::Ingress,
            _ => return Err(StatusCode::NOT_FOUND),
        };
        match parts.extensions.get() {
            Some(Peer::Gateway(own)) if *own == view => {}
            _ => return Err(StatusCode::FORBIDDEN),
        }
        let Query(at) = Query::from_request_parts(parts, state).await.map_err(bad)?;
        Ok(Self { state: Arc::clone(state), view, at })
    }
}

impl Question {
    fn lane(&self) -> &Lane {
        self.state.lane(self.view)
    }

    /// One page of the view, after where the question stands. `kind` is the metric's word for it.
    fn answer(&self, kind: &'static str, page: impl FnOnce(&Hub, &str, u32) -> Bytes) -> Response {
        let page = page(&self.lane().read(), &self.at.after, self.at.bytes);
        self.json(kind, page)
    }

    fn json(&self, kind: &'static str, body: Bytes) -> Response {
        self.state.metrics.answered(self.view, kind, body.len());
        ([(header::CONTENT_TYPE, "application/json")], body).into_response()
    }
}

async fn poll(
    question: Question,
    Extension(Remote(gateway)): Extension<Remote>,
    headers: HeaderMap,
) -> Response {
    let (state, lane, at) = (&question.state, question.lane(), &question.at);
    state.metrics.poll(question.view);
    let _open = lane.seen.begin(gateway);
    let report = headers.get(feed::REPORT);
    if let Some(report) =
        report.and_then(|value| serde_json::from_slice::<feed::Report>(value.as_bytes()).ok())
    {
        let ours = report.epoch == lane.read().epoch();
        lane.seen.note(gateway, &report, ours, question.view, &state.metrics);
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
            return question.json("changes", answer);
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
