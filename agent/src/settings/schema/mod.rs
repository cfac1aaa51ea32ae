//! The JSON Schema of `agent.json`, for editors and for checks before a deployment.
//!
//! Its keys are those of the tables the reader works with ([`super::keys`]); what each may hold is in [`rows`], and tests
//! compare that with what the reader says. Like the reader it takes quoted numbers, Java's spellings of truth values and
//! keys it does not know.

mod rows;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

use self::rows::{Kind, Row};
use super::{
    keys::{self, Use},
    options,
};

/// The schema, draft 2020-12.
pub(crate) fn schema() -> Value {
    let mut agent = properties(keys::AGENT, rows::AGENT);
    let mut flow = properties(keys::FLOW, rows::FLOW);
    flow.insert("dataProcessingOptions".to_owned(), converters());
    let targets = json!([{"required": ["kinesisStream"]}, {"required": ["deliveryStream"]}]);
    let flow = json!({"type": "object", "required": ["filePattern"], "anyOf": targets, "properties": flow});
    let flows = "What is shipped: files to a stream. More of them may be in agent.d beside this file.";
    agent.insert("flows".to_owned(), json!({"description": flows, "type": "array", "items": flow}));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "agent.json of the weir agent and of the Java Amazon Kinesis Agent",
        "description": "Comments with // and /* */ are allowed. An unknown key is a warning.",
        "type": "object",
        "properties": agent,
    })
}

/// One property for each key of a table.
fn properties(table: &[(&str, Use)], rows: &[Row]) -> Map<String, Value> {
    let property = |(key, use_): &(&str, Use)| {
        let row = rows.iter().find(|row| row.key == *key);
        let value = match use_ {
            Use::WithoutEffect => json!({"description": "A key of the Java agent; it has no effect here.", "deprecated": true}),
            Use::Read => row.map_or_else(|| json!({}), describe),
        };
        ((*key).to_owned(), value)
    };
    table.iter().map(property).collect()
}

fn describe(row: &Row) -> Value {
    let mut value = match row.kind {
        Kind::Text => json!({"type": ["string", "number", "boolean", "null"]}),
        Kind::Secret => json!({"type": ["string", "null"], "writeOnly": true}),
        Kind::Integer(least, most) => json!({"anyOf": [
            {"type": "integer", "minimum": least, "maximum": most},
            {"type": "string", "pattern": "^[+-]?(0[xX]|#)?[0-9a-fA-F]+$"},
            {"type": "null"},
        ]}),
        Kind::Boolean => json!({"anyOf": [
            {"type": "boolean"},
            {"enum": [0, 1, null]},
            {"type": "string", "pattern": "^([tT]([rR][uU][eE])?|[yY]([eE][sS])?|1|[fF]([aA][lL][sS][eE])?|[nN][oO]?|0)$"},
        ]}),
        Kind::Choice(words) => json!({"enum": words.iter().map(|word| json!(word)).chain([Value::Null]).collect::<Vec<_>>()}),
        Kind::Values(values) => {
            let values = values.iter().filter_map(|value| serde_json::from_str::<Value>(value).ok());
            json!({"enum": values.chain([Value::Null]).collect::<Vec<_>>()})
        }
        Kind::Texts => json!({"type": ["array", "null"], "items": {"type": ["string", "number", "boolean"]}}),
        Kind::Object => json!({"type": ["object", "null"]}),
    };
    if let Some(object) = value.as_object_mut() {
        object.insert("description".to_owned(), row.text.into());
        if !row.default.is_empty() {
            object.insert("default".to_owned(), serde_json::from_str(row.default).unwrap_or_else(|_| row.default.into()));
        }
    }
    value
}

/// `dataProcessingOptions`, from the table of the converters.
fn converters() -> Value {
    let one = |(name, keys): &(&str, &[(&str, Use)])| {
        let keys = keys.iter().filter(|(key, _)| *key != "optionName").map(|(key, _)| ((*key).to_owned(), json!({})));
        let mut properties: Map<String, Value> = [("optionName".to_owned(), json!({"const": name}))].into_iter().collect();
        properties.extend(keys);
        json!({"properties": properties})
    };
    let known: Vec<Value> = options::OPTIONS.iter().map(one).collect();
    json!({
        "description": "Converters, applied in this order to each record.",
        "type": ["array", "null"],
        "items": {"type": "object", "required": ["optionName"], "anyOf": known},
    })
}
