//! Reads one shard to its end by polling: GetRecords, again and again.

use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::DisplayErrorContext;
use aws_sdk_kinesis::operation::get_records::GetRecordsOutput;
use tokio::time::Instant;

use super::ListedShard;
use super::feed::{Answer, ShardFeed, children};
use crate::clock::now_ms;

/// A shard answers five GetRecords a second, for all of its readers together.
const CALL_INTERVAL: Duration = Duration::from_millis(200);
/// Wait after an empty answer: leaves room for other readers of the shard.
const IDLE_INTERVAL: Duration = Duration::from_millis(500);
/// First and longest wait after a fault.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));
/// The most records GetRecords gives.
const MAX_RECORDS: u16 = 10_000;

/// Polls one shard.
pub(super) struct Poller {
    pub(super) client: Client,
    pub(super) stream: String,
    pub(super) feed: ShardFeed,
}

/// Why a fetch gave no records.
enum Fault {
    /// The iterator is older than five minutes: ask for a new one.
    ExpiredIterator,
    /// Throttled, or the service or the way to it is broken: wait.
    Transient(String),
}

impl Poller {
    /// Sends records until the shard ends (its children) or the receiver is gone (None).
    pub(super) async fn run(mut self) -> Option<Vec<ListedShard>> {
        let mut iterator: Option<String> = None;
        let mut backoff = BACKOFF.0;
        loop {
            let asked_at = Instant::now();
            match self.fetch(iterator.take()).await {
                Ok((asked_ms, answer)) => {
                    self.feed.faults.recovered(&self.feed.name);
                    backoff = BACKOFF.0;
                    iterator = answer.next_shard_iterator().map(str::to_owned);
                    let (is_empty, children) = (answer.records().is_empty(), children(answer.child_shards()));
                    if !self.feed.hand_over(given(asked_ms, answer)).await {
                        return None;
                    }
                    if iterator.is_none() {
                        self.feed.ended();
                        return Some(children);
                    }
                    let interval = if is_empty { IDLE_INTERVAL } else { CALL_INTERVAL };
                    tokio::time::sleep_until(asked_at + interval).await;
                }
                Err(Fault::ExpiredIterator) => {}
                Err(Fault::Transient(fault)) => {
                    self.feed.faults.report(&self.feed.name, &fault);
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
        let answer = self.client.get_records().shard_iterator(iterator).limit(MAX_RECORDS.into()).send().await;
        answer.map(|answer| (asked_ms, answer)).map_err(|error| {
            let is_expired = error.as_service_error().is_some_and(|error| error.is_expired_iterator_exception());
            if is_expired { Fault::ExpiredIterator } else { transient(&error) }
        })
    }

    async fn iterator(&mut self) -> Result<String, Fault> {
        let position = self.feed.position();
        let request = self.client.get_shard_iterator().stream_name(&self.stream).shard_id(self.feed.name.as_ref());
        let request = request.shard_iterator_type(position.kind);
        let request = request.set_starting_sequence_number(position.number).set_timestamp(position.time);
        let asked_ms = now_ms();
        let answer = request.send().await.map_err(|error| transient(&error))?;
        self.feed.accepted(asked_ms);
        answer.shard_iterator.ok_or_else(|| Fault::Transient("GetShardIterator gave no iterator".to_owned()))
    }
}

fn given(asked_ms: i64, answer: GetRecordsOutput) -> Answer {
    // A full answer may leave something behind, whatever it says: emulators always say 0.
    let is_short = answer.records().len() < MAX_RECORDS.into();
    let is_complete = is_short && answer.millis_behind_latest() == Some(0) && answer.next_shard_iterator().is_some();
    let behind_ms = answer.millis_behind_latest();
    Answer { records: answer.records, behind_ms, complete_until_ms: is_complete.then_some(asked_ms) }
}

fn transient<E>(error: &E) -> Fault
where
    E: std::error::Error + 'static,
{
    Fault::Transient(DisplayErrorContext(error).to_string())
}

#[cfg(test)]
mod tests {
    use aws_sdk_kinesis::primitives::Blob;
    use aws_sdk_kinesis::types::Record;

    use super::*;

    fn answer(records: usize, behind_ms: i64, next: Option<&str>) -> GetRecordsOutput {
        let record = Record::builder().data(Blob::new("")).partition_key("k").sequence_number("1").build().unwrap();
        let answer = GetRecordsOutput::builder().set_records(Some(vec![record; records])).millis_behind_latest(behind_ms);
        answer.set_next_shard_iterator(next.map(str::to_owned)).build().unwrap()
    }

    #[test]
    fn an_answer_is_complete_when_nothing_can_be_left_behind_it() {
        let is_complete = |answer| given(7, answer).complete_until_ms == Some(7);
        assert!(is_complete(answer(0, 0, Some("next"))));
        assert!(is_complete(answer(9_999, 0, Some("next"))));
        assert!(!is_complete(answer(10_000, 0, Some("next"))), "a full one, of a server that always says 0");
        assert!(!is_complete(answer(1, 250, Some("next"))));
        assert!(!is_complete(answer(1, 0, None)), "the shard has ended, its children go on");
    }
}
