//! What a decoder is to read.

use super::delimited::Form;
use super::lenient::Missing;
use crate::program::{Metadata, RowTime, StreamColumn};
use crate::sql::FieldPath;

/// What is to be read from lines.
#[derive(Debug, Clone)]
pub(crate) struct InputPlan {
    pub(crate) columns: Vec<StreamColumn>,
    /// Columns behind those, that come from the record and not from its lines.
    pub(crate) metadata: Vec<Metadata>,
    pub(crate) row_time: RowTime,
    /// The field that holds the time of a row, when it is event time.
    pub(crate) time_field: String,
    pub(crate) missing: Missing,
    /// How lines are written.
    pub(crate) form: Form,
}

impl InputPlan {
    /// Where a column's value stands in a line. Fields of CSV and NCSA lines have no keys, so there it is the column's name.
    pub(super) fn field(&self, column: &StreamColumn) -> FieldPath {
        let path = column.path.clone().filter(|_| self.form == Form::Json);
        path.unwrap_or_else(|| FieldPath::of(&column.name))
    }
}
