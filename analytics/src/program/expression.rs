//! Expressions of the dialect, written as DataFusion's SQL.
//!
//! Every kind of expression is named here: what is not, is refused at its place. Names are resolved on the way, so the
//! text that DataFusion reads has quoted columns only and cannot fail on a name.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, CastKind, CeilFloorKind, DataType, DateTimeField, ExactNumberInfo, Expr, Function, Ident, Spanned,
    TrimWhereField, TypedString, UnaryOperator, Value,
};

use super::call;
use super::interval;
use super::window::Width;
use crate::sql::{Place, SqlError};

/// The engine's function that writes any value as text.
pub(crate) const AS_TEXT: &str = "weir_text";

/// What surrounds an expression: the columns it can name, and what has a meaning of its own there.
pub(super) trait Context {
    /// The text for an expression that is taken whole: an aggregate, a key of GROUP BY.
    fn whole(&mut self, expression: &Expr) -> Result<Option<String>, SqlError>;

    /// The text for a name.
    fn column(&mut self, parts: &[Ident]) -> Result<String, SqlError>;

    /// The text for a call of an aggregate that [`Self::whole`] did not take.
    fn aggregate(&mut self, call: &Function) -> Result<String, SqlError>;
}

/// Writes an expression.
///
/// # Errors
/// When it uses what does not exist, or is not supported.
pub(super) fn write(expression: &Expr, context: &mut dyn Context) -> Result<String, SqlError> {
    if let Some(text) = context.whole(expression)? {
        return Ok(text);
    }
    let mut one = |expression: &Expr| write(expression, context);
    match expression {
        Expr::Identifier(name) => context.column(std::slice::from_ref(name)),
        Expr::CompoundIdentifier(names) => context.column(names),
        Expr::Nested(inner) => Ok(format!("({})", one(inner)?)),
        Expr::Value(value) => literal(&value.value).ok_or_else(|| unsupported(expression)),
        Expr::TypedString(typed) => typed_literal(typed),
        Expr::Interval(literal) => match interval::length(literal) {
            Ok(width) => Ok(interval_text(width)),
            Err(message) => Err(SqlError::new(place(expression), message)),
        },
        Expr::BinaryOp { left, op, right } => {
            let (left, right) = (one(left)?, one(right)?);
            binary(&left, op, &right).ok_or_else(|| unsupported(expression))
        }
        Expr::UnaryOp { op: op @ (UnaryOperator::Plus | UnaryOperator::Minus | UnaryOperator::Not), expr } => {
            Ok(format!("({op} {})", one(expr)?))
        }
        Expr::Function(call) => call::write_call(call, context),
        Expr::Cast { kind: CastKind::Cast, expr, data_type, .. } => cast(&one(expr)?, data_type, place(expression)),
        Expr::Case { operand, conditions, else_result, .. } => {
            case(operand.as_deref(), conditions, else_result.as_deref(), context)
        }
        _ => predicate(expression, context),
    }
}

