//! What a reader of a shard hands over, and what it may promise: the same whether it polls or is sent the records.

use std::sync::Arc;

use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::{ChildShard, Record, ShardIteratorType};
use bytes::Bytes;
use tokio::sync::mpsc::Sender;
use tracing::{info, warn};

use super::{ListedShard, Start};
use crate::chunk::{Chunk, Mark, Payload, ShardId, ShardMark, StreamRecord};
use crate::clock::now_ms;
use crate::live::Behind;

/// The way of one shard's records into the pipeline.
pub(super) struct ShardFeed {
    shard: ShardId,
    pub(super) name: Arc<str>,
    chunks: Sender<Chunk>,
    behind: Behind,
    start: Start,
    /// The last record handed over: where reading continues after a fault.
    last_sequence_number: Option<String>,
    /// When the service was first asked for records from LATEST on, milliseconds since 1970: asked a second time before
    /// the first record, reading must begin there, or what came in between would be skipped.
    latest_since_ms: Option<i64>,
    /// Up to when the answer before this one had everything; None: it had not.
    complete_until_ms: Option<i64>,
    pub(super) faults: FaultLog,
}

/// What the service gave at once.
pub(super) struct Answer {
    pub(super) records: Vec<Record>,
    pub(super) behind_ms: Option<i64>,
    /// Everything that had arrived at this moment has been given, by this answer or one before, provided that the shard
    /// has not ended; None: there is more, or the shard has ended.
    pub(super) complete_until_ms: Option<i64>,
}

impl ShardFeed {
    pub(super) fn new(shard: ShardId, name: &str, start: Start, behind: Behind, chunks: Sender<Chunk>) -> Self {
        Self {
            shard,
            name: Arc::from(name),
            chunks,
            behind,
            start,
            last_sequence_number: None,
            latest_since_ms: None,
            complete_until_ms: None,
            faults: FaultLog::default(),
        }
    }

    /// Where to go on.
    pub(super) fn position(&self) -> Position {
        let position = |kind, number: Option<&String>, ms: Option<i64>| Position {
            kind,
            number: number.cloned(),
            time: ms.map(DateTime::from_millis),
        };
        match (&self.last_sequence_number, &self.start, self.latest_since_ms) {
            (Some(last), _, _) | (None, Start::After(last), _) => {
                position(ShardIteratorType::AfterSequenceNumber, Some(last), None)
            }
            (None, Start::TrimHorizon, _) => position(ShardIteratorType::TrimHorizon, None, None),
            (None, Start::At(since_ms), _) => position(ShardIteratorType::AtTimestamp, None, Some(*since_ms)),
            (None, Start::Latest, Some(since_ms)) => position(ShardIteratorType::AtTimestamp, None, Some(since_ms)),
            (None, Start::Latest, None) => position(ShardIteratorType::Latest, None, None),
        }
    }

    /// The service has accepted a request to read from [`Self::position`] on, made at this moment.
    pub(super) fn accepted(&mut self, asked_ms: i64) {
        self.latest_since_ms.get_or_insert(asked_ms);
    }

    /// Whether a record stands behind [`Self::position`]: not every service begins there when it is asked to.
    pub(super) fn is_new(&self, record: &Record) -> bool {
        let since_ms = match (&self.last_sequence_number, &self.start, self.latest_since_ms) {
            (Some(last), _, _) | (None, Start::After(last), _) => {
                // Decimal numbers of different lengths, without leading zeros.
                let number = record.sequence_number();
                return (last.len(), last.as_str()) < (number.len(), number);
            }
            (None, Start::At(since_ms), _) => *since_ms,
            (None, Start::Latest, Some(since_ms)) => since_ms,
            (None, Start::TrimHorizon, _) | (None, Start::Latest, None) => return true,
        };
        // Some services tell the arrival in whole seconds.
        record.approximate_arrival_timestamp.is_none_or(|arrived| arrived.secs() >= since_ms.div_euclid(1000))
    }

    /// The connection was lost: what the next answer has does not follow from the last one.
    pub(super) fn interrupted(&mut self) {
        self.complete_until_ms = None;
    }

    /// False when the receiver is gone.
    pub(super) async fn hand_over(&mut self, answer: Answer) -> bool {
        if let Some(ms) = answer.behind_ms {
            self.behind.tell(&self.name, ms);
        }
        if let Some(last) = answer.records.last() {
            let last = last.sequence_number().to_owned();
            self.last_sequence_number = Some(last.clone());
            let records = answer.records.into_iter().map(|record| self.record(record)).collect();
            let mark = Mark::Shard { name: self.name.to_string(), at: ShardMark::After(last) };
            if !self.send(Payload::Records(records), Some(mark)).await {
                return false;
            }
        }
        // Told one answer later: a shard that has ended says so only with the next one, and what it had is not all there
        // is: its children go on where it ended, before now.
        let before = std::mem::replace(&mut self.complete_until_ms, answer.complete_until_ms);
        match before.filter(|_| answer.complete_until_ms.is_some()) {
            Some(at_ms) => self.send(Payload::CaughtUp { at_ms }, None).await,
            None => true,
        }
    }

