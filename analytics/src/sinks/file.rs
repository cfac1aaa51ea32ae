//! A file that gets rows appended, and that a restart takes back to where a checkpoint left it.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use arrow::array::RecordBatch;
use serde_json::{Value, json};

use super::{Format, Layout, Sink, text};

/// Rows as text in a file.
pub(super) struct FileSink {
    text: Box<dyn Sink>,
    file: File,
    path: PathBuf,
    is_new: bool,
}

impl FileSink {
    /// Creates the file, or takes it back to the length that `mark` tells.
    ///
    /// # Errors
    /// When it cannot be opened, or has lost what the checkpoint says it has.
    pub(super) fn open(path: &Path, format: Format, layout: Layout, mark: Option<&Value>) -> Result<Self> {
        let file = match mark.and_then(|mark| mark.get("length")).and_then(Value::as_u64) {
            Some(length) => take_back(path, length)?,
            None => File::create(path).with_context(|| format!("cannot create {}", path.display()))?,
        };
        let out = BufWriter::new(file.try_clone().with_context(|| format!("cannot write {}", path.display()))?);
        Ok(Self { text: text(out, format, layout, false), file, path: path.to_owned(), is_new: mark.is_none() })
    }
}

/// Opens a file for appending, without what was written behind `length`.
///
/// # Errors
/// When it is shorter than that, or not there.
pub(crate) fn take_back(path: &Path, length: u64) -> Result<File> {
    let name = path.display();
    let file = File::options().append(true).open(path);
    let file = file.with_context(|| format!("cannot go on with {name}, which the checkpoint knows; --fresh starts over"))?;
    let found = file.metadata().with_context(|| format!("cannot read the length of {name}"))?.len();
    if found < length {
        bail!(
            "{name} has {found} bytes, and had {length} at the checkpoint: rows are lost; put it back, or start over with --fresh"
        );
    }
    file.set_len(length).with_context(|| format!("cannot cut {name} to {length} bytes"))?;
    Ok(file)
}

impl Sink for FileSink {
    fn begin(&mut self) -> Result<()> {
        if self.is_new { self.text.begin() } else { Ok(()) }
    }

    fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        self.text.write(rows).with_context(|| format!("cannot write {}", self.path.display()))
    }

    fn settle(&mut self) -> Result<Value> {
        let saved = self.file.sync_data().and_then(|()| self.file.metadata());
        let length = saved.with_context(|| format!("cannot write {} to the disk", self.path.display()))?.len();
        Ok(json!({ "length": length }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tests::{REQUEST_COUNTS_SCHEMA, counted, request_counts};

    fn open(path: &Path, mark: Option<&Value>) -> Result<FileSink> {
        let layout = Layout::of_request_counts("request_counts", &REQUEST_COUNTS_SCHEMA, Format::Csv, true);
        FileSink::open(path, Format::Csv, layout, mark)
    }

    #[test]
    fn a_restart_takes_the_file_back_to_the_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("counts.csv");
        let windows = counted(&mut request_counts(), &[(0, "::1"), (10_000, "::1")]);
        let mut sink = open(&path, None).unwrap();
        sink.begin().unwrap();
        sink.write(&windows[0].rows).unwrap();
        let mark = sink.settle().unwrap();
        sink.write(&windows[1].rows).unwrap();

        let mut sink = open(&path, Some(&mark)).unwrap();
        sink.begin().unwrap();
        sink.write(&windows[1].rows).unwrap();
        let expected =
            "window_start,client_ip,request_count\n1970-01-01T00:00:00Z,::1,1\n1970-01-01T00:00:10Z,::1,1\n".to_owned();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
    }

    #[test]
    fn a_file_that_lost_rows_is_not_continued() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("counts.csv");
        std::fs::write(&path, "short").unwrap();
        let error = open(&path, Some(&json!({ "length": 6 }))).err().unwrap().to_string();
        assert!(error.contains("has 5 bytes, and had 6 at the checkpoint"), "{error}");
    }
}
