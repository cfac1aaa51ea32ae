//! An HTTP proxy in front of the stream that fails on demand, the way AWS and networks do.
//!
//! It speaks HTTP/1.1 by hand, because a server library cannot cut a connection in the middle of an exchange.
//! Only puts can fail; everything else passes. Its counts say how many records are on their way at any moment.

pub(crate) mod http;
mod script;
mod throttle;

pub use script::{Chances, Fault, Put, Script};

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Mutex, watch},
    task::JoinSet,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use http::Message;

/// What passed through the proxy so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    /// Put requests received.
    pub requests: usize,
    /// Records in them, retries counted again.
    pub records: usize,
    /// Records received and not yet answered.
    pub in_flight: usize,
    /// Records from the oldest unanswered request on, when the last request came. A crash may double these, for a
    /// sender that remembers one position: what overtook an unanswered request lies behind it.
    pub since_oldest_unanswered: usize,
    /// The most records in one request.
    pub largest_request: usize,
    /// Records refused one by one in an answer with status 200.
    pub throttled: usize,
    /// Requests refused with a 5xx status, without reaching the stream.
    pub refused_requests: usize,
    /// Requests whose connection was cut before they reached the stream.
    pub cut_requests: usize,
    /// Records the stream took and whose answer was withheld: what a correct sender doubles.
    pub unanswered: usize,
}

/// The counts, and the requests they were made from.
#[derive(Debug, Default)]
struct State {
    counts: Counts,
    /// For each unanswered request, by its number, the records that came before it.
    unanswered: BTreeMap<usize, usize>,
}

/// The proxy; it serves until it is dropped.
#[derive(Debug)]
pub struct Proxy {
    endpoint: String,
    state: watch::Sender<State>,
    _stop: DropGuard,
}

/// What every connection shares.
struct Shared {
    upstream: String,
    script: Mutex<Script>,
    state: watch::Sender<State>,
}

impl Proxy {
    /// Starts on a free loopback port in front of `upstream` (`http://127.0.0.1:PORT`).
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start(upstream: &str, script: Script) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let (state, _) = watch::channel(State::default());
        let upstream = upstream.trim_start_matches("http://").to_owned();
        let shared = Arc::new(Shared { upstream, script: Mutex::new(script), state: state.clone() });
        let stop = CancellationToken::new();
        // Ends with the token, which this value's drop cancels; the connections end with the set inside.
        tokio::spawn(stop.clone().run_until_cancelled_owned(accept(listener, shared)));
        Ok(Self { endpoint, state, _stop: stop.drop_guard() })
    }

    /// The URL to give to the sender.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The counts now.
    pub fn counts(&self) -> Counts {
        self.state.borrow().counts
    }

    /// Waits until the counts satisfy `condition`.
    ///
    /// # Errors
    /// When the deadline passes; the message has the counts.
    pub async fn when(&self, condition: impl Fn(&Counts) -> bool, deadline: Duration) -> Result<Counts> {
        let mut state = self.state.subscribe();
        let waited = tokio::time::timeout(deadline, state.wait_for(|now| condition(&now.counts))).await;
        let seen = waited.with_context(|| format!("waited {deadline:?} at the proxy in vain: {:?}", self.counts()))?;
        Ok(seen.context("the proxy stopped")?.counts)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        connections.spawn(serve(client, Arc::clone(&shared)));
        while connections.try_join_next().is_some() {} // forget those that ended
    }
}

/// One connection of the sender, and the one it needs to the stream. An error only means that either side closed.
async fn serve(mut client: TcpStream, shared: Arc<Shared>) -> Result<()> {
    let mut upstream = TcpStream::connect(&shared.upstream).await?;
    while let Some(request) = Message::read(&mut client).await? {
        let Some(put) = Put::parse(&request.head, &request.body) else {
            request.write(&mut upstream).await?;
            Message::read(&mut upstream).await?.context("the stream closed")?.write(&mut client).await?;
            continue;
        };
        let _flight = Flight::begin(&shared.state, put.records);
        let fault = shared.script.lock().await.next(&put);
        let Some(answer) = exchange(request, fault, &mut upstream, &shared.state).await? else {
            return Ok(()); // dropping the connection is the fault
        };
        answer.write(&mut client).await?;
    }
    Ok(())
}

/// Sends a put through with its fault. None: the sender gets no answer.
async fn exchange(
    request: Message,
    fault: Fault,
    upstream: &mut TcpStream,
    state: &watch::Sender<State>,
) -> Result<Option<Message>> {
    match fault {
        Fault::None => forward(&request, upstream).await.map(Some),
        Fault::Delay(time) => {
            tokio::time::sleep(time).await;
            forward(&request, upstream).await.map(Some)
        }
        Fault::DelayedAnswer(time) => {
            let answer = forward(&request, upstream).await?;
            tokio::time::sleep(time).await;
            Ok(Some(answer))
        }
        Fault::Status(status) => {
            state.send_modify(|all| all.counts.refused_requests += 1);
            Ok(Some(Message::error(status)))
        }
        Fault::CutBefore => {
            state.send_modify(|all| all.counts.cut_requests += 1);
            Ok(None)
        }
        Fault::LoseAnswer => {
            let answer = forward(&request, upstream).await?;
            state.send_modify(|all| all.counts.unanswered += throttle::accepted(&answer.body));
            Ok(None)
        }
        Fault::Throttle(refused) => throttled(&request, &refused, upstream, state).await.map(Some),
    }
}

async fn throttled(
    request: &Message,
    refused: &[usize],
    upstream: &mut TcpStream,
    state: &watch::Sender<State>,
) -> Result<Message> {
    let split = throttle::split(&request.body, refused)?;
    state.send_modify(|all| all.counts.throttled += split.refused);
    let accepted = match split.rest {
        Some(rest) => Some(forward(&request.with_body(rest), upstream).await?),
        None => None,
    };
    throttle::merge(accepted.map(|answer| answer.body), &split.is_refused).map(Message::ok)
}

async fn forward(request: &Message, upstream: &mut TcpStream) -> Result<Message> {
    request.write(upstream).await?;
    Message::read(upstream).await?.context("the stream closed the connection")
}

/// Counts a request's records as in flight for as long as it lives.
struct Flight {
    state: watch::Sender<State>,
    request: usize,
    records: usize,
}

impl Flight {
    fn begin(state: &watch::Sender<State>, records: usize) -> Self {
        let mut request = 0;
        state.send_modify(|State { counts, unanswered }| {
            request = counts.requests;
            unanswered.insert(request, counts.records);
            counts.requests += 1;
            counts.records += records;
            counts.in_flight += records;
            counts.largest_request = counts.largest_request.max(records);
            let before_oldest = unanswered.values().next().copied().unwrap_or(counts.records);
            counts.since_oldest_unanswered = counts.records - before_oldest;
        });
        Self { state: state.clone(), request, records }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.state.send_modify(|State { counts, unanswered }| {
            counts.in_flight -= self.records;
            unanswered.remove(&self.request);
        });
    }
}

#[cfg(test)]
mod tests;