    /// The shard has been read to its end.
    pub(super) fn ended(&self) {
        self.behind.ended(&self.name);
    }

    async fn send(&self, payload: Payload, mark: Option<Mark>) -> bool {
        self.chunks.send(Chunk { shard: self.shard, payload, mark }).await.is_ok()
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
}

/// A position in a shard, as requests write it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Position {
    pub(super) kind: ShardIteratorType,
    pub(super) number: Option<String>,
    pub(super) time: Option<DateTime>,
}

/// The children that the last answer of a shard names: ListShards may tell of them later.
pub(super) fn children(shards: &[ChildShard]) -> Vec<ListedShard> {
    let child = |shard: &ChildShard| ListedShard {
        name: shard.shard_id().to_owned(),
        parents: shard.parent_shards().to_vec(),
        is_open: true,
    };
    shards.iter().map(child).collect()
}

/// Logs a fault that will be retried; once for each new text, so that a long outage is one line.
#[derive(Debug, Default)]
pub(super) struct FaultLog {
    last: String,
}

impl FaultLog {
    pub(super) fn report(&mut self, of: &str, fault: &str) {
        if self.last != fault {
            warn!(reading = of, fault, "cannot read for now; retrying");
            self.last = fault.to_owned();
        }
    }

    pub(super) fn recovered(&mut self, of: &str) {
        if !self.last.is_empty() {
            info!(reading = of, "reading again");
            self.last.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_kinesis::primitives::Blob;
    use tokio::sync::mpsc::{Receiver, channel};

    use super::*;

    const NONE: [i64; 0] = [];

    fn feed(start: Start) -> (ShardFeed, Receiver<Chunk>) {
        let (chunks, received) = channel(8);
        (ShardFeed::new(ShardId(0), "shardId-0", start, Behind::default(), chunks), received)
    }

    fn answer(numbers: &[&str], complete_until_ms: Option<i64>) -> Answer {
        let record =
            |number: &&str| Record::builder().data(Blob::new("")).partition_key("k").sequence_number(*number).build().unwrap();
        Answer { records: numbers.iter().map(record).collect(), behind_ms: None, complete_until_ms }
    }

    fn promises(received: &mut Receiver<Chunk>) -> Vec<i64> {
        let chunks = std::iter::from_fn(|| received.try_recv().ok());
        let promise = |chunk: Chunk| if let Payload::CaughtUp { at_ms } = chunk.payload { Some(at_ms) } else { None };
        chunks.filter_map(promise).collect()
    }

    #[tokio::test]
    async fn a_promise_is_told_with_the_answer_after_it_and_not_at_the_end() {
        let (mut feed, mut received) = feed(Start::Latest);
        feed.hand_over(answer(&["1"], Some(10))).await;
        assert_eq!(promises(&mut received), NONE);
        feed.hand_over(answer(&[], Some(20))).await;
        assert_eq!(promises(&mut received), [10]);
        feed.hand_over(answer(&["2"], None)).await; // more is there, or the shard has ended
        feed.hand_over(answer(&[], Some(40))).await;
        feed.interrupted();
        feed.hand_over(answer(&[], Some(50))).await;
        assert_eq!(promises(&mut received), NONE);
    }

    #[tokio::test]
    async fn reading_goes_on_behind_the_last_record_and_a_start_at_latest_where_it_began() {
        let (mut feed, _received) = feed(Start::Latest);
        assert_eq!(feed.position().kind, ShardIteratorType::Latest);
        feed.accepted(5_000);
        feed.accepted(6_000);
        assert_eq!(feed.position().time, Some(DateTime::from_millis(5_000)));
        feed.hand_over(answer(&["99"], None)).await;
        assert_eq!(
            (feed.position().kind, feed.position().number),
            (ShardIteratorType::AfterSequenceNumber, Some("99".to_owned()))
        );
    }
    #[tokio::test]
    async fn records_before_the_position_are_known() {
        let record = |number: &str, second| {
            let record = Record::builder().data(Blob::new("")).partition_key("k").sequence_number(number);
            record.approximate_arrival_timestamp(DateTime::from_secs(second)).build().unwrap()
        };
        let (resumed, _received) = feed(Start::After("99".to_owned()));
        assert_eq!(["98", "99", "100"].map(|number| resumed.is_new(&record(number, 0))), [false, false, true]);
        let (since, _received) = feed(Start::At(5_900));
        assert_eq!([4, 5].map(|second| since.is_new(&record("1", second))), [false, true], "it may have arrived at 5.95 s");
        let (mut latest, _received) = feed(Start::Latest);
        assert!(latest.is_new(&record("1", 0)), "nothing is known before the first request");
        latest.accepted(5_000);
        latest.hand_over(answer(&["7"], None)).await;
        assert_eq!(["7", "8"].map(|number| latest.is_new(&record(number, 0))), [false, true]);
    }
}
