//! `--reference NAME=FILE`: loads a table from CSV with a header, or from JSON.
//!
//! Types follow from the values, as the service's discovery found them: whole numbers are BIGINT, others DOUBLE, the rest is
//! true or false, a date, a time or text. The file is read once, at the start.

use std::fs;
use std::io::Cursor;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, Schema};

use crate::program::{Reference, StreamColumn};
use crate::sql::SqlType;

/// A reference table as it was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReferenceText {
    name: String,
    path: PathBuf,
}

impl FromStr for ReferenceText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((name, path)) if !name.is_empty() && !path.is_empty() => Ok(Self { name: name.to_owned(), path: path.into() }),
            _ => Err("it is NAME=FILE.csv or NAME=FILE.json".to_owned()),
        }
    }
}

/// Loads a table.
///
/// # Errors
/// When the file cannot be read, or has no columns.
pub(crate) fn load(text: &ReferenceText) -> Result<Reference> {
    let path = &text.path;
    let cannot = || format!("cannot load the reference table {} from {}", text.name, path.display());
    let bytes = fs::read(path).with_context(cannot)?;
    let is_json = path.extension().is_some_and(|extension| extension == "json" || extension == "jsonl");
    let read = if is_json { json(&bytes) } else { csv(&bytes) };
    let (columns, rows) = read.and_then(typed).with_context(cannot)?;
    Ok(Reference { name: text.name.clone(), columns, rows })
}

fn csv(bytes: &[u8]) -> Result<RecordBatch> {
    let format = arrow::csv::reader::Format::default().with_header(true);
    let (schema, _) = format.infer_schema(Cursor::new(bytes), None)?;
    let schema = Arc::new(schema);
    let reader = arrow::csv::ReaderBuilder::new(schema.clone()).with_format(format).build(Cursor::new(bytes))?;
    Ok(concat_batches(&schema, &reader.collect::<Result<Vec<_>, _>>()?)?)
}

/// JSON lines, or one array of objects.
fn json(bytes: &[u8]) -> Result<RecordBatch> {
    let lines = match serde_json::from_slice::<Vec<serde_json::Value>>(bytes) {
        Ok(rows) => rows.iter().map(|row| format!("{row}\n")).collect::<String>().into_bytes(),
        Err(_) => bytes.to_vec(),
    };
    let (schema, _) = arrow::json::reader::infer_json_schema(Cursor::new(&lines), None)?;
    let schema = Arc::new(schema);
    let reader = arrow::json::ReaderBuilder::new(schema.clone()).build(Cursor::new(&lines))?;
    Ok(concat_batches(&schema, &reader.collect::<Result<Vec<_>, _>>()?)?)
}

/// The rows with types that programs know.
fn typed(rows: RecordBatch) -> Result<(Vec<StreamColumn>, RecordBatch)> {
    if rows.num_columns() == 0 {
        bail!("it has no columns; CSV needs a header, JSON needs objects");
    }
    let (mut columns, mut values, mut fields) = (Vec::new(), Vec::<ArrayRef>::new(), Vec::new());
    for (field, column) in rows.schema().fields().iter().zip(rows.columns()) {
        let sql_type = match field.data_type() {
            DataType::Int64 => SqlType::BigInt,
            DataType::Float64 => SqlType::Double,
            DataType::Boolean => SqlType::Boolean,
            DataType::Date32 => SqlType::Date,
            DataType::Timestamp(..) => SqlType::Timestamp,
            DataType::Utf8 | DataType::Null => SqlType::Varchar(65_535),
            other => bail!("column {} holds {other}; a table has plain values", field.name()),
        };
        values.push(cast(column, &sql_type.arrow())?);
        fields.push(Field::new(field.name(), sql_type.arrow(), true));
        columns.push(StreamColumn { name: field.name().clone(), sql_type: Some(sql_type), is_not_null: false, path: None });
    }
    Ok((columns, RecordBatch::try_new(Arc::new(Schema::new(fields)), values)?))
}

/// Loads all tables of a command line.
///
/// # Errors
/// When one cannot be loaded, or a name stands twice.
pub(crate) fn load_all(texts: &[ReferenceText]) -> Result<Vec<Reference>> {
    for (index, text) in texts.iter().enumerate() {
        if texts[..index].iter().any(|before| before.name == text.name) {
            bail!("--reference names {} twice", text.name);
        }
    }
    texts.iter().map(load).collect()
}

/// A table of this name in a file.
#[cfg(test)]
pub(crate) fn named(name: &str, path: &std::path::Path) -> Reference {
    load(&ReferenceText { name: name.to_owned(), path: path.to_owned() }).expect("a test's table is good")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(file: &str, text: &str) -> Result<Vec<(String, String)>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(file);
        fs::write(&path, text).unwrap();
        let table = load(&ReferenceText { name: "T".to_owned(), path })?;
        assert_eq!(table.rows.num_columns(), table.columns.len());
        Ok(table.columns.iter().map(|column| (column.name.clone(), column.sql_type.unwrap().to_string())).collect())
    }

    #[test]
    fn types_follow_from_the_values_of_csv_and_json() {
        let expected = [("id", "BIGINT"), ("name", "VARCHAR(65535)"), ("rate", "DOUBLE")];
        let expected: Vec<_> = expected.iter().map(|(name, sql_type)| ((*name).to_owned(), (*sql_type).to_owned())).collect();
        assert_eq!(loaded("t.csv", "id,name,rate\n1,\"a, b\",0.5\n2,c,\n").unwrap(), expected);
        assert_eq!(loaded("t.json", r#"[{"id":1,"name":"a","rate":0.5},{"id":2,"name":"b","rate":null}]"#).unwrap(), expected);
        assert_eq!(loaded("t.jsonl", "{\"id\":1,\"name\":\"a\",\"rate\":0.5}\n").unwrap(), expected);
    }

    #[test]
    fn a_table_that_cannot_be_loaded_is_named() {
        let error = format!("{:#}", loaded("t.json", "{").unwrap_err());
        assert!(error.starts_with("cannot load the reference table T from"), "{error}");
    }
}
