//! `GET /module/{sha256}.wasm`, plain: gateways' agents fetch modules here. What is served is public and checked by its
//! digest.
//!
//! A digest that is not known here gets 503, not 404: Istio's agent tries again after a 5xx only and may meet a
//! replica that has it; after any other failure it refuses all requests until the plugin is pushed again.

use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

use super::Modules;

/// The route; HEAD is answered as well.
pub fn router(modules: Modules) -> Router {
    Router::new().route("/module/{file}", get(module)).with_state(modules)
}

async fn module(State(modules): State<Modules>, Path(file): Path<String>, headers: HeaderMap) -> Response {
    let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    let digest = file.strip_suffix(".wasm").filter(|name| name.len() == 64 && name.chars().all(hex));
    let Some(digest) = digest else { return StatusCode::NOT_FOUND.into_response() };
    let Some(bytes) = modules.get(digest) else {
        tracing::warn!(digest, "a gateway asks for a module that is not here");
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")]).into_response();
    };
    let tag = format!("\"{digest}\"");
    let known = headers.get_all(header::IF_NONE_MATCH).iter().any(|value| {
        value
            .to_str()
            .is_ok_and(|tags| tags.split(',').any(|one| matches!(one.trim(), "*") || one.trim() == tag))
    });
    let about =
        [(header::ETAG, tag), (header::CACHE_CONTROL, "public, max-age=31536000, immutable".to_owned())];
    if known {
        return (StatusCode::NOT_MODIFIED, about).into_response();
    }
    (about, [(header::CONTENT_TYPE, "application/wasm")], bytes).into_response()
}

#[cfg(test)]
mod tests {
    use axum::{
        body::{Body, Bytes},
        http::Request,
    };
    use tower::ServiceExt;

    use super::*;

    const MODULE: &[u8] = b"\0asm module";

    async fn call(method: &str, file: &str, tag: &str) -> (u16, HeaderMap, Bytes) {
        let router = router(Modules::new(Bytes::from_static(MODULE)).unwrap());
        let request = Request::builder().method(method).uri(format!("/module/{file}"));
        let request = request.header("if-none-match", tag).body(Body::empty()).unwrap();
        let answer = router.oneshot(request).await.unwrap();
        let (head, body) = answer.into_parts();
        (head.status.as_u16(), head.headers, axum::body::to_bytes(body, 4096).await.unwrap())
    }

    #[tokio::test]
    async fn a_module_is_served_by_its_digest() {
        let digest = super::super::digest(MODULE);
        let file = format!("{digest}.wasm");
        let (status, headers, body) = call("GET", &file, "\"other\"").await;
        assert_eq!((status, &*body), (200, MODULE));
        assert_eq!(headers["content-type"], "application/wasm");
        assert_eq!(headers["etag"], format!("\"{digest}\""));
        let (status, headers, body) = call("HEAD", &file, "").await;
        assert_eq!((status, body.len()), (200, 0));
        assert_eq!(headers["content-length"], MODULE.len().to_string());
        assert_eq!(call("GET", &file, &format!("\"x\", \"{digest}\"")).await.0, 304);
        assert_eq!(call("GET", &format!("{}.wasm", "0".repeat(64)), "").await.0, 503);
        for other in ["x.wasm", &*digest, "..%2f..%2fetc%2fpasswd", &file.to_uppercase()] {
            assert_eq!(call("GET", other, "").await.0, 404, "{other}");
        }
        assert_eq!(call("POST", &file, "").await.0, 405);
    }
}
