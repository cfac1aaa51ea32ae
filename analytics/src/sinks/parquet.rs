//! Parquet files by date: `FOLDER/date=2026-11-21/STREAM-000007.parquet`, by the date of ROWTIME in UTC.
//!
//! Rows go into a file with the ending `.parquet.part`. A checkpoint finishes those files and notes them; only when it is
//! saved they get their names. A restart gives their names to those that the checkpoint notes, removes the others, and
//! writes again what came after the checkpoint. So a reader of `*.parquet` sees each window once.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampMillisecondType;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::plan::file_name;
use super::{Layout, Sink};

const PART: &str = "parquet.part";
/// Dates that are written at the same time; beyond it the oldest is finished.
const MAX_OPEN: usize = 4;
/// Memory of one open file, after which its rows are written out.
const MAX_FILE_BYTES: usize = 16 * 1024 * 1024;
const DAY_MS: i64 = 86_400_000;

pub(super) struct ParquetSink {
    folder: PathBuf,
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
    /// Finished files that have not got their names yet: these, without the ending.
    finished: Vec<PathBuf>,
}

struct OpenFile {
    name: PathBuf,
    writer: ArrowWriter<File>,
}

impl ParquetSink {
    /// Opens the folder. What the checkpoint does not know of is removed.
    pub(super) fn open(folder: &Path, layout: Layout, mark: Option<&Value>) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot create the folder {}", folder.display()))?;
        let known = mark.map(PartMark::deserialize).transpose().context("a checkpoint's note of Parquet files is wrong")?;
        let mut sink = Self { folder: folder.to_owned(), layout, mark: known.clone().unwrap_or_default(), open: BTreeMap::new() };
        sink.saved().context("the checkpoint notes Parquet files; put them back, or start over with --fresh")?;
        let (parts, last) = sink.found()?;
        for part in parts {
            fs::remove_file(&part).with_context(|| format!("cannot remove {}, which no checkpoint knows", part.display()))?;
        }
        if known.is_none() {
            sink.mark.next = last.map_or(0, |last| last + 1); // beside the files of an earlier run
        }
        Ok(sink)
    }

    /// Files of this stream without a name yet, and the highest number.
    fn found(&self) -> Result<(Vec<PathBuf>, Option<u64>)> {
        let prefix = format!("{}-", file_name(&self.layout.name));
        let (mut parts, mut last) = (Vec::new(), None);
        let cannot = || format!("cannot list {}", self.folder.display());
        for day in fs::read_dir(&self.folder).with_context(cannot)? {
            let day = day.with_context(cannot)?;
            if !day.file_name().to_string_lossy().starts_with("date=") {
                continue;
            }
            for file in fs::read_dir(day.path()).with_context(cannot)? {
                let path = file.with_context(cannot)?.path();
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let Some((number, ending)) = name.strip_prefix(&prefix).and_then(|rest| rest.split_once('.')) else { continue };
                let Ok(number) = number.parse::<u64>() else { continue };
                match ending {
                    PART => parts.push(path),
                    "parquet" => last = last.max(Some(number)),
                    _ => {}
                }
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
        Ok(())
    }

    fn create(&mut self, day: i64, rows: &RecordBatch) -> Result<OpenFile> {
        let date = jiff::Timestamp::from_millisecond(day * DAY_MS)?.strftime("%Y-%m-%d").to_string();
        let folder = self.folder.join(format!("date={date}"));
        fs::create_dir_all(&folder).with_context(|| format!("cannot create the folder {}", folder.display()))?;
        let name = folder.join(format!("{}-{:06}", file_name(&self.layout.name), self.mark.next));
        self.mark.next += 1;
        let path = name.with_added_extension(PART);
        let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
        Ok(OpenFile { name, writer: ArrowWriter::try_new(file, rows.schema(), Some(properties))? })
    }

    fn finish_oldest(&mut self) -> Result<()> {
        let Some((_, OpenFile { name, writer })) = self.open.pop_first() else { return Ok(()) };
        let cannot = || format!("cannot finish {}", name.display());
        let file = writer.into_inner().with_context(cannot)?;
        file.sync_all().with_context(cannot)?;
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
        for name in std::mem::take(&mut self.mark.finished) {
            let (from, to) = (name.with_added_extension(PART), name.with_added_extension("parquet"));
            if !from.exists() && to.exists() {
                continue; // it got its name before a crash
            }
            fs::rename(&from, &to).with_context(|| format!("cannot rename {} to {}", from.display(), to.display()))?;
            let folder = to.parent().ok_or_else(|| anyhow!("{} is in no folder", to.display()))?;
            File::open(folder)
                .and_then(|folder| folder.sync_all())
                .with_context(|| format!("cannot save {}", folder.display()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;
    use crate::engine::tests::{REQUEST_COUNTS_SCHEMA, counted, request_counts};

    fn open(folder: &Path, mark: Option<&Value>) -> ParquetSink {
        ParquetSink::open(folder, Layout::of_stream("request_counts", &REQUEST_COUNTS_SCHEMA), mark).unwrap()
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

    #[test]
    fn a_crash_at_any_moment_leaves_each_window_once() {
        let windows = windows();
        for crash_at in 0..4 {
            let folder = tempfile::tempdir().unwrap();
            let mut sink = open(folder.path(), None);
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

            let mut sink = open(folder.path(), Some(&mark));
            for window in &windows[next..] {
                sink.write(window).unwrap();
            }
            sink.settle().unwrap();
            sink.saved().unwrap();
            let rows: usize = visible(folder.path()).iter().map(|(_, rows)| rows).sum();
            assert_eq!(rows, 3, "crash at {crash_at}: {:?}", visible(folder.path()));
        }
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
