//! Arithmetic that notices an overflow: its row goes to the error stream instead of on with a wrong number.
//!
//! DataFusion plans additions, subtractions and multiplications that wrap around.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::BinaryExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::{FilterExec, FilterExecBuilder};
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};

/// The plan with checked arithmetic in its projections and filters.
pub(super) fn plan(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        if let Some(projection) = node.downcast_ref::<ProjectionExec>() {
            let checked = |item: &ProjectionExpr| Ok(ProjectionExpr { expr: expression(&item.expr)?, ..item.clone() });
            let expressions = projection.expr().iter().map(checked).collect::<Result<Vec<_>>>()?;
            let checked = ProjectionExec::try_new(expressions, projection.input().clone())?;
            return Ok(Transformed::yes(Arc::new(checked) as Arc<dyn ExecutionPlan>));
        }
        if let Some(filter) = node.downcast_ref::<FilterExec>() {
            let checked = FilterExecBuilder::from(filter).with_predicate(expression(filter.predicate())?).build()?;
            return Ok(Transformed::yes(Arc::new(checked) as Arc<dyn ExecutionPlan>));
        }
        Ok(Transformed::no(node))
    })
    .data()
}

fn expression(expression: &Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
    let checked = |node: Arc<dyn PhysicalExpr>| {
        let binary = node.downcast_ref::<BinaryExpr>();
        let Some(binary) = binary.filter(|binary| matches!(binary.op(), Operator::Plus | Operator::Minus | Operator::Multiply))
        else {
            return Ok(Transformed::no(node));
        };
        let checked = BinaryExpr::new(binary.left().clone(), *binary.op(), binary.right().clone()).with_fail_on_overflow(true);
        Ok(Transformed::yes(Arc::new(checked) as Arc<dyn PhysicalExpr>))
    };
    expression.clone().transform_up(checked).data()
}
