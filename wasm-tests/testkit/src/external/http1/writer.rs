//! Writing answers.

use http::StatusCode;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use crate::external::answer::{Answer, Body};

/// Status line, header lines, `framing`, in one write.
pub(super) async fn head<S: AsyncWrite + Unpin>(
    stream: &mut S,
    answer: &Answer,
    framing: Option<&str>,
) -> std::io::Result<()> {
    stream.write_all(&head_bytes(answer, framing)).await?;
    stream.flush().await
}

fn head_bytes(answer: &Answer, framing: Option<&str>) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    for early in &answer.early {
        out.extend(format!("HTTP/1.1 {early} Early\r\n\r\n").into_bytes());
    }
    let reason = StatusCode::from_u16(answer.status).ok().and_then(|status| status.canonical_reason());
    out.extend(format!("HTTP/1.1 {} {}\r\n", answer.status, reason.unwrap_or("Unknown")).into_bytes());
    for (name, value) in &answer.headers {
        out.extend_from_slice(name);
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
    out.extend(framing.unwrap_or_default().bytes());
    out.extend_from_slice(b"\r\n");
    out
}

/// Sends head and body; false if the connection must end for the body to end, or ended too early.
pub(super) async fn answer<S: AsyncWrite + Unpin>(
    stream: &mut S,
    answer: &mut Answer,
    only_head: bool,
    http10: bool,
) -> std::io::Result<bool> {
    let without_body = matches!(answer.status, 100..=199 | 204 | 304);
    let (framing, chunked) = match answer.body.length() {
        _ if without_body => (String::new(), false),
        Some(length) => (format!("content-length: {length}\r\n"), false),
        None if http10 => (String::new(), false),
        None => ("transfer-encoding: chunked\r\n".to_owned(), true),
    };
    let mut out = head_bytes(answer, Some(&framing));
    if only_head || without_body {
        stream.write_all(&out).await?;
        stream.flush().await?;
        return Ok(true);
    }
    let immediate = !matches!(answer.body, Body::Drip { .. });
    if !immediate {
        stream.write_all(&out).await?;
        stream.flush().await?;
        out.clear();
    }
    while let Some(piece) = answer.body.next().await {
        if chunked {
            out.extend(format!("{:x}\r\n", piece.len()).into_bytes());
        }
        out.extend_from_slice(&piece);
        if chunked {
            out.extend_from_slice(b"\r\n");
        }
        stream.write_all(&out).await?;
        stream.flush().await?;
        out.clear();
    }
    if chunked {
        out.extend_from_slice(b"0\r\n\r\n");
    }
    stream.write_all(&out).await?;
    stream.flush().await?;
    Ok(!matches!(answer.body, Body::Truncated { .. }) && (chunked || answer.body.length().is_some()))
}
