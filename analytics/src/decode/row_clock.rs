//! The time of a row, from the field that holds it.

use super::clf_time::ClfClock;
use super::lenient::LineError;

/// Event times: the log's, or in ISO form.
#[derive(Debug, Default)]
pub(super) struct RowClock {
    log: ClfClock,
}

impl RowClock {
    /// Milliseconds since the Unix epoch; `field` is for the message.
    ///
    /// # Errors
    /// When the text is no time.
    pub(super) fn read(&mut self, text: &[u8], field: &str) -> Result<i64, LineError> {
        if let Ok(ms) = self.log.read(text) {
            return Ok(ms);
        }
        let text = String::from_utf8_lossy(text);
        let iso = text.parse::<jiff::Timestamp>().map(jiff::Timestamp::as_millisecond).or_else(|_| {
            let civil: jiff::civil::DateTime = text.parse()?;
            civil.to_zoned(jiff::tz::TimeZone::UTC).map(|zoned| zoned.timestamp().as_millisecond())
        });
        iso.map_err(|_| LineError::Time { field: field.to_owned() })
    }
}
