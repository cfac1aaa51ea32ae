//! What a record is: where it begins and ends in a file, what is done to it, its key, and how records are packed.

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value};

use super::{
    destination::Kind,
    flow::{DAY_MILLIS, PartitionKeyOption},
    privacy,
    problem::Fields,
};
use crate::{
    pack::{Compression, Packing},
    partition_key::KeyRule,
    privacy::Privacy,
    transform::Pattern,
};

/// Silence after which the last record of a file is taken. Java's own rule, as soon as what was read ends with a
/// newline, is 0 here; it cuts a stack trace that is written in two pieces. Writers that flush by block or by the
/// second have written again by then, and with Java's default `maxBufferAgeMillis` of 60 s nobody waits longer.
const FLUSH_MILLIS: i64 = 5_000;

/// Lines are packed up to this before they are compressed: far enough for a good ratio, and the result of a typical
/// log, a tenth of it, is about one PUT payload unit of 25 KB.
const COMPRESSED_BYTES: i64 = 256 * 1024;

/// What the Kinesis Producer Library aggregates to by default.
const AGGREGATION_BYTES: i64 = 51_200;

/// The most that is packed into one record; leaves room for what packing adds.
const MAX_PACKED_BYTES: i64 = 1_000_000;

/// The records of one flow.
#[derive(Debug, Clone)]
pub(crate) struct RecordSettings {
    /// Where records begin and end.
    pub(crate) framing: FramingSettings,
    /// Bytes a line may have; the rest is cut off, or it is put aside.
    pub(crate) limit: usize,
    /// What happens to a longer one.
    pub(crate) on_oversized: OnOversized,
    /// Whether Apache's `\xHH` is turned into legal JSON.
    pub(crate) repair: bool,
    /// What nobody must see.
    pub(crate) privacy: Option<Arc<Privacy>>,
    /// What decides the shard.
    pub(crate) key: KeyRule,
    /// How several lines travel in one record; none: each travels alone.
    pub(crate) packing: Option<Packing>,
}

/// Where records begin and end in a file.
#[derive(Debug, Clone)]
pub(crate) struct FramingSettings {
    /// Matches the first line of a record of several lines; none: each line is a record.
    pub(crate) start: Option<Arc<Pattern>>,
    /// How long the last record of a file waits for more lines.
    pub(crate) flush: Duration,
    /// Lines at the start of each file that are no records.
    pub(crate) header_lines: u64,
    /// Matches the record at which reading what is there stops.
    pub(crate) footer: Option<Arc<Pattern>>,
    /// Ends a record that was cut.
    pub(crate) terminator: Arc<[u8]>,
}

/// What happens to a line that no record can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnOversized {
    /// It is cut, as in the Java agent.
    Truncate,
    /// It goes to the dead-letter file.
    DeadLetter,
}

/// Reads the keys of this module. What is wrong goes to the problems behind `fields`.
pub(super) fn read(fields: &mut Fields<'_>, kind: Kind, option: PartitionKeyOption) -> RecordSettings {
    let is_firehose = kind == Kind::Firehose;
    let framing = read_framing(fields);
    let key = read_key(fields, kind, option);
    let packing = read_packing(fields, is_firehose, &framing, &key);
    let record = kind.max_record_bytes() - key.max_bytes();
    let policies = [("truncate", OnOversized::Truncate), ("deadletter", OnOversized::DeadLetter)];
    RecordSettings {
        framing,
        limit: record - packing.as_ref().map_or(0, Packing::overhead),
        on_oversized: fields.choice("onOversizedRecord", OnOversized::Truncate, &policies),
        repair: fields.boolean("repairApacheJson", false),
        privacy: privacy::read(fields),
        key,
        packing,
    }
}

/// One line for each key that has no effect beside the others.
pub(super) fn warnings(flow: &Map<String, Value>, place: &str) -> Vec<String> {
    let is_set = |key: &str| flow.get(key).is_some_and(|value| !matches!(value.to_string().trim_matches('"'), "null" | "" | "0"));
    let mut warnings = privacy::warnings(flow, place);
    if is_set("aggregatedRecordSizeBytes") {
        if !is_set("deliveryStream") {
            warnings.push(format!(
                "{place}aggregatedRecordSizeBytes has no effect on a Kinesis flow, as in the Java agent; see aggregation"
            ));
        } else if is_set("multiLineStartPattern") {
            warnings.push(format!(
                "{place}aggregatedRecordSizeBytes has no effect beside multiLineStartPattern, as in the Java agent"
            ));
        }
    }
    warnings
}

