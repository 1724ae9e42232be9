//! What the double saw of a request: serialised by the double, read by tests.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes as received. JSON: a string where they are UTF-8, `{"base64": "…"}` otherwise.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Raw(pub Vec<u8>);

impl Raw {
    /// As text; bytes that are none become U+FFFD.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

impl std::fmt::Debug for Raw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

impl<T: AsRef<[u8]>> From<T> for Raw {
    fn from(bytes: T) -> Self {
        Self(bytes.as_ref().to_vec())
    }
}

impl<T: AsRef<[u8]> + ?Sized> PartialEq<T> for Raw {
    fn eq(&self, other: &T) -> bool {
        self.0 == other.as_ref()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Shape<'a> {
    Text(std::borrow::Cow<'a, str>),
    Bytes { base64: String },
}

impl Serialize for Raw {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => Shape::Text(text.into()),
            Err(_) => Shape::Bytes { base64: STANDARD.encode(&self.0) },
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Shape::deserialize(deserializer)? {
            Shape::Text(text) => Ok(Self(text.into_owned().into_bytes())),
            Shape::Bytes { base64 } => STANDARD.decode(base64).map(Self).map_err(serde::de::Error::custom),
        }
    }
}

/// A request as it arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// Rises with each recorded request; 0 in an echo that was not recorded.
    pub id: u64,
    /// Which listener it came by: `http`, `https`, `mtls`, `sink`, …
    pub listener: String,
    /// Rises with each accepted connection.
    pub connection: u64,
    /// Who connected.
    pub peer: String,
    /// `HTTP/1.1`, `HTTP/1.0` or `HTTP/2`.
    pub version: String,
    /// Method.
    pub method: Raw,
    /// Request target, byte for byte.
    pub target: Raw,
    /// `:authority` of HTTP/2; for HTTP/1.1 see the header `Host`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<Raw>,
    /// Header lines. HTTP/1.1: in order and as spelt. HTTP/2: lines of one name stay together.
    pub headers: Vec<(Raw, Raw)>,
    /// The body.
    pub body: Body,
    /// Trailer lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trailers: Vec<(Raw, Raw)>,
    /// The connection's TLS, if it had any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
}

impl Recorded {
    /// The path: what stands before `?`.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        self.target.0.split(|byte| *byte == b'?').next().unwrap_or_default()
    }

    /// The query: what stands behind the first `?`.
    #[must_use]
    pub fn query(&self) -> Option<&[u8]> {
        self.target.0.iter().position(|byte| *byte == b'?').and_then(|at| self.target.0.get(at + 1..))
    }

    /// Values of all header lines of this name, in order; case does not matter.
    #[must_use]
    pub fn header(&self, name: &str) -> Vec<String> {
        let lines = self.headers.iter().filter(|(have, _)| have.0.eq_ignore_ascii_case(name.as_bytes()));
        lines.map(|(_, value)| value.text()).collect()
    }

    /// All header lines with lower-case names, sorted: for a comparison with a complete list.
    #[must_use]
    pub fn sorted_headers(&self) -> Vec<(String, String)> {
        let lower = |(name, value): &(Raw, Raw)| (name.text().to_ascii_lowercase(), value.text());
        let mut lines: Vec<_> = self.headers.iter().map(lower).collect();
        lines.sort();
        lines
    }
}

/// A body as it arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// Bytes received.
    pub length: u64,
    /// SHA-256 of them, lower-case hex.
    pub sha256: String,
    /// It came with `Transfer-Encoding: chunked`.
    #[serde(default)]
    pub chunked: bool,
    /// It ended as announced.
    pub complete: bool,
    /// The bytes, if they are at most [`KEPT_BODY`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Raw>,
}

/// Larger bodies are only counted and hashed, bytes.
pub const KEPT_BODY: usize = 64 * 1024;

/// A connection's TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tls {
    /// Server name that the client asked for.
    pub sni: Option<String>,
    /// Chosen protocol.
    pub alpn: Option<String>,
    /// Such as `TLSv1_3`.
    pub version: String,
    /// What the client showed.
    pub peer: Option<PeerCertificate>,
}

/// A client certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerCertificate {
    /// Subject, for reading.
    pub subject: String,
    /// All its common names.
    pub common_names: Vec<String>,
    /// URI names.
    pub uris: Vec<String>,
    /// SHA-256 of the DER, lower-case hex.
    pub sha256: String,
}
