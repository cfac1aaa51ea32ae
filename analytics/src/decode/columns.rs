//! Builders of the Arrow columns that a program reads.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringViewBuilder, TimestampMillisecondBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::program::ROWTIME;

/// ROWTIME and one text column for each name.
fn schema(column_names: &[String]) -> SchemaRef {
    let rowtime = Field::new(ROWTIME, DataType::Timestamp(TimeUnit::Millisecond, None), false);
    let texts = column_names.iter().map(|name| Field::new(name, DataType::Utf8View, true));
    Arc::new(Schema::new(std::iter::once(rowtime).chain(texts).collect::<Vec<_>>()))
}

/// Invariant: all builders have the same length.
pub(super) struct Columns {
    schema: SchemaRef,
    rowtime: TimestampMillisecondBuilder,
    texts: Vec<StringViewBuilder>,
}

impl Columns {
    pub(super) fn new(column_names: &[String]) -> Self {
        let texts = column_names.iter().map(|_| StringViewBuilder::new()).collect();
        Self { schema: schema(column_names), rowtime: TimestampMillisecondBuilder::new(), texts }
    }

    /// Adds one row, with a value for each column.
    pub(super) fn append<'a>(&mut self, row_ms: i64, values: impl Iterator<Item = Option<&'a str>>) {
        self.rowtime.append_value(row_ms);
        for (builder, value) in self.texts.iter_mut().zip(values) {
            builder.append_option(value);
        }
    }

    /// The rows so far; the builders start empty again.
    pub(super) fn finish(&mut self) -> RecordBatch {
        let mut columns: Vec<ArrayRef> = vec![Arc::new(self.rowtime.finish())];
        columns.extend(self.texts.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef));
        RecordBatch::try_new(self.schema.clone(), columns)
            .expect("columns are built row by row, to the schema they were made from")
    }
}