fn read_framing(fields: &mut Fields<'_>) -> FramingSettings {
    let terminator = match fields.value("truncatedRecordTerminator") {
        None => "\n".to_owned(),
        Some(_) => fields.text("truncatedRecordTerminator").unwrap_or_default(),
    };
    if terminator.len() >= Kind::Firehose.max_record_bytes() {
        fields.problem("truncatedRecordTerminator", "it must be shorter than a record");
    }
    FramingSettings {
        start: read_pattern(fields, "multiLineStartPattern", Pattern::prefix),
        flush: fields.millis("multiLineFlushMillis", FLUSH_MILLIS, 0..=DAY_MILLIS),
        header_lines: fields.integer("skipHeaderLines", 0, 0..=i64::from(i32::MAX)).unsigned_abs(),
        footer: read_pattern(fields, "fileFooterPattern", |text| Pattern::whole(&format!("(?m){text}"))),
        terminator: Arc::from(terminator.into_bytes()),
    }
}

/// A pattern; an empty text is none, as in the Java agent.
fn read_pattern(fields: &mut Fields<'_>, key: &str, compile: impl Fn(&str) -> Result<Pattern, String>) -> Option<Arc<Pattern>> {
    let text = fields.text(key).filter(|text| !text.is_empty())?;
    match compile(&text) {
        Ok(pattern) => Some(Arc::new(pattern)),
        Err(error) => {
            fields.problem(key, &format!("not a regular expression this agent can match ({error})"));
            None
        }
    }
}

fn read_key(fields: &mut Fields<'_>, kind: Kind, option: PartitionKeyOption) -> KeyRule {
    const REMEDY: &str = "allowed is one of {\"field\": \"name\"}, {\"pattern\": \"a regular expression with one group\"}, \
                          {\"constant\": \"text of 1 to 256 characters\"}";
    let rule = match fields.value("partitionKey") {
        None => return KeyRule::Option(option),
        Some(_) if kind == Kind::Firehose => {
            fields.problem("partitionKey", "Firehose records have no key; remove it");
            return KeyRule::Option(option);
        }
        Some(Value::Object(rule)) if rule.len() == 1 => rule.iter().next(),
        Some(_) => None,
    };
    let key = match rule {
        Some((kind, Value::String(text))) if !text.is_empty() => match kind.as_str() {
            "field" => Ok(KeyRule::field(text)),
            "constant" if text.chars().count() <= 256 => Ok(KeyRule::constant(text)),
            "pattern" => match Pattern::part(text) {
                Ok(pattern) if pattern.groups() == 1 => Ok(KeyRule::pattern(pattern)),
                Ok(pattern) => Err(format!("the pattern has {} groups; the key is what one group matches", pattern.groups())),
                Err(error) => Err(format!("not a regular expression this agent can match ({error})")),
            },
            _ => Err(REMEDY.to_owned()),
        },
        _ => Err(REMEDY.to_owned()),
    };
    if fields.value("partitionKeyOption").is_some() {
        fields.problem("partitionKey", "it takes the place of partitionKeyOption; remove one of the two");
    }
    key.unwrap_or_else(|remedy| {
        fields.problem("partitionKey", &remedy);
        KeyRule::Option(option)
    })
}

