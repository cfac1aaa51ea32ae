//! The values of one column as CSV fields.

use std::ops::Range;

use anyhow::Result;
use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray, StringViewArray};
use arrow::datatypes::{ArrowPrimitiveType, DataType, Int32Type, Int64Type, TimeUnit, TimestampMillisecondType};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::super::layout::Layout;

/// Writes the values of one column, from the first row to the last.
pub(super) enum Cells<'a> {
    Times(Times),
    Texts(&'a StringViewArray),
    Integers(&'a PrimitiveArray<Int32Type>),
    BigIntegers(&'a PrimitiveArray<Int64Type>),
    /// As arrow writes them.
    Others(ArrayFormatter<'a>),
}

impl<'a> Cells<'a> {
    /// # Errors
    /// When the column has a time or a type that has no text.
    pub(super) fn new(column: &'a ArrayRef, layout: &Layout) -> Result<Self> {
        Ok(match column.data_type() {
            DataType::Timestamp(TimeUnit::Millisecond, None) => Self::Times(Times::new(column.as_primitive(), layout)?),
            DataType::Utf8View => Self::Texts(column.as_string_view()),
            DataType::Int32 => Self::Integers(column.as_primitive()),
            DataType::Int64 => Self::BigIntegers(column.as_primitive()),
            nested if nested.is_nested() => {
                return Err(ArrowError::CsvError(format!("Nested type {nested} is not supported in CSV")).into());
            }
            _ => Self::Others(ArrayFormatter::try_new(column.as_ref(), &FormatOptions::default())?),
        })
    }

    /// Appends the field of a row, which is not before the one that was asked for last. NULL is an empty field.
    ///
    /// # Errors
    /// When the value has no text, as a date of the year 300000.
    pub(super) fn append(&mut self, row: usize, out: &mut String) -> Result<(), ArrowError> {
        match self {
            Self::Times(times) => out.push_str(times.text(row)),
            Self::Texts(texts) if texts.is_valid(row) => append_field(texts.value(row), out),
            Self::Integers(integers) => append_integer(integers, row, out),
            Self::BigIntegers(integers) => append_integer(integers, row, out),
            Self::Texts(_) => {}
            Self::Others(values) => {
                let start = out.len();
                values.value(row).write(out)?;
                if has_to_be_quoted(&out[start..]) {
                    let field = out.split_off(start);
                    append_field(&field, out);
                }
            }
        }
        Ok(())
    }
}

fn append_integer<T: ArrowPrimitiveType<Native: itoa::Integer>>(integers: &PrimitiveArray<T>, row: usize, out: &mut String) {
    if integers.is_valid(row) {
        out.push_str(itoa::Buffer::new().format(integers.value(row)));
    }
}

/// Appends a text, quoted where needed.
pub(super) fn append_field(text: &str, out: &mut String) {
    if !has_to_be_quoted(text) {
        return out.push_str(text);
    }
    out.push('"');
    for (index, part) in text.split('"').enumerate() {
        out.push_str(if index == 0 { "" } else { "\"\"" });
        out.push_str(part);
    }
    out.push('"');
}

/// Looks at every byte: fields are short, and without a way out of the loop several are looked at at once.
fn has_to_be_quoted(text: &str) -> bool {
    text.bytes().fold(false, |found, byte| found | matches!(byte, b',' | b'"' | b'\n' | b'\r'))
}

/// Times as text. The rows of a window share theirs: equal neighbours are formatted once, which once cost a twentieth
/// of a replay.
pub(super) struct Times {
    texts: String,
    /// In the order of the rows.
    runs: Vec<Run>,
    /// The run of the row that was asked for last.
    at: usize,
}

/// Rows of the same time.
struct Run {
    /// The row behind the last one.
    end: usize,
    /// Where in the texts theirs stands; empty for NULL.
    text: Range<usize>,
}

impl Times {
    fn new(times: &PrimitiveArray<TimestampMillisecondType>, layout: &Layout) -> Result<Self> {
        let (mut texts, mut runs) = (String::new(), Vec::<Run>::new());
        let mut last = None;
        for (row, time) in times.iter().enumerate() {
            match runs.last_mut() {
                Some(run) if last == Some(time) => run.end = row + 1,
                _ => {
                    let start = texts.len();
                    if let Some(ms) = time {
                        layout.append_time(ms, &mut texts)?;
                    }
                    runs.push(Run { end: row + 1, text: start..texts.len() });
                    last = Some(time);
                }
            }
        }
        Ok(Self { texts, runs, at: 0 })
    }

    fn text(&mut self, row: usize) -> &str {
        while self.runs[self.at].end <= row {
            self.at += 1;
        }
        &self.texts[self.runs[self.at].text.clone()]
    }
}
