//! Parquet files by date: `FOLDER/date=2026-11-21/STREAM-000007.parquet`, by the date of ROWTIME in UTC.
//!
//! Rows go into a part, see [`super::parts`]. A checkpoint finishes those files and notes them; only when it is
//! saved they get their names. A restart gives their names to those that the checkpoint notes, removes the others, and
//! writes again what came after the checkpoint. So a reader of `*.parquet` sees each window once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampMillisecondType;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::parts::{Part, Parts};
use super::plan::file_name;
use super::{Layout, Sink};

/// Dates that are written at the same time; beyond it the oldest is finished.
const MAX_OPEN: usize = 4;
/// Memory of one open file, after which its rows are written out.
const MAX_FILE_BYTES: usize = 16 * 1024 * 1024;
const DAY_MS: i64 = 86_400_000;

pub(super) struct ParquetSink {
    parts: Box<dyn Parts>,
    layout: Layout,
    mark: PartMark,
    /// By the day since 1970.
    open: BTreeMap<i64, OpenFile>,
}

/// What a restart has to know.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct PartMark {
    /// The number of the next file.
    next: u64,
    /// Finished parts that have not got their names yet: these, without the ending.
    finished: Vec<PathBuf>,
}

struct OpenFile {
    name: PathBuf,
    writer: ArrowWriter<Part>,
}

impl ParquetSink {
    /// Goes on among these files. What the checkpoint does not know of is removed.
    pub(super) fn open(parts: Box<dyn Parts>, layout: Layout, mark: Option<&Value>) -> Result<Self> {
        let known = mark.map(PartMark::deserialize).transpose().context("a checkpoint's note of Parquet files is wrong")?;
        let mut sink = Self { parts, layout, mark: known.clone().unwrap_or_default(), open: BTreeMap::new() };
        sink.saved().context("the checkpoint notes Parquet files; put them back, or start over with --fresh")?;
        let (parts, last) = sink.found()?;
        for part in parts {
            sink.parts.remove(&part)?;
        }
        if known.is_none() {
            sink.mark.next = last.map_or(0, |last| last + 1); // beside the files of an earlier run
        }
        Ok(sink)
    }

    /// Parts of this stream, and the highest number of its files.
    fn found(&self) -> Result<(Vec<PathBuf>, Option<u64>)> {
        let prefix = format!("{}-", file_name(&self.layout.name));
        let number = |name: &Path| name.file_name()?.to_str()?.strip_prefix(&prefix)?.parse::<u64>().ok();
        let (mut parts, mut last) = (Vec::new(), None);
        for (name, is_part) in self.parts.found()? {
            match number(&name) {
                Some(_) if is_part => parts.push(name),
                Some(number) => last = last.max(Some(number)),
                None => {}
            }
        }
        Ok((parts, last))
    }

    fn write_day(&mut self, day: i64, rows: &RecordBatch) -> Result<()> {
        let rows = self.layout.rows(rows)?;
        if !self.open.contains_key(&day) {
            while self.open.len() >= MAX_OPEN {
                self.finish_oldest()?;
            }
            let file = self.create(day, &rows)?;
            self.open.insert(day, file);
        }
        let file = self.open.get_mut(&day).context("the file was opened above")?;
        let cannot = || format!("cannot write {}", file.name.display());
        file.writer.write(&rows).with_context(cannot)?;
        if file.writer.in_progress_size() > MAX_FILE_BYTES {
            file.writer.flush().with_context(cannot)?;
        }
        let is_full = self.parts.most_bytes().is_some_and(|most| file.writer.bytes_written() >= most);
        match is_full.then(|| self.open.remove(&day)).flatten() {
            Some(file) => self.finish(file),
            None => Ok(()),
        }
    }

    fn create(&mut self, day: i64, rows: &RecordBatch) -> Result<OpenFile> {
        let date = jiff::Timestamp::from_millisecond(day * DAY_MS)?.strftime("%Y-%m-%d").to_string();
        let name = Path::new(&format!("date={date}")).join(format!("{}-{:06}", file_name(&self.layout.name), self.mark.next));
        self.mark.next += 1;
        let part = self.parts.create(&name)?;
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
        Ok(OpenFile { name, writer: ArrowWriter::try_new(part, rows.schema(), Some(properties))? })
    }

    fn finish_oldest(&mut self) -> Result<()> {
        match self.open.pop_first() {
            Some((_, file)) => self.finish(file),
            None => Ok(()),
        }
    }

    fn finish(&mut self, OpenFile { name, writer }: OpenFile) -> Result<()> {
        let part = writer.into_inner().with_context(|| format!("cannot finish {}", name.display()))?;
        self.parts.finish(&name, part)?;
        self.mark.finished.push(name);
        Ok(())
    }
}

