//! One request to a token or CSRF endpoint, its redirects included.
//!
//! Redirects are followed up to [`REDIRECTS`] times; 301, 302 and 303 turn a POST into a GET. Another origin (scheme, host
//! or port) never gets credentials: a redirected GET goes there without them, without custom headers and without
//! client certificate, a redirect that would repeat a form there (307, 308) is refused. Each hop is guarded and
//! resolved anew; all of them go through the endpoint's proxy, if it has one.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use fairlead_model::{ClientPair, Endpoint};
use http::{HeaderMap, HeaderValue, Method, Request, header};
use http_body_util::Full;
use tokio::time::Instant;
use url::Url;

use super::failure::{Blame, Trouble};
use crate::dial::{Answer, Dialler, Manner};

/// How many redirects are followed.
pub(super) const REDIRECTS: usize = 10;
/// A `Retry-After` above this is not believed, seconds.
const LONGEST: u64 = 300;

/// What is sent at the current hop.
pub(super) struct Outgoing {
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// Shown if asked for.
    pub(super) client: Option<Arc<ClientPair>>,
    /// Those of the headers that any origin may get.
    pub(super) public: HeaderMap,
}

impl Outgoing {
    /// Sends it to `url`, and where that leads; gives an answer with status 200, its body unread.
    pub(super) async fn send(
        mut self,
        dialler: &Dialler,
        endpoint: &Endpoint,
        mut url: Url,
        deadline: Instant,
    ) -> Result<Answer, Trouble> {
        let refused = |error: String| Trouble::Unreachable { error, blame: Blame::Grant };
        for _ in 0..=REDIRECTS {
            let message = self.message(&url).map_err(|e| refused(e.to_string()))?;
            let client = self.client.as_deref();
            let manner = Manner { trust: &endpoint.trust, client, proxy: endpoint.proxy.as_ref() };
            let answer = dialler
                .send(&url, message, manner, deadline)
                .await
                .map_err(|e| Trouble::dial(&e, client.is_some()))?;
            match self.follow(&url, answer.head()).map_err(refused)? {
                Some(next) => url = next,
                None => return judged(answer),
            }
        }
        Err(refused(format!("stopped after {REDIRECTS} redirects")))
    }

    fn message(&self, url: &Url) -> Result<Request<Full<Bytes>>, http::Error> {
        let target = url.query().map_or_else(|| url.path().to_owned(), |q| format!("{}?{q}", url.path()));
        let mut message =
            Request::builder().method(self.method.clone()).uri(target).body(Full::new(self.body.clone()))?;
        *message.headers_mut() = self.headers.clone();
        message.headers_mut().insert(header::HOST, HeaderValue::from_str(&authority(url))?);
        Ok(message)
    }

    /// The next hop, if the answer is a redirect; changes what will be sent there.
    fn follow<B>(&mut self, url: &Url, answer: &http::Response<B>) -> Result<Option<Url>, String> {
        let repeats = match answer.status().as_u16() {
            301..=303 => false,
            307 | 308 => true,
            _ => return Ok(None),
        };
        let Some(location) = answer.headers().get(header::LOCATION) else { return Ok(None) };
        let next = location
            .to_str()
            .ok()
            .and_then(|location| url.join(location).ok())
            .ok_or_else(|| "failed to parse Location header".to_owned())?;
        let same_origin = url.origin() == next.origin();
        if repeats && !same_origin && self.method != Method::GET {
            return Err(format!("redirect to another origin, {}, would forward credentials", shown(&next)));
        }
        if !repeats {
            self.method = Method::GET;
            self.body = Bytes::new();
            self.headers.remove(header::CONTENT_TYPE);
        }
        if !same_origin {
            self.headers = self.public.clone();
            self.client = None;
        }
        Ok(Some(next))
    }
}

/// Status must be exactly 200 (AG §8.3, §9).
fn judged(answer: Answer) -> Result<Answer, Trouble> {
    let status = answer.head().status();
    if status == http::StatusCode::OK {
        return Ok(answer);
    }
    let asked = answer.head().headers().get(header::RETRY_AFTER);
    let asked = asked.and_then(|value| value.to_str().ok()?.trim().parse::<u64>().ok());
    let retry_after = asked.map(|asked| Duration::from_secs(asked.min(LONGEST)));
    Err(Trouble::Status { status, retry_after })
}

/// Without what may be a secret.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // Both fail only for URLs that cannot have them.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}

fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}
