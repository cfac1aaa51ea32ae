//! The decoder against lines that a real Apache wrote.

use arrow::array::{AsArray, RecordBatch};
use serde_json::Value;

use super::*;
use crate::lines::Lines;
use crate::program::LOG_COLUMNS;

fn data(name: &str) -> Vec<u8> {
    let path = ::tests::data::apache_json(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Columns of text of any length.
pub(crate) fn text_plan(columns: &[&str], row_time: RowTime) -> InputPlan {
    let column = |name: &&str| StreamColumn {
        name: (*name).to_owned(),
        sql_type: Some(SqlType::Varchar(65_535)),
        is_not_null: false,
        path: None,
    };
    let columns = columns.iter().map(column).collect();
    InputPlan { columns, metadata: vec![], row_time, time_field: TIME_FIELD.to_owned(), missing: Missing::Bad, form: Form::Json }
}

fn decode(columns: &[&str], row_time: RowTime, bytes: &[u8]) -> Rows {
    let plan = text_plan(columns, row_time);
    let payload = Payload::Lines { lines: Lines::new(bytes.to_vec()), file: "log".into(), first_line: 1, arrivals_ms: vec![] };
    match Decoder::new(plan).decode(Chunk::new(ShardId(0), payload), 7).event {
        ShardEvent::Rows(rows) => rows,
        other => panic!("{other:?}"),
    }
}

fn text(batch: &RecordBatch, column: &str, row: usize) -> String {
    batch.column_by_name(column).unwrap().as_string_view().value(row).to_owned()
}

#[test]
fn every_nasty_line_decodes_to_what_was_sent() {
    let rows = decode(&LOG_COLUMNS, RowTime::Event, &data("nasty.log"));
    let expected = data("nasty.expected.jsonl");
    let expected: Vec<Value> = expected
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!((rows.batch.num_rows(), rows.counts.bad), (217, 0));
    for (row, case) in expected.iter().enumerate() {
        for column in LOG_COLUMNS {
            assert_eq!(text(&rows.batch, column, row), case["fields"][column].as_str().unwrap(), "{} {column}", case["id"]);
        }
    }
    let illegal = expected.iter().filter(|case| case["plain_json"] == false).count() as u64;
    assert_eq!(rows.counts.illegal_json, illegal);
}

#[test]
fn projection_changes_no_value() {
    let log = data("nasty.log");
    let whole = decode(&LOG_COLUMNS, RowTime::Event, &log);
    for column in LOG_COLUMNS {
        let alone = decode(&[column], RowTime::Event, &log);
        assert_eq!(alone.counts, whole.counts, "{column}");
        for row in 0..217 {
            assert_eq!(text(&alone.batch, column, row), text(&whole.batch, column, row), "{column} {row}");
        }
    }
}

#[test]
fn a_bad_line_is_located_and_the_next_one_read() {
    let log = b"{ \"client_ip\":\"1\" }\nrubbish\n\n{ \"x\":\"1\" }\n{ \"client_ip\":\"2\" }";
    let rows = decode(&["client_ip"], RowTime::Clock, log);
    let bad: Vec<String> = rows.bad_lines.iter().map(|bad| format!("{} {}", bad.position, bad.reason)).collect();
    assert_eq!(bad, ["log:2 not a JSON object, at byte 0", "log:4 no field \"client_ip\""]);
    assert_eq!((rows.batch.num_rows(), rows.counts.lines, rows.counts.bad), (2, 4, 2));
}

#[test]
fn a_line_without_a_time_is_bad_when_time_is_event_time() {
    let log = b"{ \"request_time\":\"yesterday\", \"client_ip\":\"1\" }\n";
    assert_eq!(decode(&["client_ip"], RowTime::Event, log).counts.bad, 1);
    assert_eq!(decode(&["client_ip"], RowTime::Clock, log).counts.bad, 0);
}

#[test]
fn a_line_of_an_aggregate_has_the_partition_key_of_its_own_record() {
    let hex = |value: &Value| -> Vec<u8> {
        let hex = value.as_str().unwrap();
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    };
    let aggregates = std::fs::read_to_string(::tests::data::repository("tests/data/kpl/aggregates.jsonl")).unwrap();
    let aggregate: Value = serde_json::from_str(aggregates.lines().nth(2).unwrap()).unwrap(); // keys node-0 to node-2
    let record = |data: Vec<u8>| StreamRecord {
        data: data.into(),
        arrival_ms: 7,
        partition_key: "outer".to_owned(),
        sequence_number: "49".to_owned(),
        shard_name: "shardId-000000000000".into(),
    };
    let records = vec![record(hex(&aggregate["record"])), record(b"{\"number\":\"plain\"}".to_vec())];
    let metadata = vec![Metadata::SequenceNumber, Metadata::PartitionKey];
    let plan = InputPlan { metadata, ..text_plan(&["number"], RowTime::Arrival) };
    let decoded = Decoder::new(plan).decode(Chunk::new(ShardId(0), Payload::Records(records)), 7);
    let ShardEvent::Rows(Rows { batch, .. }) = decoded.event else { panic!("no rows") };
    let row = |row| ["number", "PARTITION_KEY", "SEQUENCE_NUMBER"].map(|column| text(&batch, column, row)).join(" ");
    let expected = ["5 node-0 49", "6 node-1 49", "7 node-2 49", "8 node-0 49", "9 node-1 49", "10 node-2 49", "11 node-0 49"];
    assert_eq!((0..batch.num_rows()).map(row).collect::<Vec<_>>(), [&expected[..], &["plain outer 49"]].concat());
}
