//! Enhanced fan-out on a real stream, whose subscriptions end again and again.

use std::path::Path;
use std::time::Duration;

use aws_sdk_kinesis::types::Consumer;
use tests::process::{Finished, command};
use tests::stream::{NAME, Options, TestStream};
use tests::wait;

use crate::arrival::put;
use crate::crash::{DEADLINE, PROGRAM, RECORDS, counted, held, start, write};

async fn folder_and_stream() -> (tempfile::TempDir, TestStream) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("program.sql"), PROGRAM).unwrap();
    (folder, TestStream::start(Options::default()).await.unwrap())
}

fn written(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("out/COUNTS.csv")).unwrap_or_default()
}

async fn consumers(stream: &TestStream) -> Vec<Consumer> {
    let summary = stream.client().describe_stream_summary().stream_name(NAME).send().await.unwrap();
    let arn = summary.stream_description_summary.unwrap().stream_arn;
    stream.client().list_stream_consumers().stream_arn(arn).send().await.unwrap().consumers.unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_window_comes_once_while_shards_split_and_merge_and_the_program_dies() {
    let (folder, stream) = folder_and_stream().await;
    let run_twice = async {
        let mut first = start(&stream, folder.path(), &["--efo", "reader"]);
        first.line_with("registered the consumer", DEADLINE).await.unwrap();
        let has_half = || async { (stream.count() > RECORDS / 2).then_some(()) };
        wait::until("half of the records", DEADLINE, has_half).await.unwrap();
        first.kill().await.unwrap();
        start(&stream, folder.path(), &["--efo", "reader", "--until-idle", "5s"]).wait(DEADLINE).await
    };
    let ((), last) = tokio::join!(write(&stream, RECORDS, Duration::from_secs(10)), run_twice);
    let last: Finished = last.unwrap().success().unwrap();
    assert!(last.output.contains("going on from the checkpoint"), "{}", last.output);
    let expected = held(&stream).await;
    assert_eq!(expected.values().sum::<u64>(), RECORDS);
    assert_eq!(counted(&written(folder.path())), expected, "{}", last.output);
    assert_eq!(consumers(&stream).await.len(), 1, "the second run found what the first one registered");
}

#[tokio::test(flavor = "multi_thread")]
async fn quiet_shards_let_windows_close_and_the_consumer_stays_until_it_is_deregistered() {
    let (folder, stream) = folder_and_stream().await;
    put(stream.client(), 40).await;
    let reader = start(&stream, folder.path(), &["--efo", "reader"]);
    let expected = held(&stream).await;
    let all = || async { (counted(&written(folder.path())) == expected).then_some(()) };
    wait::until("the clock to close every window", DEADLINE, all).await.unwrap();
    reader.terminate(DEADLINE).await.unwrap().success().unwrap();
    assert_eq!(consumers(&stream).await.len(), 1);

    let deregister = || async {
        let mut analytics = command(env!("CARGO_BIN_EXE_analytics"));
        analytics.args(["deregister", "--stream", NAME, "--efo", "reader", "--endpoint", stream.endpoint()]);
        analytics.output().await.unwrap()
    };
    assert!(deregister().await.status.success());
    let is_gone = || async { consumers(&stream).await.is_empty().then_some(()) };
    wait::until("the consumer to be gone", DEADLINE, is_gone).await.unwrap();
    let again = deregister().await;
    let told = String::from_utf8_lossy(&again.stderr);
    assert!(!again.status.success() && told.contains("has no consumer reader"), "{told}");
}
