//! Splits the plan of one SQL aggregate into pieces that run at different times.
//!
//! ```text
//! rows ─▶ before (filter, expressions) ─▶ partial ─▶ state batches ─▶ reduce (compacts) ─▶ state batches
//!                                                                  └▶ final ─▶ groups
//! ```
//!
//! State batches are plain Arrow: many partials of one window merge, and any SQL aggregate works.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};

use super::key_use::{self, KeyUse};
use super::piece::{Piece, Slot};
use super::plan::{self, Planned};
use crate::keys::coded_schema;

/// The pieces of one query.
pub(super) struct Split {
    /// From rows of the stream to the aggregate's input.
    pub(super) before: Piece,
    /// From the aggregate's input to state.
    pub(super) partial: Piece,
    /// From state to less state with the same meaning.
    pub(super) reduce: Piece,
    /// From state to groups.
    pub(super) last: Piece,
    /// The keys of a group, over the aggregate's input; state begins with them.
    pub(super) group_by: Vec<(Arc<dyn PhysicalExpr>, String)>,
    /// What the query does with each column of the stream.
    pub(super) uses: Vec<KeyUse>,
}

/// A query over texts, and over rows some of whose texts are codes.
pub(super) struct Splits {
    pub(super) plain: Split,
    pub(super) coded: Option<Split>,
}

impl Splits {
    /// Over texts only.
    ///
    /// # Errors
    /// Those of [`plan`].
    pub(super) fn plan(sql: &str, rows: SchemaRef) -> Result<Self> {
        Ok(Self { plain: plan(sql, rows)?, coded: None })
    }

    /// Takes rows with codes in these columns too, if the query does not look into them.
    ///
    /// # Errors
    /// Those of [`plan`].
    pub(super) fn code(&mut self, sql: &str, rows: &SchemaRef, columns: &[usize]) -> Result<()> {
        if columns.iter().all(|column| self.plain.uses[*column] != KeyUse::Other) {
            self.coded = Some(plan(sql, coded_schema(rows, columns))?);
        }
        Ok(())
    }

    /// The query over codes.
    ///
    /// # Errors
    /// When [`Self::code`] was not asked for one.
    pub(super) fn coded(&mut self) -> Result<&mut Split> {
        self.coded.as_mut().ok_or_else(|| DataFusionError::Internal("codes came to a query over texts".to_owned()))
    }
}

/// Plans a query over rows of these columns and splits it at its aggregate.
///
/// # Errors
/// When the SQL does not plan, or has not exactly one aggregate.
pub(super) fn plan(sql: &str, rows: SchemaRef) -> Result<Split> {
    split(plan::plan(sql, rows)?)
}

fn split(Planned { plan, slot: source, context }: Planned) -> Result<Split> {
    let uses = (0..source.schema().fields().len()).map(|column| key_use::of_column(&plan, column)).collect();
    let node = only_aggregate(&plan)?;
    let aggregate = as_aggregate(&node)?;
    let input = aggregate.input().schema();

    let rows = Slot::new(input.clone());
    let partial = stage(aggregate, AggregateMode::Partial, &rows)?;
    let state_to_reduce = Slot::new(partial.schema());
    let reduce = stage(aggregate, AggregateMode::PartialReduce, &state_to_reduce)?;
    let state_to_finish = Slot::new(partial.schema());
    let finish = stage(aggregate, AggregateMode::Final, &state_to_finish)?;
    let after = plan.transform_up(|node| {
        let is_aggregate = node.downcast_ref::<AggregateExec>().is_some();
        Ok(if is_aggregate { Transformed::yes(finish.clone()) } else { Transformed::no(node) })
    });

    let mut partial = Piece::new(rows, partial, context.clone());
    partial.run(vec![one_row(&partial.input_schema())?])?; // what it plans and cannot aggregate is told now, not by the first row
    Ok(Split {
        before: Piece::new(source, aggregate.input().clone(), context.clone()),
        partial,
        reduce: Piece::new(state_to_reduce, reduce, context.clone()),
        last: Piece::new(state_to_finish, after.data()?, context),
        group_by: aggregate.group_expr().expr().to_vec(),
        uses,
    })
}

/// A row of these columns, whatever its values.
fn one_row(schema: &SchemaRef) -> Result<RecordBatch> {
    let values = schema.fields().iter().map(|field| ScalarValue::new_default(field.data_type())?.to_array_of_size(1));
    let one = RecordBatchOptions::new().with_row_count(Some(1)); // there may be no columns
    Ok(RecordBatch::try_new_with_options(schema.clone(), values.collect::<Result<_>>()?, &one)?)
}

/// The aggregate in another mode, reading a slot.
fn stage(aggregate: &AggregateExec, mode: AggregateMode, input: &Arc<Slot>) -> Result<Arc<dyn ExecutionPlan>> {
    let is_first = mode == AggregateMode::Partial;
    let group_by = if is_first { aggregate.group_expr().clone() } else { aggregate.group_expr().as_final() };
    let functions = aggregate.aggr_expr().to_vec();
    // FILTER clauses choose rows, so only the stage that sees rows applies them.
    let filters = if is_first { aggregate.filter_expr().to_vec() } else { vec![None; functions.len()] };
    let rows = aggregate.input().schema();
    Ok(Arc::new(AggregateExec::try_new(mode, group_by, functions, filters, input.plan()?, rows)?))
}

/// The one aggregate of a plan.
pub(super) fn only_aggregate(plan: &Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let mut found = Vec::new();
    plan.apply(|node| {
        if node.downcast_ref::<AggregateExec>().is_some() {
            found.push(node.clone());
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    match <[_; 1]>::try_from(found) {
        Ok([node]) => Ok(node),
        Err(found) => Err(DataFusionError::Plan(format!("a window needs exactly one aggregate, this query has {}", found.len()))),
    }
}

/// The aggregate as such, in one stage.
pub(super) fn as_aggregate(node: &Arc<dyn ExecutionPlan>) -> Result<&AggregateExec> {
    let aggregate = node.downcast_ref::<AggregateExec>().filter(|aggregate| matches!(aggregate.mode(), AggregateMode::Single));
    aggregate.ok_or_else(|| DataFusionError::Plan("the aggregate was planned in several stages; one was expected".to_owned()))
}
