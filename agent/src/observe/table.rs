//! A report for people. Pure.

use std::{fmt::Write as _, time::Duration};

use super::{
    report::{FileReport, FlowReport, Report},
    saved::SavedFlow,
};

/// Files shown for one flow; `--json` has more.
const SHOWN_FILES: usize = 20;

/// What a running agent says.
pub(crate) fn running(report: &Report) -> String {
    let Report { version, pid, process, .. } = report;
    let uptime = humantime::format_duration(Duration::from_secs(report.uptime_ms / 1000));
    let memory = size(process.resident_bytes);
    let stopping = if report.is_stopping { ", stopping" } else { "" };
    let mut out = format!(
        "agent {version}, process {pid}, running for {uptime}{stopping}; {memory} of memory, {:.1} s of processor time\n",
        process.cpu_seconds
    );
    report.flows.iter().for_each(|flow| add_flow(&mut out, flow, report.at_unix_ms));
    out
}

// Writing to a String cannot fail.
fn add_flow(out: &mut String, flow: &FlowReport, now_ms: u64) {
    let _ = writeln!(out, "\n{}   {}", flow.id, flow.state);
    let _ = writeln!(
        out,
        "  records    {} read, {} accepted, {} sent again, {} skipped, {} truncated, {} in the dead-letter file",
        flow.records_parsed_total,
        flow.records_sent_total,
        flow.records_retried_total,
        flow.records_skipped_total,
        flow.records_truncated_total,
        flow.dead_letters_total
    );
    let behind = match flow.lag_bytes {
        0 => "nothing".to_owned(),
        bytes => format!("{} behind, the oldest line read waits {:.1} s", size(bytes), flow.lag_seconds),
    };
    let _ = writeln!(
        out,
        "  waiting    {behind}; {} requests in flight, {} batches wait",
        flow.requests_in_flight, flow.batches_waiting
    );
    if let Some(error) = &flow.last_error {
        let ago = humantime::format_duration(Duration::from_secs(now_ms.saturating_sub(error.at_unix_ms) / 1000));
        let _ = writeln!(out, "  last error {ago} ago: {}: {}", error.cause, error.message);
    }
    for (name, text) in [("remedy    ", &flow.remedy), ("checkpoint", &flow.checkpoint_error)] {
        if let Some(text) = text {
            let _ = writeln!(out, "  {name} {text}");
        }
    }
    if let Some((name, seconds)) = &flow.stuck {
        let _ = writeln!(out, "  hangs      its {name}, for {seconds} s");
    }
    out.push_str(&columns(&file_rows(&flow.files)));
    if flow.files_known > SHOWN_FILES as u64 {
        let _ = writeln!(out, "  ... and {} more files", flow.files_known - SHOWN_FILES as u64);
    }
}

fn file_rows(files: &[FileReport]) -> Vec<[String; 5]> {
    let title = ["FILE", "ACCEPTED", "SIZE", "BEHIND", "WAITS"].map(str::to_owned);
    let row = |file: &FileReport| {
        let gone = if file.is_gone { " (no name any more)" } else { "" };
        [
            format!("{}{gone}", file.path),
            file.accepted.to_string(),
            file.size.to_string(),
            file.lag_bytes.to_string(),
            format!("{:.1} s", file.lag_seconds),
        ]
    };
    let rows = files.iter().take(SHOWN_FILES).map(row);
    if files.is_empty() { Vec::new() } else { std::iter::once(title).chain(rows).collect() }
}

/// What the checkpoints say when no agent runs.
pub(crate) fn saved(flows: &[SavedFlow]) -> String {
    let mut out = "no agent is running with this state directory; this is what the next start finds\n".to_owned();
    for flow in flows {
        let _ = writeln!(out, "\n{}", flow.id);
        match (&flow.error, flow.has_run) {
            (Some(error), _) => _ = writeln!(out, "  {error}"),
            (None, false) => _ = writeln!(out, "  has never run with this state directory"),
            (None, true) if flow.files.is_empty() => _ = writeln!(out, "  knows no files"),
            (None, true) => {}
        }
        let title = ["FILE", "ACCEPTED", "SIZE", "BEHIND", ""].map(str::to_owned);
        let rows = flow.files.iter().take(SHOWN_FILES).map(|file| {
            [
                file.path.clone(),
                file.accepted.to_string(),
                file.size.map_or("-".to_owned(), |size| size.to_string()),
                file.lag_bytes.to_string(),
                file.note.clone().unwrap_or_default(),
            ]
        });
        let rows: Vec<_> = std::iter::once(title).chain(rows).collect();
        if !flow.files.is_empty() {
            out.push_str(&columns(&rows));
        }
        if flow.files.len() > SHOWN_FILES {
            let _ = writeln!(out, "  ... and {} more files", flow.files.len() - SHOWN_FILES);
        }
    }
    out
}

/// Text in columns: the first and the last to the left, numbers to the right.
fn columns(rows: &[[String; 5]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 5] = std::array::from_fn(width);
    let line = |row: &[String; 5]| {
        let [file, accepted, length, behind, last] = row;
        let line = format!(
            "  {file:<0$}  {accepted:>1$}  {length:>2$}  {behind:>3$}  {last}",
            widths[0], widths[1], widths[2], widths[3]
        );
        format!("{}\n", line.trim_end())
    };
    rows.iter().map(line).collect()
}

/// Bytes with a unit.
fn size(bytes: u64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let step = (0..units.len() - 1).take_while(|step| bytes >> (10 * (step + 1)) > 0).count();
    match step {
        0 => format!("{bytes} bytes"),
        step => format!("{:.1} {}", bytes as f64 / f64::from(1_u32 << 10).powi(step as i32), units[step]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::report::{self, ErrorReport};

    #[test]
    fn a_flow_is_shown_with_its_state_its_files_and_what_helps() {
        let folder = tempfile::tempdir().unwrap();
        let mut report = report::tests::report(folder.path());
        report.flows[0].state = "misconfigured".to_owned();
        report.flows[0].remedy = Some("check the stream's name".to_owned());
        let (cause, message) = ("misconfigured".to_owned(), "no such stream".to_owned());
        report.flows[0].last_error = Some(ErrorReport { cause, message, at_unix_ms: report.at_unix_ms - 5000 });
        let text = running(&report);
        assert!(text.contains("*.log   misconfigured"), "{text}");
        assert!(text.contains("6 bytes behind"), "{text}");
        assert!(text.contains("last error 5s ago: misconfigured: no such stream"), "{text}");
        assert!(text.contains("remedy     check the stream's name"), "{text}");
        let row = text.lines().find(|line| line.contains("a.log ")).unwrap();
        assert_eq!(row.split_whitespace().skip(1).take(3).collect::<Vec<_>>(), ["4", "10", "6"]);
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(
            [size(0), size(1023), size(1024), size(5 << 20), size(3 << 40)],
            ["0 bytes", "1023 bytes", "1.0 KiB", "5.0 MiB", "3.0 TiB"]
        );
    }
}
