//! Fetches one grant of any kind. What the broker knows of the network is [`Fetch`], so that it is tested without one.

use std::sync::Arc;

use fairlead_model::{CsrfAuth, GrantKind, GrantSpec};
use futures_util::future::BoxFuture;
use secrecy::SecretString;
use std::time::Duration;
use tokio::time::Instant;

use super::{
    csrf::{self, Proof},
    failure::Failure,
    token::{self, Client},
};
use crate::dial::Dialler;

/// A grant as it came.
pub(super) struct Fetched {
    pub(super) content: Content,
    /// How long it is good; `None`: until it is rejected (AG §8.3: `expires_in` absent or 0; AG §9).
    pub(super) lifetime: Option<Duration>,
}

/// What a grant is.
#[derive(Clone)]
pub(super) enum Content {
    /// The complete `Authorization` value.
    Authorization(SecretString),
    /// A CSRF token and its session's cookies, `name=value`.
    Csrf { token: SecretString, cookies: Vec<SecretString> },
}

/// Asks endpoints.
pub(super) trait Fetch: Send + Sync {
    /// Fetches a grant; `linked` is the `Authorization` value of the grant that a CSRF grant names.
    fn fetch<'a>(
        &'a self,
        spec: &'a GrantSpec,
        linked: Option<&'a SecretString>,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Fetched, Failure>>;
}

/// Over the network.
pub(super) struct Network {
    pub(super) dialler: Arc<Dialler>,
    /// Of a token endpoint's answer, bytes.
    pub(super) max_answer: usize,
}

impl Fetch for Network {
    fn fetch<'a>(
        &'a self,
        spec: &'a GrantSpec,
        linked: Option<&'a SecretString>,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Fetched, Failure>> {
        Box::pin(async move {
            let client = match &spec.kind {
                GrantKind::ClientCredentials { client_id, client_secret } => {
                    Client::Secret(client_id, client_secret)
                }
                GrantKind::CertifiedClient { client_id, pair } => Client::Certificate(client_id, pair),
                GrantKind::Csrf { with } => {
                    let proof = match (with, linked) {
                        (CsrfAuth::Basic(value), _) => Proof::Authorization(value),
                        (CsrfAuth::Certificate(pair), _) => Proof::Certificate(pair),
                        (CsrfAuth::Grant(_), Some(value)) => Proof::Authorization(value),
                        (CsrfAuth::Grant(_), None) => return Err(Failure::unlinked()),
                    };
                    return csrf::fetch(&self.dialler, spec, proof, deadline).await;
                }
            };
            token::fetch(&self.dialler, spec, client, self.max_answer, deadline).await
        })
    }
}
