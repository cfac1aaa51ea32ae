//! Which columns a query only groups by: those may come as numbers in place of texts.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::streaming::StreamingTableExec;

/// What a query does with a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyUse {
    Unused,
    /// It tells groups apart, and stands in the result as it is.
    Key,
    /// It is computed with, or compared with something.
    Other,
}

/// What a plan does with a column of its one leaf.
pub(super) fn of_column(plan: &Arc<dyn ExecutionPlan>, column: usize) -> KeyUse {
    match follow(plan, column) {
        None => KeyUse::Other,
        Some(Trace { is_key: true, .. }) => KeyUse::Key,
        // Filtered by or not: a query with one aggregate shows nothing but keys and aggregates.
        Some(_) => KeyUse::Unused,
    }
}

/// A column on its way through a plan.
#[derive(Default)]
struct Trace {
    /// Where it stands in the result, as it is.
    places: BTreeSet<usize>,
    is_key: bool,
}

/// None: something else is done with it, or the plan has a step that is not known here.
fn follow(plan: &Arc<dyn ExecutionPlan>, column: usize) -> Option<Trace> {
    if let Some(leaf) = plan.downcast_ref::<StreamingTableExec>() {
        return Some(Trace { places: chosen(leaf.projection().as_deref(), BTreeSet::from([column])), is_key: false });
    }
    let [input] = plan.children()[..] else { return None };
    let Trace { places, is_key } = follow(input, column)?;
    if let Some(project) = plan.downcast_ref::<ProjectionExec>() {
        let places = pass(project.expr().iter().map(|projected| &projected.expr), &places)?;
        Some(Trace { places, is_key })
    } else if let Some(filter) = plan.downcast_ref::<FilterExec>() {
        let is_kept = is_untouched(filter.predicate(), &places);
        is_kept.then(|| Trace { places: chosen(filter.projection().as_deref(), places), is_key })
    } else if let Some(aggregate) = plan.downcast_ref::<AggregateExec>() {
        let functions = aggregate.aggr_expr().iter();
        let mut read = functions.flat_map(|function| {
            let order = function.order_bys().iter().map(|order| order.expr.clone());
            function.expressions().into_iter().chain(order)
        });
        let mut filters = aggregate.filter_expr().iter().flatten();
        let is_kept = aggregate.group_expr().is_single()
            && read.all(|expression| is_untouched(&expression, &places))
            && filters.all(|expression| is_untouched(expression, &places));
        if !is_kept {
            return None;
        }
        let places = pass(aggregate.group_expr().expr().iter().map(|(expression, _)| expression), &places)?;
        Some(Trace { is_key: is_key || !places.is_empty(), places })
    } else {
        None
    }
}

/// Where columns stand when only these are left, in this order; None: all are.
fn chosen(columns: Option<&[usize]>, places: BTreeSet<usize>) -> BTreeSet<usize> {
    let Some(columns) = columns else { return places };
    columns.iter().enumerate().filter(|(_, from)| places.contains(from)).map(|(place, _)| place).collect()
}

/// Where a column stands behind these expressions. None: one of them computes with it.
fn pass<'a>(expressions: impl Iterator<Item = &'a Arc<dyn PhysicalExpr>>, places: &BTreeSet<usize>) -> Option<BTreeSet<usize>> {
    let mut behind = BTreeSet::new();
    for (index, expression) in expressions.enumerate() {
        match expression.downcast_ref::<Column>() {
            Some(column) if places.contains(&column.index()) => {
                behind.insert(index);
            }
            _ if is_untouched(expression, places) => {}
            _ => return None,
        }
    }
    Some(behind)
}

fn is_untouched(expression: &Arc<dyn PhysicalExpr>, places: &BTreeSet<usize>) -> bool {
    collect_columns(expression).iter().all(|column| !places.contains(&column.index()))
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field, Schema};

    use super::super::plan;
    use super::*;
    use crate::program::TABLE;

    fn uses(sql: &str) -> [KeyUse; 3] {
        let text = |name| Field::new(name, DataType::Utf8View, true);
        let schema = Arc::new(Schema::new(vec![text("a"), text("b"), Field::new("n", DataType::Int64, true)]));
        let plan = plan::plan(&sql.replace("FROM t", &format!("FROM {TABLE}")), schema).unwrap().plan;
        [0, 1, 2].map(|column| of_column(&plan, column))
    }

    #[test]
    fn a_column_that_is_only_grouped_by_is_a_key() {
        use KeyUse::{Key, Other, Unused};
        assert_eq!(uses("SELECT a AS k, count(*) AS c FROM t GROUP BY a"), [Key, Unused, Unused]);
        assert_eq!(uses("SELECT b AS l, sum(n) AS c, a AS k FROM t GROUP BY b, a"), [Key, Key, Other]);
        assert_eq!(uses("SELECT a, count(*) AS c FROM t WHERE n > 3 GROUP BY a HAVING count(*) > 1"), [Key, Unused, Other]);
        assert_eq!(uses("SELECT count(*) AS c FROM t"), [Unused, Unused, Unused]);
    }

    #[test]
    fn a_column_that_is_compared_or_computed_with_is_none() {
        for sql in [
            "SELECT a, count(*) AS c FROM t WHERE a <> 'x' GROUP BY a",
            "SELECT upper(a) AS k, count(*) AS c FROM t GROUP BY upper(a)",
            "SELECT a, max(a) AS c FROM t GROUP BY a",
            "SELECT a, count(DISTINCT a) AS c FROM t GROUP BY a",
            "SELECT a, count(*) FILTER (WHERE a LIKE '1%') AS c FROM t GROUP BY a",
            "SELECT a, count(*) AS c FROM t GROUP BY a HAVING a <> 'x'",
            "SELECT a || 'x' AS k, count(*) AS c FROM t GROUP BY a",
            "SELECT first_value(n ORDER BY a) AS c FROM t GROUP BY b",
            "SELECT a, count(*) AS c FROM t GROUP BY a ORDER BY a",
        ] {
            assert_eq!(uses(sql)[0], KeyUse::Other, "{sql}");
        }
    }
}
