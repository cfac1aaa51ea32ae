//! The bytes of a checkpoint.
//!
//! ```text
//! "weirstat" · version (u32) · length of the head (u64) · head (JSON) · tables (Arrow IPC streams) · MD5 of all before
//! ```
//!
//! Numbers are little-endian. An empty table is a byte 0, another one a byte 1 and its stream. What was cut or changed
//! is told by the digest before anything else is looked at.

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use md5::{Digest, Md5};

use super::Head;

const MAGIC: &[u8; 8] = b"weirstat";
/// Goes up when the layout changes. A version is part of the file's first bytes, so that it is told apart from damage.
const VERSION: u32 = 1;
const DIGEST_BYTES: usize = 16;

/// Why bytes are no checkpoint.
#[derive(Debug, thiserror::Error)]
pub(super) enum FormatError {
    #[error("it is not a checkpoint of this program")]
    Foreign,
    #[error("its format is version {0}, and this program reads version {VERSION}")]
    Version(u32),
    #[error("it is damaged: its checksum is wrong")]
    Damaged,
    #[error("its head cannot be read: {0}")]
    Head(#[from] serde_json::Error),
    #[error("its tables cannot be read: {0}")]
    Tables(#[from] ArrowError),
    #[error("its tables are not of a form that can be read")]
    Malformed,
}

/// Writes a checkpoint.
///
/// # Errors
/// Those of the writer.
pub(super) fn write(out: impl Write, head: &Head, tables: &[Vec<RecordBatch>]) -> anyhow::Result<()> {
    let mut out = Digesting { out, digest: Md5::new() };
    let json = serde_json::to_vec(head)?;
    out.write_all(MAGIC)?;
    out.write_all(&VERSION.to_le_bytes())?;
    out.write_all(&(json.len() as u64).to_le_bytes())?;
    out.write_all(&json)?;
    for table in tables {
        write_table(&mut out, table)?;
    }
    let Digesting { mut out, digest } = out;
    out.write_all(&digest.finalize())?;
    Ok(out.flush()?)
}

fn write_table(out: &mut impl Write, batches: &[RecordBatch]) -> anyhow::Result<()> {
    let Some(first) = batches.first() else { return Ok(out.write_all(&[0])?) };
    out.write_all(&[1])?;
    let mut writer = StreamWriter::try_new(&mut *out, &first.schema())?;
    for batch in batches {
        writer.write(&compact(batch)?)?;
    }
    Ok(writer.finish()?)
}

/// The batch without the bytes that its text columns no longer point to: a few rows may hold a whole chunk of the log.
fn compact(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let compact = |column: &ArrayRef| -> ArrayRef {
        match column.data_type() {
            DataType::Utf8View => std::sync::Arc::new(column.as_string_view().gc()),
            DataType::BinaryView => std::sync::Arc::new(column.as_binary_view().gc()),
            _ => column.clone(),
        }
    };
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(batch.schema(), batch.columns().iter().map(compact).collect(), &options)
}

/// Reads a checkpoint.
///
/// # Errors
/// When the bytes are none.
pub(super) fn read(bytes: &[u8]) -> Result<(Head, Vec<Vec<RecordBatch>>), FormatError> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(FormatError::Foreign)?;
    let (version, rest) = rest.split_first_chunk::<4>().ok_or(FormatError::Damaged)?;
    let version = u32::from_le_bytes(*version);
    if version != VERSION {
        return Err(FormatError::Version(version));
    }
    let body = rest.len().checked_sub(DIGEST_BYTES).ok_or(FormatError::Damaged)?;
    let (rest, digest) = rest.split_at(body);
    if Md5::digest(&bytes[..bytes.len() - DIGEST_BYTES]).as_slice() != digest {
        return Err(FormatError::Damaged);
    }
    let (length, rest) = rest.split_first_chunk::<8>().ok_or(FormatError::Damaged)?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| FormatError::Damaged)?;
    let (json, mut rest) = rest.split_at_checked(length).ok_or(FormatError::Damaged)?;
    let head: Head = serde_json::from_slice(json)?;
    // Arrow panics over some tables that are wrong. With a checksum that is right they are no damage of a disk.
    let tables = || (0..head.tables).map(|_| read_table(&mut rest)).collect::<Result<_, _>>();
    let tables = catch_unwind(AssertUnwindSafe(tables)).unwrap_or(Err(FormatError::Malformed))?;
    Ok((head, tables))
}

