//! The embedded Kinesis stream, in memory and inside the test's process, and the way to read it back.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use aws_sdk_kinesis::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
    types::{ShardIteratorType, StreamStatus},
};
use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    middleware::{Next, from_fn_with_state},
    response::Response,
};
use ferrokinesis::store::{Store, StoreOptions};
use tokio::{net::TcpListener, sync::Mutex};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::wait;

/// The stream's name, as in the tutorial.
pub const NAME: &str = "web-access-log";
/// PutRecords takes 5 MiB, which base64 and JSON make a third larger.
const MAX_BODY: usize = 16 << 20;

/// How the stream behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// Open shards.
    pub shards: i32,
    /// Throttle a shard above 1,000 records or 1 MiB a second, as AWS does.
    pub enforce_limits: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { shards: 4, enforce_limits: false }
    }
}

/// A stream that serves on a free loopback port until it is dropped.
pub struct TestStream {
    endpoint: String,
    client: Client,
    store: Store,
    _stop: DropGuard,
}

/// A record as a consumer gets it.
#[derive(Debug, Clone)]
pub struct Record {
    /// The shard it lies in.
    pub shard: String,
    /// Its sequence number: decimal, ordered by length and then by digits.
    pub sequence: String,
    /// What chose the shard.
    pub partition_key: String,
    /// Approximate arrival, in seconds since the Unix epoch.
    pub arrival: f64,
    /// The payload.
    pub data: Vec<u8>,
}

impl TestStream {
    /// Starts the server and creates the stream through the SDK.
    ///
    /// # Errors
    /// When the server does not start or the stream does not become active.
    pub async fn start(options: Options) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let stop = CancellationToken::new();
        let (router, store) = server(options.enforce_limits);
        let stopped = stop.clone().cancelled_owned();
        // Ends with the token, which this value's drop cancels.
        tokio::spawn(async move {
            let stopping = std::pin::pin!(stopped);
            tokio::select! {
                served = axum::serve(listener, router) => served,
                () = stopping => Ok(()),
            }
        });
        let client = client(&endpoint);
        create(&client, options.shards).await?;
        Ok(Self { endpoint, client, store, _stop: stop.drop_guard() })
    }

    /// The URL the server answers on.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// An SDK client for it.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// How many records it holds; asked often while waiting, so not through the SDK.
    pub fn count(&self) -> u64 {
        self.store.metrics().retained_records()
    }

    /// Every record of every shard, in the order of each shard.
    ///
    /// # Errors
    /// When the SDK reports one.
    pub async fn records(&self) -> Result<Vec<Record>> {
        read_all(&self.client, NAME).await
    }
}

/// An SDK client for `endpoint` that does not look at this machine's AWS settings.
pub fn client(endpoint: &str) -> Client {
    let config = aws_sdk_kinesis::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "tests"))
        .endpoint_url(endpoint)
        .build();
    Client::from_conf(config)
}

/// Every record of every shard of a stream, in the order of each shard, up to what it holds now.
///
/// # Errors
/// When the SDK reports one.
pub async fn read_all(client: &Client, stream: &str) -> Result<Vec<Record>> {
    let shards = client.list_shards().stream_name(stream).send().await.context("cannot list shards")?;
    let mut records = Vec::new();
    for shard in shards.shards() {
        read_shard(client, stream, shard.shard_id(), &mut records).await?;
    }
    Ok(records)
}

async fn read_shard(client: &Client, stream: &str, shard: &str, records: &mut Vec<Record>) -> Result<()> {
    let first = client.get_shard_iterator().stream_name(stream).shard_id(shard);
    let first = first.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await.context("cannot get an iterator")?;
    let mut iterator = first.shard_iterator;
    while let Some(position) = iterator {
        let answer = client.get_records().shard_iterator(position).send().await.context("cannot get records")?;
        if answer.records().is_empty() {
            break;
        }
        records.extend(answer.records.into_iter().map(|record| Record {
            shard: shard.to_owned(),
            sequence: record.sequence_number,
            partition_key: record.partition_key.unwrap_or_default(),
            arrival: record.approximate_arrival_timestamp.map_or(0.0, |time| time.as_secs_f64()),
            data: record.data.into_inner(),
        }));
        iterator = answer.next_shard_iterator;
    }
    Ok(())
}

async fn create(client: &Client, shards: i32) -> Result<()> {
    client.create_stream().stream_name(NAME).shard_count(shards).send().await.context("cannot create the stream")?;
    let is_active = || async {
        let answer = client.describe_stream_summary().stream_name(NAME).send().await.ok()?;
        let status = answer.stream_description_summary?.stream_status;
        (status == StreamStatus::Active).then_some(())
    };
    wait::until("the stream to become active", Duration::from_secs(10), is_active).await
}

fn server(enforce_limits: bool) -> (Router, Store) {
    let options = StoreOptions {
        create_stream_ms: 1,
        delete_stream_ms: 1,
        update_stream_ms: 1,
        shard_limit: 500,
        enforce_limits,
        // AWS: five minutes, and 2 MiB. So every test of enhanced fan-out sees renewals, and a shard's end in parts.
        subscribe_to_shard_session_ms: 1_500,
        subscribe_to_shard_event_record_limit: 2_000,
        ..StoreOptions::default()
    };
    let (router, store) = ferrokinesis::create_app(options);
    let turns = Arc::new(Mutex::new(()));
    let router = router.layer(from_fn_with_state(turns, one_put_at_a_time)).layer(DefaultBodyLimit::max(MAX_BODY));
    (router, store)
}

/// Two puts at once can take sequence numbers in one order and appear in the other. A consumer that reads in between
/// never sees the record that appeared late, which AWS does not do. So puts take turns here.
async fn one_put_at_a_time(State(turns): State<Arc<Mutex<()>>>, request: Request, next: Next) -> Response {
    let is_put =
        request.headers().get("x-amz-target").is_some_and(|target| target.as_bytes().starts_with(b"Kinesis_20131202.Put"));
    let _turn = if is_put { Some(turns.lock().await) } else { None };
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_put_through_the_sdk_is_read_back() {
        let stream = TestStream::start(Options { shards: 2, ..Options::default() }).await.unwrap();
        let put = stream.client().put_record().stream_name(NAME).partition_key("k");
        put.data(aws_sdk_kinesis::primitives::Blob::new("line")).send().await.unwrap();
        let records = stream.records().await.unwrap();
        assert_eq!(records.len(), 1);
        assert_eq!((records[0].partition_key.as_str(), records[0].data.as_slice()), ("k", b"line".as_slice()));
    }
}
