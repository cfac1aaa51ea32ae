use std::{fs, path::Path, time::Duration};

use aws_sdk_kinesis::{
    Client,
    primitives::Blob,
    types::{PutRecordsRequestEntry, StreamStatus},
};
use tempfile::TempDir;
use tests::{
    stream::{Record, client, read_all},
    wait,
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{journal::Limits, serve::EmbeddedStream};

const NAME: &str = "web-access-log";
const DEADLINE: Duration = Duration::from_secs(10);
const LIMITS: Limits = Limits::of_total(512 << 20);

struct Running {
    client: Client,
    endpoint: String,
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    async fn start(folder: &Path, limits: Limits) -> Self {
        let stream = EmbeddedStream::open(folder, limits).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let task = tokio::spawn(stream.serve(listener, stop.clone()));
        Self { client: client(&endpoint), endpoint, stop, task }
    }

    async fn create(&self, shards: i32) {
        self.client.create_stream().stream_name(NAME).shard_count(shards).send().await.unwrap();
        let is_active = || async {
            let answer = self.client.describe_stream_summary().stream_name(NAME).send().await.ok()?;
            (answer.stream_description_summary?.stream_status == StreamStatus::Active).then_some(())
        };
        wait::until("an active stream", DEADLINE, is_active).await.unwrap();
    }

    async fn put(&self, lines: &[String]) {
        let entry =
            |line: &String| PutRecordsRequestEntry::builder().data(Blob::new(line.as_str())).partition_key(line).build().unwrap();
        let entries = lines.iter().map(entry).collect();
        let answer = self.client.put_records().stream_name(NAME).set_records(Some(entries)).send().await.unwrap();
        assert_eq!(answer.failed_record_count, Some(0));
    }

    async fn records(&self) -> Vec<Record> {
        read_all(&self.client, NAME).await.unwrap()
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

/// The folder as a crash would leave it now.
fn image_of(folder: &TempDir) -> TempDir {
    let image = tempfile::tempdir().unwrap();
    for file in fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap()) {
        fs::copy(file.path(), image.path().join(file.file_name())).unwrap();
    }
    image
}

fn lines(from: usize, to: usize) -> Vec<String> {
    (from..to).map(|number| format!("line {number}")).collect()
}

fn newest_file(folder: &TempDir) -> std::path::PathBuf {
    let files = fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path());
    files.filter(|file| file.extension().is_some_and(|end| end == "journal")).max().unwrap()
}

#[tokio::test]
async fn a_restart_keeps_every_record_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let stream = Running::start(folder.path(), LIMITS).await;
    stream.create(3).await;
    stream.put(&lines(0, 100)).await;
    let before = stream.records().await;
    stream.stop().await;

    let stream = Running::start(folder.path(), LIMITS).await;
    let after = stream.records().await;
    assert_eq!(after.len(), 100);
    assert_eq!(format!("{before:?}"), format!("{after:?}"));
    stream.stop().await;
}

#[tokio::test]
async fn a_crash_loses_nothing_that_was_answered() {
    let folder = tempfile::tempdir().unwrap();
    let stream = Running::start(folder.path(), LIMITS).await;
    stream.create(2).await;
    stream.put(&lines(0, 10)).await;
    let image = image_of(&folder);
    stream.stop().await;

    let stream = Running::start(image.path(), LIMITS).await;
    assert_eq!(stream.records().await.len(), 10);
    stream.stop().await;
}

#[tokio::test]
async fn a_torn_last_entry_is_cut_off_and_the_journal_goes_on_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let stream = Running::start(folder.path(), LIMITS).await;
    stream.create(1).await;
    stream.put(&lines(0, 10)).await;
    stream.stop().await;
    let file = newest_file(&folder);
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() - 7]).unwrap();

    let stream = Running::start(folder.path(), LIMITS).await;
    assert_eq!(stream.records().await.len(), 9);
    stream.put(&lines(10, 12)).await;
    stream.stop().await;

    let stream = Running::start(folder.path(), LIMITS).await;
    assert_eq!(stream.records().await.len(), 11);
    stream.stop().await;
}

#[tokio::test]
async fn sequence_numbers_go_on_above_the_old_ones() {
    let folder = tempfile::tempdir().unwrap();
    let stream = Running::start(folder.path(), LIMITS).await;
    stream.create(1).await;
    stream.put(&lines(0, 2_500 / 5)).await;
    let newest = stream.records().await.last().unwrap().sequence.clone();
    stream.stop().await;

    let stream = Running::start(folder.path(), LIMITS).await;
    stream.put(&lines(500, 501)).await;
    let records = stream.records().await;
    let last = records.last().unwrap();
    assert_eq!(last.data, b"line 500");
    assert!((last.sequence.len(), &last.sequence) > (newest.len(), &newest));
    stream.stop().await;
}

#[tokio::test]
async fn beyond_its_size_the_stream_forgets_the_oldest_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { total_bytes: 64 << 10, segment_bytes: 16 << 10 };
    let stream = Running::start(folder.path(), limits).await;
    stream.create(1).await;
    let is_bounded = || async {
        stream.put(&lines(0, 100)).await;
        let counts: super::Counts = reqwest::get(format!("{}/stats", stream.endpoint)).await.ok()?.json().await.ok()?;
        (counts.forgotten > 0 && counts.bytes < 2 * limits.total_bytes).then_some(counts)
    };
    let counts = wait::until("the oldest to be forgotten", DEADLINE, is_bounded).await.unwrap();
    let held = stream.records().await.len() as u64;
    assert!(held <= counts.put - counts.forgotten, "{held} held of {counts:?}");
    stream.stop().await;

    let stream = Running::start(folder.path(), limits).await;
    assert_eq!(stream.records().await.len() as u64, held);
    stream.stop().await;
}

#[tokio::test]
async fn two_streams_never_share_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let stream = Running::start(folder.path(), LIMITS).await;
    let refused = EmbeddedStream::open(folder.path(), LIMITS).await.err().unwrap().to_string();
    assert!(refused.contains("choose another folder with --dir"), "{refused}");
    stream.stop().await;
}

#[tokio::test]
async fn a_deleted_stream_stays_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let stream = Running::start(folder.path(), LIMITS).await;
    stream.create(1).await;
    stream.put(&lines(0, 10)).await;
    stream.client.delete_stream().stream_name(NAME).send().await.unwrap();
    let is_gone = || async { stream.client.describe_stream_summary().stream_name(NAME).send().await.err() };
    wait::until("the stream to go", DEADLINE, is_gone).await.unwrap();
    stream.stop().await;

    let stream = Running::start(folder.path(), LIMITS).await;
    stream.create(1).await;
    assert_eq!(stream.records().await.len(), 0);
    stream.stop().await;
}
