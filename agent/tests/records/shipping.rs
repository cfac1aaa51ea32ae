//! Packed records through the real program, killed in between, into a real stream and out again.

use std::{collections::BTreeSet, fs, io::Write as _, path::Path, time::Duration};

use tests::{
    process::{Process, command},
    stream::{Options, Record, TestStream},
    wait,
};

const LINES: usize = 6000;
const DEADLINE: Duration = Duration::from_secs(60);

fn start(folder: &Path) -> Process {
    let mut agent = command(env!("CARGO_BIN_EXE_agent"));
    agent.args(["run", "-c"]).arg(folder.join("agent.json"));
    Process::start("agent", agent, folder).expect("the agent starts")
}

fn append(folder: &Path, name: &str, lines: std::ops::Range<usize>) {
    let mut log = fs::File::options().create(true).append(true).open(folder.join(name)).expect("the log opens");
    let text: String = lines.map(|line| format!("{name} line {line:06} with something behind it\n")).collect();
    log.write_all(text.as_bytes()).expect("the log is written");
}

/// The lines of a record: of an aggregate, of a compressed one, or its own.
fn lines_of(record: &Record) -> Vec<String> {
    let text = match &record.data[..] {
        [0x1f, 0x8b, ..] => std::io::read_to_string(flate2::read::GzDecoder::new(&record.data[..])),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => zstd::Decoder::new(&record.data[..]).and_then(std::io::read_to_string),
        data => Ok(String::from_utf8_lossy(data).into_owned()),
    };
    let text = text.expect("a record unfolds");
    // An aggregate holds its lines as they are, between a few bytes of its own.
    let from = |part: &str| part.rfind(".log line").map(|at| part[at - 1..].to_owned());
    text.split_inclusive('\n').filter(|part| part.ends_with('\n')).filter_map(from).collect()
}

async fn ship(more: &str) -> Vec<Record> {
    let (stream, folder) = (
        TestStream::start(Options::default()).await.expect("the stream and the agent work"),
        tempfile::tempdir().expect("the stream and the agent work"),
    );
    let path = folder.path();
    let settings = format!(
        r#"{{"kinesis.endpoint": "{}", "kinesis.region": "us-east-1", "cloudwatch.emitMetrics": false, "stateDirectory": "{}/state",
            "flows": [{{"filePattern": "{}/?.log", "kinesisStream": "{}", "initialPosition": "START_OF_FILE",
            "maxBufferAgeMillis": 1000{more}}}]}}"#,
        stream.endpoint(),
        path.display(),
        path.display(),
        tests::stream::NAME
    );
    fs::write(path.join("agent.json"), settings).expect("the stream and the agent work");
    append(path, "a.log", 0..LINES / 2);
    append(path, "b.log", 0..LINES / 2);
    let first = start(path);
    wait::until("a first record", DEADLINE, async || (stream.count() > 0).then_some(()))
        .await
        .expect("the stream and the agent work");
    first.kill().await.expect("the stream and the agent work");
    append(path, "a.log", LINES / 2..LINES);
    append(path, "b.log", LINES / 2..LINES);
    let second = start(path);
    let seen = async || {
        let records = stream.records().await.expect("the stream and the agent work");
        let lines: BTreeSet<String> = records.iter().flat_map(lines_of).collect();
        (lines.len() >= 2 * LINES).then_some(records)
    };
    wait::until("all lines", DEADLINE, seen).await.expect("the stream and the agent work");
    second.terminate(DEADLINE).await.expect("the stream and the agent work").success().expect("the stream and the agent work");
    // All of it is accepted and saved: another start sends nothing again.
    let before = stream.count();
    append(path, "a.log", LINES..LINES + 1);
    let third = start(path);
    wait::until("the last line", DEADLINE, async || (stream.count() > before).then_some(()))
        .await
        .expect("the stream and the agent work");
    third.terminate(DEADLINE).await.expect("the stream and the agent work").success().expect("the stream and the agent work");
    assert_eq!(stream.count(), before + 1, "{more}");
    stream.records().await.expect("the stream and the agent work")
}

#[tokio::test(flavor = "multi_thread")]
async fn packed_lines_arrive_over_a_kill_and_nothing_is_repeated_after_a_clean_stop() {
    for more in [
        r#", "aggregation": "KPL""#,
        r#", "compression": "gzip", "compressedRecordSizeBytes": 20000"#,
        r#", "compression": "zstd", "compressedRecordSizeBytes": 20000"#,
    ] {
        let records = ship(more).await;
        let lines: BTreeSet<String> = records.iter().flat_map(lines_of).collect();
        assert_eq!(lines.len(), 2 * LINES + 1, "{more}");
        assert!(records.len() < LINES / 10, "{} records", records.len());
    }
}