fn read_table(rest: &mut &[u8]) -> Result<Vec<RecordBatch>, FormatError> {
    let (is_there, after) = rest.split_first().ok_or(FormatError::Damaged)?;
    *rest = after;
    if *is_there == 0 {
        return Ok(vec![]);
    }
    // Reads its own stream and leaves the rest.
    Ok(StreamReader::try_new(rest, None)?.collect::<Result<_, _>>()?)
}

/// A writer that keeps the digest of what went through.
struct Digesting<W> {
    out: W,
    digest: Md5,
}

impl<W: Write> Write for Digesting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.digest.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A draft as a checkpoint that went through a file.
#[cfg(test)]
pub(crate) fn round_trip(draft: super::Draft) -> super::Checkpoint {
    let head = Head {
        written_by: super::versions(),
        identity: super::Identity { program: String::new(), inputs: vec![] },
        number: draft.number,
        marks: draft.marks.into_iter().collect(),
        sinks: super::SinkMarks::new(),
        facts: draft.image.facts,
        tables: draft.image.tables.len(),
    };
    let mut bytes = Vec::new();
    write(&mut bytes, &head, &draft.image.tables).expect("memory takes all");
    let (head, tables) = read(&bytes).expect("what was written is read");
    let marks = head.marks.into_iter().collect();
    let image = crate::engine::EngineImage { facts: head.facts, tables };
    super::Checkpoint { number: head.number, marks, sinks: head.sinks, image }
}

#[cfg(test)]
mod tests {
    use super::super::Draft;
    use super::*;
    use crate::engine::tests::{counted, request_counts};

    fn bytes() -> Vec<u8> {
        let mut engine = request_counts();
        counted(&mut engine, &[(0, "::1"), (20_000, "10.0.0.1")]);
        let image = engine.image().unwrap();
        let tables = image.tables.clone();
        let draft = Draft { number: 7, marks: Default::default(), image };
        let head = Head {
            written_by: super::super::versions(),
            identity: super::super::Identity { program: "p".to_owned(), inputs: vec![] },
            number: draft.number,
            marks: vec![],
            sinks: Default::default(),
            facts: draft.image.facts,
            tables: tables.len(),
        };
        let mut bytes = Vec::new();
        write(&mut bytes, &head, &tables).unwrap();
        bytes
    }

    #[test]
    fn what_is_cut_or_changed_anywhere_is_refused() {
        let bytes = bytes();
        assert_eq!(read(&bytes).unwrap().0.number, 7);
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).is_err(), "cut to {length}");
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(read(&changed).is_err(), "changed at {at}");
        }
    }

    /// A fuzzer found tables that Arrow panics over.
    #[test]
    fn wrong_tables_under_a_right_checksum_are_no_panic() {
        let bytes = bytes();
        for at in (bytes.len() / 2..bytes.len() - DIGEST_BYTES).step_by(5) {
            let mut changed = bytes[..bytes.len() - DIGEST_BYTES].to_vec();
            changed[at] ^= 0x20;
            changed.extend(Md5::digest(&changed));
            let _ = read(&changed);
        }
    }

    #[test]
    fn another_version_is_told_by_its_number() {
        let mut bytes = bytes();
        bytes[8] = 9;
        assert_eq!(read(&bytes).unwrap_err().to_string(), "its format is version 9, and this program reads version 1");
    }
}
