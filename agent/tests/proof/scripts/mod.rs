//! Random histories against the real agent: every line arrives, nothing else does, and nothing twice without excuse.
//!
//! - `WEIR_SCRIPTS` sets how many scripts run; `WEIR_SEED` sets the first seed (`random` draws one).
//! - `WEIR_PARALLEL` sets how many run at once; they mostly wait.
//! - `WEIR_SHOWN` sets how many failures are made shorter and shown; `WEIR_SHRINKS` the attempts for each.
//!
//! A failure prints the seed and the shortest script found that still fails.

mod action;
mod world;

use std::{str::FromStr, sync::Arc, time::Instant};

use anyhow::Result;
use rand::Rng as _;
use tokio::{sync::Semaphore, task::JoinSet};

use self::{
    action::{Action, Script},
    world::{Tally, run},
};

/// Scripts of every run of the tests.
const SCRIPTS: u64 = 250;
/// How many agents run at once.
const PARALLEL: usize = 40;
/// Failing scripts that are made shorter and shown; the others are counted.
const SHOWN: usize = 1;
/// Attempts to make one script shorter.
const SHRINKS: usize = 30;

fn setting<T: FromStr>(name: &str, default: T) -> T {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_arrives_whatever_happens_to_files_network_and_agent() {
    let count = setting("WEIR_SCRIPTS", SCRIPTS);
    let is_random = std::env::var("WEIR_SEED").is_ok_and(|seed| seed == "random");
    let first: u64 = if is_random { u64::from(rand::rng().random::<u32>()) << 20 } else { setting("WEIR_SEED", 1) };
    let places = Arc::new(Semaphore::new(setting("WEIR_PARALLEL", PARALLEL)));
    println!("{count} scripts from seed {first}");
    let started = Instant::now();
    let mut running = JoinSet::new();
    for seed in first..first + count {
        let places = places.clone();
        running.spawn(async move {
            let _place = places.acquire_owned().await;
            let script = Script::draw(seed);
            if count == 1 {
                println!("{}", listed(&script));
            }
            (run(&script).await, script)
        });
    }
    let (mut total, mut done, mut failed) = (Tally::default(), 0, Vec::new());
    while let Some(finished) = running.join_next().await {
        match finished.unwrap() {
            (Ok(tally), _) => add(&mut total, tally),
            (Err(error), script) => {
                println!("seed {} failed: {}", script.seed, error.root_cause());
                failed.push((script, error));
            }
        }
        done += 1;
        if done % 500 == 0 {
            println!("{done} scripts, {} failed, {:?}: {total:?}", failed.len(), started.elapsed());
        }
    }
    println!("{done} scripts in {:?}: {total:?}", started.elapsed());
    assert!(failed.is_empty(), "{}", report(failed).await);
}

fn add(total: &mut Tally, one: Tally) {
    total.lines += one.lines;
    total.requests += one.requests;
    total.doubled += one.doubled;
    total.excused += one.excused;
}

/// Prints some failures at once, before they are made shorter, which takes its time.
async fn report(failed: Vec<(Script, anyhow::Error)>) -> String {
    let seeds: Vec<u64> = failed.iter().map(|(script, _)| script.seed).collect();
    for (script, error) in failed.into_iter().take(setting("WEIR_SHOWN", SHOWN)) {
        println!("\n=== seed {}: {error:#}\n{}", script.seed, listed(&script));
        let (shorter, again) = shrink(script).await;
        match again {
            Some(error) => println!("\n=== shortest that fails: {error:#}\n{}", listed(&shorter)),
            None => println!("\n=== it did not fail again"),
        }
    }
    format!("{} scripts failed; seeds {seeds:?}; run one with WEIR_SCRIPTS=1 WEIR_SEED=..", seeds.len())
}

/// The script, an action a line.
fn listed(script: &Script) -> String {
    let lines = |items: Vec<String>| items.iter().map(|item| format!("  {item}\n")).collect::<String>();
    let flows = script.flows.iter().map(|flow| format!("{flow:?}")).collect();
    let actions = script.actions.iter().map(|action| format!("{action:?}")).collect();
    lines(flows) + &lines(actions)
}

/// Leaves out actions as long as the script still fails.
async fn shrink(mut script: Script) -> (Script, Option<anyhow::Error>) {
    let (mut error, mut tries, most) = (None, 0, setting("WEIR_SHRINKS", SHRINKS));
    let mut size = script.actions.len().div_ceil(2);
    while size > 0 && tries < most {
        let mut at = 0;
        while at < script.actions.len() && tries < most {
            let mut actions: Vec<Action> = script.actions.clone();
            actions.drain(at..(at + size).min(actions.len()));
            let shorter = Script { actions, ..script.clone() };
            tries += 1;
            match run_twice(&shorter).await {
                Err(failure) => (script, error) = (shorter, Some(failure)),
                Ok(()) => at += size,
            }
        }
        size = if size == 1 { 0 } else { size.div_ceil(2) };
    }
    (script, error)
}

/// What depends on the moment of a crash may need a second try.
async fn run_twice(script: &Script) -> Result<()> {
    run(script).await?;
    run(script).await.map(drop)
}
