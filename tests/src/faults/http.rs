//! HTTP/1.1 messages with a Content-Length, which is all that the SDK and the stream send each other.

use anyhow::{Context, Result, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Longest head of a message; the SDK's are under 2 KiB.
const MAX_HEAD: usize = 64 * 1024;

/// A request or an answer, complete.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// First line and headers, without the empty line after them.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// The next message, or None when the other side closed between two.
    pub(crate) async fn read(connection: &mut TcpStream) -> Result<Option<Self>> {
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(end) = find_end_of_head(&bytes) {
                break end;
            }
            ensure!(bytes.len() < MAX_HEAD, "a head without an end");
            if connection.read_buf(&mut bytes).await? == 0 {
                ensure!(bytes.is_empty(), "closed in the middle of a head");
                return Ok(None);
            }
        };
        let mut body = bytes.split_off(end + 4);
        bytes.truncate(end);
        let head = String::from_utf8(bytes).context("a head that is not text")?;
        let length = content_length(&head)?;
        let already = body.len();
        ensure!(already <= length, "pipelined messages are not supported");
        body.resize(length, 0);
        connection.read_exact(&mut body[already..]).await.context("closed in the middle of a body")?;
        Ok(Some(Self { head, body }))
    }

    pub(crate) async fn write(&self, connection: &mut TcpStream) -> Result<()> {
        let bytes = [self.head.as_bytes(), b"\r\n\r\n", &self.body].concat();
        Ok(connection.write_all(&bytes).await?)
    }

    /// The same head around another body.
    pub(crate) fn with_body(&self, body: Vec<u8>) -> Self {
        let is_length = |line: &&str| line.to_ascii_lowercase().starts_with("content-length:");
        let mut lines: Vec<&str> = self.head.split("\r\n").filter(|line| !is_length(line)).collect();
        let length = format!("Content-Length: {}", body.len());
        lines.push(&length);
        Self { head: lines.join("\r\n"), body }
    }

    /// An answer of the stream.
    pub(crate) fn ok(body: Vec<u8>) -> Self {
        Self { head: "HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1".to_owned(), body: Vec::new() }.with_body(body)
    }

    /// A refusal of the whole request, as AWS words it.
    pub(crate) fn error(status: u16) -> Self {
        let kind = if status == 503 { "ServiceUnavailable" } else { "InternalFailure" };
        let body = format!("{{\"__type\":\"{kind}\",\"message\":\"injected\"}}").into_bytes();
        let head = format!("HTTP/1.1 {status} Injected\r\nContent-Type: application/x-amz-json-1.1");
        Self { head, body: Vec::new() }.with_body(body)
    }
}

/// A header's value; names are compared without case.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.split("\r\n").find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

fn content_length(head: &str) -> Result<usize> {
    header(head, "content-length").map_or(Ok(0), |value| value.parse().context("a bad Content-Length"))
}

fn find_end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n")
}
