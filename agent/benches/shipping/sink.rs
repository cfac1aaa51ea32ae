//! A server on loopback that accepts every record: a thread for each connection, nothing shared but sums.
//!
//! It speaks the part of HTTP/1.1 that the three clients use, and answers as Kinesis does. Each record is decoded and
//! hashed, so that a lost, repeated or changed byte shows. It takes over a million records a second and limits nobody.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context as _, Result, bail, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use memchr::{memchr, memmem};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::{child::Running, lines::Content};

/// Stands before the time of writing, in nanoseconds since the Unix epoch, in a line whose latency counts.
pub(crate) const WRITTEN: &[u8] = b"ns=";

/// The server. Dropped, it waits for its threads; its clients must have ended by then.
pub(crate) struct Sink {
    address: SocketAddr,
    is_tls: bool,
    shared: Arc<Shared>,
    listening: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    arrived: Mutex<Arrived>,
    stop: AtomicBool,
}

/// What arrived so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Arrived {
    pub(crate) content: Content,
    pub(crate) requests: u64,
    /// From the writing of a line to the arrival of its request.
    pub(crate) latencies: Vec<Duration>,
    /// The first thing that was wrong.
    problem: Option<String>,
}

impl Sink {
    /// Starts a server on a free port.
    pub(crate) fn start(tls: Option<Arc<ServerConfig>>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (address, shared) = (listener.local_addr()?, Arc::<Shared>::default());
        let is_tls = tls.is_some();
        let listening = thread::spawn({
            let shared = shared.clone();
            move || listen(&listener, tls.as_ref(), &shared)
        });
        Ok(Self { address, is_tls, shared, listening: Some(listening) })
    }

