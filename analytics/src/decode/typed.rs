//! Text of the log to the types that the input declares.
//!
//! A column at a time. A value that does not fit makes its row an error; the others go on. Source of the rules: "Mapping
//! JSON to SQL" in the service's developer guide.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringViewArray};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, SchemaRef, TimeUnit};

use super::clf_time;
use crate::engine::cut;
use crate::program::StreamColumn;
use crate::sql::SqlType;

/// A row with a value that does not fit, by its place in the batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    pub(super) row: usize,
    pub(super) reason: String,
}

/// Converts text columns behind ROWTIME; rows that do not fit are left out and told.
pub(super) fn convert(batch: &RecordBatch, columns: &[StreamColumn], schema: &SchemaRef) -> (RecordBatch, Vec<Misfit>) {
    let mut values: Vec<ArrayRef> = vec![batch.column(0).clone()];
    let mut misfits: Vec<Misfit> = Vec::new();
    for (column, text) in columns.iter().zip(batch.columns().iter().skip(1)) {
        let is_text = *text.data_type() == DataType::Utf8View; // or a code, which needs none
        let sql_type = column.sql_type.filter(|_| is_text);
        let converted = sql_type.map_or_else(|| text.clone(), |sql_type| convert_column(text, sql_type));
        note_misfits(column, text, &converted, &mut misfits);
        values.push(converted);
    }
    let batch = RecordBatch::try_new(schema.clone(), values).expect("each column was converted to the type in the schema");
    if misfits.is_empty() {
        return (batch, misfits);
    }
    misfits.sort_by_key(|misfit| misfit.row);
    misfits.dedup_by_key(|misfit| misfit.row);
    let is_good: BooleanArray =
        (0..batch.num_rows()).map(|row| Some(misfits.binary_search_by_key(&row, |misfit| misfit.row).is_err())).collect();
    let batch = filter_record_batch(&batch, &is_good).expect("the filter is as long as the batch");
    (batch, misfits)
}

fn note_misfits(column: &StreamColumn, text: &ArrayRef, converted: &ArrayRef, misfits: &mut Vec<Misfit>) {
    let (name, sql_type) = (&column.name, column.sql_type.map(|sql_type| sql_type.to_string()).unwrap_or_default());
    if converted.null_count() != text.null_count() {
        let texts = text.as_string_view();
        for row in (0..texts.len()).filter(|row| texts.is_valid(*row) && converted.is_null(*row)) {
            let value: String = texts.value(row).chars().take(100).collect();
            misfits.push(Misfit { row, reason: format!("field \"{name}\" is {sql_type}, and {value:?} is none") });
        }
    }
    if column.is_not_null && text.null_count() > 0 {
        for row in (0..text.len()).filter(|row| text.is_null(*row)) {
            misfits.push(Misfit { row, reason: format!("field \"{name}\" is NOT NULL, and it is missing") });
        }
    }
}

/// Values that do not fit become NULL.
pub(super) fn convert_column(text: &ArrayRef, sql_type: SqlType) -> ArrayRef {
    let data_type = sql_type.arrow();
    let plain = |text: &ArrayRef| cast(text, &data_type).unwrap_or_else(|_| arrow::array::new_null_array(&data_type, text.len()));
    match sql_type {
        SqlType::Varchar(length) => cut(text.clone(), length as usize),
        SqlType::TinyInt
        | SqlType::SmallInt
        | SqlType::Integer
        | SqlType::BigInt
        | SqlType::Decimal(..)
        | SqlType::Real
        | SqlType::Double => {
            // true and false are 1 and 0.
            let digits = |text: &str| match text.trim() {
                "true" => "1".to_owned(),
                "false" => "0".to_owned(),
                other => other.to_owned(),
            };
            plain(&mapped(text, digits, |text| text.starts_with(['t', 'f', ' ']) || text.ends_with(' ')))
        }
        SqlType::Timestamp => {
            let moment = |text: &str| match clf_time::parse(text.as_bytes())
                .ok()
                .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
            {
                Some(moment) => moment.to_string(),
                None => text.trim().to_owned(),
            };
            // Through UTC, so that text with an offset is the moment it means.
            let utc = DataType::Timestamp(TimeUnit::Millisecond, Some("+00:00".into()));
            let text = mapped(text, moment, |text| text.starts_with(['[', ' ']));
            cast(&text, &utc).map_or_else(|_| plain(&text), |values| plain(&values))
        }
        _ => plain(text),
    }
}

/// The column with those texts mapped that need it.
fn mapped(text: &ArrayRef, map: impl Fn(&str) -> String, needs_it: impl Fn(&str) -> bool) -> ArrayRef {
    let texts = text.as_string_view();
    if !texts.iter().flatten().any(&needs_it) {
        return text.clone();
    }
    Arc::new(
        texts
            .iter()
            .map(|text| text.map(|text| if needs_it(text) { map(text) } else { text.to_owned() }))
            .collect::<StringViewArray>(),
    )
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{Int32Type, TimestampMillisecondType};

    use super::*;

    fn column(texts: &[Option<&str>], sql_type: SqlType) -> ArrayRef {
        let texts: ArrayRef = Arc::new(texts.iter().copied().collect::<StringViewArray>());
        convert_column(&texts, sql_type)
    }

    #[test]
    fn numbers_are_read_from_text_and_truth_values() {
        let numbers = column(&[Some("200"), Some("true"), Some("x"), Some("1.5"), Some("99999999999"), None], SqlType::Integer);
        assert_eq!(numbers.as_primitive::<Int32Type>().iter().collect::<Vec<_>>(), [Some(200), Some(1), None, None, None, None]);
    }

    #[test]
    fn times_are_read_in_iso_form_and_in_apaches() {
        let texts = [
            Some("1970-01-01 00:00:01"),
            Some("1970-01-01T00:00:01.5Z"),
            Some("1970-01-01T01:00:00+01:00"),
            Some("[01/Jan/1970:00:00:02 +0000]"),
            Some("soon"),
        ];
        let times = column(&texts, SqlType::Timestamp);
        let expected = [Some(1_000), Some(1_500), Some(0), Some(2_000), None];
        assert_eq!(times.as_primitive::<TimestampMillisecondType>().iter().collect::<Vec<_>>(), expected);
    }
}
