//! Reads one shard to its end by enhanced fan-out: SubscribeToShard sends its records as they arrive.
//!
//! A subscription ends after five minutes, or when the connection breaks; the next one goes on at the continuation
//! sequence number of the last event. That may name the last record that was read (AWS) or the first one that was not
//! (others), so reading begins *at* it, and what was handed over already is left out. (ferrokinesis 0.7 drops the number
//! from the request and begins with the shard.)
//!
//! An event does not say when it was made, so what it promises is dated back by [`ON_THE_WAY`], and an event that was
//! waiting already when it was asked for promises nothing: it may have waited long.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::{DisplayErrorContext, ProvideErrorMetadata};
use aws_sdk_kinesis::types::{Record, ShardIteratorType, StartingPosition, SubscribeToShardEvent, SubscribeToShardEventStream};
use tokio::time::Instant;
use tracing::debug;

use super::ListedShard;
use super::feed::{Answer, Position, ShardFeed, children};
use crate::clock::now_ms;

/// A consumer may subscribe to a shard once a second.
const CALL_INTERVAL: Duration = Duration::from_secs(1);
/// First and longest wait after a fault. Within five seconds of a subscription the service answers that it is in use.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));
/// A quiet shard sends an empty event every few seconds; without any for this long the connection is taken for dead.
const SILENCE: Duration = Duration::from_secs(60);
/// Longest time between the making of an event and its arrival here, when nothing waits before it.
const ON_THE_WAY: Duration = Duration::from_secs(1);
/// Who waited this long for an event had taken all that had come before.
const WAITED: Duration = Duration::from_millis(20);

/// Follows one shard.
pub(super) struct Subscriber {
    client: Client,
    consumer: Arc<str>,
    feed: ShardFeed,
    /// Where the last event ended.
    continuation: Option<String>,
}

/// How a subscription came to its end.
enum End {
    /// The shard has ended, too; its children.
    Shard(Vec<ListedShard>),
    /// Its time is over.
    Subscription,
    ReceiverGone,
}

impl Subscriber {
    /// `consumer` is the ARN of an active consumer.
    pub(super) fn new(client: Client, consumer: Arc<str>, feed: ShardFeed) -> Self {
        Self { client, consumer, feed, continuation: None }
    }

    /// Sends records until the shard ends (its children) or the receiver is gone (None).
    pub(super) async fn run(mut self) -> Option<Vec<ListedShard>> {
        let mut backoff = BACKOFF.0;
        loop {
            let asked_at = Instant::now();
            match self.subscribe(&mut backoff).await {
                Ok(End::Shard(children)) => {
                    self.feed.ended();
                    return Some(children);
                }
                Ok(End::ReceiverGone) => return None,
                Ok(End::Subscription) => {
                    debug!(shard = %self.feed.name, "the subscription is over; subscribing again");
                    tokio::time::sleep_until(asked_at + CALL_INTERVAL).await;
                }
                Err(fault) => {
                    self.feed.faults.report(&self.feed.name, &fault);
                    tokio::time::sleep(backoff).await;
                    backoff = (backoff * 2).min(BACKOFF.1);
                }
            }
            self.feed.interrupted();
        }
    }

    /// One subscription, to its end. An error is a fault that may pass.
    async fn subscribe(&mut self, backoff: &mut Duration) -> Result<End, String> {
        let asked_ms = now_ms();
        let request = self.client.subscribe_to_shard().consumer_arn(self.consumer.as_ref()).shard_id(self.feed.name.as_ref());
        let answer = match tokio::time::timeout(SILENCE, request.starting_position(self.position()).send()).await {
            Ok(Ok(answer)) => answer,
            Err(_) => return Err(silence()),
            Ok(Err(error)) => {
                if error.as_service_error().is_some_and(|error| error.is_invalid_argument_exception()) {
                    self.continuation = None; // the position of the last record is left
                }
                return Err(self.explain(&error));
            }
        };
        self.feed.accepted(asked_ms);
        let mut events = answer.event_stream;
        loop {
            let waiting_since = Instant::now();
            let event = match tokio::time::timeout(SILENCE, events.recv()).await {
                Ok(Ok(Some(SubscribeToShardEventStream::SubscribeToShardEvent(event)))) => event,
                Ok(Ok(Some(_))) => continue, // a kind of event that this version does not know
                Ok(Ok(None)) => return Ok(End::Subscription),
                Ok(Err(error)) => return Err(self.explain(&error)),
                Err(_) => return Err(silence()),
            };
            self.feed.faults.recovered(&self.feed.name);
            *backoff = BACKOFF.0;
            if let Some(end) = self.take(event, waiting_since.elapsed() >= WAITED).await {
                return Ok(end);
            }
        }
    }

