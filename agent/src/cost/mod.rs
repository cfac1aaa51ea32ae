//! `agent cost FILE`: what a log costs as single records, aggregated, compressed and joined.
//!
//! Measured by making the records of the file in each way, at the pace of the log: a quiet log fills no record before
//! its age is over. Units, not prices: these differ by region and change.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    time::{Duration, Instant},
};

use anyhow::anyhow;
use clap::Args;
use config::exit::Failure;
use serde_json::json;

use self::pace::Pace;
use crate::{
    batcher::Batcher,
    pack::{Compression, Packing},
    recipe::Made,
    record::Record,
    rehearsal::{Source, unless_pipe_closed},
    settings::{BatchLimits, FlowSettings},
};

mod pace;

/// Bytes of a PUT payload unit. Source: Kinesis Data Streams pricing, provisioned mode.
const PAYLOAD_UNIT_BYTES: usize = 25 * 1024;

/// On-demand streams bill each record in steps of this. Source: as above.
const ON_DEMAND_STEP_BYTES: usize = 1024;

/// Firehose bills each record in steps of this. Source: Amazon Data Firehose pricing, direct PUT.
const FIREHOSE_STEP_BYTES: usize = 5 * 1024;

/// What a shard takes in a second. Source: Kinesis quotas.
const SHARD_RECORDS: f64 = 1000.0;
const SHARD_BYTES: f64 = 1024.0 * 1024.0;

const GIB: f64 = 1024.0 * 1024.0 * 1024.0;

/// What the user typed.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    source: Source,
    /// The pace of the log; from the times in its lines unless this says otherwise
    #[arg(long, value_name = "NUMBER")]
    lines_per_second: Option<f64>,
    /// One JSON object instead of a table
    #[arg(long)]
    json: bool,
}

/// One way to send the log.
struct Way {
    name: &'static str,
    batcher: Batcher,
    /// What was made of the log so far.
    total: Total,
}

/// What a way comes to.
#[derive(Debug, Default, Clone, Copy)]
struct Total {
    records: u64,
    bytes: u64,
    payload_units: u64,
    on_demand_bytes: u64,
    firehose_bytes: u64,
}

/// Prints the table.
///
/// # Errors
/// When the settings are wrong or the file cannot be read.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.lines_per_second.is_some_and(|pace| !pace.is_finite() || pace <= 0.0) {
        return Err(Failure::Usage(anyhow!("--lines-per-second must be a number above 0")));
    }
    let mut flow = arguments.source.flow()?;
    flow.records.packing = None; // each way has its own
    let mut pace = Pace::default();
    unless_pipe_closed(measure(arguments, &flow, &mut pace))
}

