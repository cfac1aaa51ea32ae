//! Rows joined with a reference table: for each row the table's rows under its key.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::{cast, take, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::row::{RowConverter, SortField};
use datafusion::error::Result;

use super::fault::{self, RowFault};
use super::piece::Piece;
use super::plan;
use crate::program::Lookup;

/// One join with a table.
pub(super) struct LookupNode {
    node: usize,
    piece: Piece,
    types: Vec<DataType>,
    converter: RowConverter,
    /// Rows of the table by their key. NULL is no key.
    index: HashMap<Box<[u8]>, Vec<u32>>,
    /// The columns of the table that are read.
    table: Vec<ArrayRef>,
    is_left: bool,
    schema: SchemaRef,
}

impl LookupNode {
    pub(super) fn new(node: usize, lookup: &Lookup, rows: SchemaRef) -> Result<Self> {
        let piece = plan::piece(&lookup.rows, rows)?;
        let table = &lookup.reference.rows;
        let keys: Vec<ArrayRef> = lookup.keys.iter().map(|key| table.column(*key).clone()).collect();
        let types: Vec<DataType> = keys.iter().map(|key| key.data_type().clone()).collect();
        let converter = RowConverter::new(types.iter().cloned().map(SortField::new).collect())?;
        let found = converter.convert_columns(&keys)?;
        let mut index: HashMap<Box<[u8]>, Vec<u32>> = HashMap::new();
        for (number, key) in (0u32..).zip(found.iter()) {
            if keys.iter().all(|column| column.is_valid(number as usize)) {
                index.entry(Box::from(key.as_ref())).or_default().push(number);
            }
        }
        let prepared = piece.schema();
        let kept = prepared.fields().iter().take(prepared.fields().len() - keys.len()).cloned();
        let added = lookup.columns.iter().map(|column| {
            let field = table.schema_ref().field(*column);
            std::sync::Arc::new(Field::new(field.name(), field.data_type().clone(), true))
        });
        let schema = SchemaRef::new(Schema::new(kept.chain(added).collect::<Vec<_>>()));
        let columns = lookup.columns.iter().map(|column| table.column(*column).clone()).collect();
        Ok(Self { node, piece, types, converter, index, table: columns, is_left: lookup.is_left, schema })
    }

    pub(super) fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    pub(super) fn describe(&self) -> String {
        format!("{} keys in the table\nrows:\n{}", self.index.len(), self.piece.describe())
    }

    /// Joins rows; they keep their order.
    pub(super) fn run(&mut self, batch: RecordBatch, faults: &mut Vec<RowFault>) -> Result<Vec<RecordBatch>> {
        let prepared = fault::run(&mut self.piece, batch, self.node, faults);
        prepared.iter().map(|rows| self.join(rows)).collect()
    }

    fn join(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let (kept, keys) = rows.columns().split_at(rows.num_columns() - self.types.len());
        // A value that is not of the key's type has no match.
        let keys = keys.iter().zip(&self.types).map(|(key, data_type)| cast(key, data_type)).collect::<Result<Vec<_>, _>>()?;
        let found = self.converter.convert_columns(&keys)?;
        let (mut left, mut right): (Vec<u32>, Vec<Option<u32>>) = (Vec::new(), Vec::new());
        for (row, key) in (0u32..).zip(found.iter()) {
            let is_key = keys.iter().all(|column| column.is_valid(row as usize));
            let matches = if is_key { self.index.get(key.as_ref()) } else { None };
            match matches {
                Some(matches) => {
                    left.extend(std::iter::repeat_n(row, matches.len()));
                    right.extend(matches.iter().copied().map(Some));
                }
                None if self.is_left => {
                    left.push(row);
                    right.push(None);
                }
                None => {}
            }
        }
        let kept =
            RecordBatch::try_from_iter(kept.iter().enumerate().map(|(index, column)| (index.to_string(), column.clone())))?;
        let kept = take_record_batch(&kept, &UInt32Array::from(left))?;
        let right = UInt32Array::from(right);
        let mut columns = kept.columns().to_vec();
        for column in &self.table {
            columns.push(take(column, &right, None)?);
        }
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }
}
