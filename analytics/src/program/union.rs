//! UNION ALL: the rows of several SELECTs in one stream, each with its own ROWTIME.
//!
//! Every SELECT becomes an operator of its own, and all of them write into the same stream, just as several pumps do: nothing
//! is kept, and what reads the stream waits for the slowest of the inputs behind them. Columns meet by position and have the
//! names of the first SELECT. Their types meet in the engine, which knows them.

use datafusion::sql::sqlparser::ast::{Query, SetExpr, SetOperator, SetQuantifier, Spanned};

use super::compile::Compiled;
use super::relation::Column;
use super::select::check_clauses;
use crate::sql::{Place, SqlError, SqlType};

/// The SELECTs of a query, in the order they stand: one, when there is no UNION ALL.
///
/// # Errors
/// When it is another operation on sets, or the whole of it is to be sorted or has a clause that streams have not.
pub(super) fn selects(query: &Query, fallback: Place) -> Result<Vec<Query>, SqlError> {
    check_clauses(query)?;
    let sides = match query.body.as_ref() {
        SetExpr::SetOperation { op: SetOperator::Union, set_quantifier: SetQuantifier::All, left, right } => [left, right],
        SetExpr::SetOperation { op, .. } => return Err(SqlError::not_yet(Place::of(query.span()).or(fallback), &op.to_string())),
        SetExpr::Query(inner) => {
            let found = selects(inner, fallback)?;
            // What stands behind the parentheses is of all of them; of one SELECT it is read with it.
            return match found.len() {
                1 => Ok(vec![query.clone()]),
                _ => unsorted(query, fallback).map(|()| found),
            };
        }
        _ => return Ok(vec![query.clone()]),
    };
    unsorted(query, fallback)?;
    let mut found = Vec::new();
    for side in sides {
        let side = Query { body: side.clone(), ..query.clone() };
        found.extend(selects(&side, fallback)?);
    }
    Ok(found)
}

fn unsorted(query: &Query, fallback: Place) -> Result<(), SqlError> {
    let Some(order) = &query.order_by else { return Ok(()) };
    Err(SqlError::new(Place::of(order.span()).or(fallback), "the whole of a UNION ALL is not sorted")
        .help("sort in a query around it: SELECT STREAM * FROM (… UNION ALL …) AS u ORDER BY FLOOR(u.ROWTIME TO SECOND), …"))
}

/// Checks that all SELECTs have as many columns as the first.
///
/// # Errors
/// When one has not, at its place.
pub(super) fn check_widths(selects: &[Compiled]) -> Result<(), SqlError> {
    let Some(first) = selects.first() else { return Ok(()) };
    let wanted = first.columns.len();
    match selects.iter().find(|select| select.columns.len() != wanted) {
        Some(other) => {
            let message =
                format!("this SELECT has {} columns, and the first one of the UNION ALL has {wanted}", other.columns.len());
            Err(SqlError::new(other.place, message).help("columns meet by position; NULL fills one"))
        }
        None => Ok(()),
    }
}

/// The columns of all SELECTs together, as a query around them sees them.
pub(super) fn columns(selects: &[Compiled]) -> Vec<Column> {
    let Some((first, others)) = selects.split_first() else { return vec![] };
    let column = |(index, column): (usize, &Column)| {
        let others = || others.iter().filter_map(|select| select.columns.get(index));
        let sql_type = others().fold(column.sql_type, |known, other| common(known?, other.sql_type?));
        // What moves with ROWTIME in one of them only may go back when the other's row comes.
        let monotone = column.monotone.filter(|monotone| others().all(|other| other.monotone == Some(*monotone)));
        let whole = others().fold(column.whole, |known, other| Some(known?.max(other.whole?)));
        Column { whole, ..Column::new(column.name.clone(), sql_type, monotone) }
    };
    first.columns.iter().enumerate().map(column).collect()
}

/// The type that holds both; None when that is left to the engine.
fn common(one: SqlType, other: SqlType) -> Option<SqlType> {
    const WHOLE: [SqlType; 4] = [SqlType::TinyInt, SqlType::SmallInt, SqlType::Integer, SqlType::BigInt];
    let size = |of: SqlType| WHOLE.iter().position(|known| *known == of);
    match (size(one), size(other)) {
        (Some(a), Some(b)) => Some(WHOLE[a.max(b)]),
        _ => Some(one).filter(|one| *one == other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::{self, Window};
    use crate::sql;

    fn query(text: &str) -> Query {
        let source = format!("CREATE PUMP p AS INSERT INTO d {text}");
        let Ok(sql::Statement::Pump(pump)) = sql::parse(&source).unwrap().statements.remove(0).1 else { panic!("{source}") };
        sql::parse_query(&pump.query).unwrap()
    }

    #[test]
    fn selects_are_found_in_their_order_whatever_their_parentheses() {
        let text =
            "SELECT a FROM s UNION ALL ((SELECT b FROM s UNION ALL SELECT c FROM s) UNION ALL (SELECT d FROM s ORDER BY d))";
        let found: Vec<String> = selects(&query(text), Place::default()).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(found, ["SELECT A FROM S", "SELECT B FROM S", "SELECT C FROM S", "(SELECT D FROM S ORDER BY D)"]);
    }

    #[test]
    fn whole_numbers_meet_in_the_wider_type() {
        assert_eq!(common(SqlType::Integer, SqlType::BigInt), Some(SqlType::BigInt));
        assert_eq!(common(SqlType::SmallInt, SqlType::TinyInt), Some(SqlType::SmallInt));
        assert_eq!(common(SqlType::Date, SqlType::Date), Some(SqlType::Date));
        assert_eq!(common(SqlType::Integer, SqlType::Double), None);
    }

    /// The window of the pump behind a union of these two columns.
    fn window(one: &str, other: &str) -> Result<Window, String> {
        let source = format!(
            "CREATE STREAM d (c INTEGER); CREATE PUMP p AS INSERT INTO d SELECT COUNT(*) FROM
             (SELECT {one} AS t FROM s_001 AS s UNION ALL SELECT {other} FROM s_002 AS s) AS u GROUP BY u.t"
        );
        let program = program::load(&source, program::schema_columns(program::LOG_SCHEMA).unwrap());
        let program = program.map_err(|errors| errors[0].message.clone())?;
        match &program.nodes.last().unwrap().operator {
            program::Operator::Tumbling(tumbling) => Ok(tumbling.window),
            _ => Err("no window".to_owned()),
        }
    }

    #[test]
    fn a_column_moves_with_rowtime_when_it_does_so_in_every_select() {
        let minute = "FLOOR(s.ROWTIME TO MINUTE)";
        assert_eq!(window(minute, minute), Ok(Window::tumbling(60_000)));
        assert!(window(minute, "FLOOR(s.ROWTIME TO SECOND)").unwrap_err().contains("can never emit a row"));
    }
}
