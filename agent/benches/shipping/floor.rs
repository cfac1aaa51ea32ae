//! The floor: what a hand-written program of one thread costs that does only what cannot be left out.
//!
//! It reads, splits, encodes, hashes, signs, sends, and looks whether the answer counts no failure. It tails nothing, saves
//! nothing, retries nothing and takes no settings. Four requests are on their way at a time, as with the agent.

use std::{
    fs::File,
    io::{IoSlice, Read, Write},
    net::TcpStream,
    sync::Arc,
};

use anyhow::{Context as _, Result, ensure};
use aws_lc_rs::{digest, hmac};
use memchr::{memchr_iter, memmem};
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::tls;

/// The argument that starts it, in a process of its own: `floor PORT LOG [CERTIFICATE]`.
pub(crate) const COMMAND: &str = "floor";

const CONNECTIONS: usize = 4;
const RECORDS: usize = 500;
const READ_BYTES: usize = 256 * 1024;

/// Ships a log. Then waits until its standard input ends, so that its memory can be looked at.
pub(crate) fn main(arguments: &[String]) -> Result<()> {
    let [port, log, rest @ ..] = arguments else { anyhow::bail!("the floor needs a port and a log") };
    let tls = rest.first().map(|certificate| tls::client(certificate.as_ref())).transpose()?;
    let host = format!("localhost:{port}");
    let connections = (0..CONNECTIONS).map(|_| Connection::open(port.parse()?, tls.as_ref())).collect::<Result<Vec<_>>>()?;
    let mut floor = Floor { connections, next: 0, signer: Signer::new(host), body: Vec::new(), random: 1 };
    floor.ship(File::open(log)?)?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

struct Floor {
    connections: Vec<Connection>,
    next: usize,
    signer: Signer,
    body: Vec<u8>,
    random: u64,
}

impl Floor {
    fn ship(&mut self, mut log: File) -> Result<()> {
        let mut buffer = vec![0; READ_BYTES];
        let mut filled = 0;
        loop {
            let count = log.read(&mut buffer[filled..])?;
            filled += count;
            let mut from = 0;
            loop {
                let (lines, records) = first_lines(&buffer[from..filled]);
                if records == 0 || (records < RECORDS && count > 0) {
                    break;
                }
                self.send(&buffer[from..from + lines])?;
                from += lines;
            }
            buffer.copy_within(from..filled, 0);
            filled -= from;
            if count == 0 {
                return self.connections.iter_mut().try_for_each(Connection::finish);
            }
        }
    }

    fn send(&mut self, lines: &[u8]) -> Result<()> {
        self.body.clear();
        self.body.extend_from_slice(br#"{"StreamName":"web-access-log","Records":["#);
        let mut from = 0;
        for newline in memchr_iter(b'\n', lines) {
            let line = &lines[from..=newline];
            from = newline + 1;
            self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            self.body.extend_from_slice(br#"{"Data":""#);
            push_base64(line, &mut self.body);
            self.body.extend_from_slice(br#"","PartitionKey":""#);
            self.body.extend((0..16).map(|digit| b"0123456789abcdef"[(self.random >> (4 * digit)) as usize & 15]));
            self.body.extend_from_slice(br#""},"#);
        }
        self.body.pop();
        self.body.extend_from_slice(b"]}");
        let head = self.signer.head(&self.body);
        self.next = (self.next + 1) % CONNECTIONS;
        self.connections[self.next].send(head.as_bytes(), &self.body)
    }
}

/// The two letters of every 12 bits.
static PAIRS: [[u8; 2]; 4096] = {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut pairs = [[0; 2]; 4096];
    let mut bits = 0;
    while bits < pairs.len() {
        pairs[bits] = [ALPHABET[bits >> 6], ALPHABET[bits & 63]];
        bits += 1;
    }
    pairs
};

/// Appends `data` in base64, six bytes at a time; its own, so that the agent's is measured against something else.
fn push_base64(data: &[u8], out: &mut Vec<u8>) {
    let pair = |bits: u64, shift: u32| PAIRS[(bits >> shift) as usize & 4095];
    let mut rest = data;
    while let Some(word) = rest.first_chunk::<8>() {
        let bits = u64::from_be_bytes(*word) >> 16;
        let [[a, b], [c, d], [e, f], [g, h]] = [36, 24, 12, 0].map(|shift| pair(bits, shift));
        out.extend_from_slice(&[a, b, c, d, e, f, g, h]);
        rest = &rest[6..];
    }
    for three in rest.chunks(3) {
        let byte = |at: usize| u64::from(three.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        let mut letters = [pair(bits, 12), pair(bits, 0)].concat();
        letters[three.len() + 1..].fill(b'=');
        out.extend_from_slice(&letters);
    }
}

/// The bytes of the first complete lines, as many as one request takes, and how many lines they are.
fn first_lines(bytes: &[u8]) -> (usize, usize) {
    let (mut end, mut records) = (0, 0);
    for newline in memchr_iter(b'\n', bytes).take(RECORDS) {
        end = newline + 1;
        records += 1;
    }
    (end, records)
}

/// Signature version 4 with a key that is kept and a time that stands still.
struct Signer {
    key: hmac::Key,
    host: String,
}

impl Signer {
    const DATE: &str = "20261121";
    const TIME: &str = "20261121T012203Z";

    fn new(host: String) -> Self {
        let step = |key: &[u8], text: &str| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes());
        let date = step(b"AWS4secret", Self::DATE);
        let service = step(step(date.as_ref(), "us-east-1").as_ref(), "kinesis");
        let key = step(service.as_ref(), "aws4_request");
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()), host }
    }

    fn head(&self, body: &[u8]) -> String {
        let (host, time, date) = (&self.host, Self::TIME, Self::DATE);
        let hash = |bytes: &[u8]| hex(digest::digest(&digest::SHA256, bytes).as_ref());
        let names = "content-type;host;x-amz-date;x-amz-target";
        let canonical = format!(
            "POST\n/\n\ncontent-type:application/x-amz-json-1.1\nhost:{host}\nx-amz-date:{time}\n\
             x-amz-target:Kinesis_20131202.PutRecords\n\n{names}\n{}",
            hash(body)
        );
        let scope = format!("{date}/us-east-1/kinesis/aws4_request");
        let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hash(canonical.as_bytes()));
        let signature = hex(hmac::sign(&self.key, to_sign.as_bytes()).as_ref());
        format!(
            "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-amz-json-1.1\r\nX-Amz-Date: {time}\r\n\
             X-Amz-Target: Kinesis_20131202.PutRecords\r\nAuthorization: AWS4-HMAC-SHA256 Credential=id/{scope}, \
             SignedHeaders={names}, Signature={signature}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        for value in [byte >> 4, byte & 15] {
            text.push(char::from(b"0123456789abcdef"[usize::from(value)]));
        }
    }
    text
}

/// A connection with at most one request that was not answered.
struct Connection {
    stream: Box<dyn Stream>,
    is_waiting: bool,
    answer: Vec<u8>,
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

impl Connection {
    fn open(port: u16, tls: Option<&Arc<ClientConfig>>) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match tls {
            None => Box::new(stream),
            Some(config) => {
                let mut connection = ClientConnection::new(config.clone(), "localhost".try_into()?)?;
                connection.set_buffer_limit(None);
                Box::new(StreamOwned::new(connection, stream))
            }
        };
        Ok(Self { stream, is_waiting: false, answer: vec![0; 1 << 18] })
    }

    fn send(&mut self, head: &[u8], body: &[u8]) -> Result<()> {
        self.finish()?;
        let written = self.stream.write_vectored(&[IoSlice::new(head), IoSlice::new(body)])?;
        self.stream.write_all(head.get(written..).unwrap_or_default())?;
        self.stream.write_all(&body[written.saturating_sub(head.len())..])?;
        self.stream.flush()?;
        self.is_waiting = true;
        Ok(())
    }

    /// Waits for the answer, if there is one to come.
    fn finish(&mut self) -> Result<()> {
        if !self.is_waiting {
            return Ok(());
        }
        let mut filled = 0;
        let end = loop {
            let count = self.stream.read(&mut self.answer[filled..])?;
            ensure!(count > 0, "the sink went away");
            filled += count;
            let Some(head) = memmem::find(&self.answer[..filled], b"\r\n\r\n") else { continue };
            let head = std::str::from_utf8(&self.answer[..head + 4])?;
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).context("no length")?;
            let end = head.len() + length.parse::<usize>()?;
            if filled >= end {
                break end;
            }
            ensure!(end <= self.answer.len(), "an answer of {end} bytes is longer than expected");
        };
        let answer = &self.answer[..end];
        ensure!(answer.starts_with(b"HTTP/1.1 200") && memmem::find(answer, b"\"FailedRecordCount\":0,").is_some(), "a failure");
        self.is_waiting = false;
        Ok(())
    }
}
