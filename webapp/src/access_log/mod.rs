//! The access log: one line for every request, written when its response is finished.
//!
//! ```text
//! record (the outermost layer) ─▶ Entry ─▶ line ─▶ queue (bounded) ─▶ writer (one thread) ─▶ access.log
//! ```
//!
//! An `Entry` writes its line when it is dropped: after the body was sent, when the client went away, when a handler
//! panicked. So no request is logged twice, and none is missing.

mod apache;
mod line;
mod queue;
mod writer;

use std::{
    io,
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    thread::JoinHandle,
    time::Instant,
};

use axum::{
    Extension,
    body::{Body, Bytes, HttpBody},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version, header},
    middleware::Next,
    response::Response,
};
use hyper::body::{Frame, SizeHint};
use jiff::Timestamp;

#[cfg(test)]
pub(crate) use self::line::KEYS;
pub(crate) use self::line::{ExtraKey, Format};
use self::{
    line::Line,
    queue::{Limits, Queue},
    writer::Writer,
};
use crate::{
    client::{Client, Network, client_of, is_trusted},
    random::RandomId,
    server::Connection,
};

/// The client went away before there was an answer (nginx's number; HTTP has none).
const CLIENT_CLOSED_REQUEST: u16 = 499;
const INTERNAL_SERVER_ERROR: u16 = 500;

/// Bytes the queue may hold: a second bound beside the lines, because a client chooses how long its headers are.
const QUEUE_BYTES: usize = 32 * 1024 * 1024;

/// Carries a request's id from a trusted proxy to us, and from us to whoever asked.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A longer id is no id; a UUID has 36 characters, an AWS trace id about 70.
const MAX_REQUEST_ID_CHARS: usize = 100;

/// What lines look like, and whose word is believed on where a request came from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Style {
    pub(crate) format: Format,
    pub(crate) extra_keys: Vec<ExtraKey>,
    /// The server's name in the key `node`; its address if empty.
    pub(crate) node: String,
    pub(crate) trusted_proxies: Vec<Network>,
}

/// Where requests leave their lines. Cloning gives another handle to the same log.
#[derive(Clone)]
pub(crate) struct AccessLog {
    queue: Arc<Queue>,
    style: Arc<Style>,
}

/// The writer's thread; dropping it drains the queue and ends the thread.
pub(crate) struct AccessLogThread {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
}

impl AccessLog {
    /// Opens the file and starts the thread that writes to it. `queue_lines` lines may wait for the disk.
    pub(crate) fn start(path: &Path, queue_lines: usize, style: Style) -> io::Result<(Self, AccessLogThread)> {
        let queue = Arc::new(Queue::new(Limits { lines: queue_lines, bytes: QUEUE_BYTES }));
        let writer = Writer::open(path, queue.clone())?;
        let thread = std::thread::Builder::new().name("access-log".to_owned()).spawn(move || writer.run())?;
        Ok((Self { queue: queue.clone(), style: Arc::new(style) }, AccessLogThread { queue, thread: Some(thread) }))
    }

    /// Lines lost since the start because the disk did not take them fast enough.
    pub(crate) fn lost(&self) -> u64 {
        self.queue.dropped()
    }

    /// Opens the file at the path again, after something renamed the old one away.
    pub(crate) fn reopen(&self) {
        self.queue.reopen();
    }

    /// Logs a request that the HTTP parser refused, as Apache does: without method, path and headers.
    pub(crate) fn refused(&self, connection: Connection, status: u16) {
        let nothing = Request::new(Body::empty());
        let mut entry = Entry::new(self.clone(), connection, &nothing);
        (entry.method, entry.uri) = (None, Uri::default());
        entry.status = status;
    }
}

impl Drop for AccessLogThread {
    fn drop(&mut self) {
        self.queue.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // a panic there was already reported by the panic hook
        }
    }
}

