//! The access log: one line for every request, written when its response is finished.
//!
//! ```text
//! record (the outermost layer) ─▶ Entry ─▶ line ─▶ queue (bounded) ─▶ writer (one thread) ─▶ access.log
//! ```
//!
//! An `Entry` writes its line when it is dropped: after the body was sent, when the client went away, when a handler
//! panicked. So no request is logged twice, and none is missing.

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
};

use axum::{
    Extension,
    body::{Body, Bytes, HttpBody},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header},
    middleware::Next,
    response::Response,
};
use hyper::body::{Frame, SizeHint};
use jiff::Timestamp;

#[cfg(test)]
pub(crate) use self::line::KEYS;
use self::{
    line::Line,
    queue::{Limits, Queue},
    writer::Writer,
};
use crate::server::Connection;

/// The client went away before there was an answer (nginx's number; HTTP has none).
const CLIENT_CLOSED_REQUEST: u16 = 499;
const INTERNAL_SERVER_ERROR: u16 = 500;

/// Bytes the queue may hold: a second bound beside the lines, because a client chooses how long its headers are.
const QUEUE_BYTES: usize = 32 * 1024 * 1024;

/// Where requests leave their lines. Cloning gives another handle to the same log.
#[derive(Clone)]
pub(crate) struct AccessLog {
    queue: Arc<Queue>,
}

/// The writer's thread; dropping it drains the queue and ends the thread.
pub(crate) struct AccessLogThread {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
}

impl AccessLog {
    /// Opens the file and starts the thread that writes to it. `queue_lines` lines may wait for the disk.
    pub(crate) fn start(path: &Path, queue_lines: usize) -> io::Result<(Self, AccessLogThread)> {
        let queue = Arc::new(Queue::new(Limits { lines: queue_lines, bytes: QUEUE_BYTES }));
        let writer = Writer::open(path, queue.clone())?;
        let thread = std::thread::Builder::new().name("access-log".to_owned()).spawn(move || writer.run())?;
        Ok((Self { queue: queue.clone() }, AccessLogThread { queue, thread: Some(thread) }))
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
    request: Request,
    next: Next,
) -> Response {
    let mut entry = Entry::new(log, connection, &request);
    let response = next.run(request).await;
    entry.status = response.status().as_u16();
    response.map(|body| Body::new(CountedBody { body, entry }))
}

/// A request that was received and is not finished.
struct Entry {
    log: AccessLog,
    connection: Connection,
    received: Timestamp,
    method: Option<Method>,
    uri: Uri,
    host: Option<Vec<u8>>,
    user_agent: Option<Vec<u8>>,
    referer: Option<Vec<u8>>,
    status: u16,
    size: u64,
}

impl Entry {
    fn new(log: AccessLog, connection: Connection, request: &Request) -> Self {
        let target_host = request.uri().host().map(|host| host.as_bytes().to_vec());
        Self {
            log,
            connection,
            received: Timestamp::now(),
            method: Some(request.method().clone()),
            uri: request.uri().clone(),
            host: target_host.or_else(|| joined(request.headers(), header::HOST)),
            user_agent: joined(request.headers(), header::USER_AGENT),
            referer: joined(request.headers(), header::REFERER),
            status: CLIENT_CLOSED_REQUEST,
            size: 0,
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let has_no_answer = self.status == CLIENT_CLOSED_REQUEST;
        let line = Line {
            received: self.received,
            client_ip: self.connection.peer.ip(),
            host: self.host.as_deref(),
            server_ip: self.connection.local.ip(),
            path: if self.method.is_some() { self.uri.path() } else { "" },
            method: self.method.as_ref().map_or("", Method::as_str),
            status: if has_no_answer && std::thread::panicking() { INTERNAL_SERVER_ERROR } else { self.status },
            size: self.size,
            user_agent: self.user_agent.as_deref(),
            referer: self.referer.as_deref(),
        };
        let mut bytes = Vec::with_capacity(512);
        line.append_to(&mut bytes);
        self.log.queue.push(&bytes);
    }
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
