//! The functions of the dialect, and what DataFusion calls them.

/// How a call is written for DataFusion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    /// The same arguments under this name.
    Call(&'static str),
    /// `$1`, `$2`, … stand for the arguments.
    Template(&'static str),
}

/// A function of one row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scalar {
    name: &'static str,
    /// The fewest and the most arguments.
    pub(super) arguments: (usize, usize),
    pub(super) spelling: Spelling,
}

/// Any number of arguments.
const MANY: usize = 100;

const fn call(name: &'static str, arguments: (usize, usize), spelling: &'static str) -> Scalar {
    Scalar { name, arguments, spelling: Spelling::Call(spelling) }
}

const fn template(name: &'static str, arguments: usize, spelling: &'static str) -> Scalar {
    Scalar { name, arguments: (arguments, arguments), spelling: Spelling::Template(spelling) }
}

const SCALARS: [Scalar; 37] = [
    call("ABS", (1, 1), "abs"),
    call("ACOS", (1, 1), "acos"),
    call("ASIN", (1, 1), "asin"),
    call("ATAN", (1, 1), "atan"),
    call("ATAN2", (2, 2), "atan2"),
    call("CEIL", (1, 1), "ceil"),
    call("CEILING", (1, 1), "ceil"),
    call("CHAR_LENGTH", (1, 1), "character_length"),
    call("CHARACTER_LENGTH", (1, 1), "character_length"),
    call("CHAR_TO_TIMESTAMP", (2, 2), "char_to_timestamp"),
    call("COALESCE", (1, MANY), "coalesce"),
    call("CONCAT", (1, MANY), "concat"),
    call("COS", (1, 1), "cos"),
    call("DEGREES", (1, 1), "degrees"),
    call("EXP", (1, 1), "exp"),
    call("FLOOR", (1, 1), "floor"),
    call("INITCAP", (1, 1), "initcap"),
    call("LN", (1, 1), "ln"),
    call("LOG10", (1, 1), "log10"),
    call("LOWER", (1, 1), "lower"),
    template("MOD", 2, "(($1) % ($2))"),
    call("NULLIF", (2, 2), "nullif"),
    call("POWER", (2, 2), "power"),
    call("RADIANS", (1, 1), "radians"),
    call("ROUND", (1, 2), "round"),
    call("SIGN", (1, 1), "signum"),
    call("SIN", (1, 1), "sin"),
    call("SQRT", (1, 1), "sqrt"),
    call("TAN", (1, 1), "tan"),
    call("TIMESTAMP_TO_CHAR", (2, 2), "timestamp_to_char"),
    // Milliseconds since 1970, both ways.
    template("TO_TIMESTAMP", 1, "arrow_cast(CAST($1 AS BIGINT), 'Timestamp(Millisecond, None)')"),
    // From the first time to the second: the reference calls them startTime and endTime.
    template(
        "TSDIFF",
        2,
        concat!(
            "(CAST(arrow_cast($2, 'Timestamp(Millisecond, None)') AS BIGINT)",
            " - CAST(arrow_cast($1, 'Timestamp(Millisecond, None)') AS BIGINT))"
        ),
    ),
    template("UNIX_TIMESTAMP", 1, "CAST(arrow_cast($1, 'Timestamp(Millisecond, None)') AS BIGINT)"),
    call("UPPER", (1, 1), "upper"),
    // The moment when the program was planned, as in the service; CURRENT_ROW_TIMESTAMP is a row's own.
    template("CURRENT_DATE", 0, "arrow_cast(now(), 'Date32')"),
    template("CURRENT_TIMESTAMP", 0, "arrow_cast(now(), 'Timestamp(Millisecond, None)')"),
    template("LOCALTIMESTAMP", 0, "arrow_cast(now(), 'Timestamp(Millisecond, None)')"),
];

/// Aggregates: the dialect's, then those that DataFusion has and the service had not.
const AGGREGATES: [(&str, &str); 24] = [
    ("COUNT", "count"),
    ("SUM", "sum"),
    ("AVG", "avg"),
    ("MIN", "min"),
    ("MAX", "max"),
    ("STDDEV_POP", "stddev_pop"),
    ("STDDEV_SAMP", "stddev_samp"),
    ("VAR_POP", "var_pop"),
    ("VAR_SAMP", "var_samp"),
    ("ANY", "bool_or"),
    ("SOME", "bool_or"),
    ("EVERY", "bool_and"),
    ("STDDEV", "stddev_samp"),
    ("VARIANCE", "var_samp"),
    ("MEDIAN", "median"),
    ("CORR", "corr"),
    ("COVAR_POP", "covar_pop"),
    ("COVAR_SAMP", "covar_samp"),
    ("APPROX_DISTINCT", "approx_distinct"),
    ("APPROX_MEDIAN", "approx_median"),
    ("APPROX_PERCENTILE_CONT", "approx_percentile_cont"),
    ("BOOL_AND", "bool_and"),
    ("BOOL_OR", "bool_or"),
    ("STRING_AGG", "string_agg"),
];

/// Functions of programs that were never in the service, though tutorials use them.
const NEVER: [(&str, &str); 5] = [
    ("ROWTIME_TO_TIMESTAMP", "ROWTIME is a TIMESTAMP already"),
    ("TUMBLE", "a tumbling window is GROUP BY …, STEP(s.ROWTIME BY INTERVAL '60' SECOND)"),
    ("HOP", "a sliding window is SUM(x) OVER (PARTITION BY k RANGE INTERVAL '1' MINUTE PRECEDING)"),
    ("SESSION", "windows are tumbling (GROUP BY) or sliding (OVER)"),
    ("JSON_VALUE", "map the value to a column of the input"),
];

/// The function of this name, upper case.
pub(super) fn scalar(name: &str) -> Option<Scalar> {
    SCALARS.into_iter().find(|function| function.name == name)
}

/// What DataFusion calls this aggregate.
pub(super) fn aggregate(name: &str) -> Option<&'static str> {
    AGGREGATES.into_iter().find(|(known, _)| *known == name).map(|(_, spelling)| spelling)
}

/// Why there is no such function, when it is often asked for.
pub(super) fn never(name: &str) -> Option<&'static str> {
    NEVER.into_iter().find(|(known, _)| *known == name).map(|(_, instead)| instead)
}

/// Every name, to find the nearest.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    SCALARS.into_iter().map(|function| function.name).chain(AGGREGATES.into_iter().map(|(name, _)| name))
}

impl Spelling {
    /// The call with these arguments.
    pub(super) fn write(self, arguments: &[String]) -> String {
        match self {
            Self::Call(name) => format!("{name}({})", arguments.join(", ")),
            Self::Template(template) => {
                let mut text = String::new();
                let mut rest = template;
                while let Some((before, after)) = rest.split_once('$') {
                    text.push_str(before);
                    let index = after.bytes().next().map_or(0, |digit| usize::from(digit.saturating_sub(b'1')));
                    text.push_str(arguments.get(index).map_or("", String::as_str));
                    rest = after.get(1..).unwrap_or_default();
                }
                text + rest
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_take_their_arguments() {
        let modulo = scalar("MOD").unwrap();
        assert_eq!(modulo.spelling.write(&["a $2".to_owned(), "b".to_owned()]), "((a $2) % (b))");
        assert_eq!(scalar("ABS").unwrap().spelling.write(&["x".to_owned()]), "abs(x)");
    }
}
