//! `agent status` and `agent tap`.

use serde_json::Value;
use tests::{
    process::{Process, command},
    stream::{Options, TestStream},
    wait,
};

use crate::rig::{DEADLINE, Rig, flow};

#[tokio::test]
async fn status_shows_the_flow_and_its_files_and_is_fine() {
    let stream = TestStream::start(Options::default()).await.unwrap();
    let rig = Rig::new(stream.endpoint());
    rig.write("one\ntwo\n");
    let agent = rig.start().await;
    rig.wait_for_number("records_sent_total", 2).await;
    let status = rig.run(&["status"]).await.success().unwrap().output;
    assert!(status.contains("app.log*   ok") && status.contains("2 accepted"), "{status}");
    let row = status.lines().find(|line| line.contains("app.log ")).unwrap();
    assert_eq!(row.split_whitespace().skip(1).take(3).collect::<Vec<_>>(), ["8", "8", "0"]);
    let json = rig.run(&["status", "--json"]).await.success().unwrap().output;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["flows"][0]["records_sent_total"], 2);
    drop(agent);
}

#[tokio::test]
async fn status_is_wrong_when_a_flow_is_and_says_what_helps() {
    let stream = TestStream::start(Options::default()).await.unwrap();
    let rig = Rig::new(stream.endpoint()).set_flow("kinesisStream", "no-such-stream");
    rig.write("one\n");
    let agent = rig.start().await;
    rig.wait_for("/readyz", |_, text| text.contains("misconfigured")).await;
    let status = rig.run(&["status"]).await;
    assert_eq!(status.status.code(), Some(1));
    for part in ["last error", "ResourceNotFound", "remedy", "error: flow"] {
        assert!(status.output.contains(part), "{part}: {}", status.output);
    }
    drop(agent);
}

#[tokio::test]
async fn without_an_agent_status_compares_the_checkpoints_with_the_files() {
    let stream = TestStream::start(Options::default()).await.unwrap();
    let rig = Rig::new(stream.endpoint());
    let never = rig.run(&["status"]).await;
    assert_eq!(never.status.code(), Some(1));
    assert!(never.output.contains("no agent is running") && never.output.contains("has never run"), "{}", never.output);

    rig.write("one\ntwo\n");
    let agent = rig.start().await;
    rig.wait_for_number("records_sent_total", 2).await;
    let is_saved = |text: &str| {
        let flow = flow(text);
        flow["checkpoint_saved_unix_ms"].as_u64() >= flow["last_accepted_unix_ms"].as_u64()
    };
    rig.wait_for("/status", |_, text| is_saved(text)).await;
    agent.kill().await.unwrap(); // its status.json stays
    rig.write("three\n");
    let status = rig.run(&["status", "--json"]).await;
    assert_eq!(status.status.code(), Some(1));
    let json: Value = serde_json::from_str(status.output.lines().find(|line| line.starts_with('{')).unwrap()).unwrap();
    let file = &json["flows"][0]["files"][0];
    assert_eq!((file["accepted"].as_u64(), file["size"].as_u64(), file["lag_bytes"].as_u64()), (Some(8), Some(14), Some(6)));
}

#[tokio::test]
async fn tap_shows_records_as_they_are_sent_and_takes_nothing_away() {
    let stream = TestStream::start(Options::default()).await.unwrap();
    let options = serde_json::json!([{"optionName": "CSVTOJSON", "customFieldNames": ["a", "b"]}]);
    let rig = Rig::new(stream.endpoint()).set_flow("dataProcessingOptions", options);
    let agent = rig.start().await;
    let mut tap = command(env!("CARGO_BIN_EXE_agent"));
    tap.args(["tap", "--count", "2", "-c"]).arg(rig.path("agent.json"));
    let mut tap = Process::start("tap", tap, &rig.path("")).unwrap();
    let mut lines = 0_u64;
    let ended = wait::until("two samples", DEADLINE, || {
        rig.write("1,2\n"); // again and again: nobody sees from outside when a tap is open
        lines += 1;
        let ended = (!tap.is_running()).then_some(());
        async move { ended }
    });
    ended.await.unwrap();
    let output = tap.wait(DEADLINE).await.unwrap().success().unwrap().output;
    let samples: Vec<Value> = output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(samples.len(), 2);
    assert_eq!(samples[0]["data"], "{\"a\":\"1\",\"b\":\"2\"}\n");
    assert_eq!((samples[0]["file"].as_str(), samples[0]["offset"].as_u64().map(|at| at % 4)), (Some("app.log"), Some(0)));
    rig.wait_for_number("records_sent_total", lines).await;
    assert_eq!(stream.count(), lines);
    drop(agent);
}

#[tokio::test]
async fn tap_names_the_flows_there_are() {
    let stream = TestStream::start(Options::default()).await.unwrap();
    let rig = Rig::new(stream.endpoint());
    let agent = rig.start().await;
    let tap = rig.run(&["tap", "--flow", "kinesis:typo:/x"]).await;
    assert_eq!(tap.status.code(), Some(1));
    assert!(
        tap.output.contains("there is no flow kinesis:typo:/x") && tap.output.contains("kinesis:web-access-log:"),
        "{}",
        tap.output
    );
    drop(agent);
}
