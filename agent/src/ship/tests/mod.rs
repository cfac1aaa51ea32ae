//! The shipper against a server that fails in every way a stream does.

mod packed;

use std::collections::HashMap;

use bytes::Bytes;
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::{
    checkpoint::{state::FlowState, store::StateDirectory},
    record::{FileFacts, FileId, Fingerprint, Node, PartitionKey, Record, Rejection},
    testing::{Arrived, FakeKinesis, Reply, flow},
};

/// What a finished shipper left.
struct Outcome {
    state: Option<FlowState>,
    dead_letters: String,
    counters: Arc<Counters>,
}

/// A tailer's news about one file with `count` lines of nine bytes.
fn news(count: u64) -> Vec<FromTailer> {
    let node = Node { device: 1, inode: 2 };
    let facts = FileFacts {
        name: "a.log".to_owned(),
        node,
        fingerprint: Fingerprint::default(),
        rotated: false,
        copied_to: None,
        gone: None,
    };
    let record = |line| Record {
        data: line_bytes(line),
        key: PartitionKey::Random(line as u32),
        file: FileId(0),
        end: 9 * (line + 1),
        line_bytes: 9,
        packed: None,
    };
    let records: Vec<Record> = (0..count).map(record).collect();
    let chunks = records.chunks(70).map(|chunk| FromTailer::Records(chunk.to_vec()));
    [FromTailer::File { id: FileId(0), facts, position: 0 }, FromTailer::Baseline].into_iter().chain(chunks).collect()
}

fn line_bytes(line: u64) -> Bytes {
    Bytes::from(format!("{line:08}\n"))
}

/// Ships the news to a server with batches of ten records; `stop` is given at once when `stopped`.
async fn ship(server: &FakeKinesis, news: Vec<FromTailer>, stopped: bool) -> Outcome {
    ship_in(&tempfile::tempdir().unwrap(), server, news, stopped).await
}

/// The same with a state directory of the test's.
async fn ship_in(folder: &TempDir, server: &FakeKinesis, news: Vec<FromTailer>, stopped: bool) -> Outcome {
    ship_with("", folder, server, news, stopped).await
}

