//! One CSRF request as AG §9 has it, and what its answer means.
//!
//! `GET` with the credential's own authentication and nothing of the caller's: `X-csrf-token: fetch`, `Accept: */*`,
//! `Cache-Control: no-cache`. Token and cookies come from the final answer; the cookies' attributes are not kept.

use std::sync::Arc;

use bytes::Bytes;
use fairlead_model::{ClientPair, Endpoint, GrantSpec};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use super::{
    exchange::{Outgoing, shown},
    failure::{Failure, Trouble},
    fetch::{Content, Fetched},
    token::sensitive,
};
use crate::dial::Dialler;

/// What the request asks by, and the answer gives in.
const TOKEN: HeaderName = HeaderName::from_static("x-csrf-token");
/// Bytes of token and cookies together; Envoy takes no more in all headers of a request.
const LARGEST: usize = 32 * 1024;

/// How the endpoint knows us.
pub(super) enum Proof<'a> {
    /// A complete `Authorization` value.
    Authorization(&'a SecretString),
    /// A client certificate.
    Certificate(&'a Arc<ClientPair>),
}

/// Fetches a CSRF token and its session's cookies.
///
/// # Errors
/// E20 and E21 of AG §14.
pub(super) async fn fetch(
    dialler: &Dialler,
    spec: &GrantSpec,
    proof: Proof<'_>,
    deadline: Instant,
) -> Result<Fetched, Failure> {
    let endpoint = spec.endpoint.as_ref().map_err(|refusal| Failure::of(refusal.clone()))?;
    let fetched = ask(dialler, endpoint, proof, deadline).await;
    fetched.map_err(|trouble| trouble.failure(&spec.kind, &shown(&endpoint.url)))
}

async fn ask(
    dialler: &Dialler,
    endpoint: &Endpoint,
    proof: Proof<'_>,
    deadline: Instant,
) -> Result<Fetched, Trouble> {
    let mut public = HeaderMap::new();
    public.insert(TOKEN, HeaderValue::from_static("fetch"));
    public.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    public.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    let mut headers = public.clone();
    let mut client = None;
    match proof {
        Proof::Authorization(value) => {
            let value = sensitive(value.expose_secret())
                .ok_or_else(|| Trouble::Content("the credential fits no header".to_owned()))?;
            headers.insert(header::AUTHORIZATION, value);
        }
        Proof::Certificate(pair) => client = Some(Arc::clone(pair)),
    }
    let outgoing = Outgoing { method: Method::GET, headers, body: Bytes::new(), client, public };
    let answer = outgoing.send(dialler, endpoint, endpoint.url.clone(), deadline).await?;
    session(answer.head().headers()).map_err(Trouble::Content)
}

fn session(headers: &HeaderMap) -> Result<Fetched, String> {
    let token = headers.get(TOKEN).map_or(Ok(""), |token| std::str::from_utf8(token.as_bytes()));
    let token = token.map_err(|_| "the X-csrf-token of its answer is no text".to_owned())?;
    let cookies: Vec<&str> = headers.get_all(header::SET_COOKIE).iter().filter_map(pair).collect();
    if token.len() + cookies.iter().map(|cookie| cookie.len()).sum::<usize>() > LARGEST {
        return Err(format!("token and cookies are larger than {LARGEST} bytes"));
    }
    let (token, cookies) = (token.into(), cookies.into_iter().map(SecretString::from).collect());
    Ok(Fetched { content: Content::Csrf { token, cookies }, lifetime: None })
}

/// `name=value` of a `Set-Cookie`, as the endpoint wrote it; nothing of one that a `Cookie` line could not carry.
fn pair(cookie: &HeaderValue) -> Option<&str> {
    let text = std::str::from_utf8(cookie.as_bytes()).ok()?;
    let pair = text.split(';').next()?.trim();
    let (name, value) = pair.split_once('=')?;
    let is_name = !name.is_empty() && HeaderName::from_bytes(name.as_bytes()).is_ok();
    (is_name && !value.contains('\t')).then_some(pair)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[(&'static str, &[u8])]) -> Result<(String, Vec<String>), String> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_bytes(value).unwrap());
        }
        let Content::Csrf { token, cookies } = session(&headers)?.content else { panic!("no session") };
        let cookies = cookies.iter().map(|cookie| cookie.expose_secret().to_owned()).collect();
        Ok((token.expose_secret().to_owned(), cookies))
    }

    #[test]
    fn sessions_are_read_from_the_answers_head() {
        let (token, cookies) = of(&[
            ("x-csrf-token", b"first"),
            ("x-csrf-token", b"second"),
            ("set-cookie", b"a=1; Path=/; HttpOnly; Expires=Thu, 01 Jan 1970 00:00:00 GMT"),
            ("set-cookie", b"b=x=y;Secure"),
            ("set-cookie", b"  c = ; Path=/"),
            ("set-cookie", b"empty="),
            ("set-cookie", b"quoted=\"v w\""),
            ("set-cookie", b"novalue"),
            ("set-cookie", b"=noname"),
            ("set-cookie", b"na me=1"),
            ("set-cookie", b"latin=\xe9"),
            ("set-cookie", b""),
        ])
        .unwrap();
        assert_eq!(token, "first");
        assert_eq!(cookies, ["a=1", "b=x=y", "empty=", "quoted=\"v w\""]);
        assert_eq!(of(&[]).unwrap(), (String::new(), Vec::new()), "AG §9: an empty token is accepted");
        assert_eq!(of(&[("x-csrf-token", b"")]).unwrap().0, "");
        assert!(of(&[("x-csrf-token", b"\xe9")]).is_err());
        let large = vec![b'x'; LARGEST];
        assert!(of(&[("x-csrf-token", &large)]).is_ok());
        assert!(of(&[("x-csrf-token", &large), ("set-cookie", b"a=1")]).is_err());
    }
}
