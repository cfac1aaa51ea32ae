//! Every line arrives once in each server that speaks Kinesis.

use serde_json::{Value, json};
use tests::{
    servers::{Kind, Server},
    stream::{self, NAME, Options, TestStream},
    wait,
};

use crate::setup::{DEADLINE, Setup};

const LINES: usize = 2_345;

#[tokio::test]
async fn the_embedded_stream_gets_every_line_by_name() {
    let stream = TestStream::start(Options::default()).await.unwrap();
    let setup = Setup::new(LINES, &json!({"kinesis.endpoint": stream.endpoint()}), &json!({"kinesisStream": NAME}));
    ships_everything(&setup, stream.client(), NAME).await;
}

#[tokio::test]
async fn the_embedded_stream_gets_every_line_by_arn() {
    let stream = TestStream::start(Options::default()).await.unwrap();
    let summary = stream.client().describe_stream_summary().stream_name(NAME).send().await.unwrap();
    let arn = summary.stream_description_summary().unwrap().stream_arn().to_owned();
    let setup = Setup::new(LINES, &json!({}), &json!({"kinesisStream": arn, "endpoint": stream.endpoint()}));
    ships_everything(&setup, stream.client(), NAME).await;
}

#[tokio::test]
async fn a_throttled_stream_gets_every_line_and_the_log_counts_the_shards() {
    let stream = TestStream::start(Options { shards: 1, enforce_limits: true }).await.unwrap();
    let agent = json!({"kinesis.endpoint": stream.endpoint()});
    let setup = Setup::new(4_000, &agent, &json!({"kinesisStream": NAME, "maxBufferSizeRecords": 500}));
    let output = ships_everything(&setup, stream.client(), NAME).await;
    assert!(output.contains("cause=throttled") && output.contains("shards"), "{output}");
}

#[tokio::test]
async fn kinesalite_gets_every_line() {
    other_server(Kind::Kinesalite, &json!({"kinesisStream": "web"})).await;
}

#[tokio::test]
async fn kinesis_local_gets_every_line() {
    other_server(Kind::KinesisLocal, &json!({"kinesisStream": "web"})).await;
}

/// moto loses records when two requests come at once, so here they come one after the other.
#[tokio::test]
async fn moto_gets_every_line_one_request_at_a_time() {
    other_server(Kind::Moto, &json!({"kinesisStream": "web", "maxRequestsInFlight": 1})).await;
}

async fn other_server(kind: Kind, flow: &Value) {
    let Some(server) = Server::start(kind).await.unwrap() else { return };
    let client = stream::client(server.endpoint());
    let created = || async { client.create_stream().stream_name("web").shard_count(2).send().await.ok() };
    wait::until("the stream to be created", DEADLINE, created).await.unwrap();
    let is_active = || async {
        let answer = client.describe_stream().stream_name("web").send().await.ok()?;
        (answer.stream_description?.stream_status.as_str() == "ACTIVE").then_some(())
    };
    wait::until("the stream to be active", DEADLINE, is_active).await.unwrap();
    let setup = Setup::new(LINES, &json!({"kinesis.endpoint": server.endpoint()}), flow);
    ships_everything(&setup, &client, "web").await;
}

/// Ships until the stream holds as many records as there are lines, stops the agent, and compares.
async fn ships_everything(setup: &Setup, client: &aws_sdk_kinesis::Client, name: &str) -> String {
    let (agent, expected) = (setup.ship(), setup.lines());
    let everything = || async {
        let records = stream::read_all(client, name).await.ok()?;
        (records.len() >= expected.len()).then_some(())
    };
    let arrived = wait::until("every line to arrive", DEADLINE, everything).await;
    let finished = agent.terminate(DEADLINE).await.unwrap().success().unwrap();
    arrived.unwrap_or_else(|error| panic!("{error}\n{}", finished.output));
    let records = stream::read_all(client, name).await.unwrap();
    let mut lines: Vec<Vec<u8>> = records.into_iter().map(|record| record.data).collect();
    lines.sort();
    assert_eq!(lines, expected);
    finished.output
}
