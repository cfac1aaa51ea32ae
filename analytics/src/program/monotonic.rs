//! Finds the expressions that move with ROWTIME, and the window that each of them cuts.
//!
//! A group is complete when such a key changes; what matters is where it changes, not its value. So FLOOR, STEP and the
//! difference from a moment, with a shift or without, all become one [`Window`].

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CeilFloorKind, DataType, DateTimeField, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
    Value,
};

use super::interval;
use super::relation::{Reference, Relation};
use super::window::{Width, Window};
use crate::sql::SPAN;

/// A value that never goes back as ROWTIME goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Monotone {
    /// Where it changes.
    pub(crate) window: Window,
    /// How far the value is ahead of ROWTIME; None when it is no time, so that no time can be cut from it.
    pub(super) shift_ms: Option<i64>,
    /// Whether it follows from ROWTIME alone, so that a window's start tells its value.
    pub(crate) is_of_rowtime: bool,
}

impl Monotone {
    /// The same value seen through a column of a subquery.
    pub(crate) fn as_column(self) -> Self {
        Self { is_of_rowtime: false, ..self }
    }

    /// Cut into wider windows that begin at this moment of its own time.
    fn widened(self, width: Width, origin_ms: i64) -> Option<Self> {
        let shift_ms = self.shift_ms?;
        let window = match width {
            Width::Ms(ms) if ms > 0 => Window::new(width, origin_ms.checked_sub(shift_ms)?),
            Width::Months(months) if months > 0 && shift_ms == 0 => Window::new(width, 0),
            _ => return None,
        };
        window.holds(self.window).then_some(Self { window, ..self })
    }

    fn shifted(self, ms: i64) -> Option<Self> {
        Some(Self { shift_ms: Some(self.shift_ms?.checked_add(ms)?), ..self })
    }
}

/// How an expression moves with ROWTIME; None when it need not.
pub(crate) fn monotone(expression: &Expr, relation: &Relation) -> Option<Monotone> {
    let inner = |expression| monotone(expression, relation);
    match expression {
        Expr::Nested(nested) => inner(nested),
        Expr::Identifier(name) => of_column(std::slice::from_ref(name), relation),
        Expr::CompoundIdentifier(names) => of_column(names, relation),
        Expr::Floor { expr, field: CeilFloorKind::DateTimeField(field) } => {
            floor_of_span(expr, field, relation).or_else(|| inner(expr)?.widened(interval::unit_length(field, 1)?, 0))
        }
        // A moment on the edge belongs to the window before: CEIL changes just behind it.
        Expr::Ceil { expr, field: CeilFloorKind::DateTimeField(field) } => {
            inner(expr)?.widened(interval::unit_length(field, 1)?, 1)
        }
        Expr::BinaryOp { left, op: op @ (BinaryOperator::Plus | BinaryOperator::Minus), right } => {
            let Expr::Interval(by) = right.as_ref() else { return None };
            let Width::Ms(ms) = interval::length(by).ok()? else { return None };
            inner(left)?.shifted(if *op == BinaryOperator::Plus { ms } else { -ms })
        }
        Expr::Cast { expr, data_type, .. } => of_cast(inner(expr)?, data_type),
        Expr::Function(function) => of_function(function, relation),
        _ => None,
    }
}

fn of_column(parts: &[datafusion::sql::sqlparser::ast::Ident], relation: &Relation) -> Option<Monotone> {
    match relation.find(parts).ok()? {
        Reference::RowTime { .. } => Some(Monotone { window: Window::moment(), shift_ms: Some(0), is_of_rowtime: true }),
        Reference::Column(index) => relation.columns[index].monotone,
        Reference::Metadata(_) => None,
    }
}

/// A cast may make different moments equal; known is what it does to a date.
fn of_cast(value: Monotone, data_type: &DataType) -> Option<Monotone> {
    match data_type {
        DataType::Timestamp(..) => Some(value),
        DataType::Date => value.widened(Width::Ms(86_400_000), 0).map(|day| Monotone { shift_ms: None, ..day }),
        _ => Some(Monotone { shift_ms: None, ..value }).filter(|value| !value.window.is_moment()),
    }
}

fn of_function(function: &Function, relation: &Relation) -> Option<Monotone> {
    let arguments = arguments(function)?;
    match (function.name.to_string().as_str(), arguments.as_slice()) {
        ("STEP", [time, Expr::Interval(by)]) => monotone(time, relation)?.widened(interval::length(by).ok()?, 0),
        ("UNIX_TIMESTAMP", [time]) => monotone(time, relation).map(|value| Monotone { shift_ms: None, ..value }),
        _ => None,
    }
}

/// `FLOOR((time - TIMESTAMP '…') SECOND / 10 TO SECOND)`: windows of ten seconds from that moment.
fn floor_of_span(expression: &Expr, unit: &DateTimeField, relation: &Relation) -> Option<Monotone> {
    let (span, count) = match expression {
        Expr::BinaryOp { left, op: BinaryOperator::Divide, right } => (left.as_ref(), whole_number(right)?),
        other => (other, 1),
    };
    let Expr::Function(call) = span else { return None };
    if call.name.to_string() != SPAN {
        return None;
    }
    let arguments = arguments(call)?;
    let Some(Expr::Nested(difference)) = arguments.first() else { return None };
    let Expr::BinaryOp { left, op: BinaryOperator::Minus, right } = difference.as_ref() else { return None };
    monotone(left, relation)?.widened(interval::unit_length(unit, count)?, moment(right)?)
}

