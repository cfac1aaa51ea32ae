//! A row of `photos` as the site uses it, and its place in the order of rows.

use jiff::{Timestamp, civil::DateTime, tz::Offset};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use tracing::warn;

use crate::storage::{Kind, PictureKey};

/// A picture as pages show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) id: i64,
    /// Whose it is.
    pub(crate) username: String,
    /// The name the file had where it came from.
    pub(crate) filename: String,
    pub(crate) uploaded: Timestamp,
    pub(crate) storage: Kind,
    pub(crate) key: PictureKey,
    /// All its files together; 0 if it is not known.
    pub(crate) size_bytes: i64,
    /// In pixels; 0 if it is not known.
    pub(crate) width: i64,
    /// In pixels; 0 if it is not known.
    pub(crate) height: i64,
    /// What is to be seen, in words; may be empty.
    pub(crate) alt_text: String,
    /// Whether its versions are there as WebP, too. Rows that an older node put into the cache do not say.
    #[serde(default)]
    pub(crate) webp: bool,
}

/// A picture's place: newest first, and within a second by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) uploaded: Timestamp,
    pub(crate) id: i64,
}

/// As the database gives it. `CAST` makes text of a time in both engines.
#[derive(FromRow)]
pub(super) struct Row {
    pub(super) id: i64,
    username: String,
    filename: String,
    uploaded: String,
    storage: String,
    storage_key: String,
    size_bytes: i64,
    width: i64,
    height: i64,
    alt_text: String,
    webp: bool,
}

impl Record {
    /// Where it stands.
    pub(crate) fn cursor(&self) -> Cursor {
        Cursor { uploaded: self.uploaded, id: self.id }
    }
}

impl Cursor {
    /// As it stands in an address: seconds since 1970, a dot, the id.
    pub(crate) fn to_text(self) -> String {
        format!("{}.{}", self.uploaded.as_second(), self.id)
    }

    /// Reads what [`Cursor::to_text`] writes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (second, id) = text.split_once('.')?;
        Some(Self { uploaded: Timestamp::from_second(second.parse().ok()?).ok()?, id: id.parse().ok()? })
    }
}

impl Row {
    /// None for a row nobody here wrote; it is logged, and the page shows the others.
    pub(super) fn into_record(self) -> Option<Record> {
        let (Ok(uploaded), Some(key), Some(storage)) =
            (utc(&self.uploaded), PictureKey::parse(&self.storage_key), Kind::parse(&self.storage))
        else {
            warn!(id = self.id, "record left out: its timeline is no time, or its key or storage not one of ours");
            return None;
        };
        Some(Record {
            id: self.id,
            username: self.username,
            filename: self.filename,
            uploaded,
            storage,
            key,
            size_bytes: self.size_bytes,
            width: self.width,
            height: self.height,
            alt_text: self.alt_text,
            webp: self.webp,
        })
    }
}

/// A time as both engines write it: UTC, `YYYY-MM-DD HH:MM:SS`.
pub(super) fn sql_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Reads what [`sql_time`] writes.
pub(super) fn utc(timeline: &str) -> Result<Timestamp, jiff::Error> {
    Offset::UTC.to_timestamp(timeline.parse::<DateTime>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_in_the_database() {
        let time = utc("2026-11-21 02:08:50").unwrap();
        assert_eq!(time.to_string(), "2026-11-21T02:08:50Z");
        assert_eq!(sql_time(time), "2026-11-21 02:08:50");
        assert!(utc("yesterday").is_err());
    }

    #[test]
    fn a_place_reads_back_from_an_address() {
        let place = Cursor { uploaded: utc("2026-11-21 02:08:50").unwrap(), id: 17 };
        assert_eq!(Cursor::parse(&place.to_text()), Some(place));
        for text in ["", ".", "1", "x.1", "1.x", "1.1.1", "99999999999999999.1"] {
            assert_eq!(Cursor::parse(text), None, "{text}");
        }
    }
}
