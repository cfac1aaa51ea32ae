//! Catching up: a log that is there already, from its first line to the last.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    Scale,
    child::Cost,
    contender::{Contender, has_boto3},
    lines::{Content, write_log},
    sink::Sink,
    table::{median, print},
    tls::{self, Tls},
};

/// Far more than any program needs, and less than anybody waits.
const DEADLINE: Duration = Duration::from_secs(1800);

/// One program on one log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Case {
    lines: u64,
    is_tls: bool,
    contender: Contender,
}

/// What one run cost.
#[derive(Debug, Clone, Copy)]
struct Run {
    cost: Cost,
    wall_seconds: f64,
}

pub(crate) fn run(scale: Scale) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let tls = tls::make(folder.path()).inspect_err(|error| println!("without TLS: {error:#}")).ok();
    let mut runs = BTreeMap::new();
    for (index, lines) in scale.logs.iter().copied().enumerate() {
        let ways: &[bool] = if index == 0 && tls.is_some() { &[false, true] } else { &[false] };
        let cases = ways
            .iter()
            .flat_map(|is_tls| [Contender::Agent, Contender::Floor].map(|contender| Case { lines, is_tls: *is_tls, contender }));
        measure(&cases.collect::<Vec<_>>(), tls.as_ref(), scale.rounds, &mut runs)?;
    }
    match has_boto3() {
        Ok(()) => {
            let case = Case { lines: scale.script_lines, is_tls: false, contender: Contender::Boto3 };
            measure(&[case], None, scale.rounds, &mut runs)?;
        }
        Err(missing) => println!("without the boto3 script: {missing}"),
    }
    report(&runs);
    Ok(())
}

/// Runs the cases, which have the same log, in turn.
fn measure(cases: &[Case], tls: Option<&Tls>, rounds: usize, runs: &mut BTreeMap<Case, Vec<Run>>) -> Result<()> {
    let lines = cases.first().context("at least one case")?.lines;
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("access.log");
    let content = write_log(&log, lines)?;
    for _ in 0..rounds {
        for case in cases {
            let tls = tls.filter(|_| case.is_tls);
            let run = run_once(case.contender, &log, content, tls).with_context(|| format!("{case:?}"))?;
            runs.entry(*case).or_default().push(run);
        }
    }
    Ok(())
}

fn run_once(contender: Contender, log: &Path, content: Content, tls: Option<&Tls>) -> Result<Run> {
    let folder = tempfile::tempdir()?;
    let sink = Sink::start(tls.map(|tls| tls.server.clone()))?;
    let started = Instant::now();
    let mut running = contender.start(log, &sink, tls, folder.path())?;
    sink.wait_for(content.lines, &mut running, DEADLINE)?;
    let wall_seconds = started.elapsed().as_secs_f64();
    let cost = running.stop()?;
    let arrived = sink.content();
    ensure!(arrived == content, "{arrived:?} arrived, but {content:?} was written");
    Ok(Run { cost, wall_seconds })
}

fn report(runs: &BTreeMap<Case, Vec<Run>>) {
    let per_million = |case: &Case, runs: &[Run]| median(runs.iter().map(|run| run.cost.cpu_seconds / case.lines as f64 * 1e6));
    let row = |(case, of_case): (&Case, &Vec<Run>)| {
        let cpu = per_million(case, of_case);
        let floor = Case { contender: Contender::Floor, ..*case };
        let ratio = runs.get(&floor).map_or("–".to_owned(), |floors| format!("{:.2}", cpu / per_million(&floor, floors)));
        vec![
            format!("{}{}", case.contender, if case.is_tls { ", TLS" } else { "" }),
            case.lines.to_string(),
            format!("{cpu:.2}"),
            ratio,
            format!("{:.0}", median(of_case.iter().map(|run| case.lines as f64 / run.wall_seconds / 1e3))),
            format!("{:.1}", median(of_case.iter().map(|run| run.cost.peak_mib))),
        ]
    };
    let rows: Vec<Vec<String>> = runs.iter().map(row).collect();
    let title = "Catching up (medians; every line arrived, unchanged and once)";
    print(title, &["program", "lines", "CPU s per million", "of the floor", "thousand lines/s", "peak MiB"], &rows);
}
