//! Asks a running agent on this machine. Plain HTTP/1.0, so that an answer ends with its connection and its body is
//! nothing but the body; a client library would be the largest part of the program that uses it.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

/// How long the agent may take to take a connection or to say something.
const PATIENCE: Duration = Duration::from_secs(10);

/// The head of an answer is shorter.
const MAX_HEAD: u64 = 64 * 1024;

/// An answer with its body still to be read.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The rest of the connection.
    pub(crate) body: BufReader<TcpStream>,
}

/// Sends a GET request; `path` must be encoded.
///
/// # Errors
/// When nobody answers there, or not in HTTP.
pub(crate) fn get(address: SocketAddr, path: &str, token: Option<&str>) -> Result<Answer> {
    let connected = TcpStream::connect_timeout(&address, PATIENCE);
    let mut stream = connected.with_context(|| format!("nobody answers on {address}"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let authorization = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n{authorization}\r\n").as_bytes())?;
    let mut body = BufReader::new(stream);
    let status = read_head(&mut body).with_context(|| format!("what listens on {address} is not a weir agent"))?;
    Ok(Answer { status, body })
}

impl Answer {
    /// The whole body, up to 64 MiB.
    ///
    /// # Errors
    /// When the connection breaks or the text is no UTF-8.
    pub(crate) fn text(self) -> Result<String> {
        let mut text = String::new();
        self.body.take(64 << 20).read_to_string(&mut text).context("the agent broke off its answer")?;
        Ok(text)
    }

    /// Waits for ever for the next piece of the body.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn patiently(self) -> Result<BufReader<TcpStream>> {
        self.body.get_ref().set_read_timeout(None)?;
        Ok(self.body)
    }
}

fn read_head(body: &mut BufReader<TcpStream>) -> Result<u16> {
    let mut head = body.by_ref().take(MAX_HEAD);
    let mut line = String::new();
    head.read_line(&mut line)?;
    let status = line.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)?.trim().parse().ok());
    loop {
        line.clear();
        if head.read_line(&mut line)? == 0 {
            bail!("the answer ends in its head");
        }
        if line.trim_end().is_empty() {
            return status.context("the first line is not one of HTTP");
        }
    }
}
