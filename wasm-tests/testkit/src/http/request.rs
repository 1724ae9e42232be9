//! A request, byte for byte.

/// A request. `Host: test` and `Content-Length` are added where they are missing and needed, nothing else is.
#[derive(Clone, Debug)]
pub struct Request {
    method: Vec<u8>,
    target: Vec<u8>,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    body: Option<Vec<u8>>,
    chunks: Option<Vec<Vec<u8>>>,
}

impl Request {
    /// A request with this method and request target, whatever bytes they have.
    #[must_use]
    pub fn new(method: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        Self {
            method: method.as_ref().to_vec(),
            target: target.as_ref().to_vec(),
            headers: Vec::new(),
            body: None,
            chunks: None,
        }
    }

    /// The same with one more header line.
    #[must_use]
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.as_ref().to_vec(), value.as_ref().to_vec()));
        self
    }

    /// The same with a body of known length.
    #[must_use]
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = Some(body.as_ref().to_vec());
        self
    }

    /// The same with a chunked body.
    #[must_use]
    pub fn chunks<C: AsRef<[u8]>>(mut self, chunks: impl IntoIterator<Item = C>) -> Self {
        self.chunks = Some(chunks.into_iter().map(|chunk| chunk.as_ref().to_vec()).collect());
        self
    }

    /// Its method.
    #[must_use]
    pub fn method(&self) -> &[u8] {
        &self.method
    }

    /// What goes on the wire.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = [&self.method[..], b" ", &self.target, b" HTTP/1.1\r\n"].concat();
        if !self.has("host") {
            out.extend_from_slice(b"Host: test\r\n");
        }
        for (name, value) in &self.headers {
            out.extend([&name[..], b": ", value, b"\r\n"].concat());
        }
        if self.chunks.is_some() {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
        } else if let Some(body) = self.body.as_ref().filter(|_| !self.has("content-length")) {
            out.extend(format!("Content-Length: {}\r\n", body.len()).into_bytes());
        }
        out.extend_from_slice(b"\r\n");
        out.extend(self.body.iter().flatten());
        if let Some(chunks) = &self.chunks {
            for chunk in chunks {
                out.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
                out.extend([&chunk[..], b"\r\n"].concat());
            }
            out.extend_from_slice(b"0\r\n\r\n");
        }
        out
    }

    fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(have, _)| have.eq_ignore_ascii_case(name.as_bytes()))
    }
}
