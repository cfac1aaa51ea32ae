//! Converters: `dataProcessingOptions` of a flow, applied to its records in order.
//!
//! Pure logic: bytes and the time in, bytes out. What a converter writes is byte for byte what the Java agent's
//! would write, unless one of our own keys asks for something better.
//!
//! A line that a `LOGTOJSON` cannot read is dropped, kept or put aside, as `onParseError` says. A line that fails in
//! any other way is sent as it stands in the file, whatever the converters before made of it.

pub(crate) mod apache_json;
mod csv;
mod ec2_metadata;
pub(crate) mod json;
pub(crate) mod json_scan;
mod log;
mod metadata;
mod pattern;
mod single_line;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, fmt, sync::Arc};

pub(crate) use self::{
    csv::CsvToJson,
    ec2_metadata::{AddEc2Metadata, Facts, FactsCell, facts},
    json::{Columns, JsonFormat},
    log::{LogFormat, LogToJson},
    metadata::AddMetadata,
    pattern::Pattern,
    single_line::SingleLine,
};

/// The converters of one flow. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Transform {
    /// Never empty.
    converters: Arc<[Converter]>,
}

/// One option.
#[derive(Debug)]
pub(crate) enum Converter {
    /// Joins the lines of a record.
    SingleLine(SingleLine),
    /// Names the columns of delimited text.
    CsvToJson(CsvToJson),
    /// Names the fields of a log line.
    LogToJson(LogToJson),
    /// Wraps the record in an object with fixed fields.
    AddMetadata(AddMetadata),
    /// Adds what is known of the EC2 instance.
    AddEc2Metadata(AddEc2Metadata),
    /// Puts `{` and `}` around the record.
    AddBrackets,
}

/// What is to become of a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// These bytes are sent instead.
    Converted(Vec<u8>),
    /// It is not in the format that was asked for.
    Mismatched(OnParseError),
    /// It could not be converted, for this reason; it is sent as it is.
    Failed(&'static str),
}

/// What happens to a line that is not in the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnParseError {
    /// It is not sent, as in the Java agent.
    Drop,
    /// It is sent as it is.
    Raw,
    /// It goes to the dead-letter file.
    DeadLetter,
}

/// Why one converter has no result.
#[derive(Debug, PartialEq, Eq)]
enum Miss {
    Mismatched(OnParseError),
    Failed(&'static str),
}

impl Transform {
    /// Nothing when there are no converters: then records pass untouched.
    pub(crate) fn new(converters: Vec<Converter>) -> Option<Self> {
        (!converters.is_empty()).then(|| Self { converters: converters.into() })
    }

    /// Converts one record; `now_ms` is the time in milliseconds since the Unix epoch.
    pub(crate) fn apply(&self, data: &[u8], now_ms: i64) -> Outcome {
        let mut converted = Cow::Borrowed(data);
        for converter in &*self.converters {
            match converter.convert(&converted, now_ms) {
                Ok(next) => converted = Cow::Owned(next),
                Err(Miss::Mismatched(policy)) => return Outcome::Mismatched(policy),
                Err(Miss::Failed(reason)) => return Outcome::Failed(reason),
            }
        }
        Outcome::Converted(converted.into_owned())
    }
}

impl Transform {
    /// The options that want to know the instance.
    pub(crate) fn ec2_options(&self) -> impl Iterator<Item = &AddEc2Metadata> {
        self.converters.iter().filter_map(|converter| match converter {
            Converter::AddEc2Metadata(metadata) => Some(metadata),
            _ => None,
        })
    }
}

/// The names of the options, for people.
impl fmt::Display for Transform {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, converter) in self.converters.iter().enumerate() {
            write!(out, "{}{}", if index > 0 { ", " } else { "" }, converter.name())?;
        }
        Ok(())
    }
}

impl Converter {
    fn convert(&self, data: &[u8], now_ms: i64) -> Result<Vec<u8>, Miss> {
        match self {
            Self::SingleLine(single_line) => Ok(single_line.convert(&decode(data))),
            Self::CsvToJson(csv) => csv.convert(without_newline(&decode(data))).map_err(Miss::Failed),
            Self::LogToJson(log) => log.convert(without_newline(&decode(data))),
            Self::AddMetadata(metadata) => Ok(metadata.convert(without_newline(&decode(data)), now_ms)),
            Self::AddEc2Metadata(metadata) => metadata.convert(data).map_err(Miss::Failed),
            Self::AddBrackets => Ok([b"{", data, b"}"].concat()),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::SingleLine(_) => "SINGLELINE",
            Self::CsvToJson(_) => "CSVTOJSON",
            Self::LogToJson(_) => "LOGTOJSON",
            Self::AddMetadata(_) => "ADDMETADATA",
            Self::AddEc2Metadata(_) => "ADDEC2METADATA",
            Self::AddBrackets => "ADDBRACKETS",
        }
    }
}

/// Text, with U+FFFD for each invalid sequence.
fn decode(data: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(data)
}

/// The text without its one last `\n`.
fn without_newline(text: &str) -> &str {
    text.strip_suffix('\n').unwrap_or(text)
}
