//! The program dies again and again while records flow and shards split and merge, and every window comes once.
//!
//! `WEIR_KILLS=100 WEIR_RECORDS=2000000` is the long form: two and a half minutes.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use arrow::array::AsArray;
use arrow::datatypes::{Int32Type, TimestampMillisecondType};
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tests::process::{Process, command};
use tests::stream::{NAME, Options, TestStream};
use tests::wait;

pub(crate) const PROGRAM: &str = "CREATE STREAM counts (client_ip VARCHAR(16), requests INTEGER);
    CREATE PUMP counter AS INSERT INTO counts SELECT STREAM \"client_ip\", COUNT(*) FROM source_sql_stream_001 AS s
    GROUP BY \"client_ip\", STEP(s.ROWTIME BY INTERVAL '1' SECOND);";

const KILLS: u64 = 8;
/// Records until all of it is put: enough for each life of the program to see some.
pub(crate) const RECORDS: u64 = 24_000;
/// A life of the program takes about so long.
const LIFE: Duration = Duration::from_millis(1_200);
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// (end of the window in seconds since 1970, client) -> requests
pub(crate) type Counts = BTreeMap<(i64, String), u64>;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// Puts records for as long as the program is killed, and splits a shard and merges two others on the way.
pub(crate) async fn write(stream: &TestStream, records: u64, time: Duration) {
    let in_request = if records > RECORDS { 500 } else { 100 };
    let requests = records / in_request;
    let mut pause = tokio::time::interval(time / u32::try_from(requests).unwrap());
    for request in 0..requests {
        pause.tick().await;
        let entry = |number: u64| {
            let data = format!("{{\"client_ip\":\"10.0.0.{}\"}}\n", number % 7);
            let entry = PutRecordsRequestEntry::builder().partition_key(number.to_string()).data(Blob::new(data));
            entry.build().unwrap()
        };
        let entries = (request * in_request..(request + 1) * in_request).map(entry).collect();
        let put = stream.client().put_records().stream_name(NAME).set_records(Some(entries));
        assert_eq!(put.send().await.unwrap().failed_record_count(), Some(0));
        if request == requests / 4 {
            split(stream.client()).await;
        } else if request == requests / 2 {
            merge(stream.client()).await;
        }
    }
}

pub(crate) async fn split(stream: &Client) {
    let shards = stream.list_shards().stream_name(NAME).send().await.unwrap();
    let shard = &shards.shards()[0];
    let range = shard.hash_key_range().unwrap();
    let [low, high] = [range.starting_hash_key(), range.ending_hash_key()].map(|key| key.parse::<u128>().unwrap());
    let middle = (low / 2 + high / 2).to_string();
    let request = stream.split_shard().stream_name(NAME).shard_to_split(shard.shard_id());
    request.new_starting_hash_key(middle).send().await.unwrap();
    wait_until_active(stream, NAME).await;
}

async fn merge(stream: &Client) {
    let shards = stream.list_shards().stream_name(NAME).send().await.unwrap();
    let [one, other] = [2, 3].map(|index: usize| shards.shards()[index].shard_id());
    let request = stream.merge_shards().stream_name(NAME).shard_to_merge(one).adjacent_shard_to_merge(other);
    request.send().await.unwrap();
    wait_until_active(stream, NAME).await;
}

pub(crate) async fn wait_until_active(stream: &Client, name: &str) {
    let is_active = || async {
        let answer = stream.describe_stream().stream_name(name).send().await.ok()?;
        (answer.stream_description?.stream_status.as_str() == "ACTIVE").then_some(())
    };
    wait::until("the stream to be active again", DEADLINE, is_active).await.unwrap();
}

pub(crate) fn start(stream: &TestStream, folder: &Path, more: &[&str]) -> Process {
    let mut analytics = command(env!("CARGO_BIN_EXE_analytics"));
    analytics.arg("run").arg(folder.join("program.sql")).args(["--stream", NAME, "--endpoint", stream.endpoint()]);
    analytics.args(["--start", "trim-horizon", "--format", "csv", "--checkpoint-interval", "200ms"]).args(more);
    analytics.arg("--checkpoint").arg(folder.join("checkpoint")).arg("--output").arg(folder.join("out"));
    analytics.arg("--sink").arg(format!("COUNTS=parquet:{}", folder.join("parquet").display()));
    Process::start("analytics", analytics, folder).unwrap()
}

/// What the stream holds, counted by arrival.
pub(crate) async fn held(stream: &TestStream) -> Counts {
    let mut counts = Counts::new();
    for record in stream.records().await.unwrap() {
        let value: serde_json::Value = serde_json::from_slice(&record.data).unwrap();
        let ms = (record.arrival * 1000.0).round() as i64;
        *counts.entry((ms.div_euclid(1000) + 1, value["client_ip"].as_str().unwrap().to_owned())).or_default() += 1;
    }
    counts
}

/// Panics when a window stands there twice.
pub(crate) fn counted(csv: &str) -> Counts {
    let mut counts = Counts::new();
    for line in csv.lines().skip(1) {
        let [time, client, count] = line.split(',').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let key = (time.parse::<jiff::Timestamp>().unwrap().as_second(), client.to_owned());
        assert_eq!(counts.insert(key, count.parse().unwrap()), None, "twice: {line}");
    }
    counts
}

/// What the Parquet files hold. Panics when a window stands there twice.
fn stored(folder: &Path) -> Counts {
    let mut counts = Counts::new();
    for day in std::fs::read_dir(folder).unwrap() {
        for file in std::fs::read_dir(day.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            assert_eq!(path.extension().unwrap(), "parquet", "a part is left over");
            let reader = ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(path).unwrap()).unwrap().build().unwrap();
            for rows in reader.map(Result::unwrap) {
                let (times, clients) =
                    (rows.column(0).as_primitive::<TimestampMillisecondType>(), rows.column(1).as_string_view());
                let requests = rows.column(2).as_primitive::<Int32Type>();
                for row in 0..rows.num_rows() {
                    let key = (times.value(row) / 1000, clients.value(row).to_owned());
                    let count = u64::try_from(requests.value(row)).unwrap();
                    assert_eq!(counts.insert(key, count), None, "twice: row {row}");
                }
            }
        }
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn crashes_neither_lose_nor_double_nor_change_a_window() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("program.sql"), PROGRAM).unwrap();
    let stream = TestStream::start(Options::default()).await.unwrap();
    let (kills, records) = (setting("WEIR_KILLS", KILLS), setting("WEIR_RECORDS", RECORDS));
    let kill_repeatedly = async {
        for life in 1..=kills {
            let mut analytics = start(&stream, folder.path(), &[]);
            analytics.line_with("reading shard", DEADLINE).await.unwrap();
            // Not a wait for anything: the crash may come at any moment, before the first checkpoint of a life too.
            tokio::time::sleep(Duration::from_millis(life * 377 % 1_100)).await;
            analytics.kill().await.unwrap();
        }
    };
    tokio::join!(write(&stream, records, LIFE * u32::try_from(kills).unwrap()), kill_repeatedly);
    let last = start(&stream, folder.path(), &["--until-idle", "3s"]).wait(DEADLINE).await.unwrap().success().unwrap();
    assert!(last.output.contains("going on from the checkpoint"), "{}", last.output);

    let csv = std::fs::read_to_string(folder.path().join("out/COUNTS.csv")).unwrap();
    let (expected, found) = (held(&stream).await, counted(&csv));
    assert!(expected.len() > 30 && expected.values().sum::<u64>() == records);
    assert_eq!(found, expected, "{}", last.output);
    assert_eq!(stored(&folder.path().join("parquet")), expected);
}