/// The layer around everything: notes the request, and counts what is sent.
pub(crate) async fn record(
    State(log): State<AccessLog>,
    Extension(connection): Extension<Connection>,
    mut request: Request,
    next: Next,
) -> Response {
    let has_ids = log.style.extra_keys.contains(&ExtraKey::RequestId);
    let mut entry = Entry::new(log, connection, &request);
    request.extensions_mut().insert(entry.client);
    let mut response = next.run(request).await;
    entry.status = response.status().as_u16();
    if has_ids && let Ok(id) = HeaderValue::from_str(&entry.request_id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response.map(|body| Body::new(CountedBody { body, entry }))
}

/// A request that was received and is not finished.
struct Entry {
    log: AccessLog,
    connection: Connection,
    client: Client,
    received: Timestamp,
    began: Instant,
    method: Option<Method>,
    uri: Uri,
    version: Version,
    request_id: String,
    host: Option<Vec<u8>>,
    user_agent: Option<Vec<u8>>,
    referer: Option<Vec<u8>>,
    status: u16,
    size: u64,
}

impl Entry {
    fn new(log: AccessLog, connection: Connection, request: &Request) -> Self {
        let is_http = matches!(request.uri().scheme_str(), Some("http" | "https"));
        let target_host = request.uri().host().filter(|_| is_http).map(|host| host.as_bytes().to_vec());
        let style = log.style.clone();
        Self {
            log,
            connection,
            client: client_of(connection.peer.ip(), request.headers(), &style.trusted_proxies),
            received: Timestamp::now(),
            began: Instant::now(),
            method: Some(request.method().clone()),
            uri: request.uri().clone(),
            version: request.version(),
            request_id: style.request_id(connection, request.headers()),
            host: target_host.or_else(|| joined(request.headers(), header::HOST)),
            user_agent: joined(request.headers(), header::USER_AGENT),
            referer: joined(request.headers(), header::REFERER),
            status: CLIENT_CLOSED_REQUEST,
            size: 0,
        }
    }
}

impl Style {
    /// A trusted proxy's id for the request, or a new one; none if no line would have it.
    fn request_id(&self, connection: Connection, headers: &HeaderMap) -> String {
        if !self.extra_keys.contains(&ExtraKey::RequestId) {
            return String::new();
        }
        let is_id = |id: &&str| {
            (1..=MAX_REQUEST_ID_CHARS).contains(&id.len())
                && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.=;".contains(&byte))
        };
        let sent = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).filter(is_id);
        match sent.filter(|_| is_trusted(connection.peer.ip(), &self.trusted_proxies)) {
            Some(id) => id.to_owned(),
            None => RandomId::new().to_string(),
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let has_no_answer = self.status == CLIENT_CLOSED_REQUEST;
        let style = &self.log.style;
        let server_ip = self.connection.local.ip();
        let has_target = matches!(style.format, Format::Common | Format::Combined);
        let target = if has_target { self.uri.to_string() } else { String::new() };
        let line = Line {
            received: self.received,
            client_ip: self.client.0,
            host: self.host.as_deref(),
            server_ip,
            path: if self.method.is_some() { self.uri.path() } else { "" },
            target: if self.method.is_some() { &target } else { "" },
            version: version_text(self.version),
            duration: self.began.elapsed(),
            request_id: &self.request_id,
            node: if style.node.is_empty() { &server_ip.to_canonical().to_string() } else { &style.node },
            method: self.method.as_ref().map_or("", Method::as_str),
            status: if has_no_answer && std::thread::panicking() { INTERNAL_SERVER_ERROR } else { self.status },
            size: self.size,
            user_agent: self.user_agent.as_deref(),
            referer: self.referer.as_deref(),
        };
        let mut bytes = Vec::with_capacity(512);
        line.append_to(&mut bytes, style.format, &style.extra_keys);
        self.log.queue.push(&bytes);
    }
}

fn version_text(version: Version) -> &'static str {
    if version == Version::HTTP_10 { "HTTP/1.0" } else { "HTTP/1.1" } // the server speaks no other
}

/// A header's value; a repeated header is joined as Apache does.
fn joined(headers: &HeaderMap, name: HeaderName) -> Option<Vec<u8>> {
    let values: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
    if values.is_empty() { None } else { Some(values.join(&b", "[..])) }
}

/// A response's body that counts the bytes taken from it, which are those handed to the network.
struct CountedBody {
    body: Body,
    entry: Entry,
}

impl HttpBody for CountedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &frame {
            self.entry.size += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
