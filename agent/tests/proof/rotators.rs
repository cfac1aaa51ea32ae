//! Every rotator against every state of the agent: {rename, create, copytruncate, copy} x {exact name, glob} x
//! {idle, behind, throttled} x {running, stopped, killed} while it rotates.
//!
//! "Behind" is some thousand lines that the stream has not taken; the size of the backlog makes no difference to
//! the tailer, which reads until its bounded channel is full.

use std::{fmt, fs};

use anyhow::{Context as _, Result};
use serde_json::json;
use tests::recorder::{Chances, Reply};
use tokio::task::JoinSet;

use crate::rig::{DEADLINE, Rig, append, flow, with};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rotator {
    /// Renamed, and a new file at once.
    Rename,
    /// A new file under a new name; the old one stays as it is.
    Create,
    CopyTruncate,
    /// Copied; the live file grows on.
    Copy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    Idle,
    Behind,
    Throttled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Agent {
    Running,
    Stopped,
    Killed,
}

#[derive(Debug, Clone, Copy)]
struct Case {
    rotator: Rotator,
    is_glob: bool,
    stream: Stream,
    agent: Agent,
}

impl fmt::Display for Case {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, out)
    }
}

/// Times the log is rotated.
const ROTATIONS: usize = 3;
/// Lines between two rotations.
const LINES: usize = 700;

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for rotator in [Rotator::Rename, Rotator::Create, Rotator::CopyTruncate, Rotator::Copy] {
        for is_glob in [false, true] {
            for stream in [Stream::Idle, Stream::Behind, Stream::Throttled] {
                for agent in [Agent::Running, Agent::Stopped, Agent::Killed] {
                    cases.push(Case { rotator, is_glob, stream, agent });
                }
            }
        }
    }
    // An exact name says nothing about files of other names.
    cases.retain(|case| case.rotator != Rotator::Create || case.is_glob);
    cases
}

/// Rotates `live`, for the `number`th time. Gives the name that is written to from now on.
fn rotate(rig: &Rig, rotator: Rotator, live: &str, number: usize) -> String {
    let name = |number: usize| rig.log(&format!("a.log.{number}"));
    if rotator != Rotator::Create {
        (1..number).rev().for_each(|number| fs::rename(name(number), name(number + 1)).unwrap());
    }
    match rotator {
        Rotator::Rename => {
            fs::rename(rig.log(live), name(1)).unwrap();
            fs::File::create(rig.log(live)).unwrap();
        }
        Rotator::Create => return format!("a.log-2026010{number}"),
        Rotator::CopyTruncate => {
            fs::copy(rig.log(live), name(1)).unwrap();
            fs::File::create(rig.log(live)).unwrap();
        }
        Rotator::Copy => drop(fs::copy(rig.log(live), name(1)).unwrap()),
    }
    live.to_owned()
}

async fn run(case: Case) -> Result<()> {
    let (mut rig, mut written) = (Rig::create().await?, Vec::new());
    let pattern = if case.is_glob { "a.log*" } else { "a.log" };
    let flow = flow(&rig.log(pattern).to_string_lossy(), "s");
    rig.settings(vec![with(flow, json!({ "maxBufferSizeRecords": 100 }))], json!({}))?;
    let mut live = "a.log".to_owned();
    append(&rig.log(&live), LINES, &mut written);
    rig.start_ready().await?;
    rig.recorder.until_all("s", &written, DEADLINE).await?;
    match case.stream {
        Stream::Idle => {}
        Stream::Behind => rig.recorder.reply_always(Some(Reply::Throttle(u64::MAX))),
        Stream::Throttled => rig.recorder.reply_by_chance(Chances { throttle: 0.5, ..Chances::default() }, 1),
    }
    for number in 1..=ROTATIONS {
        append(&rig.log(&live), LINES, &mut written);
        match case.agent {
            Agent::Running => {}
            // With a stream that takes nothing, a clean stop would wait for its time-out.
            Agent::Stopped if case.stream != Stream::Behind => drop(rig.stop().await?),
            Agent::Stopped | Agent::Killed => rig.kill().await?,
        }
        live = rotate(&rig, case.rotator, &live, number);
        append(&rig.log(&live), LINES, &mut written);
        if case.agent != Agent::Running {
            rig.start_ready().await?;
        }
    }
    rig.recorder.heal();
    if case.rotator == Rotator::Copy {
        // Nothing tells a copy that is renamed before the agent looks from a new file; it may come once more each time.
        (0..ROTATIONS).for_each(|_| rig.recorder.ledger(|ledger| ledger.excuse("s", written.iter().map(Vec::as_slice))));
    }
    rig.finish(&written).await.with_context(|| rig.history())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rotator_loses_nothing_whatever_the_agent_and_the_stream_do() {
    let (mut waiting, mut running, mut failed) = (cases(), JoinSet::new(), Vec::new());
    println!("{} cases", waiting.len());
    loop {
        while running.len() < 12
            && let Some(case) = waiting.pop()
        {
            running.spawn(async move { run(case).await.with_context(|| case.to_string()) });
        }
        let Some(finished) = running.join_next().await else { break };
        failed.extend(finished.unwrap().err());
    }
    assert!(failed.is_empty(), "{} failed: {:#?}", failed.len(), failed);
}
