//! Doors for the fuzz targets in `fuzz/`, which may see no internals: bytes in, and a panic when a rule is broken.

use std::{path::Path, sync::Arc, time::Instant};

use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    checkpoint::{recent, store},
    pack::{Packer, Packing},
    record::{FileId, PartitionKey, Record},
    settings::{FlowSettings, Settings},
    tail::{
        framing::{Framing, Reading},
        line_buffer::{Line, LineBuffer},
    },
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

/// The state behind a checkpoint: any bytes give a state or none. It counts only whole and behind its own checkpoint, whatever
/// an older, longer one left behind it. The text is given its hash here: no fuzzer would find one.
pub fn recent(text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    let _ = recent::parse(&text, "0");
    let Some(line) = text.split_inclusive('\n').next().filter(|line| line.ends_with('\n')) else { return };
    let (whole, base) = (format!("{} {line}", recent::md5(line.as_bytes())), line.split(' ').next().unwrap_or_default());
    let state = recent::parse(&whole, base);
    assert_eq!(recent::parse(&format!("{whole}left behind\n"), base), state, "what follows the line matters");
    assert_eq!(recent::parse(whole.trim_end_matches('\n'), base), None, "a line that was cut short counts");
    assert_eq!(recent::parse(&whole, "another checkpoint"), None, "a state counts behind a foreign checkpoint");
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
        start = buffer.split(&text[from..seen], start, None, &mut lines);
    }
    let rest = buffer.take_rest(&text[start as usize + buffer.held() as usize..], start);
    (lines, rest)
}

/// What cuts a file into records, with a header, a footer and records of several lines as the first byte says; the second is
/// the limit, the third how the text is cut into reads. Any cut gives the same records, and none lies over another.
pub fn framing(data: &[u8]) {
    let [kind, limit, step, text @ ..] = data else { return };
    let mut flow = json!({ "filePattern": "/l/a.log", "kinesisStream": "s", "multiLineFlushMillis": 86_400_000 });
    let mut set = |bit: u8, key: &str, value: Value| {
        if kind & bit != 0 {
            flow[key] = value;
        }
    };
    set(1, "multiLineStartPattern", json!("^\\[|[A-Z]{2}"));
    set(2, "skipHeaderLines", json!(2));
    set(4, "fileFooterPattern", json!("^--"));
    let flow = self::flow(&flow);
    let limit = usize::from(*limit).max(2);
    let whole = records(&flow, text, text.len().max(1), limit);
    assert_eq!(records(&flow, text, usize::from(*step).max(1), limit), whole, "records depend on the cuts");
    assert!(whole.is_sorted_by(|one, next| one.start < one.end && one.end <= next.start), "records overlap");
    assert!(whole.iter().all(|record| record.data.len() <= limit), "a record over the limit");
}

/// Reads as the tailer does a file that nobody writes to any more, `step` bytes more each time.
fn records(flow: &FlowSettings, text: &[u8], step: usize, limit: usize) -> Vec<Line> {
    let (mut framing, mut records, mut start, mut seen) = (Framing::new(&flow.records.framing, limit, 0), Vec::new(), 0, 0);
    let now = Instant::now();
    while seen < text.len() {
        seen = text.len().min(seen + step);
        let from = start as usize + framing.held() as usize;
        let reading = Reading { is_end: seen == text.len(), size: text.len() as u64, now, block: None };
        start = framing.split(&text[from..seen], start, reading, &mut records);
    }
    framing.take_rest(&text[start as usize + framing.held() as usize..], start, &mut records);
    records
}

/// Puts lines into records of at most so many bytes, as the Kinesis Producer Library does, in their order.
#[must_use]
pub fn aggregate(key: &str, bytes: usize, lines: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut packer = Packer::new(Packing::Aggregated { bytes });
    let line = |(end, data): (usize, &&[u8])| Record {
        data: Bytes::copy_from_slice(data),
        key: PartitionKey::Text(key.into()),
        file: FileId(0),
        end: end as u64 + 1,
        line_bytes: 1,
        packed: None,
    };
    let mut records: Vec<Record> = lines.iter().enumerate().map(line).filter_map(|line| packer.push(line)).collect();
    records.extend(packer.take());
    records.into_iter().map(|record| record.data.to_vec()).collect()
}

fn flow(flow: &Value) -> FlowSettings {
    let text = json!({ "flows": [flow] }).to_string();
    let settings = Settings::parse(text.as_bytes(), Path::new("agent.json")).expect("the target's settings are right");
    settings.flows.into_iter().next().expect("there is a flow")
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
        let flow = flow(&json!({ "filePattern": "/l/a.log", "kinesisStream": "s", "dataProcessingOptions": options }));
        Self(flow.transform.expect("there are options"))
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
