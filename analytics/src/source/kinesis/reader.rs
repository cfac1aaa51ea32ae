//! Reads one shard to its end.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::DisplayErrorContext;
use aws_sdk_kinesis::operation::get_records::GetRecordsOutput;
use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::{Record, ShardIteratorType};
use bytes::Bytes;
use tokio::sync::mpsc::Sender;
use tokio::time::Instant;

use super::{FaultLog, Start};
use crate::chunk::{Chunk, Mark, Payload, ShardId, ShardMark, StreamRecord};
use crate::clock::now_ms;
use crate::live::Behind;

/// A shard answers five GetRecords a second, for all of its readers together.
const CALL_INTERVAL: Duration = Duration::from_millis(200);
/// Wait after an empty answer: leaves room for other readers of the shard.
const IDLE_INTERVAL: Duration = Duration::from_millis(500);
/// First and longest wait after a fault.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));
/// The most records GetRecords gives.
const MAX_RECORDS: i32 = 10_000;

/// Reads one shard.
pub(super) struct ShardReader {
    client: Client,
    stream: String,
    shard: ShardId,
    name: Arc<str>,
    start: Start,
    /// The last record handed over: where a new iterator continues.
    last_sequence_number: Option<String>,
    /// When the first iterator of a start at LATEST was asked for, milliseconds since 1970: a second one made before
    /// the first record must begin there, or what came in between would be skipped.
    latest_since_ms: Option<i64>,
    /// When it was asked last and had nothing more.
    caught_up_ms: Option<i64>,
    faults: FaultLog,
    behind: Behind,
}

/// Why a fetch gave no records.
enum Fault {
    /// The iterator is older than five minutes: ask for a new one.
    ExpiredIterator,
    /// Throttled, or the service or the way to it is broken: wait.
    Transient(String),
}

impl ShardReader {
    pub(super) fn new(client: Client, stream: &str, shard: ShardId, name: Arc<str>, start: Start, behind: Behind) -> Self {
        let stream = stream.to_owned();
        Self {
            client,
            stream,
            shard,
            name,
            start,
            last_sequence_number: None,
            latest_since_ms: None,
            caught_up_ms: None,
            faults: FaultLog::default(),
            behind,
        }
    }

    /// Sends records until the shard ends (true) or the receiver is gone (false).
    pub(super) async fn run(mut self, chunks: &Sender<Chunk>) -> Result<bool> {
        let mut iterator: Option<String> = None;
        let mut backoff = BACKOFF.0;
        loop {
            let asked_at = Instant::now();
            match self.fetch(iterator.take()).await {
                Ok((asked_ms, answer)) => {
                    self.faults.recovered(&self.name);
                    backoff = BACKOFF.0;
                    let is_empty = answer.records().is_empty();
                    iterator = answer.next_shard_iterator().map(str::to_owned);
                    if !self.hand_over(asked_ms, answer, chunks).await {
                        return Ok(false);
                    }
                    if iterator.is_none() {
                        self.behind.ended(&self.name);
                        return Ok(true);
                    }
                    let interval = if is_empty { IDLE_INTERVAL } else { CALL_INTERVAL };
                    tokio::time::sleep_until(asked_at + interval).await;
                }
                Err(Fault::ExpiredIterator) => {}
                Err(Fault::Transient(fault)) => {
                    self.faults.report(&self.name, &fault);
                    tokio::time::sleep(backoff).await;
                    backoff = (backoff * 2).min(BACKOFF.1);
                }
            }
        }
    }

    /// One GetRecords call, and the clock just before it.
    async fn fetch(&mut self, iterator: Option<String>) -> Result<(i64, GetRecordsOutput), Fault> {
        let iterator = match iterator {
            Some(iterator) => iterator,
            None => self.iterator().await?,
        };
        let asked_ms = now_ms();
        let answer = self.client.get_records().shard_iterator(iterator).limit(MAX_RECORDS).send().await;
        answer.map(|answer| (asked_ms, answer)).map_err(|error| {
            let is_expired = error.as_service_error().is_some_and(|error| error.is_expired_iterator_exception());
            if is_expired { Fault::ExpiredIterator } else { transient(&error) }
        })
    }

    async fn iterator(&mut self) -> Result<String, Fault> {
        let request = self.client.get_shard_iterator().stream_name(&self.stream).shard_id(self.name.as_ref());
        let request = match (&self.last_sequence_number, &self.start, self.latest_since_ms) {
            (Some(last), _, _) | (None, Start::After(last), _) => {
                request.shard_iterator_type(ShardIteratorType::AfterSequenceNumber).starting_sequence_number(last)
            }
            (None, Start::TrimHorizon, _) => request.shard_iterator_type(ShardIteratorType::TrimHorizon),
            (None, Start::Latest, Some(since_ms)) => {
                request.shard_iterator_type(ShardIteratorType::AtTimestamp).timestamp(DateTime::from_millis(since_ms))
            }
            (None, Start::At(since_ms), _) => {
                request.shard_iterator_type(ShardIteratorType::AtTimestamp).timestamp(DateTime::from_millis(*since_ms))
            }
            (None, Start::Latest, None) => request.shard_iterator_type(ShardIteratorType::Latest),
        };
        let asked_ms = now_ms();
        let answer = request.send().await.map_err(|error| transient(&error))?;
        self.latest_since_ms.get_or_insert(asked_ms);
        answer.shard_iterator.ok_or_else(|| Fault::Transient("GetShardIterator gave no iterator".to_owned()))
    }

    /// False when the receiver is gone.
    async fn hand_over(&mut self, asked_ms: i64, answer: GetRecordsOutput, chunks: &Sender<Chunk>) -> bool {
        // What a shard that has ended had is not all there is: its children go on where it ended, before now.
        let is_caught_up = answer.millis_behind_latest() == Some(0) && answer.next_shard_iterator().is_some();
        if let Some(ms) = answer.millis_behind_latest() {
            self.behind.tell(&self.name, ms);
        }
        if let Some(last) = answer.records().last() {
            let last = last.sequence_number().to_owned();
            self.last_sequence_number = Some(last.clone());
            let records = answer.records.into_iter().map(|record| self.record(record)).collect();
            if chunks.send(self.chunk(Payload::Records(records), Some(ShardMark::After(last)))).await.is_err() {
                return false;
            }
        }
        // Told one answer later: a shard that has ended says so only when it is asked once more.
        let before = std::mem::replace(&mut self.caught_up_ms, is_caught_up.then_some(asked_ms));
        let Some(at_ms) = before.filter(|_| is_caught_up) else { return true };
        chunks.send(self.chunk(Payload::CaughtUp { at_ms }, None)).await.is_ok()
    }

    fn record(&self, record: Record) -> StreamRecord {
        let arrival = record.approximate_arrival_timestamp.and_then(|time| time.to_millis().ok());
        StreamRecord {
            data: Bytes::from(record.data.into_inner()),
            arrival_ms: arrival.unwrap_or_else(now_ms),
            partition_key: record.partition_key.unwrap_or_default(),
            sequence_number: record.sequence_number,
            shard_name: self.name.clone(),
        }
    }

    fn chunk(&self, payload: Payload, at: Option<ShardMark>) -> Chunk {
        let mark = at.map(|at| Mark::Shard { name: self.name.to_string(), at });
        Chunk { shard: self.shard, payload, mark }
    }
}

fn transient<E>(error: &E) -> Fault
where
    E: std::error::Error + 'static,
{
    Fault::Transient(DisplayErrorContext(error).to_string())
}