fn whole_number(expression: &Expr) -> Option<i64> {
    match expression {
        Expr::Nested(nested) => whole_number(nested),
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits.to_string().parse().ok().filter(|number| *number > 0),
            _ => None,
        },
        _ => None,
    }
}

/// `TIMESTAMP '1970-01-01 00:00:00'` in milliseconds since 1970.
fn moment(expression: &Expr) -> Option<i64> {
    let Expr::TypedString(typed) = expression else { return None };
    let Value::SingleQuotedString(text) = &typed.value.value else { return None };
    let civil: jiff::civil::DateTime = text.trim().replacen(' ', "T", 1).parse().ok()?;
    Some(civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

/// The arguments of a call, when they are plain expressions.
pub(super) fn arguments(function: &Function) -> Option<Vec<&Expr>> {
    let FunctionArguments::List(list) = &function.args else { return None };
    let plain = |argument| match argument {
        &FunctionArg::Unnamed(FunctionArgExpr::Expr(ref expression)) => Some(expression),
        _ => None,
    };
    list.args.iter().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::StreamId;
    use crate::sql;

    fn window(expression: &str) -> Option<Window> {
        let source = format!("CREATE PUMP p AS INSERT INTO d SELECT {expression} FROM s");
        let Ok(sql::Statement::Pump(pump)) = sql::parse(&source).unwrap().statements.remove(0).1 else { panic!("{source}") };
        let query = sql::parse_query(&pump.query).unwrap();
        let datafusion::sql::sqlparser::ast::SetExpr::Select(mut select) = *query.body else { panic!("{source}") };
        let datafusion::sql::sqlparser::ast::SelectItem::UnnamedExpr(expression) = select.projection.remove(0) else {
            panic!("{source}")
        };
        let relation = Relation::new(StreamId(0), Some("S".to_owned()), vec![], true);
        monotone(&expression, &relation).map(|monotone| monotone.window)
    }

    #[test]
    fn the_three_spellings_of_a_window_are_one() {
        let ten_seconds = Some(Window::tumbling(10_000));
        assert_eq!(window("STEP(s.ROWTIME BY INTERVAL '10' SECOND)"), ten_seconds);
        assert_eq!(window("FLOOR((s.ROWTIME - TIMESTAMP '1970-01-01 00:00:00') SECOND / 10 TO SECOND)"), ten_seconds);
        assert_eq!(window("FLOOR(s.ROWTIME TO SECOND)"), Some(Window::tumbling(1_000)));
        assert_eq!(window("FLOOR((s.ROWTIME - TIMESTAMP '1970-01-01 00:00:00') minute / 1 TO MINUTE)"), {
            Some(Window::tumbling(60_000))
        });
    }

    #[test]
    fn a_shift_moves_the_edges_and_a_shifted_result_does_not() {
        assert_eq!(window("STEP(s.ROWTIME + INTERVAL '3' SECOND BY INTERVAL '10' SECOND)"), {
            Some(Window::new(Width::Ms(10_000), 7_000))
        });
        assert_eq!(window("FLOOR(s.ROWTIME TO MINUTE) - INTERVAL '1' DAY"), Some(Window::tumbling(60_000)));
        assert_eq!(window("FLOOR((s.ROWTIME - TIMESTAMP '1970-01-01 00:00:03') SECOND / 10 TO SECOND)"), {
            Some(Window::new(Width::Ms(10_000), 3_000))
        });
    }

    #[test]
    fn ceil_changes_just_behind_the_edge() {
        let window = window("CEIL(s.ROWTIME TO SECOND)").unwrap();
        assert_eq!((window.start_of(1_000), window.start_of(1_001)), (1, 1_001));
    }

    #[test]
    fn months_and_nested_cuts_are_windows() {
        assert_eq!(window("FLOOR(s.ROWTIME TO MONTH)"), Some(Window::new(Width::Months(1), 0)));
        assert_eq!(window("STEP(FLOOR(s.ROWTIME TO SECOND) BY INTERVAL '1' MINUTE)"), Some(Window::tumbling(60_000)));
        assert_eq!(window("FLOOR(STEP(s.ROWTIME BY INTERVAL '7' SECOND) TO MINUTE)"), None);
        assert_eq!(window("UNIX_TIMESTAMP(FLOOR(s.ROWTIME TO MINUTE))"), Some(Window::tumbling(60_000)));
    }

    #[test]
    fn other_values_are_no_window() {
        assert_eq!(window("STEP(7 BY 2)"), None);
        assert_eq!(window("FLOOR(TIMESTAMP '1970-01-01 00:00:00' TO SECOND)"), None);
        assert_eq!(window("STEP(s.ROWTIME BY INTERVAL '0' SECOND)"), None);
    }
}
