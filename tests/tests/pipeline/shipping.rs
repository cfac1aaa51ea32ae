//! A log that grows and rotates, shipped and counted while it does.

use tests::{
    agent_setup::AgentSetup,
    data,
    log_writer::RotatingLog,
    stream::{Options, TestStream},
    wait,
};

use crate::steps::{DEADLINE, LINES_PER_FILE, compare, count_stream, csv_rows, stop, wait_for_all, write_log};

/// Fifteen minutes of log pass in seconds here, so 500 records span 11 s of event time, and requests that overtake each
/// other would make more disorder than the 31 s that the log has and the 40 s that analytics allows.
const RECORDS_PER_REQUEST: usize = 50;

#[tokio::test(flavor = "multi_thread")]
async fn a_rotating_log_is_shipped_exactly_once_and_counted_like_the_whole_file() {
    let lines = data::access_log_lines().unwrap();
    let stream = TestStream::start(Options { shards: 4, ..Options::default() }).await.unwrap();
    let mut setup = AgentSetup::with_requests_of(RECORDS_PER_REQUEST, stream.endpoint()).unwrap();
    let mut log = RotatingLog::create(&setup.log(), LINES_PER_FILE).unwrap();
    let agent = setup.start().unwrap();

    let counting = async {
        let first_record = || async { (stream.count() > 0).then_some(()) };
        wait::until("the first record", DEADLINE, first_record).await.unwrap();
        count_stream(stream.endpoint(), &setup)
    };
    let ((), analytics) = tokio::join!(write_log(&mut log, &lines, 8_000), counting);
    wait_for_all(&stream, &lines).await;
    stop(agent).await;
    assert_eq!(log.rotations(), 13);
    assert_eq!(compare(&stream, &lines).await, data::Difference::default());

    let counted = analytics.wait(DEADLINE).await.unwrap().success().unwrap();
    let expected = data::expected_csv().unwrap();
    let (rows, expected) = (csv_rows(&counted.output), csv_rows(&expected));
    let wrong: Vec<_> = rows.iter().zip(&expected).filter(|(row, expected)| row != expected).take(10).collect();
    assert!(wrong.is_empty() && rows.len() == 1_340, "{} rows; counted and expected: {wrong:?}", rows.len());
}
