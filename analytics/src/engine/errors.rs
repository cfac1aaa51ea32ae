//! Rows of `error_stream`, as the service had them.

use std::sync::{Arc, LazyLock};

use arrow::array::{AsArray, RecordBatch, StringViewArray, TimestampMillisecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit, TimestampMillisecondType};
use arrow::json::LineDelimitedWriter;

use super::assign::row_time;
use super::fault::RowFault;
use crate::decode::BadLine;

/// The columns. Source: "Error stream schema" in the service's developer guide.
pub(crate) static ERROR_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let time = |name| Field::new(name, DataType::Timestamp(TimeUnit::Millisecond, None), true);
    let text = |name| Field::new(name, DataType::Utf8View, true);
    let fields = [
        time("ERROR_TIME"),
        text("ERROR_LEVEL"),
        text("ERROR_NAME"),
        text("MESSAGE"),
        time("DATA_ROWTIME"),
        text("DATA_ROW"),
        text("PUMP_NAME"),
    ];
    Arc::new(Schema::new(std::iter::once(row_time()).chain(fields).collect::<Vec<_>>()))
});

/// One error.
struct Entry {
    name: &'static str,
    message: String,
    row_ms: Option<i64>,
    data: String,
    pump: Option<String>,
}

/// The error rows of a step; None when there are none. `pump` names the pump of a node.
pub(super) fn rows(
    bad_lines: &[BadLine],
    faults: &[RowFault],
    pump: impl Fn(usize) -> String,
    now_ms: i64,
) -> Option<RecordBatch> {
    let of_line = |bad: &BadLine| Entry {
        name: "Data parsing error",
        message: format!("{}: {}", bad.position, bad.reason),
        row_ms: None,
        data: hex(bad.text.as_bytes()),
        pump: None,
    };
    let of_fault = |fault: &RowFault| Entry {
        name: "Row error",
        message: fault.message.clone(),
        row_ms: fault
            .row
            .columns()
            .first()
            .and_then(|first| first.as_primitive_opt::<TimestampMillisecondType>())
            .and_then(|times| times.iter().next().flatten()),
        data: if fault.row.num_rows() > 0 { hex(&as_json(&fault.row)) } else { String::new() },
        pump: Some(pump(fault.node)),
    };
    let entries: Vec<Entry> = bad_lines.iter().map(of_line).chain(faults.iter().map(of_fault)).collect();
    (!entries.is_empty()).then(|| batch(&entries, now_ms))
}

fn batch(entries: &[Entry], now_ms: i64) -> RecordBatch {
    let texts = |of: &dyn Fn(&Entry) -> Option<String>| Arc::new(entries.iter().map(of).collect::<StringViewArray>());
    let now = Arc::new(TimestampMillisecondArray::from_value(now_ms, entries.len()));
    let row_times = entries.iter().map(|entry| entry.row_ms).collect::<TimestampMillisecondArray>();
    let columns: Vec<arrow::array::ArrayRef> = vec![
        now.clone(),
        now,
        texts(&|_| Some("ERROR".to_owned())),
        texts(&|entry| Some(entry.name.to_owned())),
        texts(&|entry| Some(entry.message.clone())),
        Arc::new(row_times),
        texts(&|entry| Some(entry.data.clone())),
        texts(&|entry| entry.pump.clone()),
    ];
    RecordBatch::try_new(ERROR_SCHEMA.clone(), columns).expect("the columns are those of the schema above")
}

fn as_json(row: &RecordBatch) -> Vec<u8> {
    let mut writer = LineDelimitedWriter::new(Vec::new());
    let written = writer.write(row).and_then(|()| writer.finish());
    written.map_or_else(|error| error.to_string().into_bytes(), |()| writer.into_inner().trim_ascii_end().to_vec())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