fn read_packing(fields: &mut Fields<'_>, is_firehose: bool, framing: &FramingSettings, key: &KeyRule) -> Option<Packing> {
    let is_aggregated = fields.choice("aggregation", false, &[("NONE", false), ("KPL", true)]);
    let aggregate_bytes = fields.size("aggregationSizeBytes", AGGREGATION_BYTES, 1..=MAX_PACKED_BYTES);
    let compressed_bytes = fields.size("compressedRecordSizeBytes", COMPRESSED_BYTES, 1..=MAX_PACKED_BYTES);
    let joined_bytes = fields.size("aggregatedRecordSizeBytes", 0, 0..=Kind::Firehose.max_record_bytes() as i64);
    let compression = read_compression(fields);
    if is_aggregated && is_firehose {
        fields.problem("aggregation", "KPL aggregates are for Kinesis streams; use aggregatedRecordSizeBytes or compression");
    }
    if is_aggregated && compression.is_some() {
        fields.problem("aggregation", "consumers cannot open an aggregate that is compressed; choose aggregation or compression");
    }
    if (is_aggregated || compression.is_some()) && matches!(key, KeyRule::Option(PartitionKeyOption::Deterministic)) {
        let remedy = "DETERMINISTIC gives each line a key of its own, but the lines of one record share one; use RANDOM, or \
                      partitionKey";
        fields.problem("partitionKeyOption", remedy);
    }
    let is_joined = is_firehose && joined_bytes > 0 && framing.start.is_none();
    if is_joined && compression.is_some() {
        fields.problem("aggregatedRecordSizeBytes", "compression joins lines up to compressedRecordSizeBytes; remove this key");
    }
    match compression {
        Some(compression) => Some(Packing::Compressed { compression, bytes: compressed_bytes }),
        None if is_aggregated => Some(Packing::Aggregated { bytes: aggregate_bytes }),
        None => is_joined.then_some(Packing::Joined { bytes: joined_bytes }),
    }
}

