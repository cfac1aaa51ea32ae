//! Which expressions are whole numbers by what is declared, and how large they may become.
//!
//! The sum of large ones leaves 64 bits, where DataFusion's begins again below without a word; such sums are taken in 128 bits.
//! What is not known here keeps DataFusion's types, so a wrong `Some` would cut fractions off, and a wrong `None` cuts nothing.

use datafusion::sql::sqlparser::ast::{BinaryOperator, DataType, Expr, Function, Ident, UnaryOperator, Value};

use super::context::declared;
use super::monotonic::arguments;
use super::relation::{Reference, Relation};
use crate::sql::SqlType;

/// The size of whole numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Whole {
    /// Some 32 bits: no stream is long enough for their sum to leave 64.
    Small,
    /// Up to 64 bits.
    Big,
}

impl Whole {
    /// The values of a column of this type.
    pub(crate) fn of(sql_type: SqlType) -> Option<Self> {
        match sql_type {
            SqlType::TinyInt | SqlType::SmallInt | SqlType::Integer => Some(Self::Small),
            SqlType::BigInt => Some(Self::Big),
            _ => None,
        }
    }
}

/// How large the values of an expression are, when they are whole numbers.
pub(super) fn whole(expression: &Expr, relation: &Relation) -> Option<Whole> {
    let inner = |expression| whole(expression, relation);
    match expression {
        Expr::Nested(nested) => inner(nested),
        Expr::Identifier(name) => of_column(std::slice::from_ref(name), relation),
        Expr::CompoundIdentifier(names) => of_column(names, relation),
        Expr::Value(value) => of_literal(&value.value),
        Expr::UnaryOp { op: UnaryOperator::Plus | UnaryOperator::Minus, expr } => inner(expr),
        Expr::BinaryOp { left, op, right } => {
            let (left, right) = (inner(left)?, inner(right)?);
            match op {
                BinaryOperator::Plus | BinaryOperator::Minus => Some(left.max(right)),
                BinaryOperator::Multiply => Some(Whole::Big),
                BinaryOperator::Divide => Some(left),
                _ => None,
            }
        }
        Expr::Cast { data_type, .. } => match data_type {
            DataType::BigInt(_) => Some(Whole::Big),
            DataType::Integer(_) | DataType::Int(_) | DataType::SmallInt(_) | DataType::TinyInt(_) => Some(Whole::Small),
            _ => None,
        },
        Expr::Case { conditions, else_result, .. } => {
            let results = conditions.iter().map(|when| &when.result).chain(else_result.as_deref());
            largest(results, relation)
        }
        Expr::Function(call) => of_call(call, relation),
        _ => None,
    }
}

/// Whether the average of an expression is a whole number: that of declared columns, their arithmetic and casts is. That of a
/// CASE or of a function keeps its fraction: so shares are often written.
pub(super) fn has_whole_average(expression: &Expr, relation: &Relation) -> bool {
    is_plain(expression, relation) && whole(expression, relation).is_some()
}

fn is_plain(expression: &Expr, relation: &Relation) -> bool {
    match expression {
        Expr::Nested(inner) => is_plain(inner, relation),
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => declared(expression, relation).is_some(),
        Expr::BinaryOp { left, right, .. } => is_plain(left, relation) && is_plain(right, relation),
        Expr::Value(_) | Expr::Cast { .. } => true,
        _ => false,
    }
}

fn of_column(parts: &[Ident], relation: &Relation) -> Option<Whole> {
    match relation.find(parts) {
        Ok(Reference::Column(index)) => relation.columns[index].whole,
        _ => None,
    }
}

fn of_literal(value: &Value) -> Option<Whole> {
    match value {
        Value::Null => Some(Whole::Small),
        Value::Number(digits, _) => {
            let number: i64 = digits.to_string().parse().ok()?;
            Some(if i32::try_from(number).is_ok() { Whole::Small } else { Whole::Big })
        }
        _ => None,
    }
}

