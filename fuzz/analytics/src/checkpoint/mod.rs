//! The reader of checkpoints.

#[path = "../../../../analytics/src/checkpoint/format.rs"]
mod format;

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

/// A file: any bytes are a checkpoint or a reason. The digest is put right here, or no fuzzer would come past it; the first
/// byte is how long the head is.
pub fn checkpoint(data: &[u8]) {
    let _ = format::read(data);
    let [length, rest @ ..] = data else { return };
    let (head, tables) = rest.split_at(rest.len().min(usize::from(*length)));
    let mut bytes = b"weirstat".to_vec();
    bytes.extend(1u32.to_le_bytes());
    bytes.extend((head.len() as u64).to_le_bytes());
    bytes.extend([head, tables].concat());
    bytes.extend(Md5::digest(&bytes));
    let Ok((head, tables)) = format::read(&bytes) else { return };
    let mut written = Vec::new();
    format::write(&mut written, &head, &tables).expect("what was read can be written");
    let (_, again) = format::read(&written).expect("what was written can be read");
    assert_eq!(again, tables, "tables change on their way through a file");
}
