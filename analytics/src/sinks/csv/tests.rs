//! What CSV looks like, and that it is what arrow's own writer makes of the same rows.

use std::io::{self, Write};
use std::sync::Arc;

use arrow::array::*;
use arrow::csv::WriterBuilder;
use arrow::datatypes::*;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::super::{Format, is_reader_gone};
use super::*;
use crate::engine::tests::{REQUEST_COUNTS_SCHEMA, counted, request_counts};

fn csv(rows: &[(i64, &str)], is_whole_seconds: bool) -> String {
    let layout = Layout::of_request_counts("request_counts", &REQUEST_COUNTS_SCHEMA, Format::Csv, is_whole_seconds);
    let results = counted(&mut request_counts(), rows);
    text(layout, &results.into_iter().map(|result| result.rows).collect::<Vec<_>>())
}

#[test]
fn rows_have_the_window_and_the_columns() {
    assert_eq!(
        csv(&[(0, "::1"), (3_000, "10.0.0.1"), (11_000, "::1")], true),
        "window_start,client_ip,request_count\n1970-01-01T00:00:00Z,10.0.0.1,1\n1970-01-01T00:00:00Z,::1,1\n1970-01-01T00:00:10Z,::1,1\n"
    );
}

#[test]
fn windows_of_less_than_a_second_show_milliseconds() {
    assert_eq!(csv(&[(12_000, "::1")], false), "window_start,client_ip,request_count\n1970-01-01T00:00:10.000Z,::1,1\n");
}

#[test]
fn names_are_quoted_where_needed() {
    let schema = Schema::new(["a", "a,b", "a\"b"].map(|name| Field::new(name, DataType::Int64, true)).to_vec());
    assert_eq!(text(Layout::of_stream("s", &Arc::new(schema)), &[]), "a,\"a,b\",\"a\"\"b\"\n");
}

/// Arrow's own writer, with times as the sink shows them.
fn by_arrow(rows: &RecordBatch) -> (Result<(), String>, String) {
    let shown = |column: &ArrayRef| match column.as_primitive_opt::<TimestampMillisecondType>() {
        Some(times) if times.timezone().is_none() => {
            let text = |ms: Option<i64>| Some(jiff::Timestamp::from_millisecond(ms?).unwrap().to_string());
            Arc::new(times.iter().map(text).collect::<StringArray>())
        }
        _ => column.clone(),
    };
    let shown = rows.columns().iter().enumerate().map(|(index, column)| (format!("c{index}"), shown(column), true));
    let rows = RecordBatch::try_from_iter_with_nullable(shown).unwrap();
    let mut out = Vec::new();
    let written = WriterBuilder::new().with_header(false).build(&mut out).write(&rows);
    (written.map_err(|error| error.to_string()), String::from_utf8(out).unwrap())
}

fn by_the_sink(rows: &RecordBatch) -> (Result<(), String>, String) {
    let mut out = Vec::new();
    let written = Csv::new(&mut out, Layout::of_stream("s", &rows.schema())).write(rows);
    (written.map_err(|error| error.to_string()), String::from_utf8(out).unwrap())
}

/// Values of one type, some of them NULL.
fn column<T: std::fmt::Debug, A: Array + From<Vec<Option<T>>> + 'static>(
    rows: usize,
    values: impl Strategy<Value = T> + 'static,
) -> BoxedStrategy<ArrayRef> {
    vec(option::of(values), rows).prop_map(|values| Arc::new(A::from(values)) as ArrayRef).boxed()
}

/// Few of them, so that neighbours are equal.
fn times() -> impl Strategy<Value = i64> {
    prop_oneof![Just(0), Just(10_000), Just(10_250), -62_135_596_800_000..253_402_207_200_000_i64]
}

/// Text that has to be quoted, and text that has not.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof!["[a,\"\r\n]{0,4}", "[0-9.]{1,24}", ".*"]
}

fn bytes<A: Array + for<'a> From<Vec<Option<&'a [u8]>>> + 'static>(rows: usize) -> BoxedStrategy<ArrayRef> {
    let values = vec(option::of(vec(any::<u8>(), 0..20)), rows);
    values.prop_map(|values| Arc::new(A::from(values.iter().map(Option::as_deref).collect())) as ArrayRef).boxed()
}

