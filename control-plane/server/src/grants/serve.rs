//! `POST /grants/v1/{id}`: the egress gateway's plugin asks for a grant (wire: `grant`).

use axum::{
    Extension, Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use fairlead_wire::{feed::View, grant::GrantRequest};

use crate::{mtls::Peer, state::Shared};

/// How large a question may be, bytes.
const QUESTION: usize = 4096;

/// The grants' route.
pub fn router() -> Router<Shared> {
    Router::new().route("/grants/v1/{id}", post(ask)).layer(DefaultBodyLimit::max(QUESTION))
}

async fn ask(
    State(state): State<Shared>,
    Extension(peer): Extension<Peer>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, StatusCode> {
    if peer != Peer::Gateway(View::Egress) {
        return Err(StatusCode::FORBIDDEN);
    }
    let question = match &*body {
        [] => GrantRequest::default(),
        body => serde_json::from_slice(body).map_err(|_| StatusCode::BAD_REQUEST)?,
    };
    let answer = match &state.forwarder {
        Some(forwarder) => forwarder.ask(&state.broker, &id, &question).await,
        None => state.broker.ask(&id, question.rejected).await,
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}
