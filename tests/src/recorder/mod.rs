//! A Kinesis and Firehose that takes what it is sent, keeps account of every line, and fails on demand.
//!
//! An HTTP server that speaks the services' JSON 1.1 by hand, because a server library cannot cut a connection in
//! the middle of an answer. Unlike [`crate::faults`] there is no stream behind it: nothing can be read back, and in
//! return it serves thousands of tests and knows of each line how often it may have arrived ([`ledger`]).

pub mod ledger;
mod put;
mod reply;
#[cfg(test)]
mod tests;

use std::{
    collections::HashSet,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

use self::reply::Script;
pub use self::{
    ledger::{Ledger, Verdict},
    put::{Put, Service},
    reply::{Chances, Reply, internal_failure},
};
use crate::{faults::http::Message, wait};

/// The server; it serves until it is dropped.
#[derive(Debug)]
pub struct Recorder {
    address: SocketAddr,
    /// Never listens: while nobody else does, it refuses who comes and keeps the port from another test's server.
    _port: TcpSocket,
    shared: Arc<Shared>,
    serving: Option<JoinHandle<()>>,
}

/// What every connection shares.
#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Changes with every request, and when a connection ends.
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    ledger: Ledger,
    script: Script,
    connections: usize,
    requests: usize,
    /// What was wrong with requests: the sender's fault, never excused.
    malformed: Vec<String>,
}

impl Recorder {
    /// Starts on a free loopback port and accepts everything.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start() -> Result<Self> {
        let port = TcpSocket::new_v4()?;
        port.set_reuseaddr(true)?;
        port.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let mut recorder = Self { address: port.local_addr()?, _port: port, shared: Arc::default(), serving: None };
        recorder.open().await?;
        Ok(recorder)
    }

    /// The URL to give to the sender.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops listening and cuts every connection, as an endpoint that is down.
    pub async fn close(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
            let _ = serving.await; // aborted is what it shall be
        }
    }

    /// Listens again where it listened before.
    ///
    /// # Errors
    /// When it listens already.
    pub async fn open(&mut self) -> Result<()> {
        // A process that was just forked has the old listener until it becomes another program.
        let listen = || async { TcpListener::bind(self.address).await.ok() };
        let listener = wait::until("the recorder's port", Duration::from_secs(30), listen).await?;
        self.serve(listener);
        Ok(())
    }

    /// These replies for the next requests, whoever sends them.
    pub fn reply_next(&self, replies: impl IntoIterator<Item = Reply>) {
        self.shared.lock().script.next.extend(replies);
    }

    /// This reply for every request that has no other; `None` accepts again.
    pub fn reply_always(&self, reply: Option<Reply>) {
        self.shared.lock().script.standing = reply;
    }

    /// Replies by chance, the same for the same seed.
    pub fn reply_by_chance(&self, chances: Chances, seed: u64) {
        self.shared.lock().script.chances = Some(chances.with_seed(seed));
    }

    /// From now on everything is accepted.
    pub fn heal(&self) {
        self.shared.lock().script = Script::default();
    }

    /// Asks or changes the account.
    pub fn ledger<T>(&self, look: impl FnOnce(&mut Ledger) -> T) -> T {
        look(&mut self.shared.lock().ledger)
    }

    /// Requests received so far.
    pub fn requests(&self) -> usize {
        self.shared.lock().requests
    }

    /// What was wrong with requests; empty for a correct sender.
    pub fn malformed(&self) -> Vec<String> {
        self.shared.lock().malformed.clone()
    }

    /// Waits until the account satisfies `condition`.
    ///
    /// # Errors
    /// When the deadline passes.
    pub async fn until(&self, what: &str, deadline: Duration, condition: impl Fn(&Ledger) -> bool) -> Result<()> {
        self.wait(what, deadline, |state| condition(&state.ledger)).await
    }

    /// Waits until every line of `lines` arrived at `stream`.
    ///
    /// # Errors
    /// When the deadline passes; the message names lines that are missing.
    pub async fn until_all(&self, stream: &str, lines: &[Vec<u8>], deadline: Duration) -> Result<()> {
        let arrived_to = AtomicUsize::new(0); // a line that is there stays there
        let has_all = |ledger: &Ledger| {
            let from = arrived_to.load(Relaxed);
            let more = lines[from..].iter().take_while(|line| ledger.has(stream, line)).count();
            arrived_to.store(from + more, Relaxed);
            from + more == lines.len()
        };
        let arrived = self.until("every line", deadline, has_all).await;
        let missing = || self.ledger(|ledger| ledger.verdict(stream, lines, &HashSet::new()).missing);
        arrived.with_context(|| format!("missing in {stream}: {:?}", missing()))
    }

    /// Waits until so many requests were received.
    ///
    /// # Errors
    /// When the deadline passes.
    pub async fn until_requests(&self, count: usize, deadline: Duration) -> Result<()> {
        self.wait("requests", deadline, |state| state.requests >= count).await
    }

    /// Notes that the only sender ended, once the last that it sent has been looked at.
    ///
    /// # Errors
    /// When its connections stay open.
    pub async fn sender_ended(&self, killed: bool) -> Result<()> {
        self.pass_through_queue().await?;
        self.wait("the sender's connections to end", Duration::from_secs(30), |state| state.connections == 0).await?;
        self.shared.lock().ledger.end_run(killed);
        Ok(())
    }

    /// A dead sender's last connection may still wait to be accepted. Connections are accepted in their order, so
    /// once one of our own was served, there is none left.
    async fn pass_through_queue(&self) -> Result<()> {
        let mut connection = TcpStream::connect(self.address).await.context("the recorder does not listen")?;
        let probe = Message { head: "GET / HTTP/1.1".to_owned(), body: Vec::new() };
        probe.with_body(Vec::new()).write(&mut connection).await?;
        Message::read(&mut connection).await?.context("the recorder did not answer")?;
        Ok(())
    }

    async fn wait(&self, what: &str, deadline: Duration, condition: impl Fn(&State) -> bool) -> Result<()> {
        let mut changes = self.shared.changes.subscribe();
        let waiting = changes.wait_for(|_| condition(&self.shared.lock()));
        let waited = tokio::time::timeout(deadline, waiting).await;
        waited.with_context(|| format!("waited {deadline:?} in vain for {what}"))?.context("the recorder ended")?;
        Ok(())
    }

    fn serve(&mut self, listener: TcpListener) {
        self.serving = Some(tokio::spawn(accept(listener, self.shared.clone())));
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if let Some(serving) = &self.serving {
            serving.abort();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let open = Connection::begin(&shared);
        let shared = shared.clone();
        connections.spawn(async move {
            let _open = open;
            // An error only means that either side closed.
            converse(client, &shared).await
        });
        while connections.try_join_next().is_some() {} // forget those that ended
    }
}

