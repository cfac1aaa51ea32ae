//! Our aggregates in the hands of AWS' own reader, the Python package `aws-kinesis-agg`.
//!
//! Looked for in the venv of the test servers, in `WEIR_PYTHON`, and in the system's Python. Where it is missing the test
//! says so and is skipped; `WEIR_REQUIRE_SERVERS=1` makes that a failure.

use std::{
    env,
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::World;

/// Reads JSON lines with a record each, and prints the user records in each as JSON.
const READER: &str = r#"
import base64, json, sys
from aws_kinesis_agg.deaggregator import deaggregate_records
for line in sys.stdin:
    record = json.loads(line)
    wrapped = {"kinesis": {"kinesisSchemaVersion": "1.0", "sequenceNumber": "1", "partitionKey": record["key"],
               "approximateArrivalTimestamp": 1.0, "data": record["data"]}, "eventSource": "aws:kinesis"}
    out = [{"key": user["kinesis"]["partitionKey"], "data": user["kinesis"]["data"].decode()} for user in deaggregate_records([wrapped])]
    print(json.dumps(out))
"#;

fn python() -> Option<PathBuf> {
    let cache =
        env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")));
    let venv = cache.map(|cache| cache.join("weir/servers/venv/bin/python"));
    let candidates = [env::var_os("WEIR_PYTHON").map(PathBuf::from), venv, Some("python3".into())];
    let has_package = |python: &PathBuf| {
        let import = Command::new(python).args(["-c", "import aws_kinesis_agg.deaggregator"]).stderr(Stdio::null()).status();
        import.is_ok_and(|status| status.success())
    };
    candidates.into_iter().flatten().find(has_package)
}

#[test]
fn aws_s_own_reader_takes_our_aggregates_apart() {
    let Some(python) = python() else {
        assert!(env::var_os("WEIR_REQUIRE_SERVERS").is_none(), "pip install aws-kinesis-agg six");
        // Past the capture of the test's output: a skipped test must be seen.
        writeln!(std::io::stderr(), "SKIPPED: no Python with aws-kinesis-agg; pip install aws-kinesis-agg six").unwrap();
        return;
    };
    let lines: Vec<Vec<u8>> = tests::data::access_log_lines().unwrap().into_iter().take(3000).collect();
    let log: Vec<u8> = lines.iter().flat_map(|line| [line, &b"\n"[..]].concat()).collect();
    let world = World::new(&log, r#", "aggregation": "KPL""#);
    let records = world.json("parse", &[]);
    assert!(records.len() < 40, "{} records", records.len());

    let mut reader = Command::new(python).args(["-c", READER]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = reader.stdin.take().unwrap();
    let keys: Vec<String> = records.iter().map(|record| record["partition_key"].as_str().unwrap().to_owned()).collect();
    let request = |record: &Value| {
        let text = record["data"].as_str().map(|line| BASE64_STANDARD.encode(line)); // a line alone is no aggregate
        json!({"key": record["partition_key"], "data": text.or(record["data_base64"].as_str().map(str::to_owned))}).to_string()
    };
    let requests: Vec<String> = records.iter().map(request).collect();
    let writing = std::thread::spawn(move || requests.iter().for_each(|request| writeln!(stdin, "{request}").unwrap()));
    let output = reader.wait_with_output().unwrap();
    writing.join().unwrap();
    assert!(output.status.success());

    let mut read = Vec::new();
    for (record, key) in output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).zip(&keys) {
        for user in serde_json::from_slice::<Vec<Value>>(record).unwrap() {
            assert_eq!(user["key"].as_str(), Some(key.as_str()), "one key for each aggregate");
            read.push(BASE64_STANDARD.decode(user["data"].as_str().unwrap()).unwrap());
        }
    }
    let expected: Vec<Vec<u8>> = lines.iter().map(|line| [line, &b"\n"[..]].concat()).collect();
    assert_eq!(read, expected);
}
