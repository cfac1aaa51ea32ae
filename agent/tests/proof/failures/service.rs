//! The endpoint is away, or refuses for a reason that only a person can mend.

use std::time::Duration;

use tests::recorder::Reply;

use crate::rig::{DEADLINE, Rig, append};

/// The stream refuses with `code`; the agent names it and what to check; mended, every line arrives.
async fn refused(status: u16, code: &'static str, message: &'static str, said: &[&str]) {
    let (mut rig, mut written) = (Rig::with_flow("a.log").await.unwrap(), Vec::new());
    rig.recorder.reply_always(Some(Reply::Error(status, code, message)));
    append(&rig.log("a.log"), 600, &mut written);
    rig.start_ready().await.unwrap();
    rig.says(&[&["WARN", code], said].concat()).await.unwrap();
    append(&rig.log("a.log"), 10, &mut written);
    rig.recorder.heal();
    rig.finish(&written).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_in_another_region_is_reported_as_not_found_with_what_to_check() {
    let message = "Stream s under account 111111111111 not found.";
    refused(400, "ResourceNotFoundException", message, &[message, "region"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_credentials_are_reported_and_nothing_is_lost() {
    let message = "The security token included in the request is invalid.";
    refused(400, "UnrecognizedClientException", message, &[message, "check awsAccessKeyId"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_credentials_are_reported_and_nothing_is_lost() {
    let message = "The security token included in the request is expired";
    refused(400, "ExpiredTokenException", message, &[message, "credentials"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_is_reported_and_nothing_is_lost() {
    let message = "The request signature we calculated does not match the signature you provided.";
    refused(400, "InvalidSignatureException", message, &[message, "check awsAccessKeyId"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_permission_is_reported_and_nothing_is_lost() {
    let message = "User u is not authorized to perform: kinesis:PutRecords";
    refused(400, "AccessDeniedException", message, &[message, "kinesis:PutRecords"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_away_is_reported_and_everything_arrives_when_it_is_back() {
    let (mut rig, mut written) = (Rig::with_flow("a.log*").await.unwrap(), Vec::new());
    rig.recorder.close().await;
    rig.start_ready().await.unwrap();
    // Long for the agent: many attempts, and rotations that nobody saw arrive.
    for number in (1..=5).rev() {
        append(&rig.log(&format!("a.log.{number}")), 700, &mut written);
    }
    append(&rig.log("a.log"), 700, &mut written);
    rig.says(&["WARN", "kinesis.endpoint"]).await.unwrap();
    rig.recorder.open().await.unwrap();
    rig.recorder.until_all("s", &written, DEADLINE).await.unwrap();
    rig.finish(&written).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_while_the_endpoint_is_away_says_what_is_left_and_the_next_start_sends_it() {
    let (mut rig, mut written) = (Rig::create().await.unwrap(), Vec::new());
    let flow = crate::rig::flow(&rig.log("a.log").to_string_lossy(), "s");
    rig.settings(vec![flow], serde_json::json!({ "shutdownTimeoutMillis": 300 })).unwrap();
    append(&rig.log("a.log"), 1_000, &mut written);
    rig.recorder.reply_always(Some(Reply::Error(503, "ServiceUnavailable", "away")));
    rig.start_ready().await.unwrap();
    rig.recorder.until_requests(1, DEADLINE).await.unwrap();
    let output = rig.stop().await.unwrap().output;
    assert!(output.contains("not accepted in time; the next start sends it"), "{output}");
    rig.recorder.heal();
    rig.start_ready().await.unwrap();
    rig.finish(&written).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_nobody_answers_time_out_and_are_repeated() {
    let (mut rig, mut written) = (Rig::with_flow("a.log").await.unwrap(), Vec::new());
    rig.recorder.reply_next([Reply::Hang { stored: false }, Reply::Hang { stored: true }]);
    append(&rig.log("a.log"), 1_200, &mut written);
    rig.start_ready().await.unwrap();
    rig.recorder.until("every record", DEADLINE * 2, |ledger| ledger.total() >= 1_200 + 200).await.unwrap();
    rig.finish(&written).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_refused_for_ever_is_put_aside_and_the_others_arrive() {
    let (mut rig, mut written) = (Rig::with_flow("a.log").await.unwrap(), Vec::new());
    append(&rig.log("a.log"), 1, &mut written);
    rig.start_ready().await.unwrap();
    rig.recorder.until_all("s", &written, DEADLINE).await.unwrap();
    rig.recorder.reply_next([Reply::Error(400, "ValidationException", "1 validation error detected")]);
    let mut refused = Vec::new();
    crate::rig::append_bytes(&rig.log("a.log"), b"a line that is refused\n");
    refused.push(b"a line that is refused\n".to_vec());
    let letters = rig.state.join("dead-letter.jsonl");
    let is_there = || async { std::fs::read_to_string(&letters).ok().filter(|text| text.ends_with('\n')) };
    let text = tests::wait::until("the dead letter", Duration::from_secs(30), is_there).await.unwrap();
    assert!(text.contains("\"file\":\"a.log\"") && text.contains("ValidationException"), "{text}");
    append(&rig.log("a.log"), 5, &mut written);
    rig.finish(&written).await.unwrap();
}