/// Counts a connection as open for as long as it lives.
struct Connection(Arc<Shared>);

impl Connection {
    fn begin(shared: &Arc<Shared>) -> Self {
        shared.lock().connections += 1;
        Self(shared.clone())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.lock().connections -= 1;
        self.0.changed();
    }
}

async fn converse(mut client: TcpStream, shared: &Shared) -> Result<()> {
    client.set_nodelay(true)?;
    while let Some(request) = Message::read(&mut client).await? {
        let put = match Put::parse(&request) {
            Ok(Some(put)) => put,
            Ok(None) => {
                refusal(400, "UnknownOperationException", "only puts are served here").write(&mut client).await?;
                continue;
            }
            Err(error) => {
                shared.lock().malformed.push(format!("{error:#}"));
                refusal(400, "SerializationException", "see the recorder").write(&mut client).await?;
                continue;
            }
        };
        let reply = shared.take(&put);
        shared.changed();
        let delivery = Delivery { shared, put: &put, is_done: !reply.is_answered() };
        if !answer(&mut client, &put, reply).await? {
            return Ok(()); // dropping the connection is the fault
        }
        delivery.done();
    }
    Ok(())
}

/// The way of an answer to the sender. Dropped before its end, because the sender or the recorder went away
/// meanwhile, it leaves the request unanswered.
struct Delivery<'a> {
    shared: &'a Shared,
    put: &'a Put,
    is_done: bool,
}

impl Delivery<'_> {
    fn done(mut self) {
        self.is_done = true;
    }
}

impl Drop for Delivery<'_> {
    fn drop(&mut self) {
        if !self.is_done {
            self.shared.lock().ledger.unanswered(&self.put.stream, &self.put.records);
        }
    }
}

impl Shared {
    /// Decides about a request and enters it into the account.
    fn take(&self, put: &Put) -> Reply {
        let mut state = self.lock();
        state.requests += 1;
        let reply = state.script.decide();
        let is_taken: &dyn Fn(usize) -> bool = match &reply {
            Reply::Accept | Reply::AcceptSlowly(_) | Reply::Truncate => &|_| true,
            Reply::Throttle(mask) => &|place| !is_throttled(*mask, place),
            Reply::Error(..) => &|_| false,
            Reply::Hang { stored } | Reply::Cut { stored } => &|_| *stored,
        };
        state.ledger.note(&put.stream, &put.records, is_taken);
        // At once: the sender may repeat the request before its end of the old connection is seen here.
        if !reply.is_answered() {
            state.ledger.unanswered(&put.stream, &put.records);
        }
        reply
    }
}

fn is_throttled(mask: u64, place: usize) -> bool {
    mask >> (place % 64) & 1 == 1
}

/// Carries the reply out. False: the connection is to be cut.
async fn answer(client: &mut TcpStream, put: &Put, reply: Reply) -> Result<bool> {
    let all = vec![true; put.records.len()];
    match reply {
        Reply::Accept => Message::ok(put.answer(&all)).write(client).await?,
        Reply::AcceptSlowly(delay) => {
            tokio::time::sleep(delay).await;
            Message::ok(put.answer(&all)).write(client).await?;
        }
        Reply::Throttle(mask) => {
            let accepted: Vec<bool> = (0..all.len()).map(|place| !is_throttled(mask, place)).collect();
            Message::ok(put.answer(&accepted)).write(client).await?;
        }
        Reply::Error(status, code, message) => refusal(status, code, message).write(client).await?,
        Reply::Hang { .. } => {
            let _ = client.read(&mut [0]).await; // until the sender gives up or dies
            return Ok(false);
        }
        Reply::Cut { .. } => return Ok(false),
        Reply::Truncate => {
            let whole = Message::ok(put.answer(&all));
            let bytes = [whole.head.as_bytes(), b"\r\n\r\n", &whole.body[..whole.body.len() / 2]].concat();
            client.write_all(&bytes).await?;
            return Ok(false);
        }
    }
    Ok(true)
}

fn refusal(status: u16, code: &str, message: &str) -> Message {
    let body = format!(r#"{{"__type":"{code}","message":"{message}"}}"#).into_bytes();
    let head = format!("HTTP/1.1 {status} Refused\r\nContent-Type: application/x-amz-json-1.1\r\nx-amzn-ErrorType: {code}");
    Message { head, body: Vec::new() }.with_body(body)
}
