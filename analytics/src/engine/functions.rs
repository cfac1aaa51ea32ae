//! Functions of the dialect that DataFusion has not.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringViewArray, TimestampMillisecondArray};
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{DataType, Decimal128Type, Int64Type, TimeUnit, TimestampMillisecondType};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, create_udf};
use datafusion::prelude::SessionContext;

use super::date_format::Pattern;
use crate::program::{AS_TEXT, WHOLE_AVERAGE};

const TIME: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);

/// Makes them known to a session.
pub(super) fn register(session: &SessionContext) {
    let types = vec![DataType::Utf8View, TIME];
    let function = Arc::new(|arguments: &[ColumnarValue]| over_rows(arguments, timestamp_to_char));
    session.register_udf(create_udf("timestamp_to_char", types, DataType::Utf8View, Volatility::Immutable, function));
    let types = vec![DataType::Utf8View, DataType::Utf8View];
    let function = Arc::new(|arguments: &[ColumnarValue]| over_rows(arguments, char_to_timestamp));
    session.register_udf(create_udf("char_to_timestamp", types, TIME, Volatility::Immutable, function));
    let types = vec![DataType::Decimal128(38, 0), DataType::Int64];
    let function = Arc::new(|arguments: &[ColumnarValue]| over_rows(arguments, whole_average));
    session.register_udf(create_udf(WHOLE_AVERAGE, types, DataType::Int64, Volatility::Immutable, function));
    session.register_udf(ScalarUDF::from(AsText { signature: Signature::any(1, Volatility::Immutable) }));
}

/// Any value as text: what CAST to VARCHAR writes.
#[derive(Debug, PartialEq, Eq, Hash)]
struct AsText {
    signature: Signature,
}

impl ScalarUDFImpl for AsText {
    fn name(&self) -> &str {
        AS_TEXT
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match ColumnarValue::values_to_arrays(&arguments.args)?.as_slice() {
            [values] => Ok(ColumnarValue::Array(as_text(values)?)),
            _ => Err(DataFusionError::Execution("one value is needed".to_owned())),
        }
    }
}

/// Values as text. Times are written as `2016-02-18 06:02:01.5`, as the dialect writes literals; Arrow would put a T there.
pub(super) fn as_text(values: &ArrayRef) -> Result<ArrayRef> {
    if !matches!(values.data_type(), DataType::Timestamp(..)) {
        let options = CastOptions { safe: false, ..CastOptions::default() };
        return Ok(cast_with_options(values, &DataType::Utf8View, &options)?);
    }
    let times = cast(values, &TIME)?;
    let text = |ms: i64| {
        let civil = jiff::Timestamp::from_millisecond(ms).ok()?.to_zoned(jiff::tz::TimeZone::UTC).datetime();
        Some(civil.to_string().replacen('T', " ", 1))
    };
    let times = times.as_primitive::<TimestampMillisecondType>();
    Ok(Arc::new(times.iter().map(|ms| ms.and_then(text)).collect::<StringViewArray>()))
}

fn over_rows(arguments: &[ColumnarValue], function: fn(&ArrayRef, &ArrayRef) -> Result<ArrayRef>) -> Result<ColumnarValue> {
    let arrays = ColumnarValue::values_to_arrays(arguments)?;
    let [first, second] = arrays.as_slice() else {
        return Err(DataFusionError::Execution("two values are needed".to_owned()));
    };
    Ok(ColumnarValue::Array(function(first, second)?))
}

/// Sums divided by counts, cut towards zero as every division of whole numbers. Of no values there is none.
fn whole_average(sums: &ArrayRef, counts: &ArrayRef) -> Result<ArrayRef> {
    let average = |(sum, count): (Option<i128>, Option<i64>)| {
        let quotient = sum?.checked_div(i128::from(count?))?;
        i64::try_from(quotient).ok()
    };
    let pairs = sums.as_primitive::<Decimal128Type>().iter().zip(counts.as_primitive::<Int64Type>());
    Ok(Arc::new(pairs.map(average).collect::<Int64Array>()))
}

/// Patterns are the same for all rows nearly always: one is kept.
#[derive(Default)]
struct LastPattern(Option<(String, Pattern)>);

impl LastPattern {
    fn get(&mut self, text: &str) -> Result<&Pattern> {
        if self.0.as_ref().is_none_or(|(known, _)| known != text) {
            let pattern = Pattern::new(text).map_err(DataFusionError::Execution)?;
            self.0 = Some((text.to_owned(), pattern));
        }
        match &self.0 {
            Some((_, pattern)) => Ok(pattern),
            None => Err(DataFusionError::Execution("there is no pattern".to_owned())),
        }
    }
}

/// A missing time is the text `null`, as the service had it.
fn timestamp_to_char(patterns: &ArrayRef, times: &ArrayRef) -> Result<ArrayRef> {
    let mut pattern = LastPattern::default();
    let mut texts = Vec::with_capacity(times.len());
    for (text, ms) in patterns.as_string_view().iter().zip(times.as_primitive::<TimestampMillisecondType>()) {
        texts.push(match (text, ms) {
            (Some(text), Some(ms)) => pattern.get(text)?.format(ms),
            (Some(_), None) => Some("null".to_owned()),
            (None, _) => None,
        });
    }
    Ok(Arc::new(texts.into_iter().collect::<StringViewArray>()))
}

/// A text that does not fit its pattern makes no row.
fn char_to_timestamp(patterns: &ArrayRef, texts: &ArrayRef) -> Result<ArrayRef> {
    let mut pattern = LastPattern::default();
    let mut times = Vec::with_capacity(texts.len());
    for (of, text) in patterns.as_string_view().iter().zip(texts.as_string_view()) {
        times.push(match (of, text) {
            (Some(of), Some(text)) => {
                let misfit = || DataFusionError::Execution(format!("{text:?} does not fit the pattern {of}"));
                Some(pattern.get(of)?.parse(text).ok_or_else(misfit)?)
            }
            _ => None,
        });
    }
    Ok(Arc::new(times.into_iter().collect::<TimestampMillisecondArray>()))
}
