//! The tutorial's program on servers that others wrote, across a split.

use aws_sdk_kinesis::Client;
use tests::process::command;
use tests::servers::{Kind, Server};
use tests::stream::{NAME, client};
use tests::wait;

use crate::arrival::{held, printed, put};
use crate::crash::{DEADLINE, split, wait_until_active};

async fn create(stream: &Client) {
    let created = || async { stream.create_stream().stream_name(NAME).shard_count(2).send().await.ok() };
    wait::until("the stream to be created", DEADLINE, created).await.unwrap();
    wait_until_active(stream, NAME).await;
}

async fn counts_what_is_there(server: &Server, stream: &Client, records: u64, more: &[&str]) {
    let mut analytics = command(env!("CARGO_BIN_EXE_analytics"));
    analytics.arg("run").arg(tests::data::repository("sql/requests_per_client.sql"));
    analytics.args(["--stream", NAME, "--endpoint", server.endpoint(), "--start", "trim-horizon"]);
    let output = analytics.args(["--until-idle", "3s", "--format", "csv"]).args(more).output().await.unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let expected = held(stream).await;
    assert_eq!(expected.values().sum::<u64>(), records);
    assert_eq!(printed(&String::from_utf8(output.stdout).unwrap()), expected, "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn kinesalite_is_read_across_a_split() {
    let Some(server) = Server::start(Kind::Kinesalite).await.unwrap() else { return };
    let stream = client(server.endpoint());
    create(&stream).await;
    put(&stream, 40).await;
    split(&stream).await;
    put(&stream, 40).await;
    counts_what_is_there(&server, &stream, 80, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kinesis_local_is_read_by_fan_out_and_by_polling() {
    let Some(server) = Server::start(Kind::KinesisLocal).await.unwrap() else { return };
    let stream = client(server.endpoint());
    create(&stream).await;
    put(&stream, 40).await;
    // Before the split: its subscriptions never tell that a shard has ended.
    counts_what_is_there(&server, &stream, 40, &["--efo", "reader"]).await;
    split(&stream).await;
    put(&stream, 40).await;
    counts_what_is_there(&server, &stream, 80, &[]).await;
}
