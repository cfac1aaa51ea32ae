//! `ADDMETADATA`: the record as the `data` of an object that says more about it.

use jiff::Timestamp;
use serde_json::Value;

use super::json::{self, JsonFormat};

/// Wraps records.
#[derive(Debug)]
pub(crate) struct AddMetadata {
    has_timestamp: bool,
    /// From `"metadata"` to where the record follows; the same for all.
    middle: Vec<u8>,
    format: JsonFormat,
}

impl AddMetadata {
    /// `metadata` is any value; a flow that has none writes null.
    pub(crate) fn new(metadata: &Value, has_timestamp: bool, format: JsonFormat) -> Self {
        let mut middle = Vec::new();
        json::write_key(&mut middle, "metadata", !has_timestamp, format, 1);
        json::write_value(&mut middle, metadata, format, 1);
        json::write_key(&mut middle, "data", false, format, 1);
        Self { has_timestamp, middle, format }
    }

    pub(super) fn convert(&self, text: &str, now_ms: i64) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.middle.len() + text.len() + 64);
        out.push(b'{');
        if self.has_timestamp {
            json::write_key(&mut out, "ts", true, self.format, 1);
            let now = Timestamp::from_millisecond(now_ms).unwrap_or_default();
            json::write_string(&mut out, &format!("{now:.3}"));
        }
        out.extend_from_slice(&self.middle);
        json::write_string(&mut out, text);
        out.extend_from_slice(if self.format == JsonFormat::PrettyPrint { b"\n}\n" } else { b"}\n" });
        out
    }
}