/// Tests, and functions with a syntax of their own.
fn predicate(expression: &Expr, context: &mut dyn Context) -> Result<String, SqlError> {
    let mut one = |expression: &Expr| write(expression, context);
    let not = |negated: &bool| if *negated { "NOT " } else { "" };
    Ok(match expression {
        Expr::IsNull(inner) => format!("({} IS NULL)", one(inner)?),
        Expr::IsNotNull(inner) => format!("({} IS NOT NULL)", one(inner)?),
        Expr::IsTrue(inner) => format!("({} IS TRUE)", one(inner)?),
        Expr::IsNotTrue(inner) => format!("({} IS NOT TRUE)", one(inner)?),
        Expr::IsFalse(inner) => format!("({} IS FALSE)", one(inner)?),
        Expr::IsNotFalse(inner) => format!("({} IS NOT FALSE)", one(inner)?),
        Expr::IsUnknown(inner) => format!("({} IS UNKNOWN)", one(inner)?),
        Expr::IsNotUnknown(inner) => format!("({} IS NOT UNKNOWN)", one(inner)?),
        Expr::IsDistinctFrom(left, right) => format!("({} IS DISTINCT FROM {})", one(left)?, one(right)?),
        Expr::IsNotDistinctFrom(left, right) => format!("({} IS NOT DISTINCT FROM {})", one(left)?, one(right)?),
        Expr::InList { expr, list, negated } => {
            let list = list.iter().map(&mut one).collect::<Result<Vec<_>, _>>()?;
            format!("({} {}IN ({}))", one(expr)?, not(negated), list.join(", "))
        }
        Expr::Between { expr, negated, low, high } => {
            format!("({} {}BETWEEN {} AND {})", one(expr)?, not(negated), one(low)?, one(high)?)
        }
        Expr::Like { negated, any: false, expr, pattern, escape_char } => {
            let escape = escape_char.as_ref().map(|escape| format!(" ESCAPE {escape}")).unwrap_or_default();
            format!("({} {}LIKE {}{escape})", one(expr)?, not(negated), one(pattern)?)
        }
        Expr::SimilarTo { negated, expr, pattern, escape_char: None } => {
            let pattern = string(pattern)
                .ok_or_else(|| SqlError::new(place(pattern), "the pattern of SIMILAR TO is a string").help("write it as '…'"))?;
            format!("({}regexp_like({}, {}))", not(negated), one(expr)?, text_literal(&similar_to(&pattern)))
        }
        Expr::Extract { field, expr, .. } if is_unit(field) => {
            // Whole seconds, as the service counts them; DataFusion's have the fraction too.
            format!("CAST(floor(date_part('{field}', {})) AS BIGINT)", one(expr)?)
        }
        Expr::Floor { expr, field: CeilFloorKind::DateTimeField(field) } => rounded(expr, field, false, &mut one)?,
        Expr::Ceil { expr, field: CeilFloorKind::DateTimeField(field) } => rounded(expr, field, true, &mut one)?,
        Expr::Position { expr, r#in } => format!("strpos({}, {})", one(r#in)?, one(expr)?),
        Expr::Substring { expr, substring_from, substring_for, .. } => {
            let mut parts = vec![one(expr)?];
            parts.push(substring_from.as_deref().map_or(Ok("1".to_owned()), &mut one)?);
            parts.extend(substring_for.as_deref().map(&mut one).transpose()?);
            format!("substr({})", parts.join(", "))
        }
        Expr::Trim { trim_where, trim_what, expr, trim_characters: None } => {
            let function = match trim_where {
                Some(TrimWhereField::Leading) => "ltrim",
                Some(TrimWhereField::Trailing) => "rtrim",
                _ => "btrim",
            };
            let what = trim_what.as_deref().map(&mut one).transpose()?;
            format!("{function}({}{})", one(expr)?, what.map(|what| format!(", {what}")).unwrap_or_default())
        }
        Expr::Overlay { expr, overlay_what, overlay_from, overlay_for } => {
            let mut parts = vec![one(expr)?, one(overlay_what)?, one(overlay_from)?];
            parts.extend(overlay_for.as_deref().map(&mut one).transpose()?);
            format!("overlay({})", parts.join(", "))
        }
        _ => return Err(unsupported(expression)),
    })
}

/// Where an expression stands.
pub(super) fn place(expression: &Expr) -> Place {
    Place::of(expression.span())
}

fn unsupported(expression: &Expr) -> SqlError {
    let text: String = expression.to_string().chars().take(60).collect();
    SqlError::new(place(expression), format!("the expression {text} is not supported"))
}

fn literal(value: &Value) -> Option<String> {
    match value {
        Value::Number(digits, false) => Some(digits.to_string()),
        Value::SingleQuotedString(text) => Some(text_literal(text)),
        Value::Boolean(truth) => Some(truth.to_string()),
        Value::Null => Some("NULL".to_owned()),
        _ => None,
    }
}

/// A string for DataFusion.
pub(super) fn text_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn string(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    }
}

fn typed_literal(typed: &TypedString) -> Result<String, SqlError> {
    let at = Place::of(typed.value.span);
    let Value::SingleQuotedString(text) = &typed.value.value else {
        return Err(SqlError::new(at, "this is not the text of a date or a time"));
    };
    let text = text_literal(text);
    match typed.data_type {
        DataType::Timestamp(..) => Ok(format!("arrow_cast({text}, 'Timestamp(Millisecond, None)')")),
        DataType::Date => Ok(format!("arrow_cast({text}, 'Date32')")),
        DataType::Time(..) => Ok(format!("arrow_cast({text}, 'Time32(Millisecond)')")),
        _ => Err(SqlError::new(at, format!("there are no literals of type {}", typed.data_type))),
    }
}

/// An interval for DataFusion.
pub(super) fn interval_text(width: Width) -> String {
    match width {
        Width::Ms(ms) => format!("INTERVAL '{ms} milliseconds'"),
        Width::Months(months) => format!("INTERVAL '{months} months'"),
    }
}

fn binary(left: &str, op: &BinaryOperator, right: &str) -> Option<String> {
    use BinaryOperator as Op;
    let is_known = matches!(
        op,
        Op::Plus
            | Op::Minus
            | Op::Multiply
            | Op::Divide
            | Op::StringConcat
            | Op::And
            | Op::Or
            | Op::Eq
            | Op::NotEq
            | Op::Lt
            | Op::LtEq
            | Op::Gt
            | Op::GtEq
    );
    is_known.then(|| format!("({left} {op} {right})"))
}

