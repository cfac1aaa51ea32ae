//! The shipper of one flow: one loop that owns the open batch, the batches on their way, and what was accepted.
//!
//! ```text
//! records ─▶ batcher ─▶ ready ─▶ requests ─▶ answers ─▶ positions ─▶ checkpoint
//!                         ▲                     │
//!                         └── retries (later) ◀─┘
//! ```
//!
//! Invariant: what was accepted is saved before the next request leaves. So the end of the process, however sudden,
//! repeats at most the requests that were on their way.

mod backoff;
mod dead_letter;
mod demand;
mod observed;
mod rejected;
mod saving;
mod shipment;
#[cfg(test)]
mod tests;
mod window;

use std::{
    collections::BTreeSet,
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::mpsc, task::JoinSet, time::sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

pub(crate) use self::dead_letter::DeadLetters;
use self::{
    demand::Demand,
    rejected::Rejected,
    saving::Checkpoint,
    shipment::{Settled, Shipment},
    window::Window,
};
use crate::{
    batcher::{Batch, Batcher},
    checkpoint::{
        positions::Positions,
        store::{CheckpointError, Store},
    },
    counters::Counters,
    destination::{Destination, Failure, Reason},
    pack,
    rate_limit::RateLimit,
    record::{FromTailer, Record},
    settings::{FlowSettings, Kind},
    tail::CHUNK_RECORDS,
};

/// What the shipper works with.
pub(crate) struct Shipper<D> {
    settings: FlowSettings,
    destination: Arc<D>,
    batcher: Batcher,
    /// Whether an open batch is due before the tailer looks at the files again: nothing more can come until then.
    waits_in_vain: bool,
    /// Closed batches that wait for a request. At most one chunk's worth.
    ready: VecDeque<Shipment>,
    /// Batches that wait for their next attempt.
    retries: Vec<(Instant, Shipment)>,
    requests: JoinSet<Answer>,
    /// How many of them there may be.
    window: Window,
    demand: Demand,
    /// Sequence numbers of batches that are not settled.
    unsettled: BTreeSet<u64>,
    next_sequence: u64,
    has_accepted: bool,
    positions: Positions,
    checkpoint: Checkpoint,
    dead_letters: DeadLetters,
    /// Lines on their way to the dead letters; nothing is taken from the tailer until they are there.
    rejected: Option<Rejected>,
    counters: Arc<Counters>,
    /// One for each reason, in the order of [`Reason::ALL`].
    complaints: [RateLimit; Reason::ALL.len()],
}

/// A request that came back.
struct Answer {
    shipment: Shipment,
    /// Of the window, when the request left.
    epoch: u64,
    outcome: Result<Vec<Option<Failure>>, Failure>,
}

/// Whether these are the last lines of a look at the files, as far as their number tells.
fn ends_a_look(news: &FromTailer) -> bool {
    matches!(news, FromTailer::Records(records) if records.len() < CHUNK_RECORDS)
}

impl<D: Destination> Shipper<D> {
    pub(crate) fn new(
        settings: FlowSettings,
        destination: D,
        positions: Positions,
        store: Store,
        dead_letters: DeadLetters,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            batcher: Batcher::new(settings.batch).packed(settings.records.packing),
            window: Window::new(settings.max_requests),
            demand: Demand::default(),
            waits_in_vain: settings.batch.max_age <= settings.poll_interval,
            settings,
            destination: Arc::new(destination),
            ready: VecDeque::new(),
            retries: Vec::new(),
            requests: JoinSet::new(),
            unsettled: BTreeSet::new(),
            next_sequence: 0,
            has_accepted: false,
            positions,
            checkpoint: Checkpoint::new(store),
            dead_letters,
            rejected: None,
            counters,
            complaints: Default::default(),
        }
    }

    /// Ships until the tailer is done and everything is settled, or `grace` after the stop signal is over.
    ///
    /// # Errors
    /// When the last checkpoint cannot be saved: what was accepted since the one before is sent again.
    pub(crate) async fn run(
        mut self,
        mut incoming: mpsc::Receiver<FromTailer>,
        stop: CancellationToken,
        grace: Duration,
    ) -> Result<(), CheckpointError> {
        let (mut is_open, mut deadline) = (true, None);
        while is_open || !self.unsettled.is_empty() {
            self.put_rejected_aside(Instant::now()).await;
            self.save_changes().await;
            self.start_requests(Instant::now());
            let wake = self.next_wake().into_iter().chain(deadline).min();
            self.note_waiting();
            // Every branch may be cancelled: a channel's and a set's wait lose nothing, the others hold nothing.
            tokio::select! {
                news = incoming.recv(), if is_open && self.ready.is_empty() && self.rejected.is_none() => match news {
                    Some(news) => {
                        let is_last = ends_a_look(&news) && incoming.is_empty();
                        self.take(news);
                        if is_last && self.waits_in_vain {
                            self.close_batch();
                        }
                    }
                    None => {
                        is_open = false;
                        self.close_batch();
                    }
                },
                Some(answer) = self.requests.join_next() => self.settle_all(answer).await,
                () = sleep_until(wake.unwrap_or_else(Instant::now).into()), if wake.is_some() => self.on_time(Instant::now()).await,
                () = stop.cancelled(), if deadline.is_none() => deadline = Some(Instant::now() + grace),
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                break;
            }
        }
        drop(incoming); // a tailer that still reads must not wait for us
        self.finish().await
    }

    fn take(&mut self, news: FromTailer) {
        self.note_news(&news, Instant::now());
        match news {
            FromTailer::File { id, facts, position } => self.positions.learn(id, facts, position),
            FromTailer::Baseline => self.positions.baseline(),
            FromTailer::Done(id) => {
                self.positions.done(id);
                self.note_accepted(&[id]);
            }
            FromTailer::Rejected { reason, records } => {
                self.rejected = Some(Rejected::new(reason, records, Instant::now()));
            }
            FromTailer::Passed { id, end } => {
                self.positions.passed(id, end);
                self.note_accepted(&[id]);
            }
            FromTailer::Records(records) => {
                self.positions.received(&records);
                let now = Instant::now(); // once for the chunk
                for record in records {
                    if let Some(batch) = self.batcher.push(record, now) {
                        self.enqueue(batch);
                    }
                }
            }
        }
    }

    fn close_batch(&mut self) {
        while let Some(batch) = self.batcher.take() {
            self.enqueue(batch);
        }
    }

    fn enqueue(&mut self, batch: Batch) {
        let tickets = self.positions.sent(&batch.records);
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        self.unsettled.insert(sequence);
        self.ready.push_back(Shipment::new(sequence, tickets, batch.records));
    }

    /// Sends what may be sent: retries that are due, the oldest first, then new batches, while the window has room.
    ///
    /// Only the oldest batch that is not settled and those right behind it may be on their way or wait for their next
    /// attempt: a crash repeats no more than `maxRequestsInFlight` of them.
    fn start_requests(&mut self, now: Instant) {
        while self.has_room()
            && let Some(index) = self.oldest_due(now)
        {
            let (_, shipment) = self.retries.swap_remove(index);
            self.counters.records_retried.add(shipment.request().len() as u64);
            self.request(shipment);
        }
        let oldest = self.unsettled.first().copied().unwrap_or(self.next_sequence);
        let end = oldest + self.settings.max_requests as u64;
        while self.has_room()
            && let Some(shipment) = self.ready.pop_front_if(|shipment| shipment.sequence < end)
        {
            self.request(shipment);
        }
    }

    fn has_room(&self) -> bool {
        self.requests.len() < self.window.size()
    }

    fn oldest_due(&self, now: Instant) -> Option<usize> {
        let due = self.retries.iter().enumerate().filter(|(_, (at, _))| *at <= now);
        due.min_by_key(|(_, (_, shipment))| shipment.sequence).map(|(index, _)| index)
    }

    fn request(&mut self, shipment: Shipment) {
        let (destination, epoch) = (self.destination.clone(), self.window.epoch());
        self.requests.spawn(async move {
            let outcome = destination.send(shipment.request()).await;
            Answer { shipment, epoch, outcome }
        });
    }

    /// When something must happen although nothing arrives.
    fn next_wake(&self) -> Option<Instant> {
        // Without room for a request, only an answer can make some.
        let retry = self.retries.iter().map(|(at, _)| *at).min().filter(|_| self.has_room());
        let sync = self.checkpoint.sync_at();
        // While batches wait, the open one may as well fill.
        let linger = self.batcher.deadline().filter(|_| self.ready.is_empty());
        let rejected = self.rejected.as_ref().map(|rejected| rejected.attempt_at);
        retry.into_iter().chain(sync).chain(linger).chain(rejected).min()
    }

    async fn on_time(&mut self, now: Instant) {
        self.note_busy();
        if self.batcher.deadline().is_some_and(|deadline| deadline <= now) {
            self.close_batch();
        }
        if self.checkpoint.sync_at().is_some_and(|at| now >= at) {
            self.save(true).await;
        }
    }

    /// Settles an answer and all others that are there, so that one checkpoint covers them.
    async fn settle_all(&mut self, first: Result<Answer, tokio::task::JoinError>) {
        self.note_busy();
        let mut next = Some(first);
        while let Some(answer) = next {
            match answer {
                Ok(answer) => self.settle(answer).await,
                Err(failed) => std::panic::resume_unwind(failed.into_panic()), // a bug; requests are never aborted
            }
            next = self.requests.try_join_next();
        }
    }

    async fn settle(&mut self, answer: Answer) {
        let Answer { mut shipment, epoch, outcome } = answer;
        let (attempted, failed_whole) = (shipment.request().len(), outcome.is_err());
        let settled = shipment.settle(outcome, self.has_accepted);
        self.note_answer(attempted, failed_whole, &settled);
        self.adapt(&settled, epoch);
        self.has_accepted |= settled.accepted > 0;
        self.counters.records_sent.add(settled.accepted as u64);
        self.complain(&settled);
        if let Some((record, reason)) = settled.refused {
            self.put_aside(&mut shipment, record, reason).await;
        }
        if shipment.is_settled() {
            self.unsettled.remove(&shipment.sequence);
            let files = shipment.tickets.files();
            self.positions.acked(shipment.tickets);
            self.note_accepted(&files);
            return;
        }
        let delay = backoff::delay(self.settings.retry, shipment.failures(), rand::random());
        self.retries.push((Instant::now() + delay, shipment));
    }

    /// Sends less at once to a destination that is throttling, and more to one that is not.
    fn adapt(&mut self, settled: &Settled, epoch: u64) {
        self.demand.note(settled.asked, (settled.accepted_records, settled.accepted_bytes), Instant::now());
        match &settled.failure {
            None => self.window.widen(),
            Some(failure) if failure.reason == Reason::Throttled => self.window.narrow(epoch),
            Some(_) => {}
        }
    }

    async fn put_aside(&mut self, shipment: &mut Shipment, record: Record, reason: String) {
        let lines = pack::unpack(&record);
        let count = lines.len() as u64;
        let (letters, flow) = (self.dead_letters.clone(), self.settings.id.clone());
        let files = lines.chunk_by(|one, next| one.file == next.file);
        let files: Vec<(String, Vec<Record>)> =
            files.map(|lines| (self.positions.name(lines[0].file).to_owned(), lines.to_vec())).collect();
        let write = move || files.iter().try_for_each(|(name, lines)| letters.write(&flow, name, lines, &reason));
        let written = tokio::task::spawn_blocking(write).await;
        match written.unwrap_or_else(|failed| Err(std::io::Error::other(failed))) {
            Ok(()) => {
                self.counters.records_refused.add(count);
                self.counters.live.dead_letters.add(count);
            }
            Err(error) => {
                error!(flow = self.settings.id, %error, "cannot write the dead-letter file; keeping the record, trying again");
                shipment.restore(record);
            }
        }
    }

    fn complain(&mut self, settled: &Settled) {
        let Some(Failure { cause, reason, message, remedy }) = &settled.failure else { return };
        let limit = Reason::ALL.iter().position(|other| other == reason).and_then(|index| self.complaints.get_mut(index));
        let Some(suppressed) = limit.and_then(|limit| limit.allow(Instant::now())) else { return };
        let (flow, records, target) = (&self.settings.id, settled.failed, &self.settings.target);
        let is_small_stream = *reason == Reason::Throttled && target.kind == Kind::Kinesis;
        let remedy = if is_small_stream { &self.demand.remedy(&target.name) } else { remedy };
        warn!(flow, %cause, reason = message, records, suppressed, "not accepted, will be repeated: {remedy}");
    }

    async fn finish(mut self) -> Result<(), CheckpointError> {
        let records: usize = self.retries.iter().map(|(_, shipment)| shipment.len()).sum();
        self.requests.shutdown().await;
        for (file, bytes) in self.positions.unaccepted() {
            warn!(
                flow = self.settings.id,
                file,
                bytes,
                retrying_records = records,
                "not accepted in time; the next start sends it"
            );
        }
        if self.positions.has_baseline() { self.sync().await } else { Ok(()) }
    }
}
