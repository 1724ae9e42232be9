//! What a gRPC server does on the wire, without Protobuf: messages come back as they arrive, the status in trailers
//! (gRPC over HTTP/2: PROTOCOL-HTTP2). The method's last word decides:
//!
//! | method | answer |
//! | --- | --- |
//! | `…/Fail` | trailers only, status 7 |
//! | `…/Abort` | the first piece comes back, then status 10 |
//! | any other | every piece comes back at once; status 0 when the caller has ended |

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt as _, Empty, StreamBody};
use hyper::{
    HeaderMap, Request, Response,
    body::{Frame, Incoming},
    header::{CONTENT_TYPE, HeaderValue},
};

use super::{
    answer::Answer,
    http1::Collected,
    http2::{Cut, Sent, head},
    record::Recorded,
    running::Running,
};

/// Whether a request is a gRPC call.
pub(super) fn is_call<B>(request: &Request<B>) -> bool {
    let kind = request.headers().get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// A call on its way. It is recorded when it is over, however that comes.
struct Call<A: Fn(&mut Recorded) -> Answer> {
    incoming: Incoming,
    recorded: Recorded,
    collected: Option<Collected>,
    record: A,
    running: Running,
    abort: bool,
}

impl<A: Fn(&mut Recorded) -> Answer> Call<A> {
    fn end(&mut self, complete: bool) {
        if let Some(collected) = self.collected.take() {
            self.recorded.body = collected.finish(complete, false);
            self.running = (self.record)(&mut self.recorded).running;
            if complete {
                self.running.finish();
            }
        }
    }

    /// The next piece; none when the caller has ended.
    async fn next(&mut self) -> Option<Result<Bytes, Cut>> {
        loop {
            match self.incoming.frame().await?.map(Frame::into_data) {
                Ok(Ok(data)) if data.is_empty() => {}
                Ok(Ok(data)) => {
                    self.collected.iter_mut().for_each(|collected| collected.add(&data));
                    return Some(Ok(data));
                }
                Ok(Err(_)) => {}
                Err(_) => return Some(Err(Cut)),
            }
        }
    }
}

impl<A: Fn(&mut Recorded) -> Answer> Drop for Call<A> {
    fn drop(&mut self) {
        self.end(false);
    }
}

/// Answers a call; `record` is told of it in the end.
pub(super) fn respond<A>(request: Request<Incoming>, connection: Recorded, record: A) -> Response<Sent>
where
    A: Fn(&mut Recorded) -> Answer + Send + 'static,
{
    let (parts, incoming) = request.into_parts();
    let word = parts.uri.path().rsplit('/').next().unwrap_or_default().to_owned();
    let mut call = Call {
        incoming,
        recorded: head(&parts, connection),
        collected: Some(Collected::default()),
        record,
        running: Running::default(),
        abort: word == "Abort",
    };
    let mut response = if word == "Fail" {
        call.end(true);
        let mut response = Response::new(Empty::new().map_err(|never| match never {}).boxed_unsync());
        response.headers_mut().extend(status("7", "refused on purpose"));
        response
    } else {
        Response::new(StreamBody::new(stream::unfold(Some(call), step)).boxed_unsync())
    };
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

async fn step<A: Fn(&mut Recorded) -> Answer>(
    call: Option<Call<A>>,
) -> Option<(Result<Frame<Bytes>, Cut>, Option<Call<A>>)> {
    let mut call = call?;
    let aborted = call.abort && call.collected.as_ref().is_some_and(|collected| !collected.is_empty());
    if !aborted && let Some(piece) = call.next().await {
        return Some((piece.map(Frame::data), Some(call)));
    }
    call.end(true);
    let trailers = if aborted { status("10", "aborted on purpose") } else { status("0", "") };
    Some((Ok(Frame::trailers(trailers)), None))
}

fn status(code: &'static str, message: &'static str) -> HeaderMap {
    let mut lines = HeaderMap::new();
    lines.insert("grpc-status", HeaderValue::from_static(code));
    lines.insert("grpc-message", HeaderValue::from_static(message));
    lines
}
