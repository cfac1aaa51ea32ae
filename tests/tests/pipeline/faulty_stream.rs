//! The stream and the network fail, and the agent does not.

use rand::Rng;
use tests::{
    agent_setup::AgentSetup,
    data,
    faults::{Chances, Counts, Proxy, Script},
    log_writer::RotatingLog,
    stream::{Options, TestStream},
};

use crate::steps::{LINES_PER_FILE, compare, stop, wait_for_all, write_log};

/// Ships the first lines of the log through a proxy that fails by `faults`, and stops the agent.
async fn ship(count: usize, seed: u64, faults: Chances) -> (data::Difference, Counts) {
    let lines = &data::access_log_lines().unwrap()[..count];
    let stream = TestStream::start(Options { shards: 4, ..Options::default() }).await.unwrap();
    let proxy = Proxy::start(stream.endpoint(), Script::seeded(seed, faults)).await.unwrap();
    let mut setup = AgentSetup::create(proxy.endpoint()).unwrap();
    let mut log = RotatingLog::create(&setup.log(), LINES_PER_FILE).unwrap();
    let agent = setup.start().unwrap();
    write_log(&mut log, lines, 8_000).await;
    wait_for_all(&stream, lines).await;
    stop(agent).await;
    (compare(&stream, lines).await, proxy.counts())
}

fn seed() -> u64 {
    let seed = rand::rng().random();
    println!("seed {seed}");
    seed
}

#[tokio::test(flavor = "multi_thread")]
async fn throttling_refusals_and_cut_connections_neither_lose_nor_double_a_line() {
    let seed = seed();
    let faults = Chances { throttle: 0.3, status: 0.2, cut: 0.2, ..Chances::default() };
    let (difference, counts) = ship(15_000, seed, faults).await;
    println!("{counts:?}");
    assert!(counts.throttled > 0 && counts.refused_requests + counts.cut_requests > 0, "seed {seed}: {counts:?}");
    assert_eq!(difference, data::Difference::default(), "seed {seed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_doubles_its_own_lines_and_no_other() {
    let seed = seed();
    let faults = Chances { lose_answer: 0.4, ..Chances::default() }; // thirty requests: one of them is hit
    let (difference, counts) = ship(15_000, seed, faults).await;
    println!("{counts:?}");
    assert!(counts.unanswered > 0, "seed {seed}: {counts:?}");
    assert_eq!((difference.missing, difference.foreign), (0, 0), "seed {seed}");
    assert_eq!(difference.doubled, counts.unanswered, "seed {seed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_at_its_write_limit_slows_the_agent_and_loses_nothing() {
    let lines = &data::access_log_lines().unwrap()[..6_000];
    let stream = TestStream::start(Options { shards: 2, enforce_limits: true }).await.unwrap();
    let mut setup = AgentSetup::create(stream.endpoint()).unwrap();
    let mut log = RotatingLog::create(&setup.log(), LINES_PER_FILE).unwrap();
    let agent = setup.start().unwrap();
    write_log(&mut log, lines, 20_000).await;
    wait_for_all(&stream, lines).await;
    stop(agent).await;
    assert_eq!(compare(&stream, lines).await, data::Difference::default());
}
