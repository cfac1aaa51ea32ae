//! `privacy`: what of a line must not be seen.

use std::{env, fs, sync::Arc, time::Duration};

use serde_json::{Map, Value};

use super::{
    keys::{self, Use, Use::Read},
    options::read_texts,
    problem::Fields,
};
use crate::privacy::{HashKey, MaskLevel, OnPrivacyError, Privacy, Query};

const KEY: &str = "privacy";

/// The keys of the object, all ours.
const KEYS: &[(&str, Use)] = &[
    ("maskAddresses", Read),
    ("addressFields", Read),
    ("hashFields", Read),
    ("hashKeyFile", Read),
    ("hashKeyEnvironment", Read),
    ("hashRotate", Read),
    ("dropFields", Read),
    ("keepFields", Read),
    ("scrubQuery", Read),
    ("queryFields", Read),
    ("onPrivacyError", Read),
    ("deadLetterContent", Read),
];

/// Fields that hold an address unless others are named: the tutorial's log, and what nginx and logstash call theirs.
const ADDRESS_FIELDS: [&str; 4] = ["client_ip", "clientip", "remote_addr", "x_forwarded_for"];

/// Fields that may hold a query unless others are named.
const QUERY_FIELDS: [&str; 5] = ["request", "referer", "referrer", "url", "uri"];

/// A shorter key can be guessed.
const MIN_KEY_BYTES: usize = 16;

/// Reads the object of one flow. What is wrong goes to the problems behind `fields`.
pub(super) fn read(fields: &mut Fields<'_>) -> Option<Arc<Privacy>> {
    let object = match fields.value(KEY)? {
        Value::Object(object) => object,
        _ => {
            fields.problem(KEY, "allowed is an object, such as {\"maskAddresses\": 1}");
            return None;
        }
    };
    let mut fields = fields.nested(object, KEY);
    let policies = [("drop", OnPrivacyError::Drop), ("deadletter", OnPrivacyError::DeadLetter)];
    let privacy = Privacy {
        mask: MaskLevel::of(fields.integer("maskAddresses", 0, 0..=3)),
        address_fields: names(&mut fields, "addressFields").unwrap_or(ADDRESS_FIELDS.map(str::to_owned).to_vec()),
        hash_fields: names(&mut fields, "hashFields").unwrap_or_default(),
        hash: read_hash(&mut fields),
        drop_fields: names(&mut fields, "dropFields").unwrap_or_default(),
        keep_fields: names(&mut fields, "keepFields"),
        query: read_query(&mut fields),
        query_fields: names(&mut fields, "queryFields").unwrap_or(QUERY_FIELDS.map(str::to_owned).to_vec()),
        on_error: fields.choice("onPrivacyError", OnPrivacyError::Drop, &policies),
        keeps_content: fields.boolean("deadLetterContent", false),
    };
    let is_asked = privacy.mask.is_some()
        || privacy.hash.is_some()
        || privacy.query.is_some()
        || privacy.keep_fields.is_some()
        || !privacy.drop_fields.is_empty();
    // An empty object asks for nothing; one that only names fields is probably a mistake, and must not look like safety.
    if !is_asked && !object.is_empty() {
        fields.problem(
            "maskAddresses",
            "nothing is hidden yet: set maskAddresses, hashFields, dropFields, keepFields or scrubQuery",
        );
    }
    is_asked.then(|| Arc::new(privacy))
}

/// One line for each key that the object does not have.
pub(super) fn warnings(flow: &Map<String, Value>, place: &str) -> Vec<String> {
    let object = flow.get(KEY).and_then(Value::as_object);
    object.map(|object| keys::warnings(object, &format!("{place}{KEY}."), KEYS)).unwrap_or_default()
}

fn names(fields: &mut Fields<'_>, key: &str) -> Option<Vec<String>> {
    read_texts(fields, key)
}

fn read_query(fields: &mut Fields<'_>) -> Option<Query> {
    match fields.value("scrubQuery")? {
        Value::Array(names) if !names.is_empty() => {
            Some(Query::Named(names.iter().map(super::problem::plain_text).map(|name| name.to_lowercase()).collect()))
        }
        Value::Array(_) => None,
        Value::Bool(_) | Value::String(_) | Value::Number(_) => fields.boolean("scrubQuery", false).then_some(Query::All),
        _ => {
            fields.problem("scrubQuery", "allowed are true, for all parameters, and an array of their names");
            None
        }
    }
}

