//! HTTP/2, where ALPN chose it. gRPC calls go to [`grpc`], because they are answered while they come in.

use bytes::Bytes;
use futures_util::stream;
use http::request::Parts;
use http_body_util::{BodyExt as _, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    HeaderMap, Request, Response,
    body::{Frame, Incoming},
    header::{HeaderName, HeaderValue},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    answer::{Answer, Body},
    grpc,
    http1::Collected,
    record::{Raw, Recorded},
};

/// A body ended before its announced length.
#[derive(Debug)]
pub(super) struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cut on purpose")
    }
}

impl std::error::Error for Cut {}

pub(super) type Sent = UnsyncBoxBody<Bytes, Cut>;

/// Serves one connection. `connection` is what each request's record begins as.
///
/// # Errors
/// The connection fails.
pub async fn serve<S, A>(stream: S, connection: Recorded, answer: A) -> hyper::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Fn(&mut Recorded) -> Answer + Clone + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let (connection, answer) = (connection.clone(), answer.clone());
        respond(request, connection, answer)
    });
    let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    builder.max_header_list_size(16 * 1024 * 1024).serve_connection(TokioIo::new(stream), service).await
}

async fn respond(
    request: Request<Incoming>,
    connection: Recorded,
    answer: impl Fn(&mut Recorded) -> Answer + Send + 'static,
) -> Result<Response<Sent>, Cut> {
    if grpc::is_call(&request) {
        return Ok(grpc::respond(request, connection, answer));
    }
    let mut recorded = seen(request, connection).await;
    let mut answer = answer(&mut recorded);
    tokio::time::sleep(answer.delay).await;
    if matches!(answer.body, Body::Reset | Body::Upgrade | Body::WebSocket | Body::Tunnel(_)) {
        return Err(Cut);
    }
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            response = response.header(name.as_ref(), value);
        }
    }
    if let Some(length) = answer.length() {
        response = response.header("content-length", length);
    }
    if recorded.method == "HEAD" {
        answer.body = Body::Full(Bytes::new());
        answer.trailers.clear();
    }
    response.body(sent(answer)).map_err(|_| Cut)
}

async fn seen(request: Request<Incoming>, connection: Recorded) -> Recorded {
    let (parts, mut incoming) = request.into_parts();
    let mut recorded = head(&parts, connection);
    let mut collected = Collected::default();
    let mut complete = true;
    while let Some(frame) = incoming.frame().await {
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => collected.add(&data),
            Ok(Err(frame)) => {
                recorded.trailers =
                    frame.into_trailers().map(|trailers| lines(&trailers)).unwrap_or_default();
            }
            Err(_) => {
                complete = false;
                break;
            }
        }
    }
    recorded.body = collected.finish(complete, false);
    recorded
}

/// What is known of a request before its body.
pub(super) fn head(parts: &Parts, connection: Recorded) -> Recorded {
    Recorded {
        version: "HTTP/2".to_owned(),
        method: parts.method.as_str().into(),
        target: parts.uri.path_and_query().map_or("", |target| target.as_str()).into(),
        authority: parts.uri.authority().map(|authority| authority.as_str().into()),
        headers: lines(&parts.headers),
        ..connection
    }
}

fn lines(headers: &HeaderMap) -> Vec<(Raw, Raw)> {
    headers.iter().map(|(name, value)| (name.as_str().into(), value.as_bytes().into())).collect()
}

fn sent(answer: Answer) -> Sent {
    let pieces = stream::unfold(Some(answer), |answer| async move {
        let mut answer = answer?;
        if let Some(piece) = answer.body.next().await {
            return Some((Ok(Frame::data(piece)), Some(answer)));
        }
        answer.running.finish();
        if matches!(answer.body, Body::Truncated { .. }) {
            return Some((Err(Cut), None));
        }
        if answer.trailers.is_empty() {
            return None;
        }
        let line = |(name, value): &(Bytes, Bytes)| {
            Some((HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?))
        };
        let trailers: HeaderMap = answer.trailers.iter().filter_map(line).collect();
        Some((Ok(Frame::trailers(trailers)), None))
    });
    StreamBody::new(pieces).boxed_unsync()
}