impl Sink for ParquetSink {
    fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        let times = rows.column(0).as_primitive::<TimestampMillisecondType>().values();
        // Runs of one day: a window's rows are of one moment, and others come in the order of time.
        let mut start = 0;
        for run in times.chunk_by(|one, other| one.div_euclid(DAY_MS) == other.div_euclid(DAY_MS)) {
            self.write_day(run[0].div_euclid(DAY_MS), &rows.slice(start, run.len()))?;
            start += run.len();
        }
        Ok(())
    }

    fn settle(&mut self) -> Result<Value> {
        while !self.open.is_empty() {
            self.finish_oldest()?;
        }
        Ok(serde_json::to_value(&self.mark)?)
    }

    /// Gives the finished files their names.
    fn saved(&mut self) -> Result<()> {
        std::mem::take(&mut self.mark.finished).iter().try_for_each(|name| self.parts.publish(name))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use ::tests::servers::{Kind, Server};
    use tokio::runtime::Handle;
    use tokio::sync::watch;
    use tokio_util::sync::CancellationToken;

    use super::super::parts::{Folder, Objects};
    use super::super::remote::Network;
    use super::*;
    use crate::bucket::Bucket;
    use crate::engine::tests::{REQUEST_COUNTS_SCHEMA, counted, request_counts};

    fn open(folder: &Path, mark: Option<&Value>) -> ParquetSink {
        ParquetSink::open(
            Box::new(Folder::open(folder).unwrap()),
            Layout::of_stream("request_counts", &REQUEST_COUNTS_SCHEMA),
            mark,
        )
        .unwrap()
    }

    fn windows() -> Vec<RecordBatch> {
        let rows = [(0, "::1"), (10_000, "::1"), (DAY_MS, "::1")];
        counted(&mut request_counts(), &rows).into_iter().map(|window| window.rows).collect()
    }

    /// Names of visible files, and the rows in each.
    fn visible(folder: &Path) -> Vec<(String, usize)> {
        let mut found = Vec::new();
        for day in fs::read_dir(folder).unwrap() {
            for file in fs::read_dir(day.unwrap().path()).unwrap() {
                let path = file.unwrap().path();
                if path.extension().unwrap() == "parquet" {
                    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&path).unwrap()).unwrap().build().unwrap();
                    let rows = reader.map(|batch| batch.unwrap().num_rows()).sum();
                    found.push((path.strip_prefix(folder).unwrap().display().to_string(), rows));
                }
            }
        }
        found.sort();
        found
    }

    #[test]
    fn rows_are_seen_once_their_checkpoint_is_saved() {
        let folder = tempfile::tempdir().unwrap();
        let mut sink = open(folder.path(), None);
        for window in windows() {
            sink.write(&window).unwrap();
        }
        sink.settle().unwrap();
        assert_eq!(visible(folder.path()), []);
        sink.saved().unwrap();
        let expected =
            [("date=1970-01-01/request_counts-000000.parquet", 2), ("date=1970-01-02/request_counts-000001.parquet", 1)];
        assert_eq!(visible(folder.path()), expected.map(|(name, rows)| (name.to_owned(), rows)));
    }

    /// Crashes at each moment, and goes on; `place` opens the same place for each crash, and `rows` counts what readers see.
    fn crash(place: impl Fn(usize) -> Box<dyn Parts>, rows: impl Fn(usize) -> usize) {
        let windows = windows();
        for crash_at in 0..4 {
            let open = |mark: Option<&Value>| {
                let layout = Layout::of_stream("request_counts", &REQUEST_COUNTS_SCHEMA);
                ParquetSink::open(place(crash_at), layout, mark).unwrap()
            };
            let mut sink = open(None);
            let mut mark = sink.settle().unwrap();
            sink.saved().unwrap();
            let mut next = 0; // the first window behind the checkpoint
            sink.write(&windows[0]).unwrap();
            if crash_at >= 1 {
                let settled = sink.settle().unwrap();
                if crash_at >= 2 {
                    (mark, next) = (settled, 1); // the checkpoint is in its place
                }
            }
            if crash_at >= 3 {
                sink.saved().unwrap();
            }
            drop(sink);

            let mut sink = open(Some(&mark));
            for window in &windows[next..] {
                sink.write(window).unwrap();
            }
            sink.settle().unwrap();
            sink.saved().unwrap();
            assert_eq!(rows(crash_at), 3, "crash at {crash_at}");
            assert!(sink.found().unwrap().0.is_empty(), "crash at {crash_at}: a part is left");
        }
    }

    #[test]
    fn a_crash_at_any_moment_leaves_each_window_once() {
        let folders: Vec<_> = (0..4).map(|_| tempfile::tempdir().unwrap()).collect();
        let rows = |crash_at: usize| visible(folders[crash_at].path()).iter().map(|(_, rows)| rows).sum();
        crash(|crash_at| Box::new(Folder::open(folders[crash_at].path()).unwrap()), rows);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_crash_at_any_moment_leaves_each_window_once_in_a_bucket() {
        let Some(moto) = Server::start(Kind::Moto).await.unwrap() else { return };
        let made = reqwest::Client::new().put(format!("{}/counts", moto.endpoint())).send().await.unwrap();
        assert!(made.status().is_success());
        let network = Network::new(Handle::current(), CancellationToken::new(), watch::Sender::new(None));
        let endpoint = moto.endpoint().to_owned();
        let bucket = move |crash_at: usize| {
            Bucket::of_emulator(&format!("s3://counts/a b/{crash_at},endpoint={endpoint}").parse().unwrap())
        };
        let run = move || {
            let rows = |crash_at: usize| network.wait(rows_in(&bucket(crash_at)));
            crash(|crash_at| Box::new(Objects::new(bucket(crash_at), network.clone())), rows);
        };
        tokio::task::spawn_blocking(run).await.unwrap();
    }

    /// The rows of all files that readers see.
    async fn rows_in(bucket: &Bucket) -> usize {
        let mut rows = 0;
        for key in bucket.list("date=").await.unwrap() {
            assert!(key.ends_with(".parquet"), "{key}");
            let bytes = bucket.get(&key).await.unwrap().unwrap().bytes;
            let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap();
            rows += reader.map(|batch| batch.unwrap().num_rows()).sum::<usize>();
        }
        rows
    }

    #[test]
    fn another_run_writes_beside_the_files_of_the_first() {
        let folder = tempfile::tempdir().unwrap();
        for expected in 1..3 {
            let mut sink = open(folder.path(), None);
            sink.write(&windows()[0]).unwrap();
            sink.settle().unwrap();
            sink.saved().unwrap();
            assert_eq!(visible(folder.path()).len(), expected);
        }
    }
}