fn read_hash(fields: &mut Fields<'_>) -> Option<HashKey> {
    let has_fields = matches!(fields.value("hashFields"), Some(Value::Array(names)) if !names.is_empty());
    let period = fields.text("hashRotate").and_then(|text| match humantime::parse_duration(&text) {
        Ok(period) if period >= Duration::from_secs(60) => Some(period),
        _ => {
            fields.problem("hashRotate", "allowed is a duration of at least a minute, such as 1d");
            None
        }
    });
    let (file, variable) = (fields.text("hashKeyFile"), fields.text("hashKeyEnvironment"));
    let key = match (file, variable) {
        (None, None) if has_fields => {
            let remedy = "hashFields needs a secret: name a file with hashKeyFile, or a variable with hashKeyEnvironment";
            fields.problem("hashKeyFile", remedy);
            return None;
        }
        (None, None) => return None,
        (Some(_), Some(_)) => {
            fields.problem("hashKeyFile", "set this or hashKeyEnvironment, not both");
            return None;
        }
        (Some(path), None) => fs::read(&path).map_err(|error| ("hashKeyFile", format!("cannot read it ({error})"))),
        (None, Some(name)) => {
            env::var(&name).map(String::into_bytes).map_err(|_| ("hashKeyEnvironment", "no such variable is set".to_owned()))
        }
    };
    match key {
        Ok(key) if key.trim_ascii().len() >= MIN_KEY_BYTES => has_fields.then(|| HashKey::new(key.trim_ascii(), period)),
        Ok(_) => {
            let remedy = format!("the secret needs at least {MIN_KEY_BYTES} bytes; `openssl rand -hex 32` makes a good one");
            let key = if fields.value("hashKeyFile").is_some() { "hashKeyFile" } else { "hashKeyEnvironment" };
            fields.problem(key, &remedy);
            None
        }
        Err((key, error)) => {
            fields.problem(key, &error);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::settings::{Settings, SettingsError};

    fn parse(privacy: &str) -> Result<Settings, String> {
        let text = format!(r#"{{"flows": [{{"filePattern": "/l/a.log", "kinesisStream": "s", "privacy": {privacy}}}]}}"#);
        Settings::parse(text.as_bytes(), Path::new("agent.json")).map_err(|error| match error {
            SettingsError::Invalid { problems, .. } => problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
            other => panic!("{other}"),
        })
    }

    fn privacy(text: &str) -> Option<Arc<Privacy>> {
        parse(text).unwrap().flows.remove(0).records.privacy
    }

    #[test]
    fn an_object_that_hides_nothing_is_refused_unless_it_is_empty() {
        assert!(privacy("{}").is_none());
        assert!(
            parse(r#"{"addressFields": ["a"]}"#).unwrap_err().contains("privacy.maskAddresses is missing: nothing is hidden")
        );
        assert!(parse("true").unwrap_err().contains("allowed is an object"));
    }

    #[test]
    fn levels_and_queries_are_read() {
        assert_eq!(privacy(r#"{"maskAddresses": 2}"#).unwrap().mask, Some(MaskLevel::Strong));
        assert!(parse(r#"{"maskAddresses": 4}"#).unwrap_err().contains("from 0 to 3"));
        assert_eq!(privacy(r#"{"scrubQuery": true}"#).unwrap().query, Some(Query::All));
        assert_eq!(privacy(r#"{"scrubQuery": ["Token"]}"#).unwrap().query, Some(Query::Named(vec!["token".to_owned()])));
    }

    #[test]
    fn a_hash_needs_a_good_key_from_a_file_or_a_variable() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let with = |more: &str| parse(&format!(r#"{{"hashFields": ["a"]{more}}}"#));
        let file = format!(r#", "hashKeyFile": "{}""#, path.display());
        assert!(with("").unwrap_err().contains("hashFields needs a secret"));
        assert!(with(&file).unwrap_err().contains("hashKeyFile is \"") && with(&file).unwrap_err().contains("cannot read it"));
        fs::write(&path, "short\n").unwrap();
        assert!(with(&file).unwrap_err().contains("at least 16 bytes"));
        fs::write(&path, "0123456789abcdef\n").unwrap();
        assert!(with(&file).is_ok());
        assert!(with(r#", "hashKeyEnvironment": "WEIR_NO_SUCH_VARIABLE""#).unwrap_err().contains("no such variable is set"));
        assert!(with(&format!(r#"{file}, "hashRotate": "1s""#)).unwrap_err().contains("at least a minute"));
        let shown = format!("{:?}", with(&format!(r#"{file}, "hashRotate": "1d""#)).unwrap().flows[0]);
        assert!(shown.contains("86400s") && !shown.contains("0123456789abcdef"), "{shown}");
    }

    #[test]
    fn an_unknown_key_is_a_warning() {
        let warnings = parse(r#"{"maskAddresses": 1, "addresFields": ["a"]}"#).unwrap().warnings;
        assert_eq!(warnings, ["flows[0].privacy.addresFields is not a known key; did you mean addressFields?"]);
    }
}
