//! Records that AWS's own library aggregated: `tests/data/kpl`, made by its `make.py`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use aws_sdk_kinesis::primitives::Blob;
use serde_json::Value;
use tests::process::command;
use tests::servers;
use tests::stream::{NAME, Options, TestStream};

const PROGRAM: &str = "CREATE STREAM lines (client_ip VARCHAR(16));
    CREATE PUMP copy AS INSERT INTO lines SELECT STREAM \"client_ip\" FROM source_sql_stream_001;";

fn data(file: &str) -> PathBuf {
    tests::data::repository("tests/data/kpl").join(file)
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[tokio::test]
async fn awss_own_library_makes_these_bytes() {
    let Some(python) = servers::python_with("aws_kinesis_agg").unwrap() else { return };
    let output = command(python).arg(data("make.py")).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stdout, std::fs::read(data("aggregates.jsonl")).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_user_record_counts_once_and_a_bad_one_is_located() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("program.sql"), PROGRAM).unwrap();
    let stream = TestStream::start(Options { shards: 1, ..Options::default() }).await.unwrap();
    for line in std::fs::read_to_string(data("aggregates.jsonl")).unwrap().lines() {
        let aggregate: Value = serde_json::from_str(line).unwrap();
        let request = stream.client().put_record().stream_name(NAME).partition_key(aggregate["partition_key"].as_str().unwrap());
        request.data(Blob::new(bytes(aggregate["record"].as_str().unwrap()))).send().await.unwrap();
    }
    let mut analytics = command(env!("CARGO_BIN_EXE_analytics"));
    analytics.arg("run").arg(folder.path().join("program.sql")).args(["--stream", NAME, "--endpoint", stream.endpoint()]);
    analytics.args(["--start", "trim-horizon", "--until-idle", "2s", "--format", "csv", "--bad-lines"]);
    let output = analytics.arg(folder.path().join("bad.jsonl")).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let mut found = BTreeMap::<String, usize>::new();
    for line in String::from_utf8(output.stdout).unwrap().lines().skip(1) {
        *found.entry(line.rsplit(',').next().unwrap().to_owned()).or_default() += 1;
    }
    // Lines 1 to 220, from clients 10.0.0.0 to 10.0.0.6 in turn.
    let expected = [("10.0.0.0", 31), ("10.0.0.1", 32), ("10.0.0.2", 32), ("10.0.0.3", 32), ("10.0.0.4", 31)];
    let expected = expected.into_iter().chain([("10.0.0.5", 31), ("10.0.0.6", 31)]);
    assert_eq!(found, expected.map(|(client, lines)| (client.to_owned(), lines)).collect());
    let bad = std::fs::read_to_string(folder.path().join("bad.jsonl")).unwrap();
    let lines: Vec<String> = bad
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            line["position"].as_str().unwrap().rsplit_once(':').unwrap().1.to_owned()
        })
        .collect();
    assert_eq!(lines, ["1", "2", "4", "5"], "two in the fifth aggregate, two in the sixth");
}