fn of_call(call: &Function, relation: &Relation) -> Option<Whole> {
    let name = call.name.to_string();
    let all = || largest(arguments(call)?.into_iter(), relation);
    match name.as_str() {
        "COUNT" => Some(Whole::Small),
        "SUM" => all().map(|_| Whole::Big),
        "MIN" | "MAX" | "ABS" | "MOD" | "COALESCE" | "NULLIF" | "STEP" => all(),
        "UNIX_TIMESTAMP" | "TSDIFF" => Some(Whole::Big),
        _ => None,
    }
}

fn largest<'a>(mut expressions: impl Iterator<Item = &'a Expr>, relation: &Relation) -> Option<Whole> {
    let first = whole(expressions.next()?, relation)?;
    expressions.try_fold(first, |known, expression| Some(known.max(whole(expression, relation)?)))
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::ast::{SelectItem, SetExpr};

    use super::*;
    use crate::program::StreamId;
    use crate::program::relation::Column;
    use crate::sql;

    fn of(expression: &str) -> (Option<Whole>, bool) {
        let source = format!("CREATE PUMP p AS INSERT INTO d SELECT {expression} FROM s");
        let Ok(sql::Statement::Pump(pump)) = sql::parse(&source).unwrap().statements.remove(0).1 else { panic!("{source}") };
        let SetExpr::Select(mut select) = *sql::parse_query(&pump.query).unwrap().body else { panic!("{source}") };
        let SelectItem::UnnamedExpr(expression) = select.projection.remove(0) else { panic!("{source}") };
        let column = |(name, sql_type): (&str, SqlType)| Column::new(name.to_owned(), Some(sql_type), None);
        let columns = [("I", SqlType::Integer), ("B", SqlType::BigInt), ("D", SqlType::Double)].map(column);
        let relation = Relation::new(StreamId(0), Some("S".to_owned()), columns.to_vec(), true);
        (whole(&expression, &relation), has_whole_average(&expression, &relation))
    }

    #[test]
    fn whole_numbers_are_told_with_their_size() {
        for (expression, expected) in [
            ("i", Some(Whole::Small)),
            ("s.b", Some(Whole::Big)),
            ("i + 1", Some(Whole::Small)),
            ("(i - b)", Some(Whole::Big)),
            ("i * i", Some(Whole::Big)),
            ("i / 2", Some(Whole::Small)),
            ("9000000000", Some(Whole::Big)),
            ("CAST(d AS BIGINT)", Some(Whole::Big)),
            ("d", None),
            ("i / 0.5", None),
            ("i + d", None),
        ] {
            assert_eq!(of(expression), (expected, expected.is_some()), "{expression}");
        }
    }

    #[test]
    fn a_cast_makes_anything_plain() {
        assert_eq!(of("CAST(FLOOR(d) AS INTEGER)"), (Some(Whole::Small), true));
        assert_eq!(of("CAST(i AS DOUBLE)"), (None, false));
    }

    #[test]
    fn what_is_composed_is_whole_and_its_average_keeps_the_fraction() {
        for (expression, expected) in [
            ("CASE WHEN d > 1 THEN b ELSE 0 END", Some(Whole::Big)),
            ("CASE WHEN d > 1 THEN 1 END", Some(Whole::Small)),
            ("CASE WHEN d > 1 THEN 1 ELSE 0.5 END", None),
            ("-b", Some(Whole::Big)),
            ("COALESCE(i, b)", Some(Whole::Big)),
            ("COALESCE(i, d)", None),
            ("UNIX_TIMESTAMP(s.ROWTIME)", Some(Whole::Big)),
            ("COUNT(*)", Some(Whole::Small)),
            ("SUM(i)", Some(Whole::Big)),
            ("SUM(d)", None),
            ("MAX(b)", Some(Whole::Big)),
            ("SQRT(i)", None),
        ] {
            assert_eq!(of(expression), (expected, false), "{expression}");
        }
    }
}
