//! A stream that holds the lines already, read from its beginning.

use anyhow::{Context, Result, ensure};
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use tests::generator::Generator;
use tests::stream::{NAME, Options, TestStream};
use tests::table::{self, median};
use tests::{binaries, process};

use crate::contender::{self, Contender, Output};
use crate::cost::{self, Cost};

/// Records of a request, as many as Kinesis takes.
const IN_REQUEST: u64 = 500;
/// After the last record; taken off the time.
const IDLE_SECONDS: f64 = 1.0;

pub(crate) fn run(lines: u64, rounds: usize) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let (stream, bytes) = runtime.block_on(filled(lines))?;
    let reader = reader(&stream)?;
    let folder = tempfile::tempdir()?;
    let csv = folder.path().join("out.csv");
    let mut costs: Vec<Cost> = Vec::new();
    for _ in 0..rounds {
        costs.push(cost::run(&reader, &csv)?);
        let (_, counted) = contender::result(&csv)?;
        ensure!(counted == lines, "{counted} of {lines} lines were counted");
    }
    let seconds = median(costs.iter().map(|cost| cost.wall_seconds - IDLE_SECONDS));
    let row = [
        format!("{:.0}", lines as f64 / seconds),
        format!("{:.1}", bytes as f64 / seconds / 1e6),
        format!("{:.2}", median(costs.iter().map(|cost| cost.cpu_seconds)) * 1e6 / lines as f64),
        format!("{:.0}", median(costs.iter().map(|cost| cost.peak_mib))),
    ];
    let title =
        format!("{lines} records from the embedded stream, four shards, by polling; stream and analytics on the same machine");
    table::print(
        &title,
        &["", "rows/s", "MB/s", "CPU s of analytics per million rows", "peak MiB"],
        &[[vec!["weir".to_owned()], row.to_vec()].concat()],
    );
    Ok(())
}

/// A stream with these lines, a record each, and their bytes.
async fn filled(lines: u64) -> Result<(TestStream, usize)> {
    let stream = TestStream::start(Options::default()).await?;
    let (mut generator, mut bytes) = (Generator::new(42), 0);
    for request in 0..lines.div_ceil(IN_REQUEST) {
        let numbers = request * IN_REQUEST..lines.min((request + 1) * IN_REQUEST);
        let mut entry = |number: u64| {
            let mut line = Vec::new();
            generator.write_line(&mut line);
            bytes += line.len();
            PutRecordsRequestEntry::builder().partition_key(number.to_string()).data(Blob::new(line)).build()
        };
        let entries = numbers.map(&mut entry).collect::<Result<Vec<_>, _>>()?;
        let put = stream.client().put_records().stream_name(NAME).set_records(Some(entries)).send().await;
        ensure!(put.context("cannot put")?.failed_record_count() == Some(0), "the stream refused records");
    }
    Ok((stream, bytes))
}

fn reader(stream: &TestStream) -> Result<Contender> {
    let analytics = binaries::path("analytics")?.display().to_string();
    let input = format!("kinesis:{NAME}");
    let made_up = process::command("env");
    let credentials =
        made_up.as_std().get_envs().filter_map(|(name, value)| Some(format!("{}={}", name.to_str()?, value?.to_str()?)));
    let words = [
        &analytics,
        "--window",
        "10s",
        "--input",
        &input,
        "--endpoint",
        stream.endpoint(),
        "--start",
        "trim-horizon",
        "--rowtime",
        "event",
        "--allowed-lateness",
        "10s",
        "--until-idle",
        "1s",
        "--format",
        "csv",
    ];
    let command = std::iter::once("env".to_owned()).chain(credentials).chain(words.map(str::to_owned)).collect();
    Ok(Contender { name: "weir, stream", command, output: Output::Stdout })
}
