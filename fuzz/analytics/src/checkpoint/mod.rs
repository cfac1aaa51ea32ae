//! The reader of checkpoints.

#[path = "../../../../analytics/src/checkpoint/format.rs"]
mod format;

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringViewArray};
use arrow::ipc::writer::StreamWriter;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What the real head has that the reader needs; the rest is JSON to it.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    tables: usize,
    #[serde(flatten)]
    rest: serde_json::Map<String, Value>,
}

/// A file: any bytes are a checkpoint or a reason. The digest is put right here, or no fuzzer would come past it. The first
/// byte is how long the head is; behind it each 0 is an empty table, each 1 one with rows, and any other byte cuts the last
/// table so many bytes short and is the end. What is inside of a table is Arrow's: it takes the lengths in there at their word and reserves
/// as much memory, which a fuzzer finds at once.
pub fn checkpoint(data: &[u8]) {
    let _ = format::read(data);
    let [length, rest @ ..] = data else { return };
    let (head, tables) = rest.split_at(rest.len().min(usize::from(*length)));
    let mut bytes = b"weirstat".to_vec();
    bytes.extend(1u32.to_le_bytes());
    bytes.extend((head.len() as u64).to_le_bytes());
    bytes.extend(head);
    let begin = bytes.len();
    for table in tables.iter().take(16) {
        match table {
            0 => bytes.push(0),
            1 => bytes.extend([&[1], TABLE.as_slice()].concat()),
            cut => {
                bytes.truncate(begin.max(bytes.len().saturating_sub(usize::from(*cut))));
                break;
            }
        }
    }
    bytes.extend(Md5::digest(&bytes));
    let Ok((head, tables)) = format::read(&bytes) else { return };
    let mut written = Vec::new();
    format::write(&mut written, &head, &tables).expect("what was read can be written");
    let (_, again) = format::read(&written).expect("what was written can be read");
    assert_eq!(again, tables, "tables change on their way through a file");
}

/// A table with a row and a NULL, as Arrow writes it.
static TABLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let names: StringViewArray = [Some("::1"), None].into_iter().collect();
    let counts = Int64Array::from(vec![1, 2]);
    let columns: [(&str, ArrayRef); 2] = [("client_ip", Arc::new(names)), ("count", Arc::new(counts))];
    let batch = RecordBatch::try_from_iter(columns).expect("the columns are of one length");
    let mut bytes = Vec::new();
    let mut writer = StreamWriter::try_new(&mut bytes, &batch.schema()).expect("memory takes all");
    writer.write(&batch).and_then(|()| writer.finish()).expect("memory takes all");
    drop(writer);
    bytes
});
