//! Takes secrets out of what leaves the machine. Pure.
//!
//! Two passes. Values of keys that name a secret are replaced, and remembered; then every remembered value, and
//! whatever looks like a key id, is replaced wherever it stands.

use std::{collections::BTreeSet, sync::LazyLock};

use regex::Regex;
use serde_json::Value;

/// What stands in a secret's place.
pub(crate) const REDACTED: &str = "[removed]";

/// Parts of key names whose values are secret, in lower case.
const SECRET_PARTS: [&str; 9] =
    ["secret", "token", "password", "passwd", "accesskey", "access_key", "credential", "externalid", "authorization"];

/// A secret shorter than this is replaced at its key only: it would match by chance everywhere.
const SHORTEST: usize = 6;

static KEY_ID: LazyLock<Regex> = LazyLock::new(|| regex(r"\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{12,}\b"));
static USER_INFO: LazyLock<Regex> = LazyLock::new(|| regex(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)[^/\s@]+@"));
static ASSIGNMENT: LazyLock<Regex> = LazyLock::new(|| {
    let parts = SECRET_PARTS.join("|");
    regex(&format!(r#"(?i)(?P<key>[\w.-]*(?:{parts})[\w.-]*["']?\s*[:=]\s*["']?(?:bearer\s+)?)(?P<value>[^\s"',}}\]]+)"#))
});

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the patterns are constants, compiled by the tests")
}

/// Whether values under this key are secret.
pub(crate) fn is_secret(key: &str) -> bool {
    let key = key.to_lowercase();
    SECRET_PARTS.iter().any(|part| key.contains(part))
}

/// Removes secrets from texts. Knows those it was shown.
#[derive(Debug, Default)]
pub(crate) struct Redactor {
    known: BTreeSet<String>,
}

impl Redactor {
    /// Remembers a secret.
    pub(crate) fn learn(&mut self, secret: &str) {
        if secret.len() >= SHORTEST {
            self.known.insert(secret.to_owned());
        }
    }

    /// Replaces the values of secret keys in JSON, and remembers them.
    pub(crate) fn json(&mut self, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    if is_secret(key) && !value.is_null() {
                        self.learn_all(value);
                        *value = REDACTED.into();
                    } else {
                        self.json(value);
                    }
                }
            }
            Value::Array(values) => values.iter_mut().for_each(|value| self.json(value)),
            Value::String(text) => *text = self.text(text),
            _ => {}
        }
    }

    /// The text without secrets.
    pub(crate) fn text(&self, text: &str) -> String {
        // Long ones first: one secret may be a part of another.
        let mut known: Vec<&String> = self.known.iter().collect();
        known.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        let text = known.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), REDACTED));
        let text = USER_INFO.replace_all(&text, format!("${{scheme}}{REDACTED}@"));
        let text = ASSIGNMENT.replace_all(&text, format!("${{key}}{REDACTED}"));
        KEY_ID.replace_all(&text, REDACTED).into_owned()
    }

    fn learn_all(&mut self, value: &Value) {
        match value {
            Value::Object(fields) => fields.values().for_each(|value| self.learn_all(value)),
            Value::Array(values) => values.iter().for_each(|value| self.learn_all(value)),
            Value::String(text) => self.learn(text),
            other => self.learn(&other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_of_secret_keys_go_and_are_known_from_then_on() {
        let mut redactor = Redactor::default();
        let mut settings = json!({"awsAccessKeyId": "AKIAIOSFODNN7EXAMPLE", "awsSecretAccessKey": "wJalrXUtnFEMI/K7MDENG",
            "flows": [{"assumeRoleExternalId": "shibboleth", "kinesisStream": "s", "Password": 12345678}]});
        redactor.json(&mut settings);
        let text = settings.to_string();
        for secret in ["AKIA", "wJalr", "shibboleth", "12345678"] {
            assert!(!text.contains(secret), "{text}");
        }
        assert_eq!(settings["flows"][0]["kinesisStream"], "s");
        assert_eq!(redactor.text("cannot sign with wJalrXUtnFEMI/K7MDENG here"), "cannot sign with [removed] here");
    }

    #[test]
    fn what_looks_like_a_secret_goes_although_nobody_named_it() {
        let redactor = Redactor::default();
        assert_eq!(redactor.text("proxy http://user:pa55@proxy:3128/x"), "proxy http://[removed]@proxy:3128/x");
        assert_eq!(redactor.text("key ASIAIOSFODNN7EXAMPLE is expired"), "key [removed] is expired");
        assert_eq!(redactor.text("AWS_SESSION_TOKEN=IQoJb3Jp next"), "AWS_SESSION_TOKEN=[removed] next");
        assert_eq!(redactor.text("Authorization: Bearer abc.def"), "Authorization: Bearer [removed]");
        assert_eq!(redactor.text(r#"{"awsSecretAccessKey": "x/y+z"}"#), r#"{"awsSecretAccessKey": "[removed]"}"#);
        assert_eq!(
            redactor.text("https://kinesis.us-east-1.amazonaws.com/ 3 records"),
            "https://kinesis.us-east-1.amazonaws.com/ 3 records"
        );
    }

    #[test]
    fn a_secret_within_a_secret_leaves_no_rest() {
        let mut redactor = Redactor::default();
        redactor.learn("secret");
        redactor.learn("secret-and-more");
        assert_eq!(redactor.text("a secret-and-more b"), "a [removed] b");
    }
}
