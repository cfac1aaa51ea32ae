//! `/metrics`, `/status`, `/livez`, `/readyz` and `/tap` of a running agent.

use tests::stream::{Options, TestStream};

use crate::rig::{DEADLINE, Rig, flow};

#[tokio::test]
async fn a_running_agent_says_what_it_did_and_what_is_left() {
    let stream = TestStream::start(Options::default()).await.unwrap();
    let rig = Rig::new(stream.endpoint());
    rig.write("one\ntwo\nthree\nunfinished");
    let agent = rig.start().await;
    let flow = rig.wait_for_number("records_sent_total", 3).await;
    assert_eq!((flow["state"].as_str(), flow["destination"].as_str()), (Some("ok"), Some("KinesisStream:web-access-log")));
    let file = &flow["files"][0];
    assert_eq!((file["size"].as_u64(), file["accepted"].as_u64(), file["lag_bytes"].as_u64()), (Some(24), Some(14), Some(10)));
    assert_eq!(flow["lag_seconds"].as_f64(), Some(0.0), "an unfinished line waits for its end, not for the destination");

    let (status, metrics) = rig.get("/metrics").await;
    assert_eq!(status, 200);
    for (name, value) in [("weir_agent_records_sent_total", "3"), ("weir_agent_lag_bytes", "10"), ("weir_agent_files", "1")] {
        let line = metrics.lines().find(|line| line.starts_with(&format!("{name}{{"))).unwrap();
        assert!(line.ends_with(&format!("}} {value}")) || line.ends_with(&format!("}} {value}.0")), "{line}");
    }
    assert_eq!(rig.get("/livez").await, (200, "ok\n".to_owned()));
    assert_eq!(rig.get("/readyz").await, (200, "ok\n".to_owned()));
    agent.terminate(DEADLINE).await.unwrap().success().unwrap();
    assert!(!rig.path("state/status.json").exists());
}

#[tokio::test]
async fn a_flow_whose_stream_does_not_exist_is_alive_but_not_ready_and_says_why() {
    let stream = TestStream::start(Options::default()).await.unwrap();
    let rig = Rig::new(stream.endpoint()).set_flow("kinesisStream", "no-such-stream");
    rig.write("one\n");
    let agent = rig.start().await;
    let reasons = rig.wait_for("/readyz", |status, text| status == 503 && text.contains("misconfigured")).await;
    assert!(reasons.contains("ResourceNotFound"), "{reasons}");
    assert_eq!(rig.get("/livez").await.0, 200);
    let (_, metrics) = rig.get("/metrics").await;
    assert!(metrics.contains("state=\"misconfigured\"} 1"), "{metrics}");
    let (_, status) = rig.get("/status").await;
    assert!(flow(&status)["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()), "{status}");
    assert!(flow(&status)["lag_seconds"].as_f64().unwrap() > 0.0);
    drop(agent);
}

#[tokio::test]
async fn an_agent_that_cannot_save_checkpoints_is_not_ready() {
    let stream = TestStream::start(Options::default()).await.unwrap();
    let rig = Rig::new(stream.endpoint());
    rig.write("one\n");
    let agent = rig.start().await;
    rig.wait_for_number("records_sent_total", 1).await;
    // A folder in the place of the temporary file: that stops root too.
    let checkpoint = std::fs::read_dir(rig.path("state")).unwrap().flatten().map(|entry| entry.path());
    let is_checkpoint = |path: &std::path::PathBuf| {
        path.to_string_lossy().contains("kinesis_") && path.extension().is_some_and(|end| end == "json")
    };
    let checkpoint = checkpoint.into_iter().find(is_checkpoint).unwrap();
    // While a checkpoint is being saved the name is taken.
    let block = async || std::fs::create_dir(checkpoint.with_extension("json.new")).ok();
    tests::wait::until("a moment without a save", DEADLINE, block).await.unwrap();
    rig.write("two\n");
    let reasons = rig.wait_for("/readyz", |status, _| status == 503).await;
    assert!(reasons.contains("cannot save checkpoint"), "{reasons}");
    std::fs::remove_dir(checkpoint.with_extension("json.new")).unwrap();
    rig.wait_for("/readyz", |status, _| status == 200).await;
    drop(agent);
}

#[tokio::test]
async fn a_taken_port_is_a_warning_and_lines_are_shipped() {
    let stream = TestStream::start(Options::default()).await.unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let rig = Rig::new(stream.endpoint()).set("status.listen", taken.local_addr().unwrap().to_string());
    rig.write("one\n");
    let mut agent = rig.start().await;
    let warning = agent.line_with("cannot listen on", DEADLINE).await.unwrap();
    assert!(warning.contains("status.listen") && warning.contains("shipped all the same"), "{warning}");
    tests::wait::until("the line", DEADLINE, async || (stream.count() == 1).then_some(())).await.unwrap();
    let status = rig.run(&["status"]).await;
    assert_eq!(status.status.code(), Some(1));
    assert!(status.output.contains("does not listen"), "{}", status.output);
    drop(agent);
}

#[tokio::test]
async fn records_are_shown_to_who_has_the_token_only_and_names_of_elsewhere_are_refused() {
    let stream = TestStream::start(Options::default()).await.unwrap();
    let rig = Rig::new(stream.endpoint());
    let agent = rig.start().await;
    assert_eq!(rig.get("/tap").await.0, 401);
    let client = reqwest::Client::new();
    let wrong = client.get(rig.url("/tap")).header("authorization", "Bearer 00").send().await.unwrap();
    assert_eq!(wrong.status(), 401);
    let rebound = client.get(rig.url("/status")).header("host", "evil.example").send().await.unwrap();
    assert_eq!(rebound.status(), 403);
    assert_eq!(rig.get("/nothing").await.0, 404);
    drop(agent);
}
