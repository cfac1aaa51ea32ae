//! The columns of a stream are discovered from the records that it holds, and what was discovered reads them.

use std::path::Path;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use tests::process::command;
use tests::stream::{NAME, Options, TestStream};

use crate::crash::wait_until_active;

/// Puts records under keys that spread them over the shards.
async fn put(client: &Client, stream: &str, records: &[&str]) {
    for (number, record) in records.iter().enumerate() {
        let request = client.put_record().stream_name(stream).partition_key(number.to_string());
        request.data(Blob::new(*record)).send().await.unwrap();
    }
}

/// What `analytics discover` writes to standard output, or says when it fails.
async fn discovered(stream: &TestStream, name: &str, more: &[&str]) -> Result<String, String> {
    let mut analytics = command(env!("CARGO_BIN_EXE_analytics"));
    analytics.args(["discover", &format!("kinesis:{name}"), "--endpoint", stream.endpoint()]).args(more);
    let output = analytics.output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

/// The columns, blanks as one.
fn columns(ddl: &str) -> Vec<String> {
    let columns = ddl.lines().filter(|line| line.starts_with("    \""));
    columns.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ").trim_end_matches(',').to_owned()).collect()
}

/// The rows of a program over the stream with this schema, without ROWTIME, sorted.
async fn rows(folder: &Path, stream: &TestStream, name: &str, schema: &str, program: &str, more: &[&str]) -> Vec<String> {
    std::fs::write(folder.join("schema.sql"), schema).unwrap();
    std::fs::write(folder.join("program.sql"), program).unwrap();
    let mut analytics = command(env!("CARGO_BIN_EXE_analytics"));
    analytics.current_dir(folder).args(["run", "program.sql", "--schema", "schema.sql", "--stream", name]).args(more);
    analytics.args(["--endpoint", stream.endpoint(), "--start", "trim-horizon", "--until-idle", "2s", "--format", "csv"]);
    let output = analytics.output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut rows: Vec<String> = text.lines().skip(1).map(|line| line.split_once(',').unwrap().1.to_owned()).collect();
    rows.sort();
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn the_columns_of_json_and_of_csv_are_found_in_all_shards_and_run() {
    let folder = tempfile::tempdir().unwrap();
    let stream = TestStream::start(Options { shards: 3, ..Options::default() }).await.unwrap();
    let client = stream.client();
    client.create_stream().stream_name("orders").shard_count(2).send().await.unwrap();
    wait_until_active(client, "orders").await;

    // The second record holds two lines, the last one none that can be read.
    let ann = r#"{"USER":"ann","a":{"id":7},"n":"12345678901","x":0.25,"at":"2026-11-21T02:08:50Z"}"#;
    let bob = r#"{"USER":"bob","a":{"id":-1},"n":5,"x":1,"at":"2026-11-22"}"#;
    put(client, NAME, &[ann, &format!("{bob}\n{}\n", bob.replace("bob", "eva")), "rubbish"]).await;
    let ddl = discovered(&stream, NAME, &[]).await.unwrap();
    assert!(ddl.starts_with(&format!("-- Columns of kinesis:{NAME}, inferred from 3 lines of JSON.\n-- 1 lines more")), "{ddl}");
    let expected = [
        "\"COL_USER\" VARCHAR(4) PATH '$.USER'",
        "\"id\" INTEGER PATH '$.a.id'",
        "\"n\" BIGINT",
        "\"x\" DOUBLE",
        "\"COL_at\" TIMESTAMP PATH '$.at'",
    ];
    assert_eq!(columns(&ddl), expected, "{ddl}");
    let program = "CREATE STREAM d (u VARCHAR(9), i INTEGER, n BIGINT, x DOUBLE, t TIMESTAMP);
        CREATE PUMP p AS INSERT INTO d SELECT STREAM \"COL_USER\", \"id\", \"n\", \"x\", \"COL_at\" FROM source_sql_stream_001;";
    let expected =
        ["ann,7,12345678901,0.25,2026-11-21T02:08:50Z", "bob,-1,5,1.0,2026-11-22T00:00:00Z", "eva,-1,5,1.0,2026-11-22T00:00:00Z"];
    assert_eq!(rows(folder.path(), &stream, NAME, &ddl, program, &[]).await, expected);

    put(client, "orders", &["17,9.5,\"a, b\"\n", "18,10,c\n19,0.25,\n"]).await;
    let ddl = discovered(&stream, "orders", &[]).await.unwrap();
    assert_eq!(columns(&ddl), ["\"COL_0\" INTEGER", "\"COL_1\" DOUBLE", "\"COL_2\" VARCHAR(4)"], "{ddl}");
    assert!(ddl.contains("--input kinesis:orders --input-format csv"), "{ddl}");
    let program = "CREATE STREAM d (n INTEGER, x DOUBLE, t VARCHAR(9));
        CREATE PUMP p AS INSERT INTO d SELECT STREAM \"COL_0\", \"COL_1\", \"COL_2\" FROM source_sql_stream_001;";
    let found = rows(folder.path(), &stream, "orders", &ddl, program, &["--input-format", "csv"]).await;
    assert_eq!(found, ["17,9.5,\"a, b\"", "18,10.0,c", "19,0.25,"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_without_records_or_without_being_is_told() {
    let stream = TestStream::start(Options { shards: 1, ..Options::default() }).await.unwrap();
    let error = discovered(&stream, NAME, &["--wait", "1s"]).await.unwrap_err();
    assert!(error.contains("gave no lines to infer columns from; a stream may need --start trim-horizon"), "{error}");
    let error = discovered(&stream, "elsewhere", &["--wait", "1s"]).await.unwrap_err();
    assert!(error.contains("elsewhere"), "{error}");
}
