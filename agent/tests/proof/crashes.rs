//! kill -9 again and again, while the log grows and rotates and the stream throttles.
//!
//! `WEIR_KILLS` sets the rounds; `WEIR_SEED` the seed, which is printed.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde_json::json;
use tests::recorder::{Chances, Ledger};

use crate::{
    log::{Log, Style},
    rig::{DEADLINE, Rig, flow, with},
};

/// Rounds of every run of the tests.
const KILLS: usize = 15;
/// A crash comes this long after the start before.
const LIFE_MS: std::ops::Range<u64> = 50..500;
/// Pause between two bursts of the writer, and lines in one.
const BURST: (Duration, usize) = (Duration::from_millis(10), 20);
/// Lines between two rotations.
const LINES_PER_FILE: usize = 400;
/// Rotated files that have arrived are deleted beyond this many.
const KEPT: usize = 5;

fn chances() -> Chances {
    Chances { throttle: 0.25, status: 0.05, cut: 0.05, delay: Duration::from_millis(30) }
}

/// Writes for so long, rotating by rename, and deletes old files that have arrived.
async fn write(log: &mut Log, rig: &Rig, time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        log.append(BURST.1, 60).unwrap();
        if log.written.len().is_multiple_of(LINES_PER_FILE) {
            log.rotate(false).unwrap();
            delete_old(log, rig);
        }
        tokio::time::sleep(BURST.0).await; // the writer's pace
    }
}

fn delete_old(log: &Log, rig: &Rig) {
    let files: Vec<PathBuf> = log.rotated();
    for path in files.iter().skip(KEPT) {
        let content = std::fs::read(path).unwrap();
        let has_all = |ledger: &mut Ledger| content.split_inclusive(|byte| *byte == b'\n').all(|line| ledger.has("s", line));
        if rig.recorder.ledger(has_all) {
            std::fs::remove_file(path).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_lose_no_line_and_repeat_only_what_may_have_been_on_its_way() {
    let kills: usize = std::env::var("WEIR_KILLS").map_or(KILLS, |text| text.parse().unwrap());
    let seed = std::env::var("WEIR_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(|| rand::rng().random());
    let mut random = StdRng::seed_from_u64(seed);
    let mut rig = Rig::create().await.unwrap();
    let settings = flow(&rig.log("a.log").to_string_lossy(), "s");
    rig.settings(vec![with(settings, json!({ "maxBufferSizeRecords": 50 }))], json!({})).unwrap();
    rig.recorder.reply_by_chance(chances(), seed);
    let mut log = Log::new(&rig.logs(), "a.log", Style::Dated);
    rig.start().unwrap();
    rig.baseline(1).await.unwrap(); // what is rotated before the first start ever is none of the flow's
    for _ in 0..kills {
        write(&mut log, &rig, Duration::from_millis(random.random_range(LIFE_MS))).await;
        rig.kill().await.unwrap();
        rig.start().unwrap();
    }
    rig.recorder.heal();
    // Busy machines leave a long backlog: an agent that lives so shortly spends most of its life starting.
    rig.recorder.until_all("s", &log.written, DEADLINE * 5).await.unwrap();
    rig.stop_for_good().await.unwrap();
    let verdict = rig.recorder.ledger(|ledger| ledger.verdict("s", &log.written, &log.possible));
    println!(
        "{kills} kills, seed {seed}: {} lines written, {} lost, {} repeated; {} may have been on their way at a kill or in a \
         request without an answer",
        log.written.len(),
        verdict.missing.len(),
        verdict.doubled,
        verdict.excused
    );
    assert!(verdict.is_good(), "seed {seed}: {verdict:#?}");
}
