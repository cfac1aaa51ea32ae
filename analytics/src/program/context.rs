//! What an expression can name: a row of the stream, or a row and no aggregates.

use datafusion::sql::sqlparser::ast::{DataType, DuplicateTreatment};
use datafusion::sql::sqlparser::ast::{Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Spanned};

use super::expression::{self, Context, write};
use super::functions;
use super::relation::{ROWTIME, Reference, Relation, quoted};
use crate::sql::{Place, SqlError, SqlType};

/// Expressions over one row of the stream.
pub(super) struct RowContext<'a> {
    pub(super) relation: &'a Relation,
    /// What ROWTIME is called: the column of the row, or the start or end of its window.
    pub(super) row_time: &'static str,
}

impl<'a> RowContext<'a> {
    pub(super) fn new(relation: &'a Relation) -> Self {
        Self { relation, row_time: ROWTIME }
    }
}

impl Context for RowContext<'_> {
    fn whole(&mut self, _expression: &Expr) -> Result<Option<String>, SqlError> {
        Ok(None)
    }

    fn column(&mut self, parts: &[Ident]) -> Result<String, SqlError> {
        if let [name] = parts
            && name.value == "CURRENT_ROW_TIMESTAMP"
            && name.quote_style.is_none()
        {
            return Ok(quoted(self.row_time));
        }
        Ok(match self.relation.find(parts)? {
            Reference::RowTime { .. } => quoted(self.row_time),
            Reference::Column(index) => quoted(&self.relation.columns[index].name),
            Reference::Metadata(metadata) => quoted(metadata.name()),
        })
    }

    fn aggregate(&mut self, call: &Function) -> Result<String, SqlError> {
        let message = format!("the aggregate {} cannot stand here", call.name);
        let help = "aggregates stand in the select list and in HAVING, not in WHERE, GROUP BY or another aggregate";
        Err(SqlError::new(Place::of(call.name.span()), message).help(help))
    }
}

/// An aggregate's call without its OVER, over rows of the stream, as DataFusion reads it.
pub(super) fn aggregate_call(call: &Function, relation: &Relation) -> Result<AggregateCall, SqlError> {
    let name = call.name.to_string();
    let at = Place::of(call.name.span());
    let Some(function) = functions::aggregate(&name) else {
        return Err(SqlError::new(at, format!("{name} is no aggregate, it cannot stand before OVER")));
    };
    let FunctionArguments::List(list) = &call.args else {
        return Err(SqlError::new(at, format!("{name} needs its arguments in parentheses")));
    };
    let mut context = RowContext::new(relation);
    let mut arguments = Vec::new();
    for argument in &list.args {
        match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Wildcard) if name == "COUNT" => {}
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => {
                // The average of whole numbers is a whole number, and so is a sum divided by a count.
                arguments.push((write(expression, &mut context)?, is_integer(expression, relation)));
            }
            _ => return Err(SqlError::new(at, format!("{name} takes plain arguments"))),
        }
    }
    if arguments.is_empty() && name != "COUNT" {
        return Err(SqlError::new(at, format!("{name} needs an argument")));
    }
    let is_distinct = matches!(list.duplicate_treatment, Some(DuplicateTreatment::Distinct));
    let filter = call.filter.as_deref().map(|filter| write(filter, &mut context)).transpose()?;
    let is_integer = name == "AVG" && arguments.iter().all(|(_, is_integer)| *is_integer);
    let is_big_sum = name == "SUM" && list.args.iter().any(|argument| is_big(argument, relation));
    let arguments = arguments.into_iter().map(|(text, _)| text).collect();
    Ok(AggregateCall { function, arguments, filter, is_distinct, is_integer_average: is_integer, is_big_sum })
}

/// The parts of an aggregate's call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AggregateCall {
    function: &'static str,
    /// Empty for `COUNT(*)`.
    pub(super) arguments: Vec<String>,
    /// FILTER (WHERE …).
    pub(super) filter: Option<String>,
    is_distinct: bool,
    /// AVG of whole numbers, which is one itself.
    is_integer_average: bool,
    /// SUM of BIGINT, which may leave the range of BIGINT: DataFusion's would begin again below.
    is_big_sum: bool,
}

impl AggregateCall {
    /// The call with its arguments and its filter prepared as columns: `prepare` gives a text's column.
    pub(super) fn over_prepared(&self, mut prepare: impl FnMut(&str) -> String) -> Self {
        let arguments = self.arguments.iter().map(|text| prepare(text)).collect();
        let filter = self.filter.as_deref().map(prepare);
        Self { arguments, filter, ..self.clone() }
    }

