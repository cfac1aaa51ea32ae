//! The agent dies again and again, and no line is lost.

use rand::{Rng, SeedableRng, rngs::StdRng};
use tests::{
    agent_setup::AgentSetup,
    data,
    faults::{Chances, Proxy, Script},
    log_writer::RotatingLog,
    process::Process,
    stream::{Options, TestStream},
};
use tokio::time::Duration;

use crate::steps::{DEADLINE, LINES_PER_FILE, count_stream, csv_rows, stop, wait_for_all, write_log};

const KILLS: usize = 10;
/// Longer than it takes to fill a request, so that a crash finds several on their way.
const SLOWEST_ANSWER: Duration = Duration::from_millis(300);

/// Kills the agent at random moments while the log grows. Gives the agent that survives, and how many records were
/// on their way at the kills together.
async fn kill_repeatedly(setup: &mut AgentSetup, proxy: &Proxy, random: &mut StdRng) -> (Process, usize) {
    let mut on_their_way = 0;
    let mut agent = setup.start().unwrap();
    for _ in 0..KILLS {
        let next = proxy.counts().records + random.random_range(500..3_500);
        proxy.when(|counts| counts.records >= next, DEADLINE).await.unwrap();
        // Not a wait for anything: the crash may come at any point between a request and the save after its answer.
        tokio::time::sleep(SLOWEST_ANSWER.mul_f64(random.random())).await;
        agent.kill().await.unwrap();
        on_their_way += proxy.counts().since_oldest_unanswered;
        agent = setup.start().unwrap();
    }
    (agent, on_their_way)
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_crashes_lose_no_line_and_double_only_what_was_on_its_way() {
    let seed = rand::rng().random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let lines = data::access_log_lines().unwrap();
    let stream = TestStream::start(Options { shards: 4, ..Options::default() }).await.unwrap();
    let slow = Chances { delay: SLOWEST_ANSWER, ..Chances::default() };
    let proxy = Proxy::start(stream.endpoint(), Script::seeded(seed, slow)).await.unwrap();
    let mut setup = AgentSetup::create(proxy.endpoint()).unwrap();
    let mut log = RotatingLog::create(&setup.log(), LINES_PER_FILE).unwrap();

    let ((), (agent, on_their_way)) =
        tokio::join!(write_log(&mut log, &lines, 4_000), kill_repeatedly(&mut setup, &proxy, &mut random));
    let difference = wait_for_all(&stream, &lines).await;
    stop(agent).await;

    println!("{KILLS} kills; {} lines doubled; {on_their_way} were on their way", difference.doubled);
    assert_eq!((difference.missing, difference.foreign), (0, 0), "seed {seed}");
    assert!(difference.doubled <= on_their_way, "seed {seed}: {difference:?}, but only {on_their_way} were on their way");
    // Counted from the stream, every row is there; only counts of doubled lines are higher.
    let counted = count_stream(stream.endpoint(), &setup).wait(DEADLINE).await.unwrap().success().unwrap();
    let expected = data::expected_csv().unwrap();
    let keys = |text: &str| csv_rows(text).iter().map(|row| row.rsplit_once(',').unwrap().0.to_owned()).collect::<Vec<_>>();
    assert_eq!(keys(&counted.output), keys(&expected), "seed {seed}");
}
