//! Pumps that look at each row alone, and those that sort rows.

use super::context::{RowContext, refuse};
use super::expression::{Context, write};
use super::monotonic::{Monotone, monotone};
use super::operator::{Operator, TABLE, WINDOW_END};
use super::relation::{ROWTIME, Relation, quoted};
use super::select::Parts;
use super::window::Window;
use crate::sql::SqlError;

/// A pump that filters and projects.
pub(super) fn project(parts: &Parts, relation: &Relation) -> Result<Operator, SqlError> {
    let mut context = RowContext::new(relation);
    let rows = format!("SELECT {} FROM {TABLE}{}", select_list(parts, &quoted(ROWTIME), &mut context)?, filter(parts, relation)?);
    Ok(Operator::Project { rows })
}

/// A pump that sorts the rows of a time.
pub(super) fn sorted(parts: &Parts, relation: &Relation) -> Result<Operator, SqlError> {
    let window = leading_window(parts, relation)?;
    // A sorted row is complete, as a group is, when its window is.
    let mut context = RowContext { relation, row_time: WINDOW_END };
    let list = select_list(parts, &quoted(WINDOW_END), &mut context)?;
    let mut rows = RowContext::new(relation);
    let terms = order_terms(parts, &mut rows)?;
    Ok(Operator::Sorted { window, rows: format!("SELECT {list} FROM {TABLE}{}{terms}", filter(parts, relation)?) })
}

/// The columns of the result, as the columns of a subquery are seen.
pub(super) fn monotones(parts: &Parts, relation: &Relation) -> Vec<Option<Monotone>> {
    parts.items.iter().map(|item| monotone(&item.expression, relation).map(Monotone::as_column)).collect()
}

/// The window of the first term of ORDER BY.
fn leading_window(parts: &Parts, relation: &Relation) -> Result<Window, SqlError> {
    let Some(first) = parts.order_by.first() else { return Ok(Window::moment()) };
    match monotone(&first.expression, relation) {
        Some(monotone) if !first.is_descending => Ok(monotone.window),
        Some(_) => Err(refuse(&first.expression, parts.place, "the first term of ORDER BY goes with time, so it is not DESC")),
        None => Err(refuse(&first.expression, parts.place, "ORDER BY of a stream begins with a time that moves with ROWTIME")
            .help("ORDER BY FLOOR(s.ROWTIME TO SECOND), …")),
    }
}

/// ` ORDER BY …`, or nothing.
pub(super) fn order_terms(parts: &Parts, context: &mut dyn Context) -> Result<String, SqlError> {
    let term = |order: &super::select::Order| {
        Ok(format!("{}{}", write(&order.expression, context)?, if order.is_descending { " DESC" } else { "" }))
    };
    let terms = parts.order_by.iter().map(term).collect::<Result<Vec<_>, SqlError>>()?;
    Ok(if terms.is_empty() { String::new() } else { format!(" ORDER BY {}", terms.join(", ")) })
}

/// ` WHERE …`, or nothing.
pub(super) fn filter(parts: &Parts, relation: &Relation) -> Result<String, SqlError> {
    let filter = parts.filter.as_ref().map(|filter| write(filter, &mut RowContext::new(relation))).transpose()?;
    Ok(filter.map(|filter| format!(" WHERE {filter}")).unwrap_or_default())
}

/// ROWTIME and the columns of the result: `C0`, `C1`, …; names follow later.
pub(super) fn select_list(parts: &Parts, row_time: &str, context: &mut dyn Context) -> Result<String, SqlError> {
    let row_time = match &parts.row_time {
        Some(expression) => write(expression, context)?,
        None => row_time.to_owned(),
    };
    let mut list = vec![format!("{row_time} AS {}", quoted(ROWTIME))];
    for (index, item) in parts.items.iter().enumerate() {
        list.push(format!("{} AS \"C{index}\"", write(&item.expression, context)?));
    }
    Ok(list.join(", "))
}
