//! The schema against the reader, and the shipped files against the schema.

use std::path::Path;

use serde_json::{Value, json};

use super::{
    super::{Settings, keys, keys::Use, object_of},
    rows::{self, Kind, Row},
    schema,
};

/// Keys whose form stands elsewhere.
const NESTED: [&str; 2] = ["flows", "dataProcessingOptions"];

#[test]
fn every_key_that_is_read_is_described() {
    for (table, rows) in [(keys::AGENT, rows::AGENT), (keys::FLOW, rows::FLOW)] {
        let is_missing = |key: &str| !NESTED.contains(&key) && !rows.iter().any(|row| row.key == key);
        let missing: Vec<_> = table.iter().filter(|(key, use_)| *use_ == Use::Read && is_missing(key)).collect();
        assert!(missing.is_empty(), "write a row in settings/schema/rows.rs for each of {missing:?}");
    }
}

#[test]
fn every_key_of_the_tables_is_a_property_and_no_other() {
    let schema = schema();
    let flow = &schema["properties"]["flows"]["items"]["properties"];
    for (table, properties) in [(keys::AGENT, &schema["properties"]), (keys::FLOW, flow)] {
        let mut expected: Vec<&str> = table.iter().map(|(key, _)| *key).collect();
        let mut found: Vec<&str> = properties.as_object().unwrap().keys().map(String::as_str).collect();
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, expected);
    }
}

/// What the reader says about a value.
fn read(row: &Row, value: Value, is_flow: bool) -> Result<(), String> {
    let mut flow = json!({"filePattern": "/l/a", "kinesisStream": "s"});
    let mut agent = json!({});
    if is_flow {
        flow[row.key] = value
    } else {
        agent[row.key] = value
    }
    agent["flows"] = json!([flow]);
    Settings::parse(agent.to_string().as_bytes(), Path::new("test")).map(drop).map_err(|error| error.to_string())
}

#[test]
fn the_reader_has_the_ranges_and_the_words_of_the_schema() {
    let tables = [(keys::AGENT, rows::AGENT, false), (keys::FLOW, rows::FLOW, true)];
    for (table, rows, is_flow) in tables {
        let is_read = |row: &&Row| table.contains(&(row.key, Use::Read));
        for row in rows.iter().filter(is_read) {
            let refused = read(row, json!("no such value"), is_flow);
            match row.kind {
                Kind::Integer(least, most) if row.key != "compressionLevel" => {
                    let range = format!("from {least} to {most}");
                    assert!(refused.clone().is_err_and(|reason| reason.contains(&range)), "{}: {refused:?}", row.key);
                }
                Kind::Choice(words) => {
                    assert!(refused.is_err(), "{}", row.key);
                    for word in words {
                        let taken = read(row, json!(word), is_flow);
                        assert!(taken.is_ok(), "{}: {taken:?}", row.key);
                    }
                }
                Kind::Values(values) => {
                    assert!(refused.is_err(), "{}", row.key);
                    for value in values {
                        let taken = read(row, serde_json::from_str(value).unwrap(), is_flow);
                        assert!(taken.is_ok(), "{}: {taken:?}", row.key);
                    }
                }
                Kind::Boolean => assert!(refused.is_err_and(|reason| reason.contains("true and false")), "{}", row.key),
                Kind::Integer(..) | Kind::Text | Kind::Secret | Kind::Texts | Kind::Object => {}
            }
            if !row.default.is_empty() {
                let default = serde_json::from_str(row.default).unwrap();
                let taken = read(row, default, is_flow);
                assert!(taken.is_ok(), "the default of {}: {taken:?}", row.key);
            }
        }
    }
}

/// The part of JSON Schema that [`schema`] uses.
fn check(schema: &Value, value: &Value, place: &str) -> Result<(), String> {
    let is_type = |name: &Value| match name.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        _ => panic!("{name} is no type"),
    };
    let type_fits = match &schema["type"] {
        Value::Null => true,
        Value::Array(names) => names.iter().any(is_type),
        name => is_type(name),
    };
    let number = |key: &str| schema[key].as_i64().zip(value.as_i64());
    let is_in_range = number("minimum").is_none_or(|(least, value)| value >= least)
        && number("maximum").is_none_or(|(most, value)| value <= most);
    let pattern = schema["pattern"].as_str().zip(value.as_str());
    let matches = pattern.is_none_or(|(pattern, text)| regex::Regex::new(pattern).unwrap().is_match(text));
    let is_listed = schema["enum"].as_array().is_none_or(|words| words.contains(value));
    let is_constant = schema["const"].is_null() || schema["const"] == *value;
    if !(type_fits && is_in_range && matches && is_listed && is_constant) {
        return Err(format!("{place} is {value}: {schema}"));
    }
    for key in schema["required"].as_array().into_iter().flatten() {
        value.get(key.as_str().unwrap()).ok_or(format!("{place} has no {key}"))?;
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let outcomes: Vec<_> = choices.iter().map(|choice| check(choice, value, place)).collect();
        if outcomes.iter().all(Result::is_err) {
            return Err(outcomes.into_iter().filter_map(Result::err).collect::<Vec<_>>().join(" or "));
        }
    }
    for (key, property) in schema["properties"].as_object().into_iter().flatten() {
        value.get(key).map_or(Ok(()), |value| check(property, value, &format!("{place}.{key}")))?;
    }
    let items = value.as_array().filter(|_| schema["items"].is_object());
    items.into_iter().flatten().try_for_each(|item| check(&schema["items"], item, &format!("{place}[]")))
}

fn check_text(text: &str) -> Result<(), String> {
    check(&schema(), &Value::Object(object_of(text.as_bytes()).unwrap()), "")
}

#[test]
fn the_shipped_and_the_tutorial_s_file_fit() {
    check_text(include_str!("../../../../config/agent.json")).unwrap();
    check_text(
        r#"{"cloudwatch.emitMetrics": true, "kinesis.endpoint": "https://kinesis.us-east-1.amazonaws.com",
            "firehose.endpoint": "", "flows": [{"filePattern": "/var/log/apache2/access.log",
            "kinesisStream": "web-access-log", "partitionKeyOption": "RANDOM"}]}"#,
    )
    .unwrap();
    let flow = r#""filePattern": "/l/a", "kinesisStream": "s""#;
    check_text(&format!(
        r#"{{"cloudwatch.emitMetrics": "Yes", "flows": [{{{flow}, "maxBufferSizeRecords": "0x10",
            "dataProcessingOptions": [{{"optionName": "SINGLELINE"}}]}}]}}"#
    ))
    .unwrap();
}

#[test]
fn what_the_reader_refuses_does_not_fit() {
    let refused = |more: &str| {
        let text = format!(r#"{{"flows": [{{"filePattern": "/l/a", "kinesisStream": "s"{more}}}]}}"#);
        assert!(check_text(&text).is_err() && Settings::parse(text.as_bytes(), Path::new("test")).is_err(), "{more}");
    };
    refused(r#", "maxBufferSizeRecords": 501"#);
    refused(r#", "partitionKeyOption": "random""#);
    refused(r#", "maxBufferAgeMillis": "soon""#);
    refused(r#", "dataProcessingOptions": [{"optionName": "UPPERCASE"}]"#);
    assert!(check_text(r#"{"flows": [{"kinesisStream": "s"}]}"#).is_err());
    assert!(check_text(r#"{"flows": [{"filePattern": "/l/a"}]}"#).is_err());
    assert!(check_text(r#"{"flows": {}}"#).is_err());
}
