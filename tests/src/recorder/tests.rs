use aws_sdk_kinesis::{primitives::Blob, types::PutRecordsRequestEntry};

use super::*;
use crate::stream;

async fn put(recorder: &Recorder, lines: &[&str]) -> Result<Vec<bool>> {
    let entry = |line: &&str| PutRecordsRequestEntry::builder().partition_key("k").data(Blob::new(*line)).build();
    let entries = lines.iter().map(entry).collect::<Result<_, _>>()?;
    let client = stream::client(&recorder.endpoint());
    let answer = client.put_records().stream_name("s").set_records(Some(entries)).send().await?;
    Ok(answer.records().iter().map(|record| record.error_code().is_none()).collect())
}

#[tokio::test]
async fn the_sdk_s_records_are_accounted_for() {
    let recorder = Recorder::start().await.unwrap();
    recorder.reply_next([Reply::Throttle(0b10)]);
    assert_eq!(put(&recorder, &["a", "b", "c"]).await.unwrap(), [true, false, true]);
    assert_eq!(["a", "b", "c"].map(|line| recorder.ledger(|ledger| ledger.taken("s", line.as_bytes()))), [1, 0, 1]);
    assert!(recorder.malformed().is_empty());
}

#[tokio::test]
async fn a_lost_answer_is_repeated_by_the_sdk_and_excused() {
    let recorder = Recorder::start().await.unwrap();
    recorder.reply_next([Reply::Cut { stored: true }, Reply::Truncate]);
    put(&recorder, &["a"]).await.unwrap();
    recorder.sender_ended(false).await.unwrap();
    let verdict = recorder.ledger(|ledger| ledger.verdict("s", &[b"a".to_vec()], &HashSet::new()));
    assert!(verdict.is_good() && verdict.doubled == 2, "{verdict:?}");
}

#[tokio::test]
async fn it_can_be_away_for_a_while() {
    let mut recorder = Recorder::start().await.unwrap();
    recorder.close().await;
    assert!(TcpStream::connect(recorder.address).await.is_err());
    recorder.open().await.unwrap();
    assert_eq!(put(&recorder, &["a"]).await.unwrap(), [true]);
}
