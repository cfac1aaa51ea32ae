//! The types of a stream that several SELECTs of a UNION ALL write into: for each column one that holds them all.
//!
//! Numbers meet in a number, times in a time, text in text, and NULL in anything. What else would be a guess is an error.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::error::{DataFusionError, Result};

/// The most digits of a decimal number.
const MAX_DIGITS: i16 = 38;

/// The columns of a stream with these, that gets rows with those too: the names of the first.
///
/// # Errors
/// When a column has types that do not meet.
pub(super) fn meet(known: &Schema, next: &Schema) -> Result<SchemaRef> {
    let fields = known.fields().iter().zip(next.fields()).enumerate();
    let fields = fields.map(|(index, (known, next))| match common(known.data_type(), next.data_type()) {
        Some(data_type) => Ok(Field::new(known.name(), data_type, known.is_nullable())),
        None => Err(DataFusionError::Plan(format!(
            "column {index} of this SELECT is {}, and {} of the SELECTs before it is {}; a CAST in one of them makes them alike",
            named(next.data_type()),
            known.name(),
            named(known.data_type()),
        ))),
    });
    Ok(Arc::new(Schema::new(fields.collect::<Result<Vec<_>>>()?)))
}

fn common(one: &DataType, other: &DataType) -> Option<DataType> {
    use DataType as T;
    let is_text = |data_type: &T| matches!(data_type, T::Utf8 | T::LargeUtf8 | T::Utf8View);
    let is_float = |data_type: &T| matches!(data_type, T::Float16 | T::Float32 | T::Float64);
    match (one, other) {
        _ if one == other => Some(one.clone()),
        (T::Null, other) => Some(other.clone()),
        (one, T::Null) => Some(one.clone()),
        _ if is_text(one) && is_text(other) => Some(T::Utf8View),
        (T::Timestamp(_, None) | T::Date32 | T::Date64, T::Timestamp(_, None) | T::Date32 | T::Date64) => {
            Some(T::Timestamp(TimeUnit::Millisecond, None))
        }
        _ if !one.is_numeric() || !other.is_numeric() => None,
        _ if is_float(one) || is_float(other) => Some(T::Float64),
        _ => exact(one, other),
    }
}

/// A type for whole and decimal numbers.
fn exact(one: &DataType, other: &DataType) -> Option<DataType> {
    let (digits, scale) = {
        let (one, other) = (digits(one)?, digits(other)?);
        let scale = one.1.max(other.1);
        ((one.0 - one.1).max(other.0 - other.1) + scale, scale)
    };
    let is_whole = |data_type: &DataType| data_type.is_integer();
    match is_whole(one) && is_whole(other) {
        true if *one == DataType::UInt64 || *other == DataType::UInt64 => Some(DataType::Decimal128(20, 0)),
        true => Some(if digits > 10 { DataType::Int64 } else { DataType::Int32 }),
        false => Some(DataType::Decimal128(u8::try_from(digits.min(MAX_DIGITS)).ok()?, i8::try_from(scale).ok()?)),
    }
}

/// Digits that a number has, and how many of them stand behind the point.
fn digits(data_type: &DataType) -> Option<(i16, i16)> {
    match data_type {
        DataType::Int8 | DataType::UInt8 => Some((3, 0)),
        DataType::Int16 | DataType::UInt16 => Some((5, 0)),
        DataType::Int32 => Some((10, 0)),
        DataType::UInt32 => Some((11, 0)), // does not fit into an INTEGER
        DataType::Int64 => Some((19, 0)),
        DataType::UInt64 => Some((20, 0)),
        DataType::Decimal128(digits, scale) => Some((i16::from(*digits), i16::from(*scale))),
        _ => None,
    }
}

/// What the dialect calls a type.
fn named(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "VARCHAR".to_owned(),
        DataType::Int8 => "TINYINT".to_owned(),
        DataType::Int16 => "SMALLINT".to_owned(),
        DataType::Int32 => "INTEGER".to_owned(),
        DataType::Int64 => "BIGINT".to_owned(),
        DataType::Float32 => "REAL".to_owned(),
        DataType::Float64 => "DOUBLE".to_owned(),
        DataType::Decimal128(digits, scale) => format!("DECIMAL({digits}, {scale})"),
        DataType::Timestamp(..) => "TIMESTAMP".to_owned(),
        DataType::Date32 => "DATE".to_owned(),
        DataType::Time32(_) => "TIME".to_owned(),
        other => other.to_string().to_uppercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_meet_in_a_number_that_holds_both() {
        let int = |one, other| common(&one, &other);
        assert_eq!(int(DataType::Int32, DataType::Int64), Some(DataType::Int64));
        assert_eq!(int(DataType::Int8, DataType::Int32), Some(DataType::Int32));
        assert_eq!(int(DataType::UInt32, DataType::Int32), Some(DataType::Int64));
        assert_eq!(int(DataType::Int64, DataType::Float32), Some(DataType::Float64));
        assert_eq!(int(DataType::Decimal128(6, 2), DataType::Decimal128(5, 4)), Some(DataType::Decimal128(8, 4)));
        assert_eq!(int(DataType::Int64, DataType::Decimal128(6, 2)), Some(DataType::Decimal128(21, 2)));
    }

    #[test]
    fn other_types_meet_their_own_kind_and_null_meets_all() {
        let time = DataType::Timestamp(TimeUnit::Millisecond, None);
        assert_eq!(common(&DataType::Utf8, &DataType::Utf8View), Some(DataType::Utf8View));
        assert_eq!(common(&DataType::Date32, &time), Some(time.clone()));
        assert_eq!(common(&DataType::Null, &time), Some(time.clone()));
        assert_eq!(common(&DataType::Utf8View, &DataType::Int32), None);
        assert_eq!(common(&time, &DataType::Int64), None);
        assert_eq!(common(&DataType::Boolean, &DataType::Int32), None);
    }
}
