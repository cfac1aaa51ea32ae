//! The tutorial's program on a stream.

use std::collections::BTreeMap;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use tests::stream::{NAME, Options, TestStream, read_all};

/// (end of the window in seconds since 1970, client) -> requests
pub(crate) type Counts = BTreeMap<(i64, String), u64>;

pub(crate) async fn put(stream: &Client, records: usize) {
    for number in 0..records {
        let data = format!("{{ \"client_ip\":\"10.0.0.{}\" }}\n", number % 7).into_bytes();
        let request = stream.put_record().stream_name(NAME).partition_key(number.to_string());
        request.data(Blob::new(data)).send().await.unwrap();
    }
}

/// What the stream holds, counted by arrival.
pub(crate) async fn held(stream: &Client) -> Counts {
    let mut counts = Counts::new();
    for record in read_all(stream, NAME).await.unwrap() {
        let value: serde_json::Value = serde_json::from_slice(&record.data).unwrap();
        let end = (record.arrival as i64).div_euclid(10) * 10 + 10;
        *counts.entry((end, value["client_ip"].as_str().unwrap().to_owned())).or_default() += 1;
    }
    counts
}

pub(crate) fn printed(csv: &str) -> Counts {
    let row = |line: &str| {
        let [time, client, count] = line.split(',').collect::<Vec<_>>()[..] else { panic!("{line}") };
        ((time.parse::<jiff::Timestamp>().unwrap().as_second(), client.to_owned()), count.parse().unwrap())
    };
    csv.lines().skip(1).map(row).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tutorials_program_counts_a_stream_by_arrival() {
    let stream = TestStream::start(Options::default()).await.unwrap();
    put(stream.client(), 40).await;
    let mut analytics = tests::process::command(env!("CARGO_BIN_EXE_analytics"));
    analytics.arg("run").arg(tests::data::repository("sql/requests_per_client.sql"));
    analytics.args(["--stream", NAME, "--endpoint", stream.endpoint(), "--start", "trim-horizon"]);
    analytics.args(["--until-idle", "2s", "--format", "csv"]);
    let output = analytics.output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let csv = String::from_utf8(output.stdout).unwrap();
    assert!(csv.starts_with("ROWTIME,CLIENT_IP,REQUEST_COUNT\n"), "{csv}");
    assert_eq!(printed(&csv), held(stream.client()).await);
}
