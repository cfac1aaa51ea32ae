//! What an expression can name: a row of the stream, or a row and no aggregates.

use datafusion::sql::sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Spanned,
};

use super::expression::{self, Context, write};
use super::functions;
use super::relation::{ROWTIME, Reference, Relation, quoted};
use super::whole::{Whole, has_whole_average, whole};
use crate::sql::{Place, SqlError, SqlType};

/// The engine's function for the average of large whole numbers: their sum in 128 bits, divided by their count.
pub(crate) const WHOLE_AVERAGE: &str = "weir_average";

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
    let (mut arguments, mut expressions): (Vec<_>, Vec<&Expr>) = (Vec::new(), Vec::new());
    for argument in &list.args {
        match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Wildcard) if name == "COUNT" => {}
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => {
                arguments.push(write(expression, &mut context)?);
                expressions.push(expression);
            }
            _ => return Err(SqlError::new(at, format!("{name} takes plain arguments"))),
        }
    }
    if arguments.is_empty() && name != "COUNT" {
        return Err(SqlError::new(at, format!("{name} needs an argument")));
    }
    let is_distinct = matches!(list.duplicate_treatment, Some(DuplicateTreatment::Distinct));
    let filter = call.filter.as_deref().map(|filter| write(filter, &mut context)).transpose()?;
    // The average of whole numbers is a whole number, and so is a sum divided by a count.
    let is_whole_average = name == "AVG" && expressions.iter().all(|expression| has_whole_average(expression, relation));
    let is_big = expressions.iter().any(|expression| whole(expression, relation) == Some(Whole::Big));
    let is_wide = is_big && (name == "SUM" || is_whole_average);
    let is_prepared = |(index, expression): (usize, &&Expr)| index == 0 || !matches!(expression, Expr::Value(_));
    let is_prepared = expressions.iter().enumerate().map(is_prepared).collect();
    Ok(AggregateCall { function, arguments, is_prepared, filter, is_distinct, is_whole_average, is_wide })
}

/// The parts of an aggregate's call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AggregateCall {
    function: &'static str,
    /// Empty for `COUNT(*)`.
    pub(super) arguments: Vec<String>,
    /// For each of them whether it may be a column: not a separator or a percentile, which stays as it is written.
    is_prepared: Vec<bool>,
    /// FILTER (WHERE …).
    pub(super) filter: Option<String>,
    is_distinct: bool,
    /// AVG of whole numbers, which is one itself.
    is_whole_average: bool,
    /// The sum may leave the range of BIGINT, so it is taken in 128 bits.
    is_wide: bool,
}

impl AggregateCall {
    /// The call with its arguments and its filter prepared as columns: `prepare` gives a text's column.
    pub(super) fn over_prepared(&self, mut prepare: impl FnMut(&str) -> String) -> Self {
        let arguments = self.arguments.iter().zip(&self.is_prepared);
        let arguments = arguments.map(|(text, is_prepared)| if *is_prepared { prepare(text) } else { text.clone() }).collect();
        let filter = self.filter.as_deref().map(prepare);
        Self { arguments, filter, ..self.clone() }
    }

    /// The call.
    pub(super) fn write(&self) -> String {
        match self.as_sum_and_count() {
            Some((sum, count)) => self.average(&sum, &count),
            None => self.call(self.function, self.is_wide),
        }
    }

    fn call(&self, function: &str, is_wide: bool) -> String {
        let distinct = if self.is_distinct { "DISTINCT " } else { "" };
        let arguments = match self.arguments.as_slice() {
            [] => "*".to_owned(),
            [big] if is_wide => format!("CAST({big} AS DECIMAL(38, 0))"),
            some => some.join(", "),
        };
        let filter = self.filter.as_ref().map(|filter| format!(" FILTER (WHERE {filter})")).unwrap_or_default();
        format!("{function}({distinct}{arguments}){filter}")
    }

    /// The result as the program sees it, of the column that holds it: a row whose number is too large fails here, alone.
    pub(super) fn result(&self, column: String) -> String {
        let is_sum = self.is_wide && !self.is_whole_average;
        if is_sum { format!("CAST({column} AS BIGINT)") } else { column }
    }

    /// The sum and the count that an average of whole numbers is made of.
    pub(super) fn as_sum_and_count(&self) -> Option<(String, String)> {
        self.is_whole_average.then(|| (self.call("sum", self.is_wide), self.call("count", false)))
    }

    /// The average of this sum and count. It is never larger than the largest number, so it always fits.
    pub(super) fn average(&self, sum: &str, count: &str) -> String {
        if self.is_wide { format!("{WHOLE_AVERAGE}({sum}, {count})") } else { format!("({sum} / {count})") }
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
