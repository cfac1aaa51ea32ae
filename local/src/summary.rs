//! What was shipped and counted, and whether every station says the same.

use std::fmt;

use serde::Deserialize;

use crate::stream::Counts;

/// The last words of the agent: `Agent: Progress: <n> records parsed (<b> bytes), and <m> records sent successfully …`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shipped {
    /// Lines read from the log.
    pub(crate) parsed: u64,
    /// Records the stream accepted.
    pub(crate) sent: u64,
}

/// What analytics says under `/stats`.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Analytics {
    /// Records read from the stream.
    pub(crate) records: u64,
    /// Rows counted into a window.
    pub(crate) rows: u64,
    pub(crate) bad_lines: u64,
    pub(crate) late_rows: u64,
}

/// The whole run. What could not be learned is None.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    /// Lines that the photo site added to its log.
    pub(crate) logged: u64,
    pub(crate) shipped: Option<Shipped>,
    pub(crate) stream: Option<Counts>,
    pub(crate) analytics: Option<Analytics>,
}

/// Finds the agent's last progress line.
pub(crate) fn shipped(log: &[String]) -> Option<Shipped> {
    let progress = log.iter().rev().find_map(|line| line.split_once("Agent: Progress: "))?.1;
    let number = |text: &str| text.split_whitespace().next()?.replace(',', "").parse().ok();
    Some(Shipped { parsed: number(progress)?, sent: number(progress.split_once(", and ")?.1)? })
}

impl Summary {
    /// Where two stations disagree, in words.
    fn disagreements(&self) -> Vec<String> {
        let (Some(shipped), Some(stream), Some(analytics)) = (self.shipped, self.stream, self.analytics) else {
            return vec!["not every component told its counts; see their logs".to_owned()];
        };
        let mut found = Vec::new();
        let mut check = |agrees: bool, words: String| {
            if !agrees {
                found.push(words);
            }
        };
        let (held, accounted) = (stream.restored + stream.put, analytics.rows + analytics.bad_lines + analytics.late_rows);
        // More lines than were logged is right: an earlier run can have left some behind.
        check(shipped.parsed >= self.logged, format!("{} requests were logged, but {} lines read", self.logged, shipped.parsed));
        check(shipped.sent == shipped.parsed, format!("{} lines were read, but {} sent", shipped.parsed, shipped.sent));
        check(stream.put == shipped.sent, format!("{} records were sent, but {} arrived", shipped.sent, stream.put));
        check(analytics.records == held, format!("the stream has {held} records, but {} were read", analytics.records));
        check(accounted == analytics.records, format!("{} records were read, but {accounted} accounted for", analytics.records));
        check(analytics.late_rows == 0, format!("{} rows came too late to be counted", analytics.late_rows));
        found
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "\nstopped. In this run:")?;
        writeln!(out, "  requests logged    {}", self.logged)?;
        if let Some(Shipped { parsed, sent }) = self.shipped {
            writeln!(out, "  records sent       {sent} ({parsed} lines read)")?;
        }
        if let Some(Counts { restored, put, .. }) = self.stream {
            writeln!(out, "  records in stream  {put} new, {restored} from earlier runs")?;
        }
        if let Some(Analytics { records, rows, bad_lines, late_rows }) = self.analytics {
            writeln!(out, "  rows counted       {rows} of {records} records ({bad_lines} bad lines, {late_rows} late)")?;
        }
        let disagreements = self.disagreements();
        if disagreements.is_empty() {
            return write!(out, "all agree: every request that was logged was shipped and counted");
        }
        write!(out, "they do not agree: {}", disagreements.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(sent: u64) -> Summary {
        Summary {
            logged: 10,
            shipped: Some(Shipped { parsed: 10, sent }),
            stream: Some(Counts { restored: 5, put: sent, ..Counts::default() }),
            analytics: Some(Analytics { records: 5 + sent, rows: 4 + sent, bad_lines: 1, late_rows: 0 }),
        }
    }

    #[test]
    fn the_agents_last_words_are_found() {
        let log = [
            "x INFO Agent: Progress: 1 records parsed (9 bytes), and 0 records sent successfully to destinations. Uptime: 1ms",
            "other",
            "x INFO Agent: Progress: 1200 records parsed (9 bytes), and 1199 records sent successfully to destinations. Uptime: 2ms",
        ];
        assert_eq!(shipped(&log.map(str::to_owned)), Some(Shipped { parsed: 1_200, sent: 1_199 }));
    }

    #[test]
    fn equal_counts_agree() {
        assert!(summary(10).to_string().ends_with("all agree: every request that was logged was shipped and counted"));
    }

    #[test]
    fn a_record_that_was_not_sent_is_named() {
        assert!(summary(9).to_string().ends_with("they do not agree: 10 lines were read, but 9 sent"));
    }
}
