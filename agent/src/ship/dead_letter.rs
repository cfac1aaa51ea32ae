//! Records the destination will never accept, kept with their position so that nothing is lost in silence.
//!
//! One JSON object a line: `{"flow": .., "file": .., "offset": .., "length": .., "reason": .., "data_base64": ..}`,
//! where `offset` and `length` are the record's place in the file, and the data is what would have been sent. Several
//! flows append to one file.

use std::{
    fs::OpenOptions,
    io::{self, Write as _},
    path::PathBuf,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::json;

use crate::record::Record;

/// The dead-letter file.
#[derive(Debug, Clone)]
pub(crate) struct DeadLetters {
    path: PathBuf,
}

impl DeadLetters {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Appends records of one file and waits until they are on the disk: they will not be read again.
    ///
    /// # Errors
    /// When they cannot be written; none of them may count as settled then.
    pub(super) fn write(&self, flow: &str, file: &str, records: &[Record], reason: &str) -> io::Result<()> {
        let letter = |record: &Record| {
            let line = json!({
                "flow": flow,
                "file": file,
                "offset": record.start(),
                "length": record.line_bytes,
                "reason": reason,
                "data_base64": BASE64_STANDARD.encode(&record.data),
            });
            format!("{line}\n")
        };
        let letters: String = records.iter().map(letter).collect();
        let mut out = OpenOptions::new().create(true).append(true).open(&self.path)?;
        out.write_all(letters.as_bytes())?;
        out.sync_data()
    }
}
