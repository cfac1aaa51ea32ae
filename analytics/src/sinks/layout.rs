//! Which columns of a stream are printed, and how its times look.

use std::fmt::Write;
use std::sync::Arc;

use anyhow::Result;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{Field, Schema, SchemaRef, TimestampMillisecondType};
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

    /// The printed columns.
    pub(super) fn columns(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        Ok(rows.project(&self.columns)?)
    }

    /// The printed columns; times are in UTC and say so.
    pub(super) fn rows(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let rows = self.columns(rows)?;
        let (mut fields, mut columns) = (Vec::new(), Vec::new());
        for (field, column) in rows.schema().fields().iter().zip(rows.columns()) {
            let times = column.as_primitive_opt::<TimestampMillisecondType>().filter(|times| times.timezone().is_none());
            if let Some(times) = times {
                let times: ArrayRef = Arc::new(times.clone().with_timezone("+00:00"));
                fields.push(Arc::new(Field::new(field.name(), times.data_type().clone(), field.is_nullable())));
                columns.push(times);
            } else {
                fields.push(field.clone());
                columns.push(column.clone());
            }
        }
        Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
    }

    /// Appends a time as text, in UTC.
    ///
    /// # Errors
    /// When it is not of the years -9999 to 9999.
    pub(super) fn append_time(&self, ms: i64, out: &mut String) -> Result<()> {
        let moment = Timestamp::from_millisecond(ms)?;
        match self.time_form {
            TimeForm::Seconds => write!(out, "{}", moment.strftime("%Y-%m-%dT%H:%M:%SZ"))?,
            TimeForm::Milliseconds => write!(out, "{}", moment.strftime("%Y-%m-%dT%H:%M:%S.%3fZ"))?,
            TimeForm::Shortest => write!(out, "{moment}")?,
        }
        Ok(())
    }
}
