//! Builders of the Arrow columns that a program reads.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringViewBuilder, TimestampMillisecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::engine::cut_text;
use crate::keys::{Coder, Dictionary, Key, coded_schema};
use crate::program::{ROWTIME, StreamColumn};
use crate::sql::SqlType;

/// ROWTIME and one text column for each name.
fn text_schema(columns: &[StreamColumn]) -> SchemaRef {
    let rowtime = Field::new(ROWTIME, DataType::Timestamp(TimeUnit::Millisecond, None), false);
    let texts = columns.iter().map(|column| Field::new(&column.name, DataType::Utf8View, true));
    Arc::new(Schema::new(std::iter::once(rowtime).chain(texts).collect::<Vec<_>>()))
}

/// A value on its way into a column.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Cell<'a> {
    #[default]
    Null,
    Text(&'a str),
    Key(Key),
}

/// A column that grows.
enum Values {
    Texts(StringViewBuilder),
    Keys(Vec<Key>),
}

impl Values {
    fn append(&mut self, cell: Cell<'_>) {
        match (self, cell) {
            (Self::Texts(texts), Cell::Text(text)) => texts.append_value(text),
            (Self::Keys(keys), Cell::Key(key)) => keys.push(key),
            (Self::Texts(texts), _) => texts.append_null(),
            (Self::Keys(keys), _) => keys.push(Key::Null),
        }
    }
}

/// Columns whose texts are numbers.
struct Coding {
    coder: Coder,
    schema: SchemaRef,
    /// For each column the most characters of its texts, when it is one of them.
    limits: Vec<Option<usize>>,
}

/// Invariant: all columns have the same length.
pub(super) struct Columns {
    schema: SchemaRef,
    /// Milliseconds, UTC.
    rowtime: Vec<i64>,
    values: Vec<Values>,
    coding: Option<Coding>,
    /// Of the rows so far; None: all of them are texts.
    dictionary: Option<Arc<Dictionary>>,
}

impl Columns {
    pub(super) fn new(columns: &[StreamColumn]) -> Self {
        let values = columns.iter().map(|_| Values::Texts(StringViewBuilder::new())).collect();
        Self { schema: text_schema(columns), rowtime: vec![], values, coding: None, dictionary: None }
    }

    /// Codes those of `all` whose index is in `coded`, from the next chunk on. ROWTIME is index 0.
    pub(super) fn code(&mut self, all: &[StreamColumn], coded: &[usize], coder: Coder) {
        let limit = |(index, column): (usize, &StreamColumn)| match column.sql_type {
            Some(SqlType::Varchar(length)) if coded.contains(&(index + 1)) => Some(length as usize),
            _ => None,
        };
        let limits = all.iter().enumerate().map(limit).collect();
        self.coding = Some(Coding { coder, schema: coded_schema(&self.schema, coded), limits });
    }

    /// ROWTIME and the columns, all of them texts.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Begins a chunk of rows.
    pub(super) fn begin(&mut self) {
        let Some(coding) = &mut self.coding else { return };
        self.dictionary = coding.coder.begin();
        for (values, limit) in self.values.iter_mut().zip(&coding.limits) {
            match (&values, limit.is_some() && self.dictionary.is_some()) {
                (Values::Texts(_), true) => *values = Values::Keys(Vec::new()),
                (Values::Keys(_), false) => *values = Values::Texts(StringViewBuilder::new()),
                _ => {}
            }
        }
    }

    /// Bytes for a column. None: they are no text.
    pub(super) fn cell<'a>(&mut self, column: usize, bytes: &'a [u8]) -> Option<Cell<'a>> {
        match (&self.values[column], &mut self.coding) {
            (Values::Keys(_), Some(Coding { coder, limits, .. })) => {
                // A character has at least one byte.
                let cut = match limits[column] {
                    Some(length) if bytes.len() > length => cut_text(str::from_utf8(bytes).ok()?, length).as_bytes(),
                    _ => bytes,
                };
                coder.key(cut).map(Cell::Key)
            }
            _ => str::from_utf8(bytes).ok().map(Cell::Text),
        }
    }

    /// Text for a column.
    pub(super) fn text<'a>(&mut self, column: usize, text: Option<&'a str>) -> Cell<'a> {
        let Some(text) = text else { return Cell::Null };
        match self.values[column] {
            Values::Texts(_) => Cell::Text(text),
            Values::Keys(_) => self.cell(column, text.as_bytes()).unwrap_or_default(),
        }
    }

    /// Adds one row, with a value for each column.
    pub(super) fn append<'a>(&mut self, row_ms: i64, cells: impl Iterator<Item = Cell<'a>>) {
        self.rowtime.push(row_ms);
        for (values, cell) in self.values.iter_mut().zip(cells) {
            values.append(cell);
        }
    }

    /// The rows of the chunk, and the dictionary of their codes, if there are any. The columns start empty again.
    pub(super) fn finish(&mut self) -> (RecordBatch, Option<Arc<Dictionary>>) {
        let mut columns: Vec<ArrayRef> = vec![Arc::new(TimestampMillisecondArray::from(std::mem::take(&mut self.rowtime)))];
        for values in &mut self.values {
            columns.push(match (values, &mut self.coding) {
                (Values::Texts(texts), _) => Arc::new(texts.finish()),
                (Values::Keys(keys), Some(coding)) => {
                    let codes = coding.coder.codes(keys);
                    keys.clear();
                    Arc::new(codes)
                }
                (Values::Keys(_), None) => unreachable!("keys come from a coder"),
            });
        }
        let dictionary = self.dictionary.take();
        let schema = match &self.coding {
            Some(coding) if dictionary.is_some() => {
                coding.coder.end(columns[0].len());
                &coding.schema
            }
            _ => &self.schema,
        };
        let batch = RecordBatch::try_new(schema.clone(), columns);
        (batch.expect("columns are built row by row, to the schema they were made from"), dictionary)
    }
}
