//! Which partition key a record gets: random, its digest, a constant, a field of it, or a part of its text.
//!
//! Pure logic. A record that has no such field or part gets a random key and is counted: it must arrive all the same.

use std::{fmt, sync::Arc};

use crate::{
    record::PartitionKey,
    settings::PartitionKeyOption,
    transform::{Pattern, json_scan},
};

/// Characters a key may have. Source: the Kinesis API reference, PutRecords.
const MAX_CHARACTERS: usize = 256;

/// How the keys of a flow are made. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) enum KeyRule {
    /// As `partitionKeyOption` says.
    Option(PartitionKeyOption),
    /// The same for all records.
    Constant(PartitionKey),
    /// The value of a field of a JSON record.
    Field(Arc<str>),
    /// What the pattern's one group matches in the record.
    Pattern(Arc<Pattern>),
}

impl KeyRule {
    /// `text` has 1 to 256 characters.
    pub(crate) fn constant(text: &str) -> Self {
        Self::Constant(PartitionKey::Text(Arc::from(text)))
    }

    /// By a field of the outermost object.
    pub(crate) fn field(name: &str) -> Self {
        Self::Field(Arc::from(name))
    }

    /// By a pattern with one group.
    pub(crate) fn pattern(pattern: Pattern) -> Self {
        Self::Pattern(Arc::new(pattern))
    }

    /// Bytes of the longest key it makes.
    pub(crate) fn max_bytes(&self) -> usize {
        match self {
            Self::Option(PartitionKeyOption::None) => 0,
            Self::Option(PartitionKeyOption::Random) => PartitionKey::Random(u32::MAX).len(),
            Self::Option(PartitionKeyOption::Deterministic) => PartitionKey::Md5([0; 16]).len(),
            Self::Constant(key) => key.len(),
            // A character has up to four bytes.
            Self::Field(_) | Self::Pattern(_) => 4 * MAX_CHARACTERS,
        }
    }

    /// The key of a record; `missing` counts those that have none of their own.
    pub(crate) fn key(&self, data: &[u8], missing: &mut u64) -> PartitionKey {
        let text = match self {
            Self::Option(option) => return PartitionKey::of(data, *option),
            Self::Constant(key) => return key.clone(),
            Self::Field(name) => json_scan::text_of(data, name).as_deref().and_then(key_of),
            Self::Pattern(pattern) => pattern.first_group(&String::from_utf8_lossy(data)).and_then(key_of),
        };
        text.unwrap_or_else(|| {
            *missing += 1;
            PartitionKey::of(data, PartitionKeyOption::Random)
        })
    }
}

/// For people.
impl fmt::Display for KeyRule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option(PartitionKeyOption::None) => out.write_str("none"),
            Self::Option(PartitionKeyOption::Random) => out.write_str("random"),
            Self::Option(PartitionKeyOption::Deterministic) => out.write_str("the MD5 of the record"),
            Self::Constant(key) => write!(out, "always {key}"),
            Self::Field(name) => write!(out, "the field {name}"),
            Self::Pattern(_) => out.write_str("what a pattern finds"),
        }
    }
}

/// The text as a key, cut to what a key may have; an empty text is none.
fn key_of(text: &str) -> Option<PartitionKey> {
    let end = text.char_indices().nth(MAX_CHARACTERS).map_or(text.len(), |(end, _)| end);
    (end > 0).then(|| PartitionKey::Text(Arc::from(&text[..end])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(rule: &KeyRule, data: &str) -> Option<String> {
        let mut missing = 0;
        let key = rule.key(data.as_bytes(), &mut missing);
        assert_eq!(missing == 0, matches!(key, PartitionKey::Text(_)), "a random key is counted");
        (missing == 0).then(|| key.to_string())
    }

    #[test]
    fn a_field_of_the_record_is_its_key() {
        let rule = KeyRule::field("client");
        assert_eq!(text(&rule, "{\"a\": {\"client\": \"no\"}, \"client\": \"1.2.3.4\"}\n").as_deref(), Some("1.2.3.4"));
        assert_eq!(text(&rule, r#"{"client":"caf\u00e9 \"x\""}"#).as_deref(), Some("café \"x\""));
        assert_eq!(text(&rule, r#"{"client":"caf\xc3\xa9"}"#).as_deref(), Some("café"), "Apache's form");
        assert_eq!(text(&rule, r#"{"client": 17}"#).as_deref(), Some("17"));
    }

    #[test]
    fn a_record_without_the_field_gets_a_random_key() {
        let rule = KeyRule::field("client");
        for data in
            [r#"{"x":"client"}"#, r#"{"client":null}"#, r#"{"client":""}"#, r#"{"client":{}}"#, "client", "{\"client\": \"a"]
        {
            assert_eq!(text(&rule, data), None, "{data}");
        }
    }

    #[test]
    fn the_one_group_of_a_pattern_is_the_key() {
        let rule = KeyRule::pattern(Pattern::part(r"id=(\w+)").unwrap());
        assert_eq!(text(&rule, "x id=7 y\n").as_deref(), Some("7"));
        assert_eq!(text(&rule, "x\n"), None);
    }

    #[test]
    fn a_key_has_at_most_256_characters() {
        let long = "é".repeat(300);
        let key = text(&KeyRule::field("k"), &format!("{{\"k\":\"{long}\"}}")).unwrap();
        assert_eq!((key.chars().count(), key.len()), (256, 512));
        assert!(key.len() <= KeyRule::field("k").max_bytes());
    }
}
