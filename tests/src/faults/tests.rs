use aws_sdk_kinesis::{primitives::Blob, types::PutRecordsRequestEntry};

use super::*;
use crate::stream::{self, Options, TestStream};

const DEADLINE: Duration = Duration::from_secs(10);

/// A client without retries, so that each fault is seen.
fn client(endpoint: &str) -> aws_sdk_kinesis::Client {
    let config = stream::client(endpoint).config().to_builder();
    aws_sdk_kinesis::Client::from_conf(config.retry_config(aws_sdk_kinesis::config::retry::RetryConfig::disabled()).build())
}

async fn put(client: &aws_sdk_kinesis::Client, lines: &[&str]) -> Result<i32> {
    let entry = |line: &&str| PutRecordsRequestEntry::builder().data(Blob::new(*line)).partition_key(*line).build();
    let entries: Result<Vec<_>, _> = lines.iter().map(entry).collect();
    let answer = client.put_records().stream_name(stream::NAME).set_records(Some(entries?)).send().await?;
    Ok(answer.failed_record_count.unwrap_or(0))
}

async fn lines_in(stream: &TestStream) -> usize {
    stream.records().await.unwrap().len()
}

#[tokio::test]
async fn throttled_records_do_not_reach_the_stream_and_the_others_do() {
    let stream = TestStream::start(Options::default()).await.unwrap();
    let proxy = Proxy::start(stream.endpoint(), Script::listed([Fault::Throttle(vec![0, 2])])).await.unwrap();
    assert_eq!(put(&client(proxy.endpoint()), &["a", "b", "c"]).await.unwrap(), 2);
    assert_eq!(lines_in(&stream).await, 1);
    assert_eq!(proxy.counts().throttled, 2);
}

#[tokio::test]
async fn a_lost_answer_leaves_its_records_in_the_stream() {
    let stream = TestStream::start(Options::default()).await.unwrap();
    let proxy = Proxy::start(stream.endpoint(), Script::listed([Fault::LoseAnswer])).await.unwrap();
    put(&client(proxy.endpoint()), &["a", "b"]).await.unwrap_err();
    assert_eq!((lines_in(&stream).await, proxy.counts().unanswered), (2, 2));
}

#[tokio::test]
async fn a_cut_connection_and_a_refusal_leave_nothing_in_the_stream() {
    let stream = TestStream::start(Options::default()).await.unwrap();
    let proxy = Proxy::start(stream.endpoint(), Script::listed([Fault::CutBefore, Fault::Status(503)])).await.unwrap();
    put(&client(proxy.endpoint()), &["a"]).await.unwrap_err();
    put(&client(proxy.endpoint()), &["b"]).await.unwrap_err();
    assert_eq!(lines_in(&stream).await, 0);
}

#[tokio::test]
async fn records_are_in_flight_until_they_are_answered() {
    let stream = TestStream::start(Options::default()).await.unwrap();
    let hour = Fault::DelayedAnswer(Duration::from_secs(3600));
    let proxy = Proxy::start(stream.endpoint(), Script::listed([Fault::None, hour])).await.unwrap();
    let client = client(proxy.endpoint());
    put(&client, &["a"]).await.unwrap();
    let waiting = tokio::spawn(async move { put(&client, &["b", "c"]).await });
    proxy.when(|counts| counts.in_flight == 2, DEADLINE).await.unwrap();
    waiting.abort();
    drop(waiting.await);
}
