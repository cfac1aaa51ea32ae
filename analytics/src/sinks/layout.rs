//! Which columns of a stream are printed, and how its times look.

use std::sync::Arc;

use anyhow::Result;
use arrow::array::{ArrayRef, AsArray, RecordBatch, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit, TimestampMillisecondType};
use jiff::Timestamp;

use super::Format;

/// How the rows of one stream are printed.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// The stream's name.
    pub(crate) name: String,
    schema: SchemaRef,
    columns: Vec<usize>,
    time_form: TimeForm,
}

/// How times look as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TimeForm {
    Seconds,
    Milliseconds,
    /// No more digits than the moment has.
    Shortest,
}

impl Layout {
    /// For a stream of a program: ROWTIME and all of its columns.
    pub(crate) fn of_stream(name: &str, schema: &SchemaRef) -> Self {
        let columns = (0..schema.fields().len()).collect();
        Self { name: name.to_owned(), schema: schema.clone(), columns, time_form: TimeForm::Shortest }
    }

    /// For a record of an output, as the service wrote it: the declared columns, without ROWTIME.
    pub(crate) fn of_output(name: &str, schema: &SchemaRef) -> Self {
        let columns = (1..schema.fields().len()).collect();
        Self { name: name.to_owned(), schema: schema.clone(), columns, time_form: TimeForm::Shortest }
    }

    /// For `request_counts`: ROWTIME is `window_end` and left out; the start names the window, except in JSON.
    pub(crate) fn of_request_counts(name: &str, schema: &SchemaRef, format: Format, is_whole_seconds: bool) -> Self {
        let is_left_out = |column: &usize| *column == 0 || (*column == 2 && format != Format::Jsonl);
        let columns = (0..schema.fields().len()).filter(|column| !is_left_out(column)).collect();
        let time_form = if is_whole_seconds { TimeForm::Seconds } else { TimeForm::Milliseconds };
        Self { name: name.to_owned(), schema: schema.clone(), columns, time_form }
    }

    /// The names of the printed columns.
    pub(super) fn names(&self) -> Vec<&str> {
        self.columns.iter().map(|column| self.schema.field(*column).name().as_str()).collect()
    }

    /// The printed columns; times are in UTC and say so.
    pub(super) fn rows(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let utc = DataType::Timestamp(TimeUnit::Millisecond, Some("+00:00".into()));
        self.mapped(rows, &utc, |column| {
            let times = column.as_primitive::<TimestampMillisecondType>().clone().with_timezone("+00:00");
            Ok(Arc::new(times))
        })
    }

    /// The printed columns; times are text.
    pub(super) fn rows_with_times_as_text(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        self.mapped(rows, &DataType::Utf8, |column| self.time_texts(column))
    }

    fn mapped(&self, rows: &RecordBatch, to: &DataType, map: impl Fn(&ArrayRef) -> Result<ArrayRef>) -> Result<RecordBatch> {
        let rows = rows.project(&self.columns)?;
        let (mut fields, mut columns) = (Vec::new(), Vec::new());
        for (field, column) in rows.schema().fields().iter().zip(rows.columns()) {
            if matches!(field.data_type(), DataType::Timestamp(TimeUnit::Millisecond, None)) {
                fields.push(Arc::new(Field::new(field.name(), to.clone(), field.is_nullable())));
                columns.push(map(column)?);
            } else {
                fields.push(field.clone());
                columns.push(column.clone());
            }
        }
        Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
    }

    /// The rows of a window share their times: each is formatted once, not once a row, which cost a twentieth of a replay.
    fn time_texts(&self, column: &ArrayRef) -> Result<ArrayRef> {
        let times = column.as_primitive::<TimestampMillisecondType>();
        let mut texts = StringBuilder::new();
        let mut last: Option<(i64, String)> = None;
        for ms in times {
            let Some(ms) = ms else {
                texts.append_null();
                continue;
            };
            let text = match last.take() {
                Some((known, text)) if known == ms => text,
                _ => self.time_text(ms)?,
            };
            texts.append_value(&text);
            last = Some((ms, text));
        }
        Ok(Arc::new(texts.finish()))
    }

    fn time_text(&self, ms: i64) -> Result<String> {
        let moment = Timestamp::from_millisecond(ms)?;
        Ok(match self.time_form {
            TimeForm::Seconds => moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            TimeForm::Milliseconds => moment.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string(),
            TimeForm::Shortest => moment.to_string(),
        })
    }
}
