//! Rows that cannot be computed: a division by zero, a value that does not fit its column.
//!
//! A batch is computed at once. Only when that fails it is cut in halves, again and again, until the rows that fail stand
//! alone; they go to the error stream, and the others on. A bad row is never fatal.

use arrow::array::RecordBatch;
use datafusion::error::DataFusionError;

use super::piece::Piece;

/// A row that could not be computed, and why.
#[derive(Debug, Clone)]
pub(crate) struct RowFault {
    pub(crate) message: String,
    /// The row, as it came to the pump.
    pub(crate) row: RecordBatch,
    /// Index of the node in the program.
    pub(crate) node: usize,
    /// Rows that it stands for: more than one when all failed for one reason that is none of theirs.
    pub(crate) count: u64,
}

/// Runs a piece over a batch; rows that fail go to `faults`.
pub(super) fn run(piece: &mut Piece, batch: RecordBatch, node: usize, faults: &mut Vec<RowFault>) -> Vec<RecordBatch> {
    isolate(batch, node, faults, &mut |batch| piece.run(vec![batch]))
}

/// Computes a batch; rows that fail go to `faults`, the others keep their order.
pub(super) fn isolate(
    batch: RecordBatch,
    node: usize,
    faults: &mut Vec<RowFault>,
    compute: &mut dyn FnMut(RecordBatch) -> Result<Vec<RecordBatch>, DataFusionError>,
) -> Vec<RecordBatch> {
    match compute(batch.clone()) {
        Ok(done) => done,
        Err(error) if batch.num_rows() <= 1 => {
            faults.push(RowFault { message: message(&error), row: batch, node, count: 1 });
            vec![]
        }
        Err(_) => {
            let half = batch.num_rows() / 2;
            let mut done = isolate(batch.slice(0, half), node, faults, compute);
            done.extend(isolate(batch.slice(half, batch.num_rows() - half), node, faults, compute));
            done
        }
    }
}

/// The cause, without the names of the layers it came through.
pub(super) fn message(error: &DataFusionError) -> String {
    let text = error.find_root().to_string();
    let text = text.lines().next().unwrap_or_default();
    [
        "Arrow error: ",
        "Execution error: ",
        "Error during planning: ",
        "Cast error: ",
        "Invalid argument error: ",
        "This feature is not implemented: ",
    ]
    .iter()
    .fold(text, |text, layer| text.strip_prefix(layer).unwrap_or(text))
    .to_owned()
}
