//! `LOGTOJSON`: names the fields of a log line.
//!
//! The five built-in formats are grammars ([`grammar`]); any other is a pattern of the user's with a group for each
//! field. `logFormat` is there in both cases: it decides whether a lone `-` stands for null.

mod grammar;

use super::{
    Miss, OnParseError,
    json::Columns,
    pattern::{Pattern, TooHard},
};

/// The formats that are known by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// `COMMONAPACHELOG`.
    CommonApache,
    /// `COMBINEDAPACHELOG`.
    CombinedApache,
    /// `APACHEERRORLOG`.
    ApacheError,
    /// `SYSLOG`.
    Syslog,
    /// `RFC3339SYSLOG`.
    Rfc3339Syslog,
}

impl LogFormat {
    /// Their names in `agent.json`.
    pub(crate) const NAMES: [(&str, Self); 5] = [
        ("COMMONAPACHELOG", Self::CommonApache),
        ("COMBINEDAPACHELOG", Self::CombinedApache),
        ("APACHEERRORLOG", Self::ApacheError),
        ("SYSLOG", Self::Syslog),
        ("RFC3339SYSLOG", Self::Rfc3339Syslog),
    ];

    /// The names of its fields unless others are given.
    pub(crate) fn fields(self) -> &'static [&'static str] {
        match self {
            Self::CommonApache => &["host", "ident", "authuser", "datetime", "request", "response", "bytes"],
            Self::CombinedApache => {
                &["host", "ident", "authuser", "datetime", "request", "response", "bytes", "referer", "agent"]
            }
            Self::ApacheError => &["timestamp", "module", "severity", "processid", "threadid", "client", "message"],
            Self::Syslog | Self::Rfc3339Syslog => &["timestamp", "hostname", "program", "processid", "message"],
        }
    }

    /// Whether `-` means that there is no value.
    fn has_dash_for_null(self) -> bool {
        matches!(self, Self::CommonApache | Self::CombinedApache | Self::ApacheError)
    }
}

/// Reads log lines.
#[derive(Debug)]
pub(crate) struct LogToJson {
    pub(crate) format: LogFormat,
    /// Instead of the format's grammar. Has as many groups as there are columns.
    pub(crate) pattern: Option<Pattern>,
    pub(crate) columns: Columns,
    pub(crate) on_parse_error: OnParseError,
    /// Also IPv6 clients, `\r\n`, escaped quotes and empty quoted fields.
    pub(crate) tolerant: bool,
}

impl LogToJson {
    pub(super) fn convert(&self, line: &str) -> Result<Vec<u8>, Miss> {
        let line = if self.tolerant { line.strip_suffix('\r').unwrap_or(line) } else { line };
        let fields = match &self.pattern {
            Some(pattern) => pattern.captures(line).map_err(|TooHard| Miss::Failed("matchPattern takes too long to match"))?,
            None => grammar::parse(self.format, line, self.tolerant),
        };
        let mut fields = fields.ok_or(Miss::Mismatched(self.on_parse_error))?;
        if self.format.has_dash_for_null() {
            fields.iter_mut().filter(|field| **field == Some("-")).for_each(|field| *field = None);
        }
        Ok(self.columns.write(&fields))
    }
}