fn read_compression(fields: &mut Fields<'_>) -> Option<Compression> {
    let default = |default: i64, most: i64, fields: &mut Fields<'_>| {
        u32::try_from(fields.integer("compressionLevel", default, 1..=most)).unwrap_or(1)
    };
    match fields.choice("compression", "none", &[("none", "none"), ("gzip", "gzip"), ("zstd", "zstd")]) {
        "gzip" => Some(Compression::Gzip { level: default(6, 9, fields) }),
        // Above 19 zstd wants windows of memory that no log is worth.
        "zstd" => Some(Compression::Zstd { level: default(3, 19, fields) }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::settings::{Settings, SettingsError};

    fn parse(more: &str) -> Result<Settings, SettingsError> {
        let text = format!(r#"{{"flows": [{{"filePattern": "/l/a.log", "kinesisStream": "s"{more}}}]}}"#);
        Settings::parse(text.as_bytes(), Path::new("agent.json"))
    }

    fn records(more: &str) -> RecordSettings {
        parse(more).unwrap().flows.remove(0).records
    }

    fn problem(more: &str) -> String {
        match parse(more).unwrap_err() {
            SettingsError::Invalid { problems, .. } => problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn without_keys_each_line_is_a_record() {
        let records = records("");
        assert!(records.framing.start.is_none() && records.framing.footer.is_none() && records.privacy.is_none());
        assert_eq!((records.framing.header_lines, &records.framing.terminator[..]), (0, &b"\n"[..]));
        assert_eq!((records.limit, records.packing), (1024 * 1024 - 10, None));
    }

    #[test]
    fn the_shipped_example_is_understood() {
        let text = include_bytes!("../../../config/agent.records.json");
        let settings = Settings::parse(text, Path::new("agent.records.json")).unwrap();
        assert_eq!(settings.warnings, [] as [&str; 0]);
        assert!(settings.flows[0].records.privacy.is_some() && settings.flows[1].records.framing.start.is_some());
    }

    #[test]
    fn empty_patterns_are_none_and_bad_ones_are_problems() {
        assert!(records(r#", "multiLineStartPattern": "", "fileFooterPattern": """#).framing.start.is_none());
        assert!(
            problem(r#", "multiLineStartPattern": "(""#).contains("multiLineStartPattern is \"(\": not a regular expression")
        );
        assert!(problem(r#", "fileFooterPattern": "[a""#).contains("not a regular expression"));
    }

    #[test]
    fn a_line_leaves_room_for_the_longest_key_and_for_what_packing_adds() {
        assert_eq!(records(r#", "partitionKeyOption": "DETERMINISTIC""#).limit, 1024 * 1024 - 32);
        assert_eq!(records(r#", "partitionKey": {"constant": "abc"}"#).limit, 1024 * 1024 - 3);
        assert_eq!(records(r#", "partitionKey": {"field": "f"}"#).limit, 1024 * 1024 - 1024);
        assert_eq!(records(r#", "compression": "gzip""#).limit, 1024 * 1024 - 10 - 8192);
        assert_eq!(records(r#", "aggregation": "KPL""#).limit, 1024 * 1024 - 10, "a line alone is sent as it is");
    }

    #[test]
    fn a_partition_key_is_a_field_a_pattern_or_a_constant() {
        let key = |text: &str| problem(&format!(r#", "partitionKey": {text}"#));
        for wrong in
            ["\"x\"", "{}", r#"{"field": ""}"#, r#"{"field": "a", "constant": "b"}"#, r#"{"name": "a"}"#, r#"{"field": 1}"#]
        {
            assert!(key(wrong).contains("allowed is one of"), "{wrong}");
        }
        assert!(key(r#"{"pattern": "a"}"#).contains("the pattern has 0 groups"));
        assert!(key(r#"{"pattern": "(a)(b)"}"#).contains("the pattern has 2 groups"));
        assert!(key(r#"{"pattern": "("}"#).contains("not a regular expression"));
        assert!(key(&format!(r#"{{"constant": "{}"}}"#, "x".repeat(257))).contains("1 to 256 characters"));
        assert!(problem(r#", "partitionKey": {"field": "a"}, "partitionKeyOption": "RANDOM""#).contains("remove one of the two"));
    }

    #[test]
    fn packings_that_cannot_be_read_or_gain_nothing_are_refused() {
        assert!(problem(r#", "aggregation": "KPL", "compression": "gzip""#).contains("choose aggregation or compression"));
        for packing in [r#""aggregation": "KPL""#, r#""compression": "zstd""#] {
            let found = problem(&format!(r#", {packing}, "partitionKeyOption": "DETERMINISTIC""#));
            assert!(found.contains("the lines of one record share one"), "{found}");
        }
        assert!(problem(r#", "aggregationSizeBytes": 2000000"#).contains("from 1 to 1000000"));
        assert!(problem(r#", "compression": "zip""#).contains("allowed are none, gzip, zstd"));
        assert!(problem(r#", "compression": "gzip", "compressionLevel": 10"#).contains("from 1 to 9"));
    }

    #[test]
    fn packings_are_read_with_their_sizes() {
        assert_eq!(records(r#", "aggregation": "KPL""#).packing, Some(Packing::Aggregated { bytes: 51_200 }));
        let zstd = Packing::Compressed { compression: Compression::Zstd { level: 7 }, bytes: 1000 };
        let more = r#", "compression": "zstd", "compressionLevel": 7, "compressedRecordSizeBytes": 1000"#;
        assert_eq!(records(more).packing, Some(zstd));
        assert_eq!(records(r#", "aggregation": "NONE", "compression": "none""#).packing, None);
    }

    #[test]
    fn aggregated_record_size_bytes_is_firehose_s_alone() {
        let settings = parse(r#", "aggregatedRecordSizeBytes": 1000"#).unwrap();
        assert_eq!(settings.flows[0].records.packing, None);
        assert!(settings.warnings[0].contains("has no effect on a Kinesis flow"), "{:?}", settings.warnings);
        let firehose = |more: &str| {
            let text = format!(r#"{{"deliveryStream": "d"{more}}}"#);
            let (object, mut problems) = (serde_json::from_str(&text).unwrap(), Vec::new());
            let records = read(&mut Fields::new(&object, String::new(), &mut problems), Kind::Firehose, PartitionKeyOption::None);
            (records, problems.iter().map(ToString::to_string).collect::<String>(), warnings(&object, "f."))
        };
        let (records, ..) = firehose(r#", "aggregatedRecordSizeBytes": 1000"#);
        assert_eq!((records.packing, records.limit), (Some(Packing::Joined { bytes: 1000 }), 1_024_000));
        let (records, _, warnings) = firehose(r#", "aggregatedRecordSizeBytes": 1000, "multiLineStartPattern": "a""#);
        assert_eq!(records.packing, None);
        assert!(warnings[0].contains("beside multiLineStartPattern"));
        assert!(firehose(r#", "aggregatedRecordSizeBytes": 1024001"#).1.contains("from 0 to 1024000"));
        assert!(firehose(r#", "aggregation": "KPL""#).1.contains("KPL aggregates are for Kinesis streams"));
        assert!(firehose(r#", "compression": "gzip", "aggregatedRecordSizeBytes": 9"#).1.contains("remove this key"));
    }
}
