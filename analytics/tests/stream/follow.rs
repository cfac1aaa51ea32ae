//! A log that grows and is rotated, followed by a program that dies in the middle.

use std::path::Path;
use std::time::Duration;

use tests::log_writer::RotatingLog;
use tests::process::{Process, command};
use tests::wait;

use crate::crash::DEADLINE;

const PROGRAM: &str = "CREATE STREAM copies (number VARCHAR(16));
    CREATE PUMP copy AS INSERT INTO copies SELECT STREAM \"client_ip\" FROM s_001;";
const LINES: usize = 1_500;

fn start(folder: &Path) -> Process {
    let mut analytics = command(env!("CARGO_BIN_EXE_analytics"));
    analytics.current_dir(folder).args(["run", "program.sql", "--input", "access.log", "--follow", "--time-field", "t"]);
    analytics.args(["--format", "csv", "--output", "out", "--checkpoint", "state", "--checkpoint-interval", "100ms"]);
    Process::start("analytics", analytics, folder).unwrap()
}

/// The numbers of the lines that were copied.
fn copied(folder: &Path) -> Vec<usize> {
    let text = std::fs::read_to_string(folder.join("out/COPIES.csv")).unwrap_or_default();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().skip(1).filter_map(|line| line.rsplit(',').next()?.parse().ok()).collect()
}

async fn wait_for(folder: &Path, count: usize) {
    let is_there = || async { (copied(folder).len() >= count).then_some(()) };
    wait::until("the lines to be copied", DEADLINE, is_there).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_of_a_rotating_log_comes_once_although_the_program_dies() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("program.sql"), PROGRAM).unwrap();
    let mut log = RotatingLog::create(&folder.join("access.log"), 400).unwrap();
    let mut line = |number: usize| {
        let line = format!("{{\"client_ip\":\"{number}\",\"t\":\"2026-01-01T00:{:02}:{:02}Z\"}}", number / 60, number % 60);
        log.append(line.as_bytes()).unwrap();
    };
    (0..300).for_each(&mut line);
    let first = start(folder);
    wait_for(folder, 300).await;
    let mut pause = tokio::time::interval(Duration::from_millis(1)); // so that it sees the log grow
    for number in 300..900 {
        pause.tick().await;
        line(number);
    }
    wait_for(folder, 900).await;
    first.kill().await.unwrap();
    (900..LINES - 100).for_each(&mut line); // two rotations while nobody reads
    let second = start(folder);
    (LINES - 100..LINES).for_each(&mut line);
    wait_for(folder, LINES).await;
    let finished = second.terminate(DEADLINE).await.unwrap().success().unwrap();
    assert!(finished.output.contains("going on from the checkpoint"), "{}", finished.output);
    assert_eq!(copied(folder), (0..LINES).collect::<Vec<_>>(), "{}", finished.output);
}