    pub(crate) fn endpoint(&self) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://localhost:{}", self.address.port())
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Waits until so many lines arrived from a program.
    pub(crate) fn wait_for(&self, lines: u64, from: &mut Running, deadline: Duration) -> Result<Arrived> {
        let started = Instant::now();
        loop {
            let arrived = self.lock().clone();
            if let Some(problem) = &arrived.problem {
                bail!("the sink got something else than PutRecords: {problem}");
            }
            if arrived.content.lines >= lines {
                return Ok(arrived);
            }
            from.check()?;
            ensure!(started.elapsed() < deadline, "only {} of {lines} lines arrived in {deadline:?}", arrived.content.lines);
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// What arrived in all.
    pub(crate) fn content(&self) -> Content {
        self.lock().content
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Arrived> {
        self.shared.arrived.lock().expect("no thread panics while it holds the sums")
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.shared.stop.store(true, Relaxed);
        let _ = TcpStream::connect(self.address); // wakes the listener; if it is gone already, all the better
        if let Some(listening) = self.listening.take() {
            let _ = listening.join();
        }
    }
}

fn listen(listener: &TcpListener, tls: Option<&Arc<ServerConfig>>, shared: &Arc<Shared>) {
    let mut connections = Vec::new();
    for stream in listener.incoming().map_while(Result::ok) {
        if shared.stop.load(Relaxed) {
            break;
        }
        let (shared, tls) = (shared.clone(), tls.cloned());
        connections.push(thread::spawn(move || {
            if let Err(error) = serve(stream, tls, &shared) {
                let mut arrived = shared.arrived.lock().expect("no thread panics while it holds the sums");
                arrived.problem.get_or_insert(format!("{error:#}"));
            }
        }));
    }
    for connection in connections {
        let _ = connection.join(); // its panic is on the screen already
    }
}

fn serve(stream: TcpStream, tls: Option<Arc<ServerConfig>>, shared: &Shared) -> Result<()> {
    stream.set_nodelay(true)?;
    match tls {
        None => answer_all(stream, shared),
        Some(config) => {
            let mut connection = ServerConnection::new(config)?;
            connection.set_buffer_limit(Some(1 << 18));
            answer_all(StreamOwned::new(connection, stream), shared)
        }
    }
}

/// Answers requests until the client goes away.
fn answer_all(mut stream: impl Read + Write, shared: &Shared) -> Result<()> {
    let mut request = Request::default();
    let (mut decoded, mut answer) = (Vec::new(), Vec::new());
    while request.read(&mut stream)? {
        let now = SystemTime::now();
        let mut arrived = Arrived { requests: 1, ..Arrived::default() };
        for_each_record(request.body(), &mut decoded, |line| {
            arrived.content.add(line);
            arrived.latencies.extend(latency(line, now));
        })?;
        write_answer(arrived.content.lines, &mut answer);
        {
            let mut total = shared.arrived.lock().expect("no thread panics while it holds the sums");
            total.content.lines += arrived.content.lines;
            total.content.hash_sum = total.content.hash_sum.wrapping_add(arrived.content.hash_sum);
            total.requests += 1;
            total.latencies.append(&mut arrived.latencies);
        }
        stream.write_all(&answer)?;
        stream.flush()?;
    }
    Ok(())
}

/// One request, read into a buffer that is used again.
#[derive(Debug, Default)]
struct Request {
    buffer: Vec<u8>,
    filled: usize,
    head: usize,
    length: usize,
}

impl Request {
    /// Reads the next request. False when the client is gone.
    fn read(&mut self, stream: &mut impl Read) -> Result<bool> {
        let used = self.head + self.length;
        self.buffer.copy_within(used..self.filled, 0);
        self.filled -= used;
        (self.head, self.length) = (0, 0);
        self.head = loop {
            if let Some(end) = memmem::find(&self.buffer[..self.filled], b"\r\n\r\n") {
                break end + 4;
            }
            if !self.fill(stream)? {
                return Ok(false);
            }
        };
        let head = std::str::from_utf8(&self.buffer[..self.head])?;
        ensure!(head.contains("Kinesis_20131202.PutRecords\r\n"), "{head}");
        self.length = header(head, "content-length").context("no content-length")?.parse()?;
        while self.filled < self.head + self.length {
            ensure!(self.fill(stream)?, "the client went away in the middle of a request");
        }
        Ok(true)
    }

    fn body(&self) -> &[u8] {
        &self.buffer[self.head..self.head + self.length]
    }

    fn fill(&mut self, stream: &mut impl Read) -> Result<bool> {
        if self.buffer.len() < (self.head + self.length).max(self.filled + 1) {
            self.buffer.resize((self.head + self.length).max(self.buffer.len() * 2).max(1 << 19), 0);
        }
        let count = stream.read(&mut self.buffer[self.filled..]).unwrap_or(0); // a reset connection is gone too
        self.filled += count;
        Ok(count > 0)
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// Finds every record's data, decodes it into `decoded` and hands it on. The last line end may be missing.
fn for_each_record(body: &[u8], decoded: &mut Vec<u8>, mut each: impl FnMut(&[u8])) -> Result<()> {
    const BEFORE: &[u8] = b"\"Data\":";
    let mut rest = body;
    while let Some(at) = memmem::find(rest, BEFORE) {
        let quote = at + BEFORE.len() + memchr(b'"', &rest[at + BEFORE.len()..]).context("no text after Data")?;
        let length = memchr(b'"', &rest[quote + 1..]).context("a text without end")?;
        let data = &rest[quote + 1..quote + 1 + length];
        decoded.resize(data.len(), 0);
        let count = BASE64_STANDARD.decode_slice(data, decoded)?;
        each(&decoded[..count]);
        rest = &rest[quote + 1 + length..];
    }
    Ok(())
}

fn latency(line: &[u8], now: SystemTime) -> Option<Duration> {
    let at = memmem::find(line, WRITTEN)? + WRITTEN.len();
    let digits = line[at..].iter().take_while(|byte| byte.is_ascii_digit());
    let written = digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
    now.duration_since(SystemTime::UNIX_EPOCH + Duration::from_nanos(written)).ok()
}

/// As long as the real one's.
fn write_answer(records: u64, answer: &mut Vec<u8>) {
    const RESULT: &str =
        r#"{"SequenceNumber":"49543463076548007577105092703039560359975228518395012686","ShardId":"shardId-000000000000"}"#;
    let results = vec![RESULT; usize::try_from(records).unwrap_or_default()].join(",");
    let body = format!(r#"{{"FailedRecordCount":0,"Records":[{results}]}}"#);
    answer.clear();
    let head = "HTTP/1.1 200 OK\r\nx-amzn-RequestId: 0\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: ";
    let written = write!(answer, "{head}{}\r\n\r\n{body}", body.len());
    written.expect("writing to memory cannot fail");
}
