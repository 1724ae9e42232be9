//! Writing answers.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};

use super::Reader;
use crate::external::answer::{Answer, Body};

/// Informational heads, status line, header lines, `framing`.
pub(super) async fn head<S: AsyncWrite + Unpin>(
    stream: &mut S,
    answer: &Answer,
    framing: Option<&str>,
) -> std::io::Result<()> {
    let bytes = head_bytes(answer, framing);
    if answer.head_pause > Duration::ZERO {
        for byte in &bytes {
            tokio::time::sleep(answer.head_pause).await;
            stream.write_all(&[*byte]).await?;
            stream.flush().await?;
        }
        return Ok(());
    }
    stream.write_all(&bytes).await?;
    stream.flush().await
}

fn head_bytes(answer: &Answer, framing: Option<&str>) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    for (status, headers) in &answer.early {
        out.extend(format!("HTTP/1.1 {status} Early\r\n").into_bytes());
        lines(&mut out, headers);
        out.extend_from_slice(b"\r\n");
    }
    let reason = StatusCode::from_u16(answer.status).ok().and_then(|status| status.canonical_reason());
    out.extend(format!("HTTP/1.1 {} {}\r\n", answer.status, reason.unwrap_or("Unknown")).into_bytes());
    lines(&mut out, &answer.headers);
    out.extend(framing.unwrap_or_default().bytes());
    out.extend_from_slice(b"\r\n");
    out
}

fn lines(out: &mut Vec<u8>, lines: &[(Bytes, Bytes)]) {
    for (name, value) in lines {
        for part in [name, &b": "[..], value, b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
}

/// Sends head and body; false if the connection must end for the body to end, or ended too early.
pub(super) async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
    reader: &mut Reader<'_, S>,
    answer: &mut Answer,
    only_head: bool,
    http10: bool,
) -> std::io::Result<bool> {
    let without_body = matches!(answer.status, 100..=199 | 204 | 304);
    let length = answer.length();
    let (framing, chunked) = match length {
        _ if without_body => (String::new(), false),
        Some(length) => (format!("content-length: {length}\r\n"), false),
        None if http10 => (String::new(), false),
        None => ("transfer-encoding: chunked\r\n".to_owned(), true),
    };
    let mut out = Vec::new();
    if only_head || without_body || answer.body.waits() || answer.head_pause > Duration::ZERO {
        head(reader.stream, answer, Some(&framing)).await?;
    } else {
        out = head_bytes(answer, Some(&framing));
    }
    if only_head || without_body {
        return Ok(true);
    }
    loop {
        let piece = tokio::select! {
            biased;
            piece = answer.body.next() => piece,
            () = reader.gone() => return Err(std::io::ErrorKind::ConnectionAborted.into()),
        };
        let Some(piece) = piece else { break };
        if chunked {
            out.extend(format!("{:x}\r\n", piece.len()).into_bytes());
        }
        out.extend_from_slice(&piece);
        if chunked {
            out.extend_from_slice(b"\r\n");
        }
        reader.stream.write_all(&out).await?;
        reader.stream.flush().await?;
        out.clear();
    }
    if chunked {
        out.extend_from_slice(b"0\r\n");
        lines(&mut out, &answer.trailers);
        out.extend_from_slice(b"\r\n");
    }
    reader.stream.write_all(&out).await?;
    reader.stream.flush().await?;
    Ok(!matches!(answer.body, Body::Truncated { .. }) && (chunked || length.is_some()))
}