/// A column of any type that a program declares, and of some that DataFusion computes.
fn any_column(rows: usize) -> BoxedStrategy<ArrayRef> {
    let decimals = vec(option::of(-10_i128.pow(18)..10_i128.pow(18)), rows)
        .prop_map(|values| Arc::new(Decimal128Array::from(values).with_precision_and_scale(19, 4).unwrap()) as ArrayRef);
    let zoned = vec(option::of(times()), rows)
        .prop_map(|values| Arc::new(TimestampMillisecondArray::from(values).with_timezone("+00:00")) as ArrayRef);
    let dictionary = vec(option::of(texts()), rows).prop_map(|values| {
        let values = values.iter().map(Option::as_deref).collect::<DictionaryArray<Int8Type>>();
        Arc::new(values) as ArrayRef
    });
    let declared = prop_oneof![
        column::<_, BooleanArray>(rows, any::<bool>()),
        column::<_, Int8Array>(rows, any::<i8>()),
        column::<_, Int16Array>(rows, any::<i16>()),
        column::<_, Int32Array>(rows, any::<i32>()),
        column::<_, Int64Array>(rows, any::<i64>()),
        column::<_, Float32Array>(rows, any::<f32>()),
        column::<_, Float64Array>(rows, any::<f64>()),
        decimals,
        column::<_, StringViewArray>(rows, texts()),
        bytes::<BinaryViewArray>(rows),
        column::<_, Date32Array>(rows, prop_oneof![-1_000_000..1_000_000, any::<i32>()]),
        column::<_, Time32MillisecondArray>(rows, prop_oneof![0..86_400_000, any::<i32>()]),
        column::<_, TimestampMillisecondArray>(rows, times()),
    ];
    let computed = prop_oneof![
        column::<_, StringArray>(rows, texts()),
        column::<_, LargeStringArray>(rows, texts()),
        column::<_, UInt64Array>(rows, any::<u64>()),
        column::<_, TimestampNanosecondArray>(rows, any::<i64>()),
        column::<_, DurationMillisecondArray>(rows, any::<i64>()),
        bytes::<BinaryArray>(rows),
        zoned,
        dictionary,
        Just(Arc::new(NullArray::new(rows)) as ArrayRef),
        Just(new_null_array(&DataType::new_list(DataType::Int64, true), rows)),
    ];
    prop_oneof![4 => declared, 1 => computed].boxed()
}

/// Rows, cut out of a larger batch as the engine does.
fn any_rows() -> impl Strategy<Value = RecordBatch> {
    let whole = (1_usize..12).prop_flat_map(|rows| (vec(any_column(rows), 1..6), 0..rows));
    whole.prop_map(|(columns, skipped)| {
        let named = columns.into_iter().enumerate().map(|(index, column)| (format!("c{index}"), column, true));
        let rows = RecordBatch::try_from_iter_with_nullable(named).unwrap();
        rows.slice(skipped, rows.num_rows() - skipped)
    })
}

proptest! {
    #[test]
    fn rows_are_written_as_arrow_writes_them_up_to_one_that_cannot_be(rows in any_rows()) {
        prop_assert_eq!(by_the_sink(&rows), by_arrow(&rows));
    }
}

#[test]
fn a_row_of_one_empty_field_is_a_pair_of_quotes() {
    let texts: ArrayRef = Arc::new(StringViewArray::from(vec![Some(""), None, Some("a\"b")]));
    let rows = RecordBatch::try_from_iter([("a", texts)]).unwrap();
    assert_eq!(by_the_sink(&rows), (Ok(()), "\"\"\n\"\"\n\"a\"\"b\"\n".to_owned()));
}

/// A pipe whose reader goes before the end of the first rows.
struct Pipe(usize);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Arrow's writer kept only the text of the error when it came before the last rows, so `| head` ended with an error.
#[test]
fn a_reader_that_has_gone_is_told_from_a_fault() {
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..100_000));
    let rows = RecordBatch::try_from_iter([("a", numbers)]).unwrap();
    let error = Csv::new(Pipe(CHUNK_BYTES * 2), Layout::of_stream("s", &rows.schema())).write(&rows).unwrap_err();
    assert!(is_reader_gone(&error), "{error:#}");
}