    /// Hands an event over. Some when it was the last one, or nobody wants more.
    async fn take(&mut self, event: SubscribeToShardEvent, was_waited_for: bool) -> Option<End> {
        let (children, is_last) = (children(event.child_shards()), is_last(&event));
        let answer = given(event, was_waited_for, &mut self.continuation, |record| self.feed.is_new(record));
        if !self.feed.hand_over(answer).await {
            return Some(End::ReceiverGone);
        }
        is_last.then_some(End::Shard(children))
    }

    fn position(&self) -> StartingPosition {
        let Position { kind, number, time } = match &self.continuation {
            Some(number) => Position { kind: ShardIteratorType::AtSequenceNumber, number: Some(number.clone()), time: None },
            None => self.feed.position(),
        };
        let position = StartingPosition::builder().r#type(kind).set_sequence_number(number).set_timestamp(time);
        position.build().expect("the type is set")
    }

    fn explain<E>(&self, error: &E) -> String
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        if error.code() == Some("ResourceInUseException") {
            return format!(
                "{} is in use for this shard: another instance reads with the same --efo, or the last subscription is not over yet",
                self.consumer
            );
        }
        DisplayErrorContext(error).to_string()
    }
}

fn silence() -> String {
    format!("nothing came for {} seconds", SILENCE.as_secs())
}

/// What an event gives, and where the next subscription would begin.
fn given(
    event: SubscribeToShardEvent,
    was_waited_for: bool,
    continuation: &mut Option<String>,
    is_new: impl Fn(&Record) -> bool,
) -> Answer {
    // An emulator says 0 while there is more, so only an empty event tells that nothing is left.
    let is_complete = event.millis_behind_latest == 0 && event.records.is_empty() && event.child_shards().is_empty();
    let made_ms = now_ms() - i64::try_from(ON_THE_WAY.as_millis()).unwrap_or(i64::MAX);
    if !event.continuation_sequence_number.is_empty() {
        *continuation = Some(event.continuation_sequence_number);
    }
    Answer {
        records: event.records.into_iter().filter(is_new).collect(),
        behind_ms: Some(event.millis_behind_latest),
        complete_until_ms: (is_complete && was_waited_for).then_some(made_ms),
    }
}

/// Whether the shard has nothing after this event. AWS names the children in the last event only, which has no
/// continuation; an emulator names them as soon as the shard is closed, while records are still to come.
fn is_last(event: &SubscribeToShardEvent) -> bool {
    !event.child_shards().is_empty() && (event.continuation_sequence_number.is_empty() || event.records.is_empty())
}

#[cfg(test)]
mod tests {
    use aws_sdk_kinesis::primitives::Blob;
    use aws_sdk_kinesis::types::{ChildShard, HashKeyRange};

    use super::*;

    fn event(numbers: &[&str], continuation: &str, has_children: bool) -> SubscribeToShardEvent {
        let record =
            |number: &&str| Record::builder().data(Blob::new("")).partition_key("k").sequence_number(*number).build().unwrap();
        let range = HashKeyRange::builder().starting_hash_key("0").ending_hash_key("1").build().unwrap();
        let child = ChildShard::builder().shard_id("child").parent_shards("parent").hash_key_range(range).build().unwrap();
        SubscribeToShardEvent::builder()
            .set_records(Some(numbers.iter().map(record).collect()))
            .continuation_sequence_number(continuation)
            .millis_behind_latest(0)
            .set_child_shards(Some(if has_children { vec![child] } else { vec![] }))
            .build()
            .unwrap()
    }

    #[test]
    fn a_shard_ends_with_children_and_nothing_to_go_on_from() {
        assert!(is_last(&event(&["1"], "", true)), "as AWS ends");
        assert!(is_last(&event(&[], "2", true)), "as ferrokinesis ends");
        assert!(!is_last(&event(&["1"], "2", true)), "records may follow");
        assert!(!is_last(&event(&[], "", false)), "no children: the subscription is renewed");
    }

    #[test]
    fn what_was_handed_over_is_left_out_and_the_continuation_is_kept() {
        let mut continuation = Some("7".to_owned());
        let answer = given(event(&["8", "9"], "10", false), true, &mut continuation, |record| record.sequence_number() != "8");
        assert_eq!(answer.records.iter().map(Record::sequence_number).collect::<Vec<_>>(), ["9"]);
        assert_eq!(continuation.as_deref(), Some("10"));
        given(event(&[], "", true), true, &mut continuation, |_| true);
        assert_eq!(continuation.as_deref(), Some("10"));
    }

    #[test]
    fn only_an_empty_event_that_was_waited_for_promises_anything() {
        let promises = |event, was_waited_for| given(event, was_waited_for, &mut None, |_| true).complete_until_ms.is_some();
        assert!(promises(event(&[], "1", false), true));
        assert!(!promises(event(&[], "1", false), false), "it may have waited here for long");
        assert!(!promises(event(&["1"], "1", false), true), "more may come");
        assert!(!promises(event(&[], "", true), true), "the children go on");
    }
}
