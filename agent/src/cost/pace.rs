//! How fast a log is written, from the times in its lines.

use std::{collections::BTreeMap, sync::LazyLock};

use jiff::{Timestamp, fmt::strtime};
use regex::bytes::Regex;

/// Lines a second that are assumed when no line has a time.
const UNKNOWN_RATE: f64 = 1000.0;

/// Apache's time, and RFC 3339's.
static TIMES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let apache = r"(\d{2}/[A-Z][a-z]{2}/\d{4}:\d{2}:\d{2}:\d{2} [+-]\d{4})";
    let rfc_3339 = r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}:\d{2})";
    Regex::new(&format!("{apache}|{rfc_3339}")).ok()
});

/// Lines of each minute.
#[derive(Debug, Default)]
pub(super) struct Pace {
    minutes: BTreeMap<i64, u64>,
}

impl Pace {
    /// Counts a line under its time, if it has one.
    pub(super) fn note(&mut self, line: &[u8]) {
        if let Some(second) = second_of(line) {
            *self.minutes.entry(second.div_euclid(60)).or_default() += 1;
        }
    }

    /// Lines a second in the busiest minute, and how that is known.
    pub(super) fn rate(&self) -> (f64, String) {
        let Some(most) = self.minutes.values().max() else {
            return (UNKNOWN_RATE, "assumed: no times in the lines; set --lines-per-second".to_owned());
        };
        (*most as f64 / 60.0, "the busiest minute in the log; --lines-per-second sets another".to_owned())
    }
}

/// Seconds since the Unix epoch. A time without a zone counts as UTC: only distances matter.
fn second_of(line: &[u8]) -> Option<i64> {
    let found = TIMES.as_ref()?.captures(line)?;
    let text = |group: usize| found.get(group).and_then(|group| str::from_utf8(group.as_bytes()).ok());
    if let Some(apache) = text(1) {
        let time = strtime::parse("%d/%b/%Y:%H:%M:%S %z", apache).ok()?;
        return time.to_timestamp().ok().map(Timestamp::as_second);
    }
    format!("{}T{}Z", text(2)?, text(3)?).parse::<Timestamp>().ok().map(Timestamp::as_second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_wherever_they_stand() {
        assert_eq!(second_of(b"{\"request_time\":\"[01/Jan/1970:01:00:07 +0100]\"}"), Some(7));
        assert_eq!(second_of(b"1970-01-01T00:01:00.5+00:00 h p: m"), Some(60));
        assert_eq!(second_of(b"1970-01-01 00:01:00 INFO m"), Some(60));
        assert_eq!(second_of(b"no time"), None);
    }

    #[test]
    fn the_busiest_minute_sets_the_pace() {
        let mut pace = Pace::default();
        for second in [0, 1, 61, 62, 63] {
            pace.note(format!("1970-01-01T00:{:02}:{:02}Z", second / 60, second % 60).as_bytes());
        }
        assert_eq!(pace.rate().0, 3.0 / 60.0);
        assert_eq!(Pace::default().rate().0, UNKNOWN_RATE);
    }
}