fn is_unit(field: &DateTimeField) -> bool {
    interval::unit_length(field, 1).is_some() || matches!(field, DateTimeField::Week(None) | DateTimeField::Quarter)
}

fn case(
    operand: Option<&Expr>,
    conditions: &[CaseWhen],
    otherwise: Option<&Expr>,
    context: &mut dyn Context,
) -> Result<String, SqlError> {
    let mut text = "CASE".to_owned();
    if let Some(operand) = operand {
        text.push_str(&format!(" {}", write(operand, context)?));
    }
    for when in conditions {
        let (condition, result) = (write(&when.condition, context)?, write(&when.result, context)?);
        text.push_str(&format!(" WHEN {condition} THEN {result}"));
    }
    if let Some(otherwise) = otherwise {
        text.push_str(&format!(" ELSE {}", write(otherwise, context)?));
    }
    Ok(text + " END")
}

fn cast(value: &str, data_type: &DataType, at: Place) -> Result<String, SqlError> {
    let to = |name: &str| Ok(format!("CAST({value} AS {name})"));
    match data_type {
        DataType::Boolean | DataType::TinyInt(None) | DataType::SmallInt(None) | DataType::BigInt(None) | DataType::Real => {
            to(&data_type.to_string())
        }
        DataType::Integer(None) | DataType::Int(None) => to("INT"),
        DataType::Double(_) | DataType::DoublePrecision | DataType::Float(_) => to("DOUBLE"),
        DataType::Decimal(info) | DataType::Numeric(info) | DataType::Dec(info) => match info {
            ExactNumberInfo::None => to("DECIMAL(19, 0)"),
            ExactNumberInfo::Precision(digits) => to(&format!("DECIMAL({digits}, 0)")),
            ExactNumberInfo::PrecisionAndScale(digits, scale) => to(&format!("DECIMAL({digits}, {scale})")),
        },
        DataType::Varchar(length) | DataType::Char(length) | DataType::Character(length) => match length {
            // Cut, as assigning to such a column cuts.
            Some(length) => Ok(format!("left({AS_TEXT}({value}), {length})")),
            None => Ok(format!("{AS_TEXT}({value})")),
        },
        DataType::Timestamp(..) => Ok(format!("arrow_cast({value}, 'Timestamp(Millisecond, None)')")),
        DataType::Date => Ok(format!("arrow_cast({value}, 'Date32')")),
        DataType::Time(..) => Ok(format!("arrow_cast({value}, 'Time32(Millisecond)')")),
        other => Err(SqlError::new(at, format!("CAST to {other} is not supported"))),
    }
}

/// FLOOR or CEIL of a time to a unit.
fn rounded(
    value: &Expr,
    field: &DateTimeField,
    is_up: bool,
    one: &mut dyn FnMut(&Expr) -> Result<String, SqlError>,
) -> Result<String, SqlError> {
    if matches!(field, DateTimeField::NoDateTime) {
        return Ok(format!("{}({})", if is_up { "ceil" } else { "floor" }, one(value)?));
    }
    let Some(width) = interval::unit_length(field, 1) else {
        return Err(SqlError::new(place(value), format!("times are not cut to {field}")));
    };
    let value = one(value)?;
    let down = format!("date_trunc('{}', {value})", field.to_string().to_lowercase());
    let up = || format!("CASE WHEN {down} = {value} THEN {down} ELSE {down} + {} END", interval_text(width));
    Ok(if is_up { up() } else { down.clone() })
}

/// A pattern of SIMILAR TO as a regular expression: `%` any text, `_` any character, the rest as there.
fn similar_to(pattern: &str) -> String {
    let mut expression = "^(?s:".to_owned();
    let mut is_in_class = false;
    for character in pattern.chars() {
        match character {
            '%' if !is_in_class => expression.push_str(".*"),
            '_' if !is_in_class => expression.push('.'),
            '.' | '^' | '$' | '\\' if !is_in_class => expression.extend(['\\', character]),
            _ => {
                is_in_class = character == '[' || (is_in_class && character != ']');
                expression.push(character);
            }
        }
    }
    expression + ")$"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_similar_to_pattern_becomes_an_anchored_expression() {
        assert_eq!(similar_to("%T%"), "^(?s:.*T.*)$");
        assert_eq!(similar_to("a.(b|c)_[%.]"), "^(?s:a\\.(b|c).[%.])$");
    }
}
