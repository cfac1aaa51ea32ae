//! Each row of the compatibility table (input and output of the Java agent), by its number; then what is ours.

use std::path::Path;

use super::*;
use crate::settings::{Settings, SettingsError};

/// 2020-01-02T03:04:05.678Z.
const NOW_MS: i64 = 1_577_934_245_678;

const COMMON: &str = r#"{"optionName": "LOGTOJSON", "logFormat": "COMMONAPACHELOG"}"#;
const COMBINED: &str = r#"{"optionName": "LOGTOJSON", "logFormat": "COMBINEDAPACHELOG"}"#;
const ERROR: &str = r#"{"optionName": "LOGTOJSON", "logFormat": "APACHEERRORLOG"}"#;
const SYSLOG: &str = r#"{"optionName": "LOGTOJSON", "logFormat": "SYSLOG"}"#;
const RFC3339: &str = r#"{"optionName": "LOGTOJSON", "logFormat": "RFC3339SYSLOG"}"#;
const CUSTOM: &str = r#"{"optionName": "LOGTOJSON", "logFormat": "SYSLOG", "matchPattern": "(\\w+)=(\\w*)( .*)?",
    "customFieldNames": ["z", "a", "m"]}"#;
const CSV: &str = r#"{"optionName": "CSVTOJSON", "customFieldNames": ["a", "b", "c"]}"#;
const CSV4: &str = r#"{"optionName": "CSVTOJSON", "customFieldNames": ["column1", "column2", "column3", "column4"]}"#;
const TAB: &str = r#"{"optionName": "CSVTOJSON", "customFieldNames": ["a", "b"], "delimiter": "\\t"}"#;
const BAR: &str = r#"{"optionName": "CSVTOJSON", "customFieldNames": ["a", "b", "c"], "delimiter": "|"}"#;
const SINGLE: &str = r#"{"optionName": "SINGLELINE"}"#;
const NO_TRIM: &str = r#"{"optionName": "SINGLELINE", "parseOptions": ["NO_TRIM"]}"#;
const ESCAPE: &str = r#"{"optionName": "SINGLELINE", "parseOptions": ["ESCAPE_NEW_LINE"]}"#;
const META: &str = r#"{"optionName": "ADDMETADATA", "metadata": {"k": [1, {"x": "y"}]}}"#;
const BARE_META: &str = r#"{"optionName": "ADDMETADATA"}"#;
const STAMPED: &str = r#"{"optionName": "ADDMETADATA", "timestamp": "true", "metadata": {"k": "v"}}"#;
const BRACKETS: &str = r#"{"optionName": "ADDBRACKETS"}"#;

