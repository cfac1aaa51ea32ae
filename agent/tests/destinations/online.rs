//! `check --online`.

use serde_json::json;
use tests::stream::{NAME, Options, TestStream};

use crate::setup::Setup;

#[tokio::test]
async fn a_flow_that_can_ship_is_ok_and_nothing_is_sent() {
    let stream = TestStream::start(Options::default()).await.unwrap();
    let agent = json!({"kinesis.endpoint": stream.endpoint(), "sts.endpoint": stream.endpoint()});
    let checked = Setup::new(10, &agent, &json!({"kinesisStream": NAME})).check().await.success().unwrap();
    assert!(checked.output.contains("in us-east-1: ACTIVE, 4 open shard(s)"), "{}", checked.output);
    assert!(checked.output.contains("  OK"), "{}", checked.output);
    assert_eq!(stream.count(), 0);
}

#[tokio::test]
async fn a_stream_that_is_not_there_fails_with_what_to_change() {
    let stream = TestStream::start(Options::default()).await.unwrap();
    let agent = json!({"kinesis.endpoint": stream.endpoint(), "sts.endpoint": stream.endpoint()});
    let checked = Setup::new(1, &agent, &json!({"kinesisStream": "wbe"})).check().await;
    assert_eq!(checked.status.code(), Some(1));
    let expected = "stream wbe does not exist in us-east-1; check kinesisStream and kinesis.region, or create it";
    assert!(checked.output.contains(expected), "{}", checked.output);
    assert!(checked.output.contains("1 of 1 flow(s) cannot ship"), "{}", checked.output);
}

#[tokio::test]
async fn an_endpoint_where_nobody_listens_is_named() {
    let agent = json!({"kinesis.endpoint": "http://127.0.0.1:1", "sts.endpoint": "http://127.0.0.1:1"});
    let checked = Setup::new(1, &agent, &json!({"kinesisStream": "web"})).check().await;
    assert_eq!(checked.status.code(), Some(1));
    assert!(checked.output.contains("nothing answers at http://127.0.0.1:1; check kinesis.endpoint"), "{}", checked.output);
}
