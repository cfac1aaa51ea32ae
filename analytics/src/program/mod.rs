//! What is to be computed: a window, and one aggregate query over the rows inside it.
//!
//! `--window 10s --group-by client_ip` is written as a program too, so that it takes the same path as any other.

mod window;

use config::exit::Failure;

pub(crate) use window::Window;

/// The fields of the access log, in its order. Source: `sql/access_log.sql`, checked by a test.
pub(crate) const LOG_COLUMNS: [&str; 10] = [
    "request_time",
    "client_ip",
    "client_hostname",
    "server_ip",
    "request",
    "http_method",
    "status",
    "size",
    "userAgent",
    "referer",
];

/// The table that a program reads.
pub(crate) const SOURCE_TABLE: &str = "access_log";

/// What the time of a row is. The three kinds are never mixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum RowTime {
    /// When the record reached the stream: ApproximateArrivalTimestamp, the same on every reading.
    Arrival,
    /// When the request was made: the line's own request_time.
    Event,
    /// When the line was read here.
    Clock,
}

/// One continuous query.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// Runs over the rows of one window; reads [`SOURCE_TABLE`], has exactly one aggregate.
    pub(crate) sql: String,
    /// Columns of the log that the query reads.
    pub(crate) columns: Vec<String>,
    pub(crate) window: Window,
}

impl Program {
    /// Counts requests for each distinct combination of `group_by` in each window.
    ///
    /// # Errors
    /// When a name is not a field of the log, or stands twice.
    pub(crate) fn request_counts(window: Window, group_by: &[String]) -> Result<Self, Failure> {
        check_columns(group_by)?;
        let keys = group_by.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
        let sql = format!("SELECT {keys}, COUNT(*) AS request_count FROM {SOURCE_TABLE} GROUP BY {keys} ORDER BY {keys}");
        Ok(Self { sql, columns: group_by.to_vec(), window })
    }
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
    fn the_fields_are_those_of_the_log_schema() {
        let schema = include_str!("../../../sql/access_log.sql");
        let declared: Vec<&str> = schema.lines().filter_map(|line| line.strip_prefix("    \"")?.split('"').next()).collect();
        assert_eq!(declared, LOG_COLUMNS);
    }

    #[test]
    fn an_unknown_field_is_refused_with_the_known_ones() {
        let Err(Failure::Usage(error)) = Program::request_counts(Window::tumbling(10_000), &names(&["clientip"])) else {
            panic!("accepted")
        };
        assert!(error.to_string().contains("client_ip, client_hostname"), "{error}");
    }

    #[test]
    fn a_field_named_twice_is_refused() {
        assert!(Program::request_counts(Window::tumbling(10_000), &names(&["status", "status"])).is_err());
    }
}
