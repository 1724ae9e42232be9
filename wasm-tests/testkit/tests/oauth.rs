//! The real OAuth server takes our token request: client id and secret in `Authorization` and in the form (AG §8.3).

#![allow(clippy::unwrap_used, reason = "helpers of tests: a failure is a failed test")]

use base64::{Engine as _, engine::general_purpose::STANDARD};
use fairlead_testkit::{
    http::{self, Request},
    oauth::OAuthServer,
};

#[test]
fn a_token_is_issued_for_both_forms_of_the_pair_and_opens_the_resource() {
    let server = OAuthServer::start("my id", "s+e:c&r", 60).unwrap();
    let address: std::net::SocketAddr = server.url().trim_start_matches("http://").parse().unwrap();
    let request = |pair: &str| {
        Request::new("POST", "/token")
            .header("Authorization", format!("Basic {}", STANDARD.encode(pair)))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body("client_id=my+id&client_secret=s%2Be%3Ac%26r&grant_type=client_credentials")
    };
    assert_eq!(http::call(address, &request("my id:wrong")).unwrap().status, 401);
    let granted = http::call(address, &request("my id:s+e:c&r")).unwrap().expect(200).unwrap();
    let granted: serde_json::Value = granted.json().unwrap();
    assert_eq!(granted["expires_in"], 60);
    let bearer = format!("Bearer {}", granted["access_token"].as_str().unwrap());
    let protected = Request::new("GET", "/protected").header("Authorization", bearer);
    assert_eq!(http::call(address, &protected).unwrap().status, 200);
    assert_eq!(http::get(address, "/protected").unwrap().status, 401);
    assert_eq!(server.issued().unwrap(), 1);
}
