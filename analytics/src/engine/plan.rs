//! Texts of operators as DataFusion's plans.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::datasource::TableProvider;
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::{SessionConfig, SessionContext};

use super::checked;
use super::drive;
use super::functions;
use super::piece::{Piece, Slot};
use crate::program::TABLE;

/// Rows in a batch that DataFusion makes.
const BATCH_ROWS: usize = 8192;

/// A planned text, and the slot that its table is.
pub(super) struct Planned {
    pub(super) plan: Arc<dyn ExecutionPlan>,
    pub(super) slot: Arc<Slot>,
    pub(super) context: Arc<TaskContext>,
}

/// Plans a text over a table of these columns.
///
/// # Errors
/// When its types do not fit.
pub(super) fn plan(sql: &str, rows: SchemaRef) -> Result<Planned> {
    let session = session();
    let slot = Slot::new(rows.clone());
    let table: Arc<dyn TableProvider> = Arc::new(StreamingTable::try_new(rows, vec![slot.clone()])?);
    session.register_table(TABLE, table)?;
    // Planning never waits: the only table is in memory.
    let plan = drive::complete(async { session.sql(sql).await?.create_physical_plan().await })?;
    Ok(Planned { plan: checked::plan(plan)?, slot, context: session.task_ctx() })
}

/// A text that runs over batches of rows with these columns.
///
/// # Errors
/// When its types do not fit.
pub(super) fn piece(sql: &str, rows: SchemaRef) -> Result<Piece> {
    let Planned { plan, slot, context } = plan(sql, rows)?;
    Ok(Piece::new(slot, plan, context))
}

fn session() -> SessionContext {
    let mut config = SessionConfig::new().with_target_partitions(1).with_batch_size(BATCH_ROWS);
    // Above 1: never pass rows through a partial aggregate unaggregated, or state grows with rows, not groups.
    config.options_mut().execution.skip_partial_aggregation_probe_ratio_threshold = 2.0;
    let session = SessionContext::new_with_config(config);
    // It would turn a lone count(distinct) into two aggregates, which cannot be split.
    session.remove_optimizer_rule("single_distinct_aggregation_to_group_by");
    functions::register(&session);
    session
}
