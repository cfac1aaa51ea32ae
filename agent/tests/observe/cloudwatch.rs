//! CloudWatch: what exactly is sent, and what happens when nobody takes it.

use std::sync::{Arc, Mutex};

use axum::{Router, body::Bytes, extract::State, http::StatusCode};
use serde_json::{Value, json};
use tests::{
    stream::{Options, TestStream},
    wait,
};

use crate::{
    cbor,
    rig::{DEADLINE, Rig},
};

type Bodies = Arc<Mutex<Vec<Bytes>>>;

/// A server that keeps the bodies of all requests and answers with `status`.
async fn fake(status: StatusCode) -> (String, Bodies) {
    let bodies = Bodies::default();
    let answer = move |State(bodies): State<Bodies>, body: Bytes| async move {
        bodies.lock().unwrap().push(body);
        // An empty CBOR map, as the SDK's protocol has it.
        (status, [("smithy-protocol", "rpc-v2-cbor"), ("content-type", "application/cbor")], vec![0xA0_u8])
    };
    let app = Router::new().fallback(answer).with_state(bodies.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await }); // ends with the test's runtime
    (endpoint, bodies)
}

fn rig(stream: &TestStream, endpoint: &str) -> Rig {
    let rig = Rig::new(stream.endpoint()).set("cloudwatch.emitMetrics", true).set("cloudwatch.endpoint", endpoint);
    rig.set("cloudwatch.metricsBufferTimeMillis", 1000).set("cloudwatch.namespace", "weir-test")
}

/// The data with this name in all requests, and the namespace of the last one.
fn data(bodies: &Bodies, name: &str) -> (Vec<Value>, Value) {
    let (mut found, mut namespace) = (Vec::new(), Value::Null);
    for body in bodies.lock().unwrap().iter() {
        let mut request = cbor::decode(body);
        namespace = request["Namespace"].take();
        let data = request["MetricData"].as_array().unwrap();
        found.extend(data.iter().filter(|datum| datum["MetricName"] == name).cloned());
    }
    (found, namespace)
}

#[tokio::test]
async fn metrics_have_the_java_agent_s_names_dimensions_and_units() {
    let stream = TestStream::start(Options::default()).await.unwrap();
    let (endpoint, bodies) = fake(StatusCode::OK).await;
    let rig = rig(&stream, &endpoint);
    rig.write("one\ntwo\nthree\n");
    let mut agent = rig.start().await;
    let found = async || (!data(&bodies, "RecordsSent").0.is_empty()).then_some(());
    wait::until("the metrics", DEADLINE, found).await.unwrap();
    agent.line_with("Successfully published", DEADLINE).await.unwrap();
    let full = json!([{"Name": "Destination", "Value": "KinesisStream:web-access-log"}]);
    for (name, unit, value) in [
        ("RecordSendAttempts", "Count", 3.0),
        ("RecordSendErrors", "Count", 0.0),
        ("RecordsSent", "Count", 3.0),
        ("ServiceErrors", "Count", 0.0),
    ] {
        let (found, namespace) = data(&bodies, name);
        assert_eq!((found.len(), namespace), (1, json!("weir-test")), "{name}");
        let statistics = json!({"SampleCount": 1.0, "Sum": value, "Minimum": value, "Maximum": value});
        assert_eq!(
            (&found[0]["StatisticValues"], &found[0]["Unit"], &found[0]["Dimensions"]),
            (&statistics, &json!(unit), &full)
        );
        assert!(found[0]["Timestamp"].is_number());
    }
    let bytes = data(&bodies, "BytesSent").0;
    assert_eq!(bytes[0]["Unit"], "Bytes");
    assert!(bytes[0]["StatisticValues"]["Sum"].as_f64().unwrap() > 14.0, "the lines and their partition keys: {bytes:?}");
    let errors = data(&bodies, "ConsecutiveProcessingErrors").0;
    assert_eq!(errors[0]["Dimensions"], json!([{"Name": "Destination", "Value": "web-access-log"}]));
    assert!(data(&bodies, "LagBytes").0.is_empty());
    agent.terminate(DEADLINE).await.unwrap().success().unwrap();
}

#[tokio::test]
async fn metrics_of_our_own_and_the_instance_go_along_when_asked() {
    let stream = TestStream::start(Options::default()).await.unwrap();
    let (endpoint, bodies) = fake(StatusCode::OK).await;
    let rig = rig(&stream, &endpoint).set("cloudwatch.emitExtraMetrics", true).set("cloudwatch.tagInstance", true);
    rig.write("unfinished");
    let agent = rig.start().await;
    let found = async || data(&bodies, "LagBytes").0.pop().filter(|datum| datum["StatisticValues"]["Maximum"] == 10.0);
    let datum = wait::until("the lag", DEADLINE, found).await.unwrap();
    assert_eq!((&datum["Unit"], &datum["Dimensions"][1]["Name"]), (&json!("Bytes"), &json!("Instance")));
    assert!(!datum["Dimensions"][1]["Value"].as_str().unwrap().is_empty());
    for name in ["RecordsTruncated", "RecordsSkipped"] {
        assert!(!data(&bodies, name).0.is_empty(), "{name}");
    }
    drop(agent);
}

#[tokio::test]
async fn what_was_counted_since_the_last_call_is_sent_at_the_end() {
    let stream = TestStream::start(Options::default()).await.unwrap();
    let (endpoint, bodies) = fake(StatusCode::OK).await;
    let rig = rig(&stream, &endpoint).set("cloudwatch.metricsBufferTimeMillis", 3_600_000);
    rig.write("one\n");
    let agent = rig.start().await;
    rig.wait_for_number("records_sent_total", 1).await;
    agent.terminate(DEADLINE).await.unwrap().success().unwrap();
    assert_eq!(data(&bodies, "RecordsSent").0.len(), 1);
}

#[tokio::test]
async fn a_cloudwatch_that_takes_nothing_is_said_once_with_the_remedy_and_lines_are_shipped() {
    let stream = TestStream::start(Options::default()).await.unwrap();
    let (endpoint, bodies) = fake(StatusCode::FORBIDDEN).await;
    let rig = rig(&stream, &endpoint);
    rig.write("one\n");
    let mut agent = rig.start().await;
    let warning = agent.line_with("CloudWatch did not take", DEADLINE).await.unwrap();
    assert!(warning.contains("\"cloudwatch.emitMetrics\": false"), "{warning}");
    rig.wait_for_number("records_sent_total", 1).await;
    let count = || bodies.lock().unwrap().len();
    wait::until("three calls", DEADLINE, async || (count() >= 3).then_some(())).await.unwrap();
    let finished = agent.terminate(DEADLINE).await.unwrap().success().unwrap();
    assert_eq!(finished.output.matches("CloudWatch did not take").count(), 1, "{}", finished.output);
}
