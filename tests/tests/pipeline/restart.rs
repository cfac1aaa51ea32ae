//! The agent is stopped and started in the middle of a log.

use tests::{
    agent_setup::AgentSetup,
    data,
    log_writer::RotatingLog,
    stream::{Options, TestStream},
    wait,
};

use crate::steps::{DEADLINE, LINES_PER_FILE, compare, stop, wait_for_all, write_log};

#[tokio::test(flavor = "multi_thread")]
async fn clean_stops_in_the_middle_of_a_log_neither_lose_nor_double_a_line() {
    let lines = &data::access_log_lines().unwrap()[..20_000];
    let stream = TestStream::start(Options { shards: 4, ..Options::default() }).await.unwrap();
    let mut setup = AgentSetup::create(stream.endpoint()).unwrap();
    let mut log = RotatingLog::create(&setup.log(), LINES_PER_FILE).unwrap();

    let restarts = async {
        for arrived in [3_000, 7_000, 11_000] {
            let agent = setup.start().unwrap();
            let half_way = || async { (stream.count() >= arrived).then_some(()) };
            wait::until("the middle of the log", DEADLINE, half_way).await.unwrap();
            stop(agent).await;
        }
        setup.start().unwrap()
    };
    let ((), agent) = tokio::join!(write_log(&mut log, lines, 6_000), restarts);
    wait_for_all(&stream, lines).await;
    stop(agent).await;
    assert_eq!(compare(&stream, lines).await, data::Difference::default());
}
