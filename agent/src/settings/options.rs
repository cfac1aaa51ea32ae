//! `dataProcessingOptions`: the converters of a flow.

use std::time::Duration;

use serde_json::{Map, Value};

use super::{
    keys::{self, Use, Use::Read},
    problem::{Fields, plain_text},
};
use crate::transform::{
    AddEc2Metadata, AddMetadata, Columns, Converter, CsvToJson, FactsCell, JsonFormat, LogFormat, LogToJson, OnParseError,
    Pattern, SingleLine, Transform,
};

const KEY: &str = "dataProcessingOptions";

/// The options this agent has, each with its keys. `onParseError`, `tolerant` and `csvQuoting` are ours.
pub(super) const OPTIONS: &[(&str, &[(&str, Use)])] = &[
    ("SINGLELINE", &[("optionName", Read), ("parseOptions", Read)]),
    (
        "CSVTOJSON",
        &[("optionName", Read), ("customFieldNames", Read), ("delimiter", Read), ("jsonFormat", Read), ("csvQuoting", Read)],
    ),
    (
        "LOGTOJSON",
        &[
            ("optionName", Read),
            ("logFormat", Read),
            ("matchPattern", Read),
            ("customFieldNames", Read),
            ("jsonFormat", Read),
            ("onParseError", Read),
            ("tolerant", Read),
        ],
    ),
    ("ADDMETADATA", &[("optionName", Read), ("metadata", Read), ("timestamp", Read), ("jsonFormat", Read)]),
    // The Java agent demands a logFormat here, and never looks at it.
    ("ADDEC2METADATA", &[("optionName", Read), ("logFormat", Read), ("metadataTTL", Read)]),
    ("ADDBRACKETS", &[("optionName", Read)]),
];

const ALLOWED: &str = "allowed are SINGLELINE, CSVTOJSON, LOGTOJSON, ADDMETADATA, ADDEC2METADATA, ADDBRACKETS";

/// Reads the options of one flow, in their order. What is wrong goes to the problems behind `fields`.
pub(super) fn read(fields: &mut Fields<'_>) -> Option<Transform> {
    let options = match fields.value(KEY)? {
        Value::Array(options) => options,
        _ => {
            let remedy =
                "allowed is an array of objects, [{\"optionName\": ..}]; the Java agent ignored anything else in silence";
            fields.problem(KEY, remedy);
            return None;
        }
    };
    let mut converters = Vec::new();
    for (index, option) in options.iter().enumerate() {
        let place = format!("{KEY}[{index}]");
        match option {
            Value::Object(option) => converters.extend(read_option(&mut fields.nested(option, &place))),
            other => fields.problem_at(&place, Some(other.to_string()), "an option is an object with optionName"),
        }
    }
    Transform::new(converters)
}

/// One line for each key of an option that it does not have.
pub(super) fn warnings(flow: &Map<String, Value>, place: &str) -> Vec<String> {
    let options = flow.get(KEY).and_then(Value::as_array).into_iter().flatten().enumerate();
    let warnings = options.filter_map(|(index, option)| {
        let option = option.as_object()?;
        let name = option.get("optionName")?.as_str()?;
        let (_, table) = OPTIONS.iter().find(|(known, _)| *known == name)?;
        Some(keys::warnings(option, &format!("{place}{KEY}[{index}]."), table))
    });
    warnings.flatten().collect()
}

fn read_option(fields: &mut Fields<'_>) -> Option<Converter> {
    match fields.text("optionName").unwrap_or_default().as_str() {
        "SINGLELINE" => Some(Converter::SingleLine(read_single_line(fields))),
        "CSVTOJSON" => read_csv(fields).map(Converter::CsvToJson),
        "LOGTOJSON" => read_log(fields).map(Converter::LogToJson),
        "ADDMETADATA" => Some(Converter::AddMetadata(read_metadata(fields))),
        "ADDEC2METADATA" => Some(Converter::AddEc2Metadata(read_ec2_metadata(fields))),
        "ADDBRACKETS" => Some(Converter::AddBrackets),
        other => {
            let remedy = match other {
                "USINGPLUGGIN" => {
                    "a Java class cannot be loaded here; use the built-in options, or convert where the records are read"
                }
                _ => ALLOWED,
            };
            fields.problem("optionName", remedy);
            None
        }
    }
}

fn read_single_line(fields: &mut Fields<'_>) -> SingleLine {
    let mut single_line = SingleLine::default();
    for option in read_texts(fields, "parseOptions").unwrap_or_default() {
        match option.as_str() {
            "NO_TRIM" => single_line.keep_blanks = true,
            "ESCAPE_NEW_LINE" => single_line.escape_newlines = true,
            _ => fields.problem("parseOptions", "allowed is an array of NO_TRIM, ESCAPE_NEW_LINE"),
        }
    }
    single_line
}

