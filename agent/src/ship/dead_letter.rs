//! Records the destination will never accept, kept with their position so that nothing is lost in silence.
//!
//! One JSON object a line: `{"flow": .., "file": .., "offset": .., "length": .., "reason": .., "data_base64": ..}`,
//! where `offset` is the record's start in the file. Several flows append to one file.

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

    /// Appends a record and waits until it is on the disk: it will not be read again.
    ///
    /// # Errors
    /// When it cannot be written; the record must not count as settled then.
    pub(super) fn write(&self, flow: &str, file: &str, record: &Record, reason: &str) -> io::Result<()> {
        let length = record.data.len() as u64;
        let line = json!({
            "flow": flow,
            "file": file,
            "offset": record.end.saturating_sub(length),
            "length": length,
            "reason": reason,
            "data_base64": BASE64_STANDARD.encode(&record.data),
        });
        let mut out = OpenOptions::new().create(true).append(true).open(&self.path)?;
        out.write_all(format!("{line}\n").as_bytes())?;
        out.sync_data()
    }
}
