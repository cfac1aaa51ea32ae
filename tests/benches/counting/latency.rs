//! From a record's arrival to the row of its closed window, at a steady rate.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use tests::stream::{NAME, Options, TestStream};
use tests::table::{self, quantile};
use tests::{binaries, process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout};

const ROWS_PER_SECOND: u64 = 10_000;
const IN_REQUEST: u64 = 500;
const SECONDS: u64 = 60;
const SECONDS_OF_DAY: u64 = 86_400;

pub(crate) fn run() -> Result<()> {
    tokio::runtime::Runtime::new()?.block_on(measure())
}

/// By the second of the day in which a window of one second begins, a moment in seconds since 1970.
type Moments = BTreeMap<u64, f64>;

async fn measure() -> Result<()> {
    let stream = TestStream::start(Options::default()).await?;
    let mut reader = start(&stream)?;
    let rows = reader.stdout.take().context("it has no output")?;
    let seen = tokio::spawn(seen(rows));
    let arrived = write(&stream).await?;
    // The last windows close when the promises of the shards have passed them.
    tokio::time::sleep(Duration::from_secs(5)).await;
    reader.kill().await?;
    let seen = seen.await??;

    // The first and the last second are not whole.
    let whole = arrived.iter().skip(1).take(arrived.len().saturating_sub(2));
    let after_last = |(window, last): (&u64, &f64)| Some((seen.get(window)? - last) * 1e3);
    let delays: Vec<f64> = whole.filter_map(after_last).collect();
    ensure!(delays.len() as u64 >= SECONDS - 4, "only {} windows were seen to close", delays.len());
    let figures = [0.5, 0.99, 1.0].map(|part| format!("{:.0}", quantile(&delays, part)));
    let title = format!(
        "{ROWS_PER_SECOND} rows/s for {SECONDS} s through the embedded stream, windows of 1 s by arrival: from the last record's \
         arrival to the first row of the closed window, ms"
    );
    let row = [vec![delays.len().to_string()], figures.to_vec()].concat();
    table::print(&title, &["windows", "p50", "p99", "most"], &[row]);
    Ok(())
}

fn start(stream: &TestStream) -> Result<Child> {
    let mut analytics = process::command(binaries::path("analytics")?);
    analytics.args(["--window", "1s", "--format", "csv", "--input", &format!("kinesis:{NAME}"), "--endpoint", stream.endpoint()]);
    analytics.args(["--start", "trim-horizon"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    analytics.kill_on_drop(true).spawn().context("cannot start analytics")
}

/// When the first row of each window came.
async fn seen(rows: ChildStdout) -> Result<Moments> {
    let mut moments = Moments::new();
    let mut lines = BufReader::new(rows).lines();
    while let Some(line) = lines.next_line().await? {
        if let Some(second) = second_of_day(&line) {
            moments.entry(second).or_insert_with(now);
        }
    }
    Ok(moments)
}

/// Of the time at the start of a row, such as `2026-11-21T02:08:50Z`. None: the header.
fn second_of_day(row: &str) -> Option<u64> {
    let time = row.get(11..19)?;
    let mut numbers = time.split(':').map(str::parse::<u64>);
    let mut next = || numbers.next()?.ok();
    Some((next()? * 60 + next()?) * 60 + next()?)
}

/// Puts rows at a steady rate. When the last record of each second arrived, at the earliest.
async fn write(stream: &TestStream) -> Result<Moments> {
    let mut arrived = Moments::new();
    let mut pace = tokio::time::interval(Duration::from_secs(1) * IN_REQUEST as u32 / ROWS_PER_SECOND as u32);
    for request in 0..SECONDS * ROWS_PER_SECOND / IN_REQUEST {
        pace.tick().await;
        let entry = |number: u64| {
            let data = format!("{{\"client_ip\":\"10.0.0.{}\"}}\n", number % 250);
            PutRecordsRequestEntry::builder().partition_key(number.to_string()).data(Blob::new(data)).build()
        };
        let entries = (request * IN_REQUEST..(request + 1) * IN_REQUEST).map(entry).collect::<Result<Vec<_>, _>>()?;
        let sent = now();
        stream.client().put_records().stream_name(NAME).set_records(Some(entries)).send().await.context("cannot put")?;
        arrived.insert(sent as u64 % SECONDS_OF_DAY, sent);
    }
    Ok(arrived)
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}