fn read_csv(fields: &mut Fields<'_>) -> Option<CsvToJson> {
    let format = read_format(fields);
    let quoting = fields.boolean("csvQuoting", false);
    let names = read_texts(fields, "customFieldNames");
    if fields.value("customFieldNames").is_none() {
        fields.problem("customFieldNames", "CSVTOJSON needs the names of the columns, such as [\"time\", \"level\"]");
    }
    let delimiter = match Pattern::part(&fields.text("delimiter").unwrap_or(",".to_owned())) {
        Ok(pattern) if quoting && pattern.matches_nothing() => {
            fields.problem("delimiter", "with csvQuoting it must not match the empty text; write a literal | as \"\\\\|\"");
            None
        }
        Ok(pattern) => Some(pattern),
        Err(error) => {
            fields.problem("delimiter", &format!("the delimiter is a regular expression, and this is none ({error})"));
            None
        }
    };
    Some(CsvToJson { columns: Columns::new(&names?, format), delimiter: delimiter?, quoting })
}

fn read_log(fields: &mut Fields<'_>) -> Option<LogToJson> {
    let json_format = read_format(fields);
    let policies = [("drop", OnParseError::Drop), ("raw", OnParseError::Raw), ("deadletter", OnParseError::DeadLetter)];
    let on_parse_error = fields.choice("onParseError", OnParseError::Drop, &policies);
    let tolerant = fields.boolean("tolerant", false);
    if fields.value("logFormat").is_none() {
        fields.problem("logFormat", "LOGTOJSON needs the format, such as COMMONAPACHELOG; with matchPattern too");
    }
    let format = fields.choice("logFormat", LogFormat::CommonApache, &LogFormat::NAMES);
    let names = read_texts(fields, "customFieldNames");
    let pattern = match fields.text("matchPattern") {
        Some(text) => Some(read_pattern(fields, &text, names.as_deref())?),
        None => {
            let count = format.fields().len();
            if names.as_ref().is_some_and(|names| names.len() != count) {
                let remedy = format!("allowed are {count} names for {}", format.fields().join(", "));
                fields.problem("customFieldNames", &remedy);
            }
            None
        }
    };
    let names = names.unwrap_or_else(|| format.fields().iter().map(|name| (*name).to_owned()).collect());
    Some(LogToJson { format, pattern, columns: Columns::new(&names, json_format), on_parse_error, tolerant })
}

fn read_pattern(fields: &mut Fields<'_>, text: &str, names: Option<&[String]>) -> Option<Pattern> {
    let pattern = Pattern::whole(text).map_err(|error| {
        fields.problem("matchPattern", &format!("not a regular expression this agent can match ({error})"));
    });
    let (groups, pattern) = pattern.map(|pattern| (pattern.groups(), pattern)).ok()?;
    match names {
        None if fields.value("customFieldNames").is_some() => {} // not an array, which was said
        None => fields.problem("customFieldNames", "matchPattern needs a name for each of its groups"),
        Some(names) if names.len() != groups => {
            let remedy = format!(
                "matchPattern has {groups} group(s) for {} name(s); the Java agent then dropped every record",
                names.len()
            );
            fields.problem("customFieldNames", &remedy);
        }
        Some(_) => return Some(pattern),
    }
    None
}

/// The Java agent took only a quoted `"true"` for `timestamp`; both spellings will do.
fn read_metadata(fields: &mut Fields<'_>) -> AddMetadata {
    let (format, has_timestamp) = (read_format(fields), fields.boolean("timestamp", false));
    AddMetadata::new(fields.value("metadata").unwrap_or(&Value::Null), has_timestamp, format)
}

fn read_ec2_metadata(fields: &mut Fields<'_>) -> AddEc2Metadata {
    // The Java agent's own bound: more seconds overflow its milliseconds.
    let ttl = fields.integer("metadataTTL", 3600, 1..=2_147_483).unsigned_abs();
    AddEc2Metadata { facts: FactsCell::default(), ttl: Duration::from_secs(ttl) }
}

fn read_format(fields: &mut Fields<'_>) -> JsonFormat {
    let formats = [("COMPACT", JsonFormat::Compact), ("PRETTYPRINT", JsonFormat::PrettyPrint)];
    fields.choice("jsonFormat", JsonFormat::Compact, &formats)
}

/// An array of texts.
pub(super) fn read_texts(fields: &mut Fields<'_>, key: &str) -> Option<Vec<String>> {
    match fields.value(key)? {
        Value::Array(items) => Some(items.iter().map(plain_text).collect()),
        _ => {
            fields.problem(key, "allowed is an array of texts");
            None
        }
    }
}
