//! HTTP/2, where ALPN chose it.

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt as _, StreamBody, combinators::UnsyncBoxBody};
use hyper::{Request, Response, body::Frame, body::Incoming, header::HeaderValue, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    answer::{Answer, Body},
    http1::Collected,
    record::{Raw, Recorded},
};

/// A body ended before its announced length.
#[derive(Debug)]
struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cut on purpose")
    }
}

impl std::error::Error for Cut {}

type Sent = UnsyncBoxBody<Bytes, Cut>;

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
    answer: impl Fn(&mut Recorded) -> Answer,
) -> Result<Response<Sent>, Cut> {
    let mut recorded = seen(request, connection).await;
    let mut answer = answer(&mut recorded);
    tokio::time::sleep(answer.delay).await;
    if matches!(answer.body, Body::Reset | Body::Upgrade) {
        return Err(Cut);
    }
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            response = response.header(name.as_ref(), value);
        }
    }
    if let Some(length) = answer.body.length() {
        response = response.header("content-length", length);
    }
    response.body(sent(std::mem::replace(&mut answer.body, Body::Reset))).map_err(|_| Cut)
}

async fn seen(request: Request<Incoming>, connection: Recorded) -> Recorded {
    let (parts, mut incoming) = request.into_parts();
    let mut recorded = Recorded {
        version: "HTTP/2".to_owned(),
        method: parts.method.as_str().into(),
        target: parts.uri.path_and_query().map_or("", |target| target.as_str()).into(),
        authority: parts.uri.authority().map(|authority| authority.as_str().into()),
        headers: lines(&parts.headers),
        ..connection
    };
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

fn lines(headers: &http::HeaderMap) -> Vec<(Raw, Raw)> {
    headers.iter().map(|(name, value)| (name.as_str().into(), value.as_bytes().into())).collect()
}

fn sent(body: Body) -> Sent {
    let cut = matches!(body, Body::Truncated { .. });
    let pieces = stream::unfold((body, cut), |(mut body, cut)| async move {
        match body.next().await {
            Some(piece) => Some((Ok(Frame::data(piece)), (body, cut))),
            None if cut => Some((Err(Cut), (body, false))),
            None => None,
        }
    });
    StreamBody::new(pieces).boxed_unsync()
}
