//! Puts results into the columns of a stream: by position, converted to the declared types, text cut to its length.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringViewArray, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, Schema, SchemaRef, TimeUnit};
use datafusion::error::{DataFusionError, Result};

use super::fault::{self, RowFault};
use super::functions;
use crate::program::{Node, ROWTIME, Stream, StreamColumn};
use crate::sql::SqlType;

/// How a node's results become rows of its output.
pub(super) struct Assign {
    schema: SchemaRef,
    /// For each column behind ROWTIME: where it comes from, and its declaration.
    columns: Vec<Target>,
}

struct Target {
    /// Column of the result; None: not inserted, so NULL.
    source: Option<usize>,
    declared: Option<Declared>,
}

struct Declared {
    name: String,
    sql_type: SqlType,
    is_not_null: bool,
}

/// The columns of a stream's rows: ROWTIME, then those declared.
pub(crate) fn stream_schema(stream: &Stream) -> SchemaRef {
    columns_schema(&stream.columns)
}

/// ROWTIME and these columns.
pub(crate) fn columns_schema(columns: &[StreamColumn]) -> SchemaRef {
    let columns = columns.iter().filter_map(|column| Some(Field::new(&column.name, column.sql_type?.arrow(), true)));
    Arc::new(Schema::new(std::iter::once(row_time()).chain(columns).collect::<Vec<_>>()))
}

/// The field of ROWTIME.
pub(super) fn row_time() -> Field {
    Field::new(ROWTIME, DataType::Timestamp(TimeUnit::Millisecond, None), false)
}

impl Assign {
    /// For a node whose results have these columns.
    pub(super) fn new(node: &Node, output: &Stream, result: &Schema) -> Result<Self> {
        let Some(targets) = &node.targets else { return Ok(Self::inner(node, result)) };
        let column = |(index, column): (usize, &StreamColumn)| {
            let source = targets.iter().position(|target| *target == index).map(|position| position + 1);
            let declared =
                column.sql_type.map(|sql_type| Declared { name: column.name.clone(), sql_type, is_not_null: column.is_not_null });
            Target { source, declared }
        };
        let columns: Vec<Target> = output.columns.iter().enumerate().map(column).collect();
        for target in &columns {
            check(target, result)?;
        }
        Ok(Self { schema: stream_schema(output), columns })
    }

    /// For a subquery: the result's own columns, under their names.
    fn inner(node: &Node, result: &Schema) -> Self {
        let types = result.fields().iter().skip(1);
        let fields = node.columns.iter().zip(types).map(|(name, field)| Field::new(name, field.data_type().clone(), true));
        let schema = Arc::new(Schema::new(std::iter::once(row_time()).chain(fields).collect::<Vec<_>>()));
        let columns = (1..result.fields().len()).map(|index| Target { source: Some(index), declared: None }).collect();
        Self { schema, columns }
    }

    /// Gives rows of these types from now on, column by column.
    pub(super) fn retype(&mut self, schema: &SchemaRef) {
        self.schema = schema.clone();
    }

    /// The columns of the rows.
    pub(super) fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// The rows; those that do not fit go to `faults`.
    pub(super) fn rows(&self, result: RecordBatch, node: usize, faults: &mut Vec<RowFault>) -> Vec<RecordBatch> {
        fault::isolate(result, node, faults, &mut |batch| Ok(vec![self.convert(&batch)?]))
    }

    fn convert(&self, result: &RecordBatch) -> Result<RecordBatch> {
        let row_time = cast(result.column(0), self.schema.field(0).data_type())?;
        let mut columns = vec![row_time];
        for (target, field) in self.columns.iter().zip(self.schema.fields().iter().skip(1)) {
            columns.push(match target.source {
                Some(index) => target.fill(result.column(index), field.data_type())?,
                None => new_null_array(field.data_type(), result.num_rows()),
            });
        }
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }
}

impl Target {
    fn fill(&self, values: &ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
        let values = cast(values, data_type)?;
        let Some(Declared { name, sql_type, is_not_null }) = &self.declared else { return Ok(values) };
        if *is_not_null && values.null_count() > 0 {
            return Err(DataFusionError::Execution(format!("NULL for {name}, which is NOT NULL")));
        }
        match sql_type {
            SqlType::Varchar(length) => Ok(cut(values, *length as usize)),
            SqlType::Real | SqlType::Double if !is_finite(&values) => {
                Err(DataFusionError::Execution(format!("{name} is no number: a division by zero, or a value out of range")))
            }
            _ => Ok(values),
        }
    }
}

fn check(target: &Target, result: &Schema) -> Result<()> {
    let (Some(source), Some(declared)) = (target.source, &target.declared) else { return Ok(()) };
    let from = result.field(source).data_type();
    let to = declared.sql_type.arrow();
    let is_text = |data_type: &DataType| matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let is_number = |data_type: &DataType| data_type.is_numeric();
    let is_time =
        |data_type: &DataType| data_type.is_temporal() && !matches!(data_type, DataType::Interval(_) | DataType::Duration(_));
    let is_assignable = *from == DataType::Null
        || *from == to
        || (is_text(from) && is_text(&to))
        || (is_number(from) && is_number(&to))
        || (is_time(from) && is_time(&to))
        || (is_text(&to) && (is_number(from) || is_time(from) || *from == DataType::Boolean));
    if is_assignable {
        return Ok(());
    }
    Err(DataFusionError::Plan(format!(
        "a value of type {from} cannot be assigned to {}, which is {}",
        declared.name, declared.sql_type
    )))
}

fn cast(values: &ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    if values.data_type() == data_type {
        return Ok(values.clone());
    }
    if *data_type == DataType::Utf8View {
        return functions::as_text(values);
    }
    Ok(cast_with_options(values, data_type, &CastOptions { safe: false, ..CastOptions::default() })?)
}

/// Text of at most `length` characters; longer text is cut, as the service cut it, without a word.
pub(crate) fn cut(values: ArrayRef, length: usize) -> ArrayRef {
    let texts = values.as_string_view();
    // A character has at least one byte, so most texts need no counting.
    let may_be_long = |text: Option<&str>| text.is_some_and(|text| text.len() > length && text.chars().count() > length);
    if !texts.iter().any(may_be_long) {
        return values;
    }
    Arc::new(texts.iter().map(|text| text.map(|text| cut_text(text, length))).collect::<StringViewArray>())
}

/// The same for one text.
pub(crate) fn cut_text(text: &str, length: usize) -> &str {
    text.char_indices().nth(length).map_or(text, |(end, _)| &text[..end])
}

fn is_finite(values: &ArrayRef) -> bool {
    match values.data_type() {
        DataType::Float64 => values.as_primitive::<Float64Type>().iter().flatten().all(f64::is_finite),
        DataType::Float32 => values.as_primitive::<Float32Type>().iter().flatten().all(f32::is_finite),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_by_characters() {
        let texts: ArrayRef = Arc::new(StringViewArray::from(vec![Some("äöü"), None, Some("ab")]));
        let cut = cut(texts, 2);
        assert_eq!(cut.as_string_view().iter().collect::<Vec<_>>(), [Some("äö"), None, Some("ab")]);
    }
}
