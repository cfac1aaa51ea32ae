//! What nobody behind this agent must see: taken out of a line before anything else is done with it.
//!
//! Pure logic. Privacy comes first, before converters, batches, retries and dead letters, so that whatever happens to
//! a line later, no copy of it holds more than was allowed out of the log file. It works on JSON objects ([`json`]),
//! Apache's `\xHH` included, and on lines in the common and combined log formats ([`text`]).
//!
//! A line that is neither cannot be treated, and is not sent: nobody knows what is in it. A line without content may
//! go, because there is nothing in it. What is masked is unreadable for ever; what is hashed can still be told apart
//! and counted, and be guessed by whoever has the key.

mod address;
mod hash;
mod json;
mod query;
#[cfg(test)]
mod tests;
mod text;

use std::borrow::Cow;

pub(crate) use self::{
    address::MaskLevel,
    hash::{HashKey, Hasher},
    query::Query,
};

/// What stands in the place of something that must not be seen.
const NOTHING: &str = "-";

/// The privacy of one flow.
#[derive(Debug, Default)]
pub(crate) struct Privacy {
    /// How much of an address is hidden.
    pub(crate) mask: Option<MaskLevel>,
    /// Fields of JSON lines that hold addresses. In text lines the client's is where it always is.
    pub(crate) address_fields: Vec<String>,
    /// How values are hashed.
    pub(crate) hash: Option<HashKey>,
    /// Fields that are hashed.
    pub(crate) hash_fields: Vec<String>,
    /// Fields that are not sent.
    pub(crate) drop_fields: Vec<String>,
    /// When there are any, no other field of the outermost object is sent.
    pub(crate) keep_fields: Option<Vec<String>>,
    /// Which parameters of queries are not sent.
    pub(crate) query: Option<Query>,
    /// Fields of JSON lines that hold a path, a URL or a request line.
    pub(crate) query_fields: Vec<String>,
    /// What happens to a line that cannot be treated.
    pub(crate) on_error: OnPrivacyError,
    /// Whether a dead letter may hold what privacy was not applied to.
    pub(crate) keeps_content: bool,
}

/// What happens to a line that cannot be treated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum OnPrivacyError {
    /// It is counted and not sent.
    #[default]
    Drop,
    /// Its place goes to the dead-letter file.
    DeadLetter,
}

/// The line is in no format that privacy knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unreadable;

/// Privacy at one time: a hash's key may change with it.
pub(crate) struct PrivacyNow<'a> {
    privacy: &'a Privacy,
    hasher: Option<Hasher>,
}

/// A line as it may be seen.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen<'l> {
    /// Its bytes.
    pub(crate) line: Cow<'l, [u8]>,
    /// Values are to be masked or hashed, and no field of the line is named for it: perhaps a name is misspelt.
    pub(crate) is_unnamed: bool,
}

/// What is done to a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Treatment {
    is_address: bool,
    is_hashed: bool,
    has_query: bool,
}

impl Privacy {
    /// For records that are read at this time, in milliseconds since the Unix epoch.
    pub(crate) fn at(&self, now_ms: i64) -> PrivacyNow<'_> {
        PrivacyNow { privacy: self, hasher: self.hash.as_ref().map(|hash| hash.at(now_ms)) }
    }

    /// What is done to the field of this name.
    fn treatment(&self, name: &str) -> Treatment {
        let is_in = |names: &[String]| names.iter().any(|known| known == name);
        Treatment {
            is_address: self.mask.is_some() && is_in(&self.address_fields),
            is_hashed: self.hash.is_some() && is_in(&self.hash_fields),
            has_query: self.query.is_some() && is_in(&self.query_fields),
        }
    }

    fn drops(&self, name: &str, is_outermost: bool) -> bool {
        let is_in = |names: &[String]| names.iter().any(|known| known == name);
        is_in(&self.drop_fields) || (is_outermost && self.keep_fields.as_deref().is_some_and(|kept| !is_in(kept)))
    }
}

impl PrivacyNow<'_> {
    /// The line as it may be seen.
    ///
    /// # Errors
    /// When it cannot be read; then nothing of it may be used.
    pub(crate) fn apply<'l>(&self, line: &'l [u8]) -> Result<Seen<'l>, Unreadable> {
        let (line, is_unnamed) = match line.iter().find(|byte| !byte.is_ascii_whitespace()) {
            None => (Cow::Borrowed(line), false),
            Some(b'{') => {
                let (line, has_named) = json::apply(self, line)?;
                let names_fields = self.privacy.mask.is_some() || self.privacy.hash.is_some();
                (Cow::Owned(line), names_fields && !has_named)
            }
            Some(_) => (Cow::Owned(text::apply(self, line)?), false),
        };
        Ok(Seen { line, is_unnamed })
    }

    /// A value as it may be seen; nothing when it is already.
    fn treated(&self, treatment: Treatment, value: &str) -> Option<String> {
        let mut seen = Cow::Borrowed(value);
        if let Some(query) = self.privacy.query.as_ref().filter(|_| treatment.has_query)
            && let Some(scrubbed) = query.scrub(&seen)
        {
            seen = Cow::Owned(scrubbed);
        }
        if let Some(level) = self.privacy.mask.filter(|_| treatment.is_address) {
            seen = Cow::Owned(address::mask(&seen, level));
        }
        if let Some(hasher) = self.hasher.as_ref().filter(|_| treatment.is_hashed && !is_nothing(&seen)) {
            seen = Cow::Owned(hasher.hash(&address::canonical(&seen)));
        }
        (seen != value).then(|| seen.into_owned())
    }
}

fn is_nothing(value: &str) -> bool {
    value.is_empty() || value == NOTHING
}
