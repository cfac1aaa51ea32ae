//! Bad lines: shown to the operator, kept in a file when asked.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tracing::warn;

use crate::checkpoint::SinkMarks;
use crate::decode::BadLine;
use crate::sinks::take_back;

/// What a checkpoint calls the file.
const KEY: &str = "bad lines";

/// How many bad lines are shown in the log; the rest are counted in the summary.
const SHOWN: u64 = 10;

/// Where bad lines go. The file has one JSON object a line: `position`, `reason`, `line`.
pub(crate) struct BadLines {
    file: Option<(PathBuf, BufWriter<File>)>,
    seen: u64,
}

impl BadLines {
    /// Creates the file, if there is to be one, or takes it back to where a checkpoint left it.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(crate) fn open(path: Option<&Path>, marks: &SinkMarks) -> Result<Self> {
        let open = |path: &Path| {
            let file = match marks.get(KEY).and_then(Value::as_u64) {
                Some(length) => take_back(path, length)?,
                None => {
                    File::create(path).with_context(|| format!("cannot create the file of --bad-lines, {}", path.display()))?
                }
            };
            anyhow::Ok((path.to_owned(), BufWriter::new(file)))
        };
        Ok(Self { file: path.map(open).transpose()?, seen: 0 })
    }

    /// Makes the file durable, and tells its length for a checkpoint.
    pub(crate) fn settle(&self, marks: &mut SinkMarks) -> Result<()> {
        let Some((path, file)) = &self.file else { return Ok(()) };
        let saved = file.get_ref().sync_data().and_then(|()| file.get_ref().metadata());
        let length = saved.with_context(|| format!("cannot write {} to the disk", path.display()))?.len();
        marks.insert(KEY.to_owned(), length.into());
        Ok(())
    }

    /// Shows and keeps these.
    pub(crate) fn take(&mut self, lines: &[BadLine]) -> Result<()> {
        for line in lines {
            self.seen += 1;
            if self.seen <= SHOWN {
                warn!(position = %line.position, reason = line.reason, "a line could not be read; it is counted and left out");
            }
            if self.seen == SHOWN + 1 {
                warn!("more lines could not be read; --bad-lines FILE keeps them all");
            }
            if let Some((path, file)) = &mut self.file {
                let entry = json!({ "position": line.position.to_string(), "reason": line.reason, "line": line.text });
                writeln!(file, "{entry}").with_context(|| format!("cannot write to {}", path.display()))?;
            }
        }
        if let Some((path, file)) = &mut self.file {
            file.flush().with_context(|| format!("cannot write to {}", path.display()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::Position;

    #[test]
    fn a_bad_line_is_kept_with_its_place_and_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bad.jsonl");
        let position = Position::File { file: "access.log".into(), line: 7 };
        let bad = BadLine { position, reason: "no time".to_owned(), text: "{".to_owned() };
        BadLines::open(Some(&path), &SinkMarks::new()).unwrap().take(&[bad]).unwrap();
        let kept: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        assert_eq!(kept, json!({ "position": "access.log:7", "reason": "no time", "line": "{" }));
    }
}
