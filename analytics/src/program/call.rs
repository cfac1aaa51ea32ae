//! Calls of functions, written as DataFusion's SQL.
//!
//! What a function is called there stands in [`super::functions`]; here are those whose arguments mean something else, and what
//! is said of wrong ones.

use datafusion::sql::sqlparser::ast::{Expr, Function, FunctionArguments, Spanned};

use super::expression::{Context, interval_text, place, write};
use super::functions::{self, Scalar};
use super::interval;
use super::monotonic::arguments;
use super::window::Width;
use crate::sql::{Place, SPAN, SqlError, nearest};

/// Writes a call of a function or of an aggregate.
///
/// # Errors
/// When there is no such function, or its arguments are not what it takes.
pub(super) fn write_call(call: &Function, context: &mut dyn Context) -> Result<String, SqlError> {
    let name = call.name.to_string();
    let at = Place::of(call.name.span());
    if functions::aggregate(&name).is_some() || call.over.is_some() {
        return context.aggregate(call);
    }
    let arguments = match &call.args {
        FunctionArguments::None => vec![],
        _ => arguments(call).ok_or_else(|| SqlError::new(at, format!("{name} takes plain arguments")))?,
    };
    match (name.as_str(), arguments.as_slice()) {
        ("STEP", [value, by]) => return step(value, by, context),
        ("REGEX_REPLACE", _) => return regex_replace(&arguments, at, context),
        (SPAN, _) => {
            return Err(SqlError::not_yet(at, "a difference of times with a unit outside of a window's key")
                .help("TSDIFF(a, b) gives the milliseconds between two times"));
        }
        _ => {}
    }
    let Some(known) = functions::scalar(&name) else { return Err(unknown(&name, at)) };
    check_arguments(&name, known, arguments.len(), at)?;
    let arguments = arguments.into_iter().map(|argument| write(argument, context)).collect::<Result<Vec<_>, _>>()?;
    Ok(known.spelling.write(&arguments))
}

fn unknown(name: &str, at: Place) -> SqlError {
    let error = SqlError::new(at, format!("there is no function {name}"));
    match (functions::never(name), nearest(name, functions::names())) {
        (Some(instead), _) => error.help(format!("the service never had it; {instead}")),
        (None, Some(near)) => error.help(format!("did you mean {near}?")),
        (None, None) => error,
    }
}

fn check_arguments(name: &str, known: Scalar, count: usize, at: Place) -> Result<(), SqlError> {
    let (fewest, most) = known.arguments;
    if (fewest..=most).contains(&count) {
        return Ok(());
    }
    let allowed = if fewest == most { fewest.to_string() } else { format!("{fewest} or more") };
    Err(SqlError::new(at, format!("{name} takes {allowed} arguments, not {count}")))
}

/// `STEP(time BY interval)` and `STEP(number BY number)`.
fn step(value: &Expr, by: &Expr, context: &mut dyn Context) -> Result<String, SqlError> {
    let value = write(value, context)?;
    if let Expr::Interval(literal) = by {
        let width = interval::length(literal).map_err(|message| SqlError::new(place(by), message))?;
        if matches!(width, Width::Ms(..=0) | Width::Months(..=0)) {
            return Err(SqlError::new(place(by), "the interval of STEP is above 0"));
        }
        return Ok(format!("date_bin({}, {value})", interval_text(width)));
    }
    let by = write(by, context)?;
    Ok(format!("(({value} / {by}) * {by})"))
}

/// `REGEX_REPLACE(text, pattern, replacement, start, occurrence)`: from the first character, all or the first.
fn regex_replace(arguments: &[&Expr], at: Place, context: &mut dyn Context) -> Result<String, SqlError> {
    let [text, pattern, replacement, rest @ ..] = arguments else {
        return Err(SqlError::new(at, "REGEX_REPLACE takes a text, a pattern, a replacement, a start and an occurrence"));
    };
    let rest: Vec<String> = rest.iter().map(ToString::to_string).collect();
    let flags = match rest.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] | ["1"] | ["1", "0"] => "'g'",
        ["1", "1"] => "''",
        _ => return Err(SqlError::not_yet(at, "REGEX_REPLACE with another start than 1 or another occurrence than 0 or 1")),
    };
    let [text, pattern, replacement] = [text, pattern, replacement].map(|argument| write(argument, context));
    Ok(format!("regexp_replace({}, {}, {}, {flags})", text?, pattern?, replacement?))
}

#[cfg(test)]
mod tests {
    use crate::program::{self, Operator};

    /// A call over a column `i`, as DataFusion reads it.
    fn written(call: &str) -> Result<String, String> {
        let source = format!("CREATE STREAM d (a VARCHAR(9)); CREATE PUMP p AS INSERT INTO d SELECT {call} FROM s_001");
        let columns = program::schema_columns("CREATE STREAM s (i INTEGER)").unwrap();
        match program::load(&source, columns) {
            Ok(program) => match &program.nodes[0].operator {
                Operator::Project { rows } => {
                    let list = rows.strip_prefix("SELECT \"ROWTIME\" AS \"ROWTIME\", ").unwrap();
                    Ok(list.strip_suffix(" AS \"C0\" FROM weir").unwrap().to_owned())
                }
                other => Err(other.summary()),
            },
            Err(errors) => Err(format!("{}; {}", errors[0].message, errors[0].help.clone().unwrap_or_default())),
        }
    }

    #[test]
    fn arguments_go_where_datafusion_has_them() {
        assert_eq!(written("MOD(i, 2)"), Ok("((\"I\") % (2))".to_owned()));
        assert_eq!(written("STEP(i BY 5)"), Ok("((\"I\" / 5) * 5)".to_owned()));
        assert_eq!(written("REGEX_REPLACE('aa', 'a', 'b', 1, 1)"), Ok("regexp_replace('aa', 'a', 'b', '')".to_owned()));
        assert_eq!(written("REGEX_REPLACE('aa', 'a', 'b')"), Ok("regexp_replace('aa', 'a', 'b', 'g')".to_owned()));
    }

    #[test]
    fn a_wrong_call_is_told_with_what_is_right() {
        assert_eq!(written("UPER('a')"), Err("there is no function UPER; did you mean UPPER?".to_owned()));
        assert_eq!(written("TUMBLE(i)").unwrap_err().split("; ").nth(1), Some("the service never had it"));
        assert_eq!(written("SQRT(i, i)"), Err("SQRT takes 1 arguments, not 2; ".to_owned()));
        assert_eq!(written("COALESCE()"), Err("COALESCE takes 1 or more arguments, not 0; ".to_owned()));
    }
}
