//! Requests to the API server, and their answers as bytes. Decoding is ours: `kube` writes what it cannot decode into
//! the log, and that may be a Secret.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fairlead_resources::application::API_VERSION;
use http_body_util::BodyExt;
use kube::{
    Client,
    client::Body,
    core::{
        Request,
        params::{GetParams, ListParams, WatchParams},
    },
};
use serde::de::DeserializeOwned;

use super::failure::Failure;

/// How long an answer may take; a watch, until it begins.
const ANSWER: Duration = Duration::from_secs(20);
/// How long a watch may be silent. The server sends a bookmark each minute.
const SILENCE: Duration = Duration::from_secs(150);
/// How long the server keeps a watch open, seconds; somewhat less at random.
const WATCH: u32 = 290;
/// Largest answer that is an error.
const MAX_ERROR: usize = 64 * 1024;
/// Largest object in a watch; the API server takes none above 3 MiB.
const MAX_LINE: usize = 8 * 1024 * 1024;

type Built = Result<http::Request<Vec<u8>>, kube::core::request::Error>;

/// What is listed and watched together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Collection {
    path: String,
    /// Only `metadata` of the objects is wanted.
    metadata_only: bool,
    /// As `secrets in namespace shop`.
    pub(super) what: String,
    /// How the permission is given.
    pub(super) remedy: String,
}

impl Collection {
    /// All Applications.
    pub(super) fn applications() -> Self {
        Self {
            path: format!("/apis/{API_VERSION}/applications"),
            metadata_only: false,
            what: "applications.applicationconnector.kyma-project.io".to_owned(),
            remedy: "bind a ClusterRole with list and watch on them to the control plane's service account"
                .to_owned(),
        }
    }

    /// The Secrets of a namespace.
    pub(super) fn secrets(namespace: &str) -> Self {
        Self {
            path: format!("/api/v1/namespaces/{namespace}/secrets"),
            metadata_only: true,
            what: format!("secrets in namespace {namespace}"),
            remedy:
                "bind a Role there with get, list and watch on secrets to the control plane's service account"
                    .to_owned(),
        }
    }

    fn request(&self) -> Request {
        Request::new(&*self.path)
    }

    /// One page; `next` is the token of the page before.
    pub(super) fn page(&self, limit: u32, next: &str) -> Built {
        let list = page(limit, next);
        if self.metadata_only { self.request().list_metadata(&list) } else { self.request().list(&list) }
    }

    /// One page of whole objects, without the releases that Helm keeps in Secrets: they are large and many.
    pub(super) fn whole_page(&self, limit: u32, next: &str) -> Built {
        self.request().list(&page(limit, next).fields("type!=helm.sh/release.v1"))
    }

    /// One whole object.
    pub(super) fn get(&self, name: &str) -> Built {
        self.request().get(name, &GetParams::default())
    }

    /// Everything from `version` on.
    pub(super) fn watch(&self, version: &str) -> Built {
        let seconds = rand::random_range(WATCH * 3 / 4..WATCH);
        let watch = WatchParams { timeout: Some(seconds), bookmarks: true, ..WatchParams::default() };
        if self.metadata_only {
            self.request().watch_metadata(&watch, version)
        } else {
            self.request().watch(&watch, version)
        }
    }
}

fn page(limit: u32, next: &str) -> ListParams {
    let next = Some(next.to_owned()).filter(|next| !next.is_empty());
    ListParams { limit: Some(limit), continue_token: next, ..ListParams::default() }
}

/// The whole answer to a request, decoded; at most `limit` bytes.
pub(super) async fn ask<T: DeserializeOwned>(
    client: &Client,
    request: Built,
    limit: usize,
) -> Result<T, Failure> {
    let answer = async {
        let body = send(client, request).await?;
        let bytes = collect(body, limit).await?;
        serde_json::from_slice(&bytes).map_err(|_| Failure::Unreadable)
    };
    tokio::time::timeout(ANSWER, answer).await.unwrap_or_else(|_| Err(silent(ANSWER)))
}

/// The lines of a watch.
pub(super) struct Lines {
    body: Body,
    buffer: BytesMut,
}

impl Lines {
    /// Begins to watch.
    pub(super) async fn open(client: &Client, request: Built) -> Result<Self, Failure> {
        let body = tokio::time::timeout(ANSWER, send(client, request)).await;
        let body = body.unwrap_or_else(|_| Err(silent(ANSWER)))?;
        Ok(Self { body, buffer: BytesMut::new() })
    }

    /// The next whole lines that are there, at least one, each with its end; `None`: the watch is over.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            if let Some(end) = self.buffer.iter().rposition(|byte| *byte == b'\n') {
                return Ok(Some(self.buffer.split_to(end + 1).freeze()));
            }
            if self.buffer.len() > MAX_LINE {
                return Err(Failure::TooLarge);
            }
            let frame = tokio::time::timeout(SILENCE, self.body.frame()).await;
            match frame.map_err(|_| silent(SILENCE))? {
                Some(Ok(frame)) => {
                    self.buffer.extend_from_slice(frame.data_ref().map(Bytes::as_ref).unwrap_or_default());
                }
                Some(Err(error)) => return Err(Failure::from_error(&error)),
                None => return Ok(None),
            }
        }
    }
}

async fn send(client: &Client, request: Built) -> Result<Body, Failure> {
    // It is made of a configured namespace and of names that the server gave.
    let request = request.map_err(|error| Failure::Refused(400, error.to_string()))?;
    let answer = client.send(request.map(Body::from)).await.map_err(|error| Failure::from_error(&error))?;
    let status = answer.status();
    if status.is_success() {
        return Ok(answer.into_body());
    }
    let body = collect(answer.into_body(), MAX_ERROR).await.unwrap_or_default();
    Err(Failure::from_answer(status.as_u16(), &body))
}

async fn collect(mut body: Body, limit: usize) -> Result<Bytes, Failure> {
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Failure::from_error(&error))?;
        let data = frame.data_ref().map(Bytes::as_ref).unwrap_or_default();
        if all.len() + data.len() > limit {
            return Err(Failure::TooLarge);
        }
        all.extend_from_slice(data);
    }
    Ok(all.freeze())
}

fn silent(time: Duration) -> Failure {
    Failure::Away(format!("no answer for {} s", time.as_secs()))
}