/// The same with more settings of the flow.
async fn ship_with(more: &str, folder: &TempDir, server: &FakeKinesis, news: Vec<FromTailer>, stopped: bool) -> Outcome {
    let directory = StateDirectory::open(folder.path()).unwrap();
    let counters = Arc::new(Counters::default());
    let shipper = shipper(&format!(r#", "maxBufferSizeRecords": 10{more}"#), folder, &directory, server, counters.clone());
    let store = directory.store(&shipper.settings.id);
    let (sender, incoming) = mpsc::channel(2);
    let stop = CancellationToken::new();
    let shipping = tokio::spawn(shipper.run(incoming, stop.clone(), Duration::from_millis(50)));
    for one in news {
        sender.send(one).await.unwrap();
    }
    if stopped {
        stop.cancel();
    }
    drop(sender);
    shipping.await.unwrap().unwrap();
    let dead_letters = std::fs::read_to_string(directory.dead_letters()).unwrap_or_default();
    Outcome { state: store.load().unwrap(), dead_letters, counters }
}

/// A shipper with these settings beside the flow's own.
fn shipper(
    more: &str,
    folder: &TempDir,
    directory: &StateDirectory,
    server: &FakeKinesis,
    counters: Arc<Counters>,
) -> Shipper<impl Destination + use<>> {
    let settings = flow(folder.path(), "a.log", more);
    let (store, positions) = (directory.store(&settings.id), Positions::new(settings.id.clone()));
    Shipper::new(settings, server.destination(), positions, store, DeadLetters::new(directory.dead_letters()), counters)
}

fn offset(outcome: &Outcome) -> u64 {
    outcome.state.as_ref().unwrap().files[0].offset
}

fn lines(count: u64) -> Vec<Vec<u8>> {
    (0..count).map(|line| line_bytes(line).to_vec()).collect()
}

#[tokio::test]
async fn everything_is_sent_once_and_saved() {
    let server = FakeKinesis::accepting().await;
    let outcome = ship(&server, news(205), false).await;
    assert_eq!(server.accepted_lines(), lines(205));
    assert_eq!(offset(&outcome), 205 * 9);
    assert!(server.requests().iter().all(|request| request.len() <= 10));
}

/// The next look is a day away: waiting for it, or for the batch's minute, would not end in time.
#[tokio::test]
async fn a_batch_that_nothing_can_join_any_more_leaves_at_once() {
    let (server, folder) = (FakeKinesis::accepting().await, tempfile::tempdir().unwrap());
    let directory = StateDirectory::open(folder.path()).unwrap();
    let more = r#", "minTimeBetweenFilePollsMillis": 86400000, "maxBufferAgeMillis": 60000"#;
    let counters = Arc::new(Counters::default());
    let (sender, incoming) = mpsc::channel(100);
    for one in news(205) {
        sender.send(one).await.unwrap();
    }
    let shipper = shipper(more, &folder, &directory, &server, counters.clone());
    let shipping = tokio::spawn(shipper.run(incoming, CancellationToken::new(), Duration::ZERO));
    let all_sent = async {
        while counters.records_sent.get() < 205 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), all_sent).await.expect("the open batch waits although nothing can come");
    assert_eq!(server.requests().len(), 1, "the lines of one look are one request");
    drop(sender);
    shipping.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_partial_failure_repeats_only_the_failed_records_with_their_keys() {
    let mut seen: HashMap<Vec<u8>, String> = HashMap::new();
    let mut accepted: Vec<Vec<u8>> = Vec::new();
    let mut turn = 0;
    let server = FakeKinesis::start(move |records| {
        let each = records.iter().map(|(key, data)| {
            turn += 1;
            assert!(!accepted.contains(data), "an accepted record was sent again");
            assert_eq!(seen.entry(data.clone()).or_insert(key.clone()), key, "a retry changed its key");
            let is_accepted = turn % 3 == 0;
            accepted.extend(is_accepted.then(|| data.clone()));
            is_accepted
        });
        Reply::Each(each.collect())
    });
    let server = server.await;
    let outcome = ship(&server, news(120), false).await;
    assert_eq!(server.accepted_lines(), lines(120));
    assert_eq!(outcome.counters.records_sent.get(), 120);
    assert_eq!(offset(&outcome), 120 * 9);
}

#[tokio::test]
async fn throttled_and_failing_requests_are_repeated_until_they_pass() {
    let mut turn = 0;
    let server = FakeKinesis::start(move |records| {
        turn += 1;
        match turn % 4 {
            0 => Reply::Each(vec![true; records.len()]),
            1 => Reply::Error(400, "ProvisionedThroughputExceededException"),
            2 => Reply::Error(500, "InternalFailure"),
            _ => Reply::Error(400, "ResourceNotFoundException"),
        }
    });
    let server = server.await;
    let outcome = ship(&server, news(60), false).await;
    assert_eq!(server.accepted_lines(), lines(60));
    assert_eq!(offset(&outcome), 60 * 9);
    assert!(outcome.counters.records_retried.get() > 0);
}

#[tokio::test]
async fn a_record_refused_for_ever_goes_to_the_dead_letters_and_the_rest_arrives() {
    let is_poison = |record: &Arrived| record.1 == line_bytes(33)[..];
    let server = FakeKinesis::start(move |records| match records.iter().any(is_poison) {
        true => Reply::Error(400, "ValidationException"),
        false => Reply::Each(vec![true; records.len()]),
    });
    let server = server.await;
    let outcome = ship(&server, news(60), false).await;
    assert_eq!(server.accepted_lines().len(), 59);
    assert_eq!(offset(&outcome), 60 * 9, "a record that was put aside does not hold the position");
    let letter: Value = serde_json::from_str(outcome.dead_letters.trim_end()).unwrap();
    assert_eq!(
        (letter["file"].as_str(), letter["offset"].as_u64(), letter["length"].as_u64()),
        (Some("a.log"), Some(33 * 9), Some(9))
    );
    assert_eq!(outcome.counters.records_refused.get(), 1);
}

#[tokio::test]
async fn a_stop_with_a_dead_destination_ends_in_time_and_saves_what_was_accepted() {
    let mut first = true;
    let server = FakeKinesis::start(move |records| match std::mem::take(&mut first) {
        true => Reply::Each(vec![true; records.len()]),
        false => Reply::Error(503, "ServiceUnavailable"),
    });
    let server = server.await;
    let outcome = ship(&server, news(30), true).await;
    // The one batch that was accepted may be any of the first ones; only a leading one moves the position.
    assert!(offset(&outcome) <= 10 * 9);
    assert_eq!(server.accepted().len(), 10);
}

#[tokio::test]
async fn one_request_at_a_time_keeps_the_lines_in_order_through_failures() {
    let mut count = 0;
    let server = FakeKinesis::start(move |records| {
        count += 1;
        match count % 3 {
            0 => Reply::Error(400, "ProvisionedThroughputExceededException"),
            1 => Reply::Error(500, "InternalFailure"),
            _ => Reply::Each(vec![true; records.len()]),
        }
    });
    let (server, folder) = (server.await, tempfile::tempdir().unwrap());
    ship_with(r#", "maxRequestsInFlight": 1"#, &folder, &server, news(100), false).await;
    let arrived: Vec<Vec<u8>> = server.accepted().into_iter().map(|(_, data)| data).collect();
    assert_eq!(arrived, lines(100));
}

#[tokio::test]
async fn more_requests_at_once_still_send_each_line_once_under_throttling() {
    let mut count = 0_usize;
    let server = FakeKinesis::start(move |records| {
        count += 1;
        Reply::Each((0..records.len()).map(|index| !(count + index).is_multiple_of(3)).collect())
    });
    let (server, folder) = (server.await, tempfile::tempdir().unwrap());
    let outcome = ship_with(r#", "maxRequestsInFlight": 16"#, &folder, &server, news(400), false).await;
    assert_eq!(server.accepted_lines(), lines(400));
    assert_eq!(offset(&outcome), 400 * 9);
}

#[tokio::test]
async fn what_is_accepted_is_saved_before_the_next_request_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let directory = StateDirectory::open(folder.path()).unwrap();
    let settings = flow(folder.path(), "a.log", r#", "maxBufferSizeRecords": 10"#);
    let store = directory.store(&settings.id);
    let (checked, mut answered) = (store.clone(), 0_u64);
    let server = FakeKinesis::start(move |records| {
        // Requests on their way are not answered yet; all others are in the checkpoint.
        let saved = checked.load().unwrap().map_or(0, |state| state.files[0].offset);
        assert!(answered.saturating_sub(saved) <= 9 * 10 * 4, "saved {saved}, answered {answered}");
        answered += 9 * records.len() as u64;
        Reply::Each(vec![true; records.len()])
    });
    let server = server.await;
    let positions = Positions::new(settings.id.clone());
    let letters = DeadLetters::new(directory.dead_letters());
    let destination = server.destination();
    let shipper = Shipper::new(settings, destination, positions, store, letters, Arc::default());
    let (sender, incoming) = mpsc::channel(2);
    let shipping = tokio::spawn(shipper.run(incoming, CancellationToken::new(), Duration::from_secs(5)));
    for one in news(400) {
        sender.send(one).await.unwrap();
    }
    drop(sender);
    shipping.await.unwrap().unwrap();
    assert_eq!(server.accepted_lines(), lines(400));
}

/// News about three lines; the middle one is for the dead letters, and after the last one nothing needs sending.
fn news_with_a_reject() -> Vec<FromTailer> {
    let mut news = news(3);
    let Some(FromTailer::Records(mut records)) = news.pop() else { panic!("records come last") };
    let rejected = vec![records.remove(1)];
    let passed = FromTailer::Passed { id: FileId(0), end: 40 };
    news.extend([
        FromTailer::Rejected { reason: Rejection::NotInFormat, records: rejected },
        FromTailer::Records(records),
        passed,
    ]);
    news
}

#[tokio::test]
async fn a_rejected_line_goes_to_the_dead_letters_and_the_position_passes_it() {
    let server = FakeKinesis::accepting().await;
    let outcome = ship(&server, news_with_a_reject(), false).await;
    assert_eq!(server.accepted_lines(), [line_bytes(0), line_bytes(2)]);
    assert_eq!(offset(&outcome), 40);
    let letter: Value = serde_json::from_str(outcome.dead_letters.trim_end()).unwrap();
    assert_eq!((letter["offset"].as_u64(), letter["length"].as_u64()), (Some(9), Some(9)));
    assert_eq!(letter["data_base64"], "MDAwMDAwMDEK");
}

#[tokio::test]
async fn nothing_behind_a_rejected_line_is_sent_before_it_is_written() {
    let (folder, server) = (tempfile::tempdir().unwrap(), FakeKinesis::accepting().await);
    // A directory in the place of the dead-letter file: it cannot be written.
    std::fs::create_dir(folder.path().join("dead-letter.jsonl")).unwrap();
    let outcome = ship_in(&folder, &server, news_with_a_reject(), true).await;
    assert_eq!(server.accepted().len(), 0);
    assert_eq!(offset(&outcome), 0);
}
