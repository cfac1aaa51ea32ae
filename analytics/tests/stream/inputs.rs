//! Programs with several inputs, each from a source of its own.

use std::path::Path;
use std::process::Stdio;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use tests::process::command;
use tests::stream::{NAME, Options, TestStream};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::time::timeout;

use crate::crash::{DEADLINE, wait_until_active};

const COUNTS: &str = "CREATE STREAM counts (source VARCHAR(8), requests INTEGER);
    CREATE STREAM merged (client_ip VARCHAR(16));
    CREATE PUMP one AS INSERT INTO counts SELECT STREAM 'one', COUNT(*) FROM s_001 AS s
        GROUP BY STEP(s.ROWTIME BY INTERVAL '10' SECOND);
    CREATE PUMP two AS INSERT INTO counts SELECT STREAM 'two', COUNT(*) FROM s_002 AS s
        GROUP BY STEP(s.ROWTIME BY INTERVAL '10' SECOND);
    CREATE PUMP first AS INSERT INTO merged SELECT STREAM \"client_ip\" FROM s_001;
    CREATE PUMP second AS INSERT INTO merged SELECT STREAM \"client_ip\" FROM s_002;
    CREATE PUMP all_of_them AS INSERT INTO counts SELECT STREAM 'both', COUNT(*) FROM merged AS m
        GROUP BY STEP(m.ROWTIME BY INTERVAL '10' SECOND);";

const COPIES: &str = "CREATE STREAM copies (source VARCHAR(8), client_ip VARCHAR(16));
    CREATE STREAM orders (\"client_ip\" VARCHAR(16));
    CREATE PUMP one AS INSERT INTO copies SELECT STREAM 'one', \"client_ip\" FROM s_001;
    CREATE PUMP two AS INSERT INTO copies SELECT STREAM 'two', \"client_ip\" FROM orders;";

/// Runs a program of this folder. Gives what it told.
async fn run(folder: &Path, program: &str, more: &[&str]) -> String {
    std::fs::write(folder.join("program.sql"), program).unwrap();
    let mut analytics = command(env!("CARGO_BIN_EXE_analytics"));
    analytics.current_dir(folder).args(["run", "program.sql", "--format", "csv", "--output", "out"]);
    let output = analytics.args(more).output().await.unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{told}");
    told
}

/// The lines of a result without their header, sorted.
fn written(folder: &Path, stream: &str) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join("out").join(stream).with_extension("csv")).unwrap();
    let mut lines: Vec<String> = text.lines().skip(1).map(str::to_owned).collect();
    lines.sort();
    lines
}

/// What is written to standard input is read while its writer goes on.
#[tokio::test]
async fn lines_of_a_pipe_are_read_as_they_come() {
    const COPY: &str = "CREATE STREAM copies (client_ip VARCHAR(16));
        CREATE PUMP copy AS INSERT INTO copies SELECT STREAM \"client_ip\" FROM s_001;";
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("program.sql"), COPY).unwrap();
    let mut analytics = command(env!("CARGO_BIN_EXE_analytics"));
    analytics.current_dir(folder.path()).args(["run", "program.sql", "--input", "-", "--time-field", "t", "--format", "csv"]);
    let mut running = analytics.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut writer = running.stdin.take().unwrap();
    let mut rows = BufReader::new(running.stdout.take().unwrap()).lines();
    let mut next_row = async || timeout(DEADLINE, rows.next_line()).await.expect("a row in time").unwrap().unwrap();
    assert_eq!(next_row().await, "ROWTIME,CLIENT_IP");
    for client in ["a", "b"] {
        writer.write_all(log(&[(client, "10:00:00")]).as_bytes()).await.unwrap();
        assert_eq!(next_row().await, format!("2026-01-01T10:00:00Z,{client}"));
    }
    drop(writer);
    assert!(running.wait().await.unwrap().success());
}

fn log(lines: &[(&str, &str)]) -> String {
    lines.iter().map(|(client, time)| format!("{{\"client_ip\":\"{client}\",\"t\":\"2026-01-01T{time}Z\"}}\n")).collect()
}

#[tokio::test]
async fn files_have_a_watermark_each_and_what_merges_them_waits_for_both() {
    let folder = tempfile::tempdir().unwrap();
    let one = [("a", "10:00:01"), ("b", "10:00:02"), ("a", "10:00:11"), ("a", "10:00:21")];
    let two = [("c", "10:00:03"), ("c", "10:00:12"), ("d", "09:00:12"), ("c", "10:00:25")];
    std::fs::write(folder.path().join("one.log"), log(&one)).unwrap();
    std::fs::write(folder.path().join("two.log"), log(&two)).unwrap();
    let lateness = ["--time-field", "t", "--allowed-lateness", "2h"];
    let told =
        run(folder.path(), COUNTS, &[&["--stream", "s_001=one.log", "--stream", "S_002=two.log"], &lateness[..]].concat()).await;
    assert!(!told.contains("after the window had closed"), "{told}");
    let expected = [
        "2026-01-01T09:00:20Z,both,1",
        "2026-01-01T09:00:20Z,two,1",
        "2026-01-01T10:00:10Z,both,3",
        "2026-01-01T10:00:10Z,one,2",
        "2026-01-01T10:00:10Z,two,1",
        "2026-01-01T10:00:20Z,both,2",
        "2026-01-01T10:00:20Z,one,1",
        "2026-01-01T10:00:20Z,two,1",
        "2026-01-01T10:00:30Z,both,2",
        "2026-01-01T10:00:30Z,one,1",
        "2026-01-01T10:00:30Z,two,1",
    ];
    assert_eq!(written(folder.path(), "COUNTS"), expected);
}

async fn put(client: &Client, stream: &str, clients: &[&str]) {
    for (number, ip) in clients.iter().enumerate() {
        let request = client.put_record().stream_name(stream).partition_key(number.to_string());
        request.data(Blob::new(format!("{{\"client_ip\":\"{ip}\"}}"))).send().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_streams_and_their_positions_are_kept_apart() {
    let folder = tempfile::tempdir().unwrap();
    let stream = TestStream::start(Options { shards: 2, ..Options::default() }).await.unwrap();
    let client = stream.client();
    client.create_stream().stream_name("orders").shard_count(1).send().await.unwrap();
    wait_until_active(client, "orders").await;
    let sources = ["--stream", &format!("s_001=kinesis:{NAME}"), "--stream", "orders=kinesis:orders", "--start", "trim-horizon"];
    let more = ["--endpoint", stream.endpoint(), "--until-idle", "2s", "--checkpoint", "state"];
    let flags = [&sources[..], &more[..]].concat();
    put(client, NAME, &["a", "b", "c"]).await;
    put(client, "orders", &["x", "y"]).await;
    run(folder.path(), COPIES, &flags).await;
    put(client, NAME, &["d"]).await;
    put(client, "orders", &["z"]).await;
    let told = run(folder.path(), COPIES, &flags).await;
    assert!(told.contains("going on from the checkpoint"), "{told}");
    let mut found: Vec<String> =
        written(folder.path(), "COPIES").into_iter().map(|line| line[line.len() - 5..].to_owned()).collect();
    found.sort();
    assert_eq!(found, ["one,a", "one,b", "one,c", "one,d", "two,x", "two,y", "two,z"]);
}