/// Number of the row, option, input, output; none is dropped.
type Row = (u8, &'static str, &'static [u8], Option<&'static [u8]>);

const APACHE_ROWS: &[Row] = &[
    (1, COMMON, br#"123.45.67.89 - - [27/Oct/2000:09:27:09 -0400] "GET /a HTTP/1.0" 200 10450
"#, Some(br#"{"host":"123.45.67.89","ident":null,"authuser":null,"datetime":"27/Oct/2000:09:27:09 -0400","request":"GET /a HTTP/1.0","response":"200","bytes":"10450"}
"#)),
    (2, COMMON, br#"123.45.67.89 - - [27/Oct/2000:09:27:09 -0400] "GET /a HTTP/1.0" 200 10450 "-" "Mozilla/4.6""#,
     Some(br#"{"host":"123.45.67.89","ident":null,"authuser":null,"datetime":"27/Oct/2000:09:27:09 -0400","request":"GET /a HTTP/1.0","response":"200","bytes":"10450"}
"#)),
    (3, COMMON, br#"123.45.67.89 - - [27/Oct/2000:09:27:09 -0400] "GET /a HTTP/1.0" 200"#, None),
    (4, COMMON, br#"1.2.3.4 - - [27/Oct/2000:09:27:09 -0400] "GET /a HTTP/1.0" 304 -"#,
     Some(br#"{"host":"1.2.3.4","ident":null,"authuser":null,"datetime":"27/Oct/2000:09:27:09 -0400","request":"GET /a HTTP/1.0","response":"304","bytes":null}
"#)),
    (5, COMMON, br#"::1 - - [27/Oct/2000:09:27:09 -0400] "GET /a HTTP/1.0" 200 1"#, None),
    (5, COMMON, br#"2001:db8::1 - - [27/Oct/2000:09:27:09 -0400] "GET /a HTTP/1.0" 200 1"#, None),
    (6, COMMON, br#"1.2.3.4 - frank@example.com [27/Oct/2000:09:27:09 -0400] "GET /a HTTP/1.0" 200 1"#, None),
    (7, COMMON, br#"1.2.3.4 - - [27/Oct/2000:09:27:09 -0400] "GET /\" HTTP/1.0" 200 1"#, None),
    (8, COMMON, br#"1.2.3.4 - - [27/Oct/2000:09:27:09 -0400] "" 200 1"#, None),
    (9, COMMON, b"1.2.3.4 - - [27/Oct/2000:09:27:09 -0400] \"GET /a HTTP/1.0\" 200 1\r\n", None),
    (9, COMBINED, b"1.2.3.4 - - [27/Oct/2000:09:27:09 -0400] \"GET /a HTTP/1.0\" 200 1 \"-\" \"x\"\r\n", None),
    (9, ERROR, b"[Fri Oct 27 09:27:09 2000] [core:error] [pid 1] [client 1.2.3.4] m\r\n", None),
    (9, SYSLOG, b"Mar 12 12:00:08 server2 rcd[308]: x\r\n", None),
    (9, RFC3339, b"2014-12-29T10:00:00Z h p: x\r\n", None),
    (10, COMMON, br#"10.0.0.1, 10.0.0.2 - - [27/Oct/2000:09:27:09 -0400] "GET /a HTTP/1.0" 200 1"#, None),
    (11, COMMON, br#"- - - [27/Oct/2000:09:27:09 -0400] "GET /a HTTP/1.0" 200 1"#,
     Some(br#"{"host":null,"ident":null,"authuser":null,"datetime":"27/Oct/2000:09:27:09 -0400","request":"GET /a HTTP/1.0","response":"200","bytes":"1"}
"#)),
    (12, COMBINED, br#"1.2.3.4 - - [27/Oct/2000:09:27:09 -0400] "GET /a HTTP/1.0" 200 1 "-" "Mozilla/4.6""#,
     Some(br#"{"host":"1.2.3.4","ident":null,"authuser":null,"datetime":"27/Oct/2000:09:27:09 -0400","request":"GET /a HTTP/1.0","response":"200","bytes":"1","referer":null,"agent":"Mozilla/4.6"}
"#)),
    (13, COMBINED, br#"1.2.3.4 - - [27/Oct/2000:09:27:09 -0400] "GET /a HTTP/1.0" 200 1 "" "Mozilla/4.6""#, None),
    (14, COMBINED, br#"1.2.3.4 - - [27/Oct/2000:09:27:09 -0400] "GET /a HTTP/1.0" 200 1"#, None),
    (15, COMBINED, br#"1.2.3.4 - - [27/Oct/2000:09:27:09 -0400] "GET /a HTTP/1.0" 200 1 "/" "M" "more" 7"#,
     Some(br#"{"host":"1.2.3.4","ident":null,"authuser":null,"datetime":"27/Oct/2000:09:27:09 -0400","request":"GET /a HTTP/1.0","response":"200","bytes":"1","referer":"/","agent":"M"}
"#)),
    (16, ERROR, b"[Fri Oct 27 09:27:09 2000] [core:error] [pid 1:tid 2] [client 1.2.3.4] m",
     Some(br#"{"timestamp":"Fri Oct 27 09:27:09 2000","module":"core","severity":"error","processid":"1","threadid":"2","client":"1.2.3.4","message":"m"}
"#)),
    (17, ERROR, b"[Fri Oct 27 09:27:09 2000] [error] [pid 1] [client 1.2.3.4] m",
     Some(br#"{"timestamp":"Fri Oct 27 09:27:09 2000","module":null,"severity":"error","processid":"1","threadid":null,"client":"1.2.3.4","message":"m"}
"#)),
    (18, ERROR, b"[Fri Oct 27 09:27:09 2000] [core:error] [pid 1:tid 2] m", None),
    (18, ERROR, b"[Fri Oct 27 09:27:09 2000] [error] [client 1.2.3.4] m", None),
    (18, ERROR, b"[Fri Oct 27 09:27:09 2000] [core:error] [pid 1:tid 2] [client ::1] m", None),
];

const OTHER_ROWS: &[Row] = &[
    (19, SYSLOG, b"Mar 12 12:00:08 server2 rcd[308]: x \n",
     Some(b"{\"timestamp\":\"Mar 12 12:00:08\",\"hostname\":\"server2\",\"program\":\"rcd\",\"processid\":\"308\",\"message\":\"x \"}\n")),
    (20, SYSLOG, b"Mar 12 12:00:08 server2 rcd: -",
     Some(b"{\"timestamp\":\"Mar 12 12:00:08\",\"hostname\":\"server2\",\"program\":\"rcd\",\"processid\":null,\"message\":\"-\"}\n")),
    (21, SYSLOG, b"Mar  7 12:00:08 h p: m",
     Some(b"{\"timestamp\":\"Mar  7 12:00:08\",\"hostname\":\"h\",\"program\":\"p\",\"processid\":null,\"message\":\"m\"}\n")),
    (22, SYSLOG, b"Mar 12 12:00:08 h p[0]: m", None),
    (22, SYSLOG, b"Mar 12 12:00:08 h dhclient(eth0)[1]: m", None),
    (22, SYSLOG, b"Mar 12 12:00:08 h last message repeated 2 times", None),
    (22, SYSLOG, b"<13>Mar 12 12:00:08 h p[1]: m", None),
    (23, SYSLOG, b"Mar 7 04:22:00 <3.6> host prog[1]: x",
     Some(b"{\"timestamp\":\"Mar 7 04:22:00\",\"hostname\":\"host\",\"program\":\"prog\",\"processid\":\"1\",\"message\":\"x\"}\n")),
    (24, RFC3339, b"2014-12-29T10:00:00.123456+00:00 h p[12]: m",
     Some(b"{\"timestamp\":\"2014-12-29T10:00:00.123456+00:00\",\"hostname\":\"h\",\"program\":\"p\",\"processid\":\"12\",\"message\":\"m\"}\n")),
    (24, RFC3339, b"2014-12-29 10:00:00.123456+00:00 h p[12]: m", None),
    (24, RFC3339, b"2014-12-29T10:00:00.123456 h p[12]: m", None),
    (25, CUSTOM, b"key=value\n", Some(b"{\"z\":\"key\",\"a\":\"value\",\"m\":null}\n")),
    (26, CSV4, b"value1, value2,valu\ne3,    value4\n",
     Some(b"{\"column1\":\"value1\",\"column2\":\" value2\",\"column3\":\"valu\\ne3\",\"column4\":\"    value4\"}\n")),
    (27, CSV, b"x,y\n", Some(b"{\"a\":\"x\",\"b\":\"y\",\"c\":null}\n")),
    (28, CSV, b"x,y,z,more\n", Some(b"{\"a\":\"x\",\"b\":\"y\",\"c\":\"z\"}\n")),
    (29, CSV4, b"a,b,,\n", Some(b"{\"column1\":\"a\",\"column2\":\"b\",\"column3\":null,\"column4\":null}\n")),
    (30, CSV, b",a\n", Some(b"{\"a\":\"\",\"b\":\"a\",\"c\":null}\n")),
    (31, CSV, b"\n", Some(b"{\"a\":\"\",\"b\":null,\"c\":null}\n")),
    (32, CSV, b"\"a,b\",c\n", Some(b"{\"a\":\"\\\"a\",\"b\":\"b\\\"\",\"c\":\"c\"}\n")),
    (33, TAB, b"x y\tz\n", Some(b"{\"a\":\"x y\",\"b\":\"z\"}\n")),
    (34, BAR, b"a|b\n", Some(b"{\"a\":\"a\",\"b\":\"|\",\"c\":\"b\"}\n")),
    (35, CSV, b"x,y,z\r\n", Some(b"{\"a\":\"x\",\"b\":\"y\",\"c\":\"z\\r\"}\n")),
    (36, SINGLE, b"  a \n  b\n", Some(b"ab\n")),
    (37, NO_TRIM, b"  a \n  b\n", Some(b"  a   b\n")),
    (38, ESCAPE, b"  a \n  b\n", Some(b"a\\\\nb\n")),
    (39, SINGLE, b"a\r\nb\r\n", Some(b"ab\n")),
    (40, SINGLE, b"\n", Some(b"\n")),
    (41, META, b"This is the data\n", Some(b"{\"metadata\":{\"k\":[1,{\"x\":\"y\"}]},\"data\":\"This is the data\"}\n")),
    (41, BARE_META, b"This is the data", Some(b"{\"metadata\":null,\"data\":\"This is the data\"}\n")),
    (42, STAMPED, b"x\n", Some(b"{\"ts\":\"2020-01-02T03:04:05.678Z\",\"metadata\":{\"k\":\"v\"},\"data\":\"x\"}\n")),
    (47, BRACKETS, b"hello\n", Some(b"{hello\n}")),
    (48, CSV, b"a\xFFb\n", Some("{\"a\":\"a\u{FFFD}b\",\"b\":null,\"c\":null}\n".as_bytes())),
    (48, META, b"\xC3\n", Some("{\"metadata\":{\"k\":[1,{\"x\":\"y\"}]},\"data\":\"\u{FFFD}\"}\n".as_bytes())),
];

fn parse(options: &str) -> Result<Settings, SettingsError> {
    let text =
        format!(r#"{{"flows": [{{"filePattern": "/l/a.log", "kinesisStream": "s", "dataProcessingOptions": {options}}}]}}"#);
    Settings::parse(text.as_bytes(), Path::new("agent.json"))
}

fn problems(options: &str) -> Vec<String> {
    match parse(options).unwrap_err() {
        SettingsError::Invalid { problems, .. } => problems.iter().map(ToString::to_string).collect(),
        other => panic!("{other}"),
    }
}

fn applied(options: &str, input: &[u8]) -> Outcome {
    parse(options).unwrap().flows.remove(0).transform.unwrap().apply(input, NOW_MS)
}

/// The text a record becomes.
fn text(options: &str, input: &str) -> String {
    match applied(options, input.as_bytes()) {
        Outcome::Converted(data) => String::from_utf8(data).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn check(rows: &[Row]) {
    for (row, option, input, output) in rows {
        let expected = match output {
            Some(output) => Outcome::Converted(output.to_vec()),
            None => Outcome::Mismatched(OnParseError::Drop),
        };
        let input_text = String::from_utf8_lossy(input);
        assert_eq!(applied(&format!("[{option}]"), input), expected, "row {row}: {input_text}");
    }
}

#[test]
fn apache_formats_have_the_java_agent_s_output() {
    check(APACHE_ROWS);
}

#[test]
fn all_other_options_have_the_java_agent_s_output() {
    check(OTHER_ROWS);
}

#[test]
fn every_row_that_can_be_honoured_is_checked() {
    let mut rows: Vec<u8> = APACHE_ROWS.iter().chain(OTHER_ROWS).map(|row| row.0).collect();
    rows.dedup();
    assert_eq!(rows, (1..=42).chain([47, 48]).collect::<Vec<_>>());
}

#[test]
fn options_are_applied_in_their_order() {
    let options = format!(r#"[{SINGLE}, {CSV}, {{"optionName": "ADDMETADATA", "jsonFormat": "PRETTYPRINT"}}]"#);
    let expected = "{\n  \"metadata\" : null,\n  \"data\" : \"{\\\"a\\\":\\\"x\\\",\\\"b\\\":\\\"y\\\",\\\"c\\\":null}\"\n}\n";
    assert_eq!(text(&options, "  x,y  \n"), expected);
    assert_eq!(parse(&options).unwrap().flows[0].transform.as_ref().unwrap().to_string(), "SINGLELINE, CSVTOJSON, ADDMETADATA");
}

#[test]
fn a_mismatch_behind_other_converters_still_follows_its_policy() {
    for (word, policy) in [("drop", OnParseError::Drop), ("raw", OnParseError::Raw), ("deadletter", OnParseError::DeadLetter)] {
        let log = format!(r#"{{"optionName": "LOGTOJSON", "logFormat": "SYSLOG", "onParseError": "{word}"}}"#);
        assert_eq!(applied(&format!("[{SINGLE}, {log}]"), b"no\n"), Outcome::Mismatched(policy));
    }
}

#[test]
fn a_pattern_that_takes_too_long_fails_and_does_not_drop() {
    let option = r#"[{"optionName": "LOGTOJSON", "logFormat": "SYSLOG", "matchPattern": "(?=a)(a|aa|a)+\\1b",
        "customFieldNames": ["x"]}]"#;
    assert_eq!(applied(option, "a".repeat(200).as_bytes()), Outcome::Failed("matchPattern takes too long to match"));
}

#[test]
fn a_lone_dash_is_null_for_apache_formats_with_a_pattern_too() {
    let option = |format| {
        format!(
            r#"[{{"optionName": "LOGTOJSON", "logFormat": "{format}", "matchPattern": "(\\S+) (?!x)(.*)", "customFieldNames": ["a", "b"]}}]"#
        )
    };
    assert_eq!(text(&option("COMMONAPACHELOG"), "- -a\n"), "{\"a\":null,\"b\":\"-a\"}\n");
    assert_eq!(text(&option("SYSLOG"), "- -a\n"), "{\"a\":\"-\",\"b\":\"-a\"}\n");
}

#[test]
fn fields_of_a_built_in_format_may_have_other_names() {
    let option = r#"[{"optionName": "LOGTOJSON", "logFormat": "SYSLOG", "customFieldNames": ["t", "h", "p", "i", "m"]}]"#;
    assert_eq!(
        text(option, "Mar 12 12:00:08 s r: x\n"),
        "{\"t\":\"Mar 12 12:00:08\",\"h\":\"s\",\"p\":\"r\",\"i\":null,\"m\":\"x\"}\n"
    );
}

#[test]
fn tolerant_reads_what_servers_write_today() {
    let option = r#"[{"optionName": "LOGTOJSON", "logFormat": "COMBINEDAPACHELOG", "tolerant": true}]"#;
    let line = "2001:db8::1 - - [27/Oct/2000:09:27:09 -0400] \"GET /\\\" HTTP/1.0\" 200 1 \"\" \"M\"\r\n";
    let expected = r#"{"host":"2001:db8::1","ident":null,"authuser":null,"datetime":"27/Oct/2000:09:27:09 -0400","request":"GET /\\\" HTTP/1.0","response":"200","bytes":"1","referer":"","agent":"M"}"#;
    assert_eq!(text(option, line), format!("{expected}\n"));
}

#[test]
fn csv_quoting_reads_rfc_4180() {
    let option = r#"[{"optionName": "CSVTOJSON", "customFieldNames": ["a", "b", "c", "d"], "csvQuoting": true}]"#;
    assert_eq!(text(option, "\"a,b\",c,\r\n"), "{\"a\":\"a,b\",\"b\":\"c\",\"c\":\"\",\"d\":null}\n");
}

#[test]
fn options_that_are_no_array_are_refused_instead_of_ignored() {
    let found = problems(r#"{"optionName": "SINGLELINE"}"#);
    assert!(found[0].contains("allowed is an array of objects") && found[0].contains("in silence"), "{found:?}");
    assert!(problems("[7]")[0].starts_with("flows[0].dataProcessingOptions[0] is 7: an option is an object"));
    assert!(parse("[]").unwrap().flows[0].transform.is_none());
    assert!(parse("null").unwrap().flows[0].transform.is_none());
}

#[test]
fn options_that_cannot_be_honoured_are_refused_with_advice() {
    let found = problems(
        r#"[{"optionName": "USINGPLUGGIN", "className": "x"}, {"optionName": "LOG2JSON"}, {},
            {"optionName": "ADDEC2METADATA", "metadataTTL": 0}]"#,
    );
    assert!(found[0].contains("Java class"), "{found:?}");
    assert!(found[1].contains("[1].optionName is \"LOG2JSON\": allowed are SINGLELINE, CSVTOJSON"), "{found:?}");
    assert!(found[2].contains("[2].optionName is missing"), "{found:?}");
    assert!(found[3].contains("[3].metadataTTL is 0: allowed is a whole number from 1 to 2147483"), "{found:?}");
}

#[test]
fn what_the_java_agent_noticed_only_for_each_record_is_refused_at_the_start() {
    let log = |more: &str| problems(&format!(r#"[{{"optionName": "LOGTOJSON", {more}}}]"#)).join("\n");
    assert!(log(r#""matchPattern": "(a)", "customFieldNames": ["x"]"#).contains("logFormat is missing"));
    assert!(log(r#""logFormat": "NCSA""#).contains("allowed are COMMONAPACHELOG, COMBINEDAPACHELOG"));
    assert!(log(r#""logFormat": "SYSLOG", "matchPattern": "(a""#).contains("not a regular expression"));
    assert!(log(r#""logFormat": "SYSLOG", "matchPattern": "(a)""#).contains("a name for each of its groups"));
    let counts = r#""logFormat": "SYSLOG", "matchPattern": "(a)(b)", "customFieldNames": ["x"]"#;
    assert!(log(counts).contains("2 group(s) for 1 name(s)"));
    assert!(log(r#""logFormat": "SYSLOG", "customFieldNames": ["x"]"#).contains("allowed are 5 names"));
    assert!(log(r#""logFormat": "SYSLOG", "onParseError": "skip""#).contains("allowed are drop, raw, deadletter"));
    assert!(problems(r#"[{"optionName": "CSVTOJSON"}]"#)[0].contains("customFieldNames is missing"));
    let quoted_bar = r#"[{"optionName": "CSVTOJSON", "customFieldNames": ["a"], "delimiter": "|", "csvQuoting": true}]"#;
    assert!(problems(quoted_bar)[0].contains("must not match the empty text"));
}

#[test]
fn addec2metadata_needs_no_log_format() {
    for option in [r#"[{"optionName": "ADDEC2METADATA"}]"#, r#"[{"optionName": "ADDEC2METADATA", "logFormat": "SYSLOG"}]"#] {
        let settings = parse(option).unwrap();
        assert_eq!(settings.flows[0].transform.as_ref().unwrap().ec2_options().next().unwrap().ttl.as_secs(), 3600);
        assert!(settings.warnings.is_empty());
    }
}

#[test]
fn an_unknown_key_of_an_option_is_a_warning_that_names_the_nearest() {
    let settings = parse(r#"[{"optionName": "LOGTOJSON", "logFormat": "SYSLOG", "matchPatern": "x"}]"#).unwrap();
    let expected = "flows[0].dataProcessingOptions[0].matchPatern is not a known key; did you mean matchPattern?";
    assert_eq!(settings.warnings, [expected]);
}
