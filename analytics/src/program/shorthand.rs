//! `--window 10s --group-by client_ip`, written as a program.

use config::exit::Failure;

use super::{LOG_COLUMNS, Program, load, quoted};

/// The stream that the shorthand writes.
pub(crate) const REQUEST_COUNTS: &str = "request_counts";

/// Counts requests for each distinct combination of `group_by` in windows of this width.
///
/// # Errors
/// When a name is not a field of the log, or stands twice.
pub(crate) fn request_counts(width_ms: i64, group_by: &[String]) -> Result<Program, Failure> {
    check_columns(group_by)?;
    load(&text(width_ms, group_by), vec![]).map_err(|errors| {
        let errors: Vec<String> = errors.into_iter().map(|error| error.message).collect();
        Failure::usage(errors.join("; "))
    })
}

fn text(width_ms: i64, group_by: &[String]) -> String {
    let list = |suffix: &str| group_by.iter().map(|name| format!("{}{suffix}", quoted(name))).collect::<Vec<_>>().join(", ");
    let window = format!("STEP(\"access_log\".ROWTIME BY INTERVAL '{}.{:03}' SECOND)", width_ms / 1000, width_ms % 1000);
    let (keys, columns) = (list(""), list(" VARCHAR(65535)"));
    format!(
        "CREATE STREAM \"access_log\" ({columns});
         CREATE STREAM \"{REQUEST_COUNTS}\" (\"window_start\" TIMESTAMP, \"window_end\" TIMESTAMP, {columns}, \"request_count\" BIGINT);
         CREATE PUMP \"counter\" AS INSERT INTO \"{REQUEST_COUNTS}\"
         SELECT STREAM {window}, ROWTIME, {keys}, COUNT(*) FROM \"access_log\" GROUP BY {keys}, {window};"
    )
}

fn check_columns(names: &[String]) -> Result<(), Failure> {
    let known = LOG_COLUMNS.join(", ");
    for (index, name) in names.iter().enumerate() {
        if !LOG_COLUMNS.contains(&name.as_str()) {
            return Err(Failure::usage(format!("--group-by {name}: the log has no such field; it has {known}")));
        }
        if names[..index].contains(name) {
            return Err(Failure::usage(format!("--group-by names {name} twice; name it once")));
        }
    }
    if names.is_empty() {
        return Err(Failure::usage(format!("--group-by needs a field of the log: {known}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn an_unknown_field_is_refused_with_the_known_ones() {
        let Err(Failure::Usage(error)) = request_counts(10_000, &names(&["clientip"])) else { panic!("accepted") };
        assert!(error.to_string().contains("client_ip, client_hostname"), "{error}");
    }

    #[test]
    fn a_field_named_twice_is_refused() {
        assert!(request_counts(10_000, &names(&["status", "status"])).is_err());
    }

    #[test]
    fn the_shorthand_is_a_program_of_one_tumbling_window() {
        let Ok(program) = request_counts(500, &names(&["status", "client_ip"])) else { panic!("refused") };
        assert_eq!(program.nodes.len(), 1);
        assert_eq!(program.nodes[0].operator.summary(), "aggregate in tumbling windows of 500 ms");
    }
}
