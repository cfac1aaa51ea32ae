//! Where the log goes: keys that the Java agent had until version 1.1.4 and that many files still hold.

use std::path::PathBuf;

use super::problem::Fields;
use crate::service::log::level;

/// The agent's own log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// The least important level that is written, in our spelling.
    pub level: &'static str,
    /// The file to append to; stderr when there is none.
    pub file: Option<PathBuf>,
    /// Past this size the file is renamed; never when there is none, and logrotate may do it.
    pub max_bytes: Option<u64>,
    /// Renamed files that are kept.
    pub backups: u32,
}

/// Reads the `log.*` keys.
pub(super) fn read(fields: &mut Fields<'_>) -> LogSettings {
    let named = fields.text("log.level").filter(|text| !text.is_empty());
    let level = match named.map(|text| level(&text)) {
        Some(Some(level)) => level,
        Some(None) => {
            fields.problem("log.level", "allowed are TRACE, DEBUG, INFO, WARN, ERROR, OFF");
            "info"
        }
        None => "info",
    };
    let max_bytes = fields.text("log.maxFileSize").and_then(|text| {
        let bytes = bytes(&text);
        if bytes.is_none() {
            fields.problem("log.maxFileSize", "allowed is a number of bytes above 0, also with KB, MB or GB");
        }
        bytes
    });
    let backups = fields.integer("log.maxBackupIndex", 1, -1..=1000);
    LogSettings {
        level,
        file: fields.text("log.file").filter(|text| !text.is_empty()).map(PathBuf::from),
        max_bytes,
        backups: u32::try_from(backups).unwrap_or(1),
    }
}

/// A size as log4j writes it, `10MB` or plain bytes.
fn bytes(text: &str) -> Option<u64> {
    let upper = text.trim().to_ascii_uppercase();
    let units = [("KB", 1 << 10), ("MB", 1 << 20), ("GB", 1 << 30), ("", 1)];
    let (digits, factor) = units.iter().find_map(|(unit, factor)| Some((upper.strip_suffix(unit)?, factor)))?;
    let number: u64 = digits.trim().parse().ok()?;
    number.checked_mul(*factor).filter(|bytes| *bytes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_log4j_reads_them() {
        assert_eq!(["10MB", "2 kb", "512", "1GB"].map(|text| bytes(text).unwrap()), [10 << 20, 2048, 512, 1 << 30]);
        assert_eq!(["0", "x", "-1", "MB", "99999999999999999999"].map(bytes), [None; 5]);
    }
}
