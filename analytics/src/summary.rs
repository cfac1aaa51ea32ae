//! The last words on stderr: what was read, what was counted, what was not.

use crate::pipeline::Summary;

/// A few sentences for the operator.
pub(crate) fn text(summary: &Summary) -> String {
    let stats = &summary.stats;
    let mut text = format!(
        "read {} lines; counted {} rows in {} windows, {} results",
        grouped(stats.lines.lines),
        grouped(stats.rows),
        grouped(stats.closed_windows),
        grouped(stats.results)
    );
    let mut add = |count: u64, one: &str, many: &str, what: &str| {
        if count > 0 {
            text.push_str(&format!("\n{} {} {what}", grouped(count), if count == 1 { one } else { many }));
        }
    };
    let lines = &stats.lines;
    add(lines.illegal_json, "line was", "lines were", "not legal JSON (Apache's \\xHH escapes), but read and counted");
    add(lines.bad, "line", "lines", "could not be read and did not count; --bad-lines FILE keeps such lines");
    add(stats.late_rows, "row", "rows", "came after the window had closed and did not count; --allowed-lateness waits longer");
    add(stats.failed_rows, "row", "rows", "could not be computed and went to error_stream");
    add(stats.closed_early, "window", "windows", "closed early because too many groups were held; --max-groups allows more");
    if !summary.is_complete && summary.is_kept {
        add(summary.open_windows as u64, "window is", "windows are", "still open and kept in the checkpoint");
    } else if !summary.is_complete {
        add(summary.open_windows as u64, "window", "windows", "still open when it was stopped, and not written");
    }
    text
}

/// `41294` as `41,294`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        assert_eq!([0, 999, 1_000, 41_294, 1_234_567].map(grouped), ["0", "999", "1,000", "41,294", "1,234,567"]);
    }
}
