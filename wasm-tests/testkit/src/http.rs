//! An HTTP/1.1 client that sends exactly the bytes a test wants and shows exactly what came back.
//!
//! [`call`] is one request on a connection of its own; [`Connection`] is for everything else: keep-alive, bytes that
//! are no request, answers read piece by piece.

mod connection;
mod http2;
mod request;
mod response;
mod tls;

pub use connection::{Address, CALLER, Connection};
pub use http2::{Exchange, Http2};
pub use request::Request;
pub use response::Response;
pub use tls::Tls;

use crate::Result;

/// Sends one request over a new plain connection and reads the whole answer.
///
/// # Errors
/// There is no connection, or no answer.
pub fn call(address: impl Into<Address>, request: &Request) -> Result<Response> {
    Connection::open(address)?.send(request)
}

/// [`call`] over TLS.
///
/// # Errors
/// As [`call`], and a handshake that fails.
pub fn call_tls(address: impl Into<Address>, tls: &Tls, request: &Request) -> Result<Response> {
    Connection::open_tls(address, tls)?.send(request)
}

/// GET of a path.
///
/// # Errors
/// As [`call`].
pub fn get(address: impl Into<Address>, path: &str) -> Result<Response> {
    call(address, &Request::new("GET", path))
}
