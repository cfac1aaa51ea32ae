//! Doors for the fuzz targets in `fuzz/`, which may see no internals: bytes in, and a panic when a rule is broken.

use std::{path::Path, sync::Arc};

use serde_json::{Value, json};

use crate::{
    checkpoint::store,
    settings::Settings,
    tail::line_buffer::{Line, LineBuffer},
    transform::{Outcome, Transform},
};

/// `agent.json`: any text gives settings or problems, each with what to do.
pub fn settings(text: &[u8]) {
    match Settings::parse(text, Path::new("agent.json")) {
        Ok(settings) => assert!(!settings.flows.is_empty(), "settings without a flow do nothing"),
        Err(error) => assert!(!error.to_string().is_empty(), "an error that says nothing"),
    }
}

/// A checkpoint: any bytes give a state or a reason, and a state survives being written and read.
pub fn checkpoint(text: &[u8]) {
    if let Ok(state) = store::parse(text) {
        let written = serde_json::to_vec(&state).expect("a state can be written");
        assert_eq!(store::parse(&written).as_ref(), Ok(&state), "a state changes on its way through a file");
    }
}

/// The line buffer: the first byte is the limit, the second how the text is cut; any cut gives the same lines.
pub fn line_buffer(data: &[u8]) {
    let [limit, step, text @ ..] = data else { return };
    let limit = usize::from(*limit).max(2);
    assert_eq!(lines(text, usize::from(*step).max(1), limit), lines(text, text.len().max(1), limit), "lines depend on the cuts");
}

/// Reads as the tailer does: each read starts at the end of the last line and sees `step` bytes more than the one before.
fn lines(text: &[u8], step: usize, limit: usize) -> (Vec<Line>, Option<Line>) {
    let (mut buffer, mut lines, mut start, mut seen) = (LineBuffer::new(limit, Arc::from(*b"\n")), Vec::new(), 0, 0);
    while seen < text.len() {
        seen = text.len().min(seen + step);
        let from = start as usize + buffer.held() as usize;
        start = buffer.split(&text[from..seen], start, &mut lines);
    }
    let rest = buffer.take_rest(&text[start as usize + buffer.held() as usize..], start);
    (lines, rest)
}

/// A chain of converters, as a flow has it.
#[derive(Debug)]
pub struct Converters(Transform);

impl Converters {
    /// Reads `dataProcessingOptions`.
    ///
    /// # Panics
    /// When they are wrong.
    #[must_use]
    pub fn new(options: &Value) -> Self {
        let flow = json!({ "filePattern": "/l/a.log", "kinesisStream": "s", "dataProcessingOptions": options });
        let text = json!({ "flows": [flow] }).to_string();
        let settings = Settings::parse(text.as_bytes(), Path::new("agent.json")).expect("the target's options are right");
        Self(settings.flows[0].transform.clone().expect("there are options"))
    }

    /// What becomes of a record; none when it is sent as it is, or not at all.
    #[must_use]
    pub fn convert(&self, record: &[u8]) -> Option<Vec<u8>> {
        match self.0.apply(record, 1_767_225_600_000) {
            Outcome::Converted(data) => Some(data),
            Outcome::Mismatched(_) | Outcome::Failed(_) => None,
        }
    }

    /// Converts to JSON: what comes out must be one object and one newline.
    pub fn to_json(&self, record: &[u8]) {
        let Some(converted) = self.convert(record) else { return };
        let object: Result<serde_json::Map<String, Value>, _> = serde_json::from_slice(&converted);
        assert!(object.is_ok(), "not an object: {:?}", String::from_utf8_lossy(&converted));
        assert!(converted.ends_with(b"\n"), "without a newline: {:?}", String::from_utf8_lossy(&converted));
    }
}
