//! Facts of the connection. Each is a host call of about 1 µs, so a pipeline asks only when an answer hangs on it.

/// What the host knows of the connection that a request came by.
pub trait Connection {
    /// The port that it came in by (property `destination.port`).
    fn port(&self) -> Option<u16>;

    /// The TLS server name that the client asked for (property `connection.requested_server_name`).
    fn server_name(&self) -> Option<Vec<u8>>;

    /// Subject of the client's certificate, RFC 2253 (property `connection.subject_peer_certificate`); it may be empty,
    /// and none is no certificate. Believed only where the listener demands a certificate and verifies it.
    fn peer_subject(&self) -> Option<Vec<u8>>;
}