    /// The call.
    pub(super) fn write(&self) -> String {
        let arguments = self.arguments.as_slice();
        let distinct = if self.is_distinct { "DISTINCT " } else { "" };
        let arguments = match arguments {
            [] => "*".to_owned(),
            [big] if self.is_big_sum => format!("CAST({big} AS DECIMAL(38, 0))"),
            some => some.join(", "),
        };
        let filter = self.filter.as_ref().map(|filter| format!(" FILTER (WHERE {filter})")).unwrap_or_default();
        let call = |function: &str| format!("{function}({distinct}{arguments}){filter}");
        if self.is_integer_average { format!("({} / {})", call("sum"), call("count")) } else { call(self.function) }
    }

    /// The result as the program sees it, of the column that holds it: a row whose number is too large fails here, alone.
    pub(super) fn result(&self, column: String) -> String {
        if self.is_big_sum { format!("CAST({column} AS BIGINT)") } else { column }
    }

    /// The sum and the count that an average of whole numbers is made of.
    pub(super) fn as_sum_and_count(&self) -> Option<(String, String)> {
        let part = |function| Self { function, is_integer_average: false, ..self.clone() }.write();
        self.is_integer_average.then(|| (part("sum"), part("count")))
    }
}

/// The type of a column that is selected as it is.
pub(super) fn declared(expression: &Expr, relation: &Relation) -> Option<SqlType> {
    let parts = match expression {
        Expr::Identifier(name) => std::slice::from_ref(name),
        Expr::CompoundIdentifier(names) => names.as_slice(),
        _ => return None,
    };
    match relation.find(parts) {
        Ok(Reference::Column(index)) => relation.columns[index].sql_type,
        Ok(Reference::Metadata(metadata)) => metadata.column().sql_type,
        _ => None,
    }
}

/// Whether a value is a whole number by its declaration.
fn is_integer(expression: &Expr, relation: &Relation) -> bool {
    use datafusion::sql::sqlparser::ast::{BinaryOperator as Op, Value};
    let of_column = |parts: &[Ident]| match relation.find(parts) {
        Ok(Reference::Column(index)) => {
            let integers = [SqlType::TinyInt, SqlType::SmallInt, SqlType::Integer, SqlType::BigInt];
            relation.columns[index].sql_type.is_some_and(|sql_type| integers.contains(&sql_type))
        }
        _ => false,
    };
    match expression {
        Expr::Nested(inner) => is_integer(inner, relation),
        Expr::Identifier(name) => of_column(std::slice::from_ref(name)),
        Expr::CompoundIdentifier(names) => of_column(names),
        Expr::Value(value) => matches!(&value.value, Value::Number(digits, _) if digits.to_string().parse::<i64>().is_ok()),
        Expr::BinaryOp { left, op: Op::Plus | Op::Minus | Op::Multiply | Op::Divide, right } => {
            is_integer(left, relation) && is_integer(right, relation)
        }
        Expr::Cast { data_type, .. } => {
            matches!(data_type, DataType::Integer(_) | DataType::Int(_) | DataType::BigInt(_) | DataType::SmallInt(_))
        }
        _ => false,
    }
}

/// Whether an argument is made of BIGINT columns.
fn is_big(argument: &FunctionArg, relation: &Relation) -> bool {
    let FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) = argument else { return false };
    let is_big_column = |inner: &Expr| declared(inner, relation) == Some(SqlType::BigInt);
    let has_one = datafusion::sql::sqlparser::ast::visit_expressions(expression, |inner| {
        if is_big_column(inner) { std::ops::ControlFlow::Break(()) } else { std::ops::ControlFlow::Continue(()) }
    });
    is_integer(expression, relation) && has_one.is_break()
}

/// Whether an expression has an aggregate that is not over a window, or one that is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Uses {
    pub(super) aggregate: bool,
    pub(super) window: bool,
}

/// What the expressions use.
pub(super) fn uses<'a>(expressions: impl Iterator<Item = &'a Expr>) -> Uses {
    let mut uses = Uses::default();
    for expression in expressions {
        let _ = datafusion::sql::sqlparser::ast::visit_expressions(expression, |expression| {
            if let Expr::Function(call) = expression {
                uses.window |= call.over.is_some();
                uses.aggregate |= call.over.is_none() && functions::aggregate(&call.name.to_string()).is_some();
            }
            std::ops::ControlFlow::<()>::Continue(())
        });
    }
    uses
}

/// An error about an expression as a whole.
pub(super) fn refuse(expression: &Expr, fallback: Place, message: &str) -> SqlError {
    SqlError::new(expression::place(expression).or(fallback), message)
}
