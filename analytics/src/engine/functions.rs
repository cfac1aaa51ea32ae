//! Functions of the dialect that DataFusion has not.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringViewArray, TimestampMillisecondArray};
use arrow::datatypes::{DataType, TimeUnit, TimestampMillisecondType};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{ColumnarValue, Volatility, create_udf};
use datafusion::prelude::SessionContext;

use super::date_format::Pattern;

const TIME: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);

/// Makes them known to a session.
pub(super) fn register(session: &SessionContext) {
    let types = vec![DataType::Utf8View, TIME];
    let function = Arc::new(|arguments: &[ColumnarValue]| over_rows(arguments, timestamp_to_char));
    session.register_udf(create_udf("timestamp_to_char", types, DataType::Utf8View, Volatility::Immutable, function));
    let types = vec![DataType::Utf8View, DataType::Utf8View];
    let function = Arc::new(|arguments: &[ColumnarValue]| over_rows(arguments, char_to_timestamp));
    session.register_udf(create_udf("char_to_timestamp", types, TIME, Volatility::Immutable, function));
}

fn over_rows(arguments: &[ColumnarValue], function: fn(&ArrayRef, &ArrayRef) -> Result<ArrayRef>) -> Result<ColumnarValue> {
    let arrays = ColumnarValue::values_to_arrays(arguments)?;
    let [pattern, value] = arrays.as_slice() else {
        return Err(DataFusionError::Execution("a pattern and a value are needed".to_owned()));
    };
    Ok(ColumnarValue::Array(function(pattern, value)?))
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
