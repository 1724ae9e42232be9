//! The contract's port 8081 (AG §17): health and log level. Plain HTTP, behind the egress gateway's port, which
//! answers `/v1/health` itself, so that it works while the control plane is away.
//!
//! Unlike the contract, changing the level needs `allowLogLevelChange` (decision 35): anybody can reach the port.

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, put},
};
use fairlead_wire::refusal::{JSON_CONTENT_TYPE, error_body};
use serde::Deserialize;
use serde_json::json;
use url::form_urlencoded;

use crate::{config::LogLevel, telemetry::level::LevelSwitch};

/// The routes.
pub fn router(level: LevelSwitch) -> Router {
    // `get` would answer HEAD as well; the contract says 405.
    Router::new()
        .route("/v1/health", get(async || StatusCode::OK).head(wrong_method).fallback(wrong_method))
        .route("/v1/loglevel", put(change_level).get(read_level).head(wrong_method).fallback(wrong_method))
        .fallback(async || error(StatusCode::NOT_FOUND, "Requested resource could not be found."))
        .layer(DefaultBodyLimit::max(4096))
        .with_state(level)
}

async fn wrong_method() -> Response {
    error(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed.")
}

fn error(status: StatusCode, text: &str) -> Response {
    (status, [(header::CONTENT_TYPE, JSON_CONTENT_TYPE)], error_body(status.as_u16(), text)).into_response()
}

async fn read_level(State(level): State<LevelSwitch>) -> Response {
    shown(level.get())
}

#[derive(Deserialize)]
struct Wanted {
    level: LogLevel,
}

async fn change_level(State(level): State<LevelSwitch>, headers: HeaderMap, body: Bytes) -> Response {
    if !level.changeable {
        return error(StatusCode::FORBIDDEN, "Changing the log level is not enabled.");
    }
    let form = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
    let wanted: Result<Wanted, _> = if form {
        let field = form_urlencoded::parse(&body).find(|(name, _)| name == "level");
        serde_json::from_value(json!({ "level": field.map(|(_, value)| value) }))
    } else {
        serde_json::from_slice(&body)
    };
    match wanted {
        Ok(wanted) => {
            level.set(wanted.level);
            tracing::info!(level = wanted.level.as_str(), "the log level was changed");
            shown(wanted.level)
        }
        Err(_) => {
            let text = json!({ "error": "unrecognized level: use error, warn, info, debug or trace" });
            (StatusCode::BAD_REQUEST, axum::Json(text)).into_response()
        }
    }
}

fn shown(level: LogLevel) -> Response {
    axum::Json(json!({ "level": level.as_str() })).into_response()
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Request};
    use fairlead_cases::cover;
    use tower::ServiceExt;

    use super::*;

    async fn call(changeable: bool, method: &str, path: &str, kind: &str, body: &str) -> (u16, String) {
        let router = router(LevelSwitch::new(LogLevel::Info, changeable, |_| {}));
        let request = Request::builder().method(method).uri(path).header("content-type", kind);
        let answer = router.oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
        let status = answer.status().as_u16();
        let body = axum::body::to_bytes(answer.into_body(), 4096).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn health_port_answers_as_the_contract_says() {
        const JSON: &str = "application/json";
        const FORM: &str = "application/x-www-form-urlencoded";
        let not_allowed = "{\"code\":405,\"error\":\"Method not allowed.\"}\n";
        let unknown = "{\"code\":404,\"error\":\"Requested resource could not be found.\"}\n";
        for (case, changeable, method, path, kind, body, status, want) in [
            ("AG-17-r01", false, "GET", "/v1/health", JSON, "", 200, ""),
            ("AG-17-r02", false, "GET", "/v1/loglevel", JSON, "", 200, "{\"level\":\"info\"}"),
            (
                "AG-17-r03",
                true,
                "PUT",
                "/v1/loglevel",
                JSON,
                "{\"level\":\"debug\"}",
                200,
                "{\"level\":\"debug\"}",
            ),
            ("AG-17-r03", true, "PUT", "/v1/loglevel", FORM, "level=warn", 200, "{\"level\":\"warn\"}"),
            ("AG-17-r04", false, "POST", "/v1/health", JSON, "", 405, not_allowed),
            ("AG-17-r04", false, "DELETE", "/v1/loglevel", JSON, "", 405, not_allowed),
            ("AG-17-r05", false, "GET", "/v1/other", JSON, "", 404, unknown),
            ("AG-17-r05", false, "POST", "/", JSON, "", 404, unknown),
        ] {
            let got = call(changeable, method, path, kind, body).await;
            assert_eq!(got, (status, want.to_owned()), "{method} {path}");
            cover(case);
        }
        assert_eq!(call(false, "HEAD", "/v1/health", JSON, "").await.0, 405);
        assert_eq!(call(false, "HEAD", "/v1/loglevel", JSON, "").await.0, 405);
        for body in ["{\"level\":\"loud\"}", "nonsense", "{}"] {
            let (status, text) = call(true, "PUT", "/v1/loglevel", JSON, body).await;
            assert!(status == 400 && text.starts_with("{\"error\":\""), "{body}: {status} {text}");
        }
        assert_eq!(call(false, "PUT", "/v1/loglevel", JSON, "{\"level\":\"debug\"}").await.0, 403);
    }
}
