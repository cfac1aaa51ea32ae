//! `ADDEC2METADATA`: what is known of the instance, added to each JSON object.
//!
//! Pure, but for the cell: whoever asks the metadata service fills it, now and then, and this reads it. The lock is held
//! for reading only while a record is written, and for writing once in `metadataTTL`.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use serde_json::{Map, Value};

use super::json::{self, JsonFormat};

/// What is known of the instance, in the order it is written.
pub(crate) type Facts = Vec<(String, Value)>;

/// Facts that change behind the converter's back; nothing until they are known.
#[derive(Clone, Default)]
pub(crate) struct FactsCell(Arc<RwLock<Option<Facts>>>);

impl FactsCell {
    /// Replaces what is known.
    pub(crate) fn set(&self, facts: Facts) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(facts);
    }

    /// Whether anything is known.
    pub(crate) fn is_set(&self) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

impl fmt::Debug for FactsCell {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("FactsCell(..)")
    }
}

/// Adds the facts.
#[derive(Debug)]
pub(crate) struct AddEc2Metadata {
    /// Where they are.
    pub(crate) facts: FactsCell,
    /// How long they are good for.
    pub(crate) ttl: Duration,
}

impl AddEc2Metadata {
    /// The record's own keys, then the facts; a fact takes the place of a key with its name. A record stays as it is
    /// while nothing is known.
    pub(super) fn convert(&self, data: &[u8]) -> Result<Vec<u8>, &'static str> {
        let facts = self.facts.0.read().unwrap_or_else(PoisonError::into_inner);
        let Some(facts) = facts.as_ref() else { return Ok(data.to_vec()) };
        let text = String::from_utf8_lossy(data);
        let mut object: Map<String, Value> = serde_json::from_str(&text).map_err(|_| "not a JSON object")?;
        for (name, value) in facts {
            object.insert(name.clone(), value.clone());
        }
        let mut out = Vec::with_capacity(data.len() + 512);
        json::write_value(&mut out, &Value::Object(object), JsonFormat::Compact, 0);
        out.push(b'\n');
        Ok(out)
    }
}

/// The facts as the Java agent writes them. `document` is the instance identity document; `tags` is nothing when they
/// could not be read; `timestamp` is when all this was learnt.
pub(crate) fn facts(document: &Value, tags: Option<&[(String, String)]>, timestamp: &str) -> Facts {
    // Our name, the document's.
    const FIELDS: [(&str, &str); 7] = [
        ("privateIp", "privateIp"),
        ("availabilityZone", "availabilityZone"),
        ("instanceId", "instanceId"),
        ("instanceType", "instanceType"),
        ("accountId", "accountId"),
        ("amiId", "imageId"),
        ("region", "region"),
    ];
    let field = |(name, of_document): (&str, &str)| (name.to_owned(), document[of_document].clone());
    let mut facts: Facts = FIELDS.into_iter().map(field).collect();
    facts.push(("metadataTimestamp".to_owned(), Value::from(timestamp)));
    if let Some(tags) = tags {
        let tags: Map<String, Value> =
            tags.iter().map(|(key, value)| (key.to_lowercase(), Value::from(value.as_str()))).collect();
        facts.push(("tags".to_owned(), Value::Object(tags)));
    }
    facts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn converter(tags: Option<&[(String, String)]>) -> AddEc2Metadata {
        let document = json!({"accountId": "123456789012", "architecture": "x86_64", "availabilityZone": "eu-west-1a",
            "imageId": "ami-1", "instanceId": "i-1", "instanceType": "t3.micro", "privateIp": "10.0.0.1", "region": "eu-west-1"});
        let facts_cell = FactsCell::default();
        facts_cell.set(facts(&document, tags, "2026-11-21T12:00:00+0000"));
        AddEc2Metadata { facts: facts_cell, ttl: Duration::from_secs(3600) }
    }

    fn converted(converter: &AddEc2Metadata, line: &str) -> Result<String, &'static str> {
        converter.convert(line.as_bytes()).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    /// Row 43.
    #[test]
    fn the_facts_stand_behind_the_record_s_own_keys() {
        let tags = [("Name".to_owned(), "Web 1".to_owned()), ("TEAM".to_owned(), "a/b".to_owned())];
        let line = "{\"a\" : 1.10, \"big\":12345678901, \"s\":\"x\\u001by\", \"l\":[1, 2.50, null, true], \"e\":1e10}\n";
        assert_eq!(
            converted(&converter(Some(&tags)), line).unwrap(),
            "{\"a\":1.1,\"big\":12345678901,\"s\":\"x\\u001By\",\"l\":[1,2.5,null,true],\"e\":1.0E10,\"privateIp\":\"10.0.0.1\",\
             \"availabilityZone\":\"eu-west-1a\",\"instanceId\":\"i-1\",\"instanceType\":\"t3.micro\",\
             \"accountId\":\"123456789012\",\"amiId\":\"ami-1\",\"region\":\"eu-west-1\",\
             \"metadataTimestamp\":\"2026-11-21T12:00:00+0000\",\"tags\":{\"name\":\"Web 1\",\"team\":\"a/b\"}}\n"
        );
    }

    /// Row 43.
    #[test]
    fn a_key_with_the_name_of_a_fact_is_overwritten_in_its_place() {
        let text = converted(&converter(None), r#"{"region":"home","a":1}"#).unwrap();
        assert!(text.starts_with(r#"{"region":"eu-west-1","a":1,"privateIp":"10.0.0.1","#), "{text}");
        assert_eq!(text.matches("region\"").count(), 1);
    }

    /// Row 44.
    #[test]
    fn what_is_no_json_object_is_sent_as_it_is() {
        for line in ["plain text\n", "[1]\n", "\"x\"\n", "\n"] {
            assert!(converted(&converter(None), line).is_err(), "{line}");
        }
    }

    /// Row 45.
    #[test]
    fn nothing_changes_while_nothing_is_known() {
        let empty = AddEc2Metadata { facts: FactsCell::default(), ttl: Duration::from_secs(1) };
        assert_eq!(converted(&empty, "{\"a\" : 1.10}\n").unwrap(), "{\"a\" : 1.10}\n");
        assert_eq!(converted(&empty, "plain text\n").unwrap(), "plain text\n");
    }

    /// Row 46.
    #[test]
    fn without_the_permission_for_tags_everything_else_is_there() {
        let text = converted(&converter(None), "{}").unwrap();
        assert!(text.ends_with("\"metadataTimestamp\":\"2026-11-21T12:00:00+0000\"}\n"), "{text}");
    }
}
