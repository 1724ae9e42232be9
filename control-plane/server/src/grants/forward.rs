//! Grants on a follower: the leader is asked, over mTLS, so that the fleet fetches each token once.
//!
//! Both ends show a certificate of Fairlead's own CA. The leader's answer comes from a path that never forwards
//! (`replica`), so that nothing can go round. While nobody leads, or the leader has just gone, the question
//! waits for the next one, within the time that plugins wait.

use std::time::Duration;

use axum::body::Bytes;
use fairlead_wire::{
    Reason, Refusal,
    grant::{GrantAnswer, GrantRequest, WAIT_MS},
};
use http::StatusCode;
use tokio::{
    sync::watch,
    time::{Instant, timeout, timeout_at},
};

use super::broker::Broker;
use crate::{kubernetes::Leadership, replica::client::Client, telemetry::metrics::Metrics};

/// How long a question is tried at most: a plugin that gives up earlier would not see the reason.
const LIMIT: Duration = Duration::from_millis(WAIT_MS as u64 - 1_000);
/// After a failed try the next one comes after this time, if no news of the leader come before.
const AGAIN: Duration = Duration::from_millis(200);

/// The way of a question to the leader.
pub struct Forwarder {
    leadership: watch::Receiver<Leadership>,
    client: Client,
    metrics: Metrics,
}

impl Forwarder {
    /// By a connection to whoever leads.
    #[must_use]
    pub fn new(leadership: watch::Receiver<Leadership>, client: Client, metrics: Metrics) -> Self {
        Self { leadership, client, metrics }
    }

    /// The grant `id`, from our own broker if we lead, otherwise from the leader.
    pub async fn ask(&self, broker: &Broker, id: &str, request: &GrantRequest) -> GrantAnswer {
        let deadline = Instant::now() + LIMIT;
        let mut leadership = self.leadership.clone();
        loop {
            let now = leadership.borrow_and_update().clone();
            if now.leading {
                return broker.ask(id, request.rejected).await;
            }
            if let Some(leader) = &now.holder {
                match timeout_at(deadline, self.forward(leader, id, request)).await {
                    Ok(Ok(Some(answer))) => {
                        self.metrics.forwarded("answered");
                        return answer;
                    }
                    // It does not lead any longer, or not yet.
                    Ok(Ok(None)) => {}
                    Ok(Err(error)) => tracing::debug!(%error, %leader, "the leader did not answer"),
                    Err(_) => break,
                }
            }
            if Instant::now() >= deadline {
                break;
            }
            let _ = timeout(AGAIN, leadership.changed()).await;
        }
        self.metrics.forwarded("late");
        tracing::warn!(grant = id, "no leader gave this grant in time");
        GrantAnswer::Refused(Refusal::retry(
            Reason::GrantTimeout,
            1,
            "no replica that leads gave the grant in time",
        ))
    }

    /// The leader's answer; `None` when it says that it does not lead.
    async fn forward(
        &self,
        leader: &str,
        id: &str,
        request: &GrantRequest,
    ) -> Result<Option<GrantAnswer>, String> {
        let body = serde_json::to_vec(request).map_err(|e| e.to_string())?;
        let path = format!("{}{id}", crate::replica::GRANTS);
        let (status, body) = self.client.post(leader, &path, Bytes::from(body)).await?;
        match status {
            StatusCode::OK => serde_json::from_slice(&body).map(Some).map_err(|e| e.to_string()),
            StatusCode::MISDIRECTED_REQUEST => Ok(None),
            status => Err(format!("status {status}")),
        }
    }
}