fn measure(arguments: &Arguments, flow: &FlowSettings, pace: &mut Pace) -> anyhow::Result<()> {
    let mut sent = 0_u64;
    // Once for the pace, once for the records: a file is cheaper to read twice than to hold.
    arguments.source.read(flow, |made| {
        if let Made::Record(record) = made {
            sent += 1;
            if arguments.lines_per_second.is_none() {
                pace.note(&record.data);
            }
        }
        Ok(())
    })?;
    let (rate, origin) = match arguments.lines_per_second {
        Some(rate) => (rate, "given".to_owned()),
        None => pace.rate(),
    };
    let mut ways = ways(flow);
    let (start, mut line) = (Instant::now(), 0_u64);
    arguments.source.read(flow, |made| {
        let Made::Record(record) = made else { return Ok(()) };
        let now = start + Duration::from_secs_f64(line as f64 / rate);
        line += 1;
        ways.iter_mut().for_each(|way| way.push(record.clone(), now));
        Ok(())
    })?;
    ways.iter_mut().for_each(Way::finish);
    let text = if arguments.json { json_of(&ways, sent, rate) } else { table(flow, &ways, sent, rate, &origin) };
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

fn ways(flow: &FlowSettings) -> Vec<Way> {
    let gzip = Packing::Compressed { compression: Compression::Gzip { level: 6 }, bytes: 256 * 1024 };
    let zstd = Packing::Compressed { compression: Compression::Zstd { level: 3 }, bytes: 256 * 1024 };
    let packings = [
        ("one line a record", None),
        ("aggregation KPL", Some(Packing::Aggregated { bytes: 51_200 })),
        ("compression gzip", Some(gzip)),
        ("compression zstd", Some(zstd)),
        ("joined (Firehose)", Some(Packing::Joined { bytes: 1_000_000 })),
    ];
    let limits = BatchLimits { max_records: 500, max_bytes: 4 * 1024 * 1024, max_age: flow.batch.max_age };
    let way = |(name, packing)| Way { name, batcher: Batcher::new(limits).packed(packing), total: Total::default() };
    packings.into_iter().map(way).collect()
}

impl Way {
    fn push(&mut self, record: Record, now: Instant) {
        if self.batcher.deadline().is_some_and(|deadline| deadline <= now) {
            self.finish();
        }
        if let Some(batch) = self.batcher.push(record, now) {
            batch.records.iter().for_each(|record| self.total.add(record));
        }
    }

    fn finish(&mut self) {
        while let Some(batch) = self.batcher.take() {
            batch.records.iter().for_each(|record| self.total.add(record));
        }
    }
}

impl Total {
    fn add(&mut self, record: &Record) {
        let size = record.size();
        self.records += 1;
        self.bytes += size as u64;
        self.payload_units += size.div_ceil(PAYLOAD_UNIT_BYTES) as u64;
        self.on_demand_bytes += size.next_multiple_of(ON_DEMAND_STEP_BYTES) as u64;
        self.firehose_bytes += record.data.len().next_multiple_of(FIREHOSE_STEP_BYTES) as u64;
    }

    /// Shards a stream needs when the log is written at this pace.
    fn shards(&self, lines: u64, rate: f64) -> u64 {
        let seconds = lines as f64 / rate;
        let needed = (self.records as f64 / seconds / SHARD_RECORDS).max(self.bytes as f64 / seconds / SHARD_BYTES);
        if lines == 0 { 1 } else { (needed.ceil() as u64).max(1) }
    }
}

fn table(flow: &FlowSettings, ways: &[Way], lines: u64, rate: f64, origin: &str) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{lines} lines through flow {}, at {rate:.1} lines/s ({origin})", flow.id);
    let _ = writeln!(out, "a record waits at most {:?} for others (maxBufferAgeMillis)\n", flow.batch.max_age);
    let _ = writeln!(
        out,
        "{:<18} {:>10} {:>14} {:>12} {:>7} {:>15} {:>13}",
        "", "records", "bytes", "PUT units", "shards", "on-demand GB", "Firehose GB"
    );
    for Way { name, total, .. } in ways {
        let _ = writeln!(
            out,
            "{:<18} {:>10} {:>14} {:>12} {:>7} {:>15.6} {:>13.6}",
            name,
            total.records,
            total.bytes,
            total.payload_units,
            total.shards(lines, rate),
            total.on_demand_bytes as f64 / GIB,
            total.firehose_bytes as f64 / GIB,
        );
    }
    out.push_str(
        "\nPUT units: 25 KB each, provisioned streams. On-demand: each record rounded up to 1 KB. Firehose: to 5 KB.\n\
         Bytes and stream figures count partition keys. GB is 2^30 bytes.\n",
    );
    out
}

fn json_of(ways: &[Way], lines: u64, rate: f64) -> String {
    let way = |Way { name, total, .. }: &Way| {
        json!({
            "way": name, "records": total.records, "bytes": total.bytes, "put_payload_units": total.payload_units,
            "shards": total.shards(lines, rate), "on_demand_bytes": total.on_demand_bytes,
            "firehose_bytes": total.firehose_bytes,
        })
    };
    let ways: Vec<_> = ways.iter().map(way).collect();
    format!("{}\n", json!({"lines": lines, "lines_per_second": rate, "ways": ways}))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{
        record::{FileId, PartitionKey},
        testing::flow,
    };

    fn totals(lines: u64, rate: f64) -> Vec<Total> {
        let flow = flow(std::path::Path::new("/l"), "a.log", r#", "maxBufferAgeMillis": 1000"#);
        let (mut ways, start) = (ways(&flow), Instant::now());
        for line in 0..lines {
            let now = start + Duration::from_secs_f64(line as f64 / rate);
            let data = Bytes::from(format!("{line:>99}\n"));
            let record = Record { data, key: PartitionKey::Random(1), file: FileId(0), end: line, line_bytes: 100, packed: None };
            ways.iter_mut().for_each(|way| way.push(record.clone(), now));
        }
        ways.iter_mut().for_each(Way::finish);
        ways.iter().map(|way| way.total).collect()
    }

    #[test]
    fn each_record_is_rounded_up_in_the_units_that_are_billed() {
        let plain = totals(3, 1000.0)[0];
        assert_eq!((plain.records, plain.bytes, plain.payload_units), (3, 303, 3));
        assert_eq!((plain.on_demand_bytes, plain.firehose_bytes), (3 * 1024, 3 * 5120));
        assert_eq!(plain.shards(3, 2500.0), 3);
    }

    #[test]
    fn packing_saves_records_and_a_quiet_log_saves_little() {
        let busy = totals(10_000, 100_000.0);
        assert!(busy[1..].iter().all(|way| way.records < 30), "{busy:?}");
        assert!(busy[2].bytes < busy[1].bytes / 2, "{busy:?}");
        let quiet = totals(100, 0.5);
        assert!(quiet.iter().all(|way| way.records == 100), "{quiet:?}");
    }
}
