//! Types of columns, from the values of a sample.
//!
//! A number in quotes is a number, as the service had it: agents write `"status":"200"`. Text gets the next power of two
//! above its longest value, four at least. A fraction is a DOUBLE; the service's REAL has seven digits.

use arrow::array::{Array, ArrayRef, AsArray};

use crate::decode;
use crate::sql::SqlType;

/// The most characters of a VARCHAR.
pub(super) const LONGEST: u32 = 65_535;
/// The length of text of which there is no example.
const UNKNOWN_LENGTH: u32 = 256;
const SHORTEST: u32 = 4;

/// What a column seems to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Guess {
    pub(super) sql_type: SqlType,
    pub(super) note: Option<&'static str>,
}

/// The narrowest type that takes every value as it is.
pub(super) fn of_texts(texts: &ArrayRef) -> Guess {
    let values = || texts.as_string_view().iter().flatten();
    let guess = |sql_type, note| Guess { sql_type, note };
    if values().next().is_none() {
        return guess(SqlType::Varchar(UNKNOWN_LENGTH), Some("no value in the sample"));
    }
    let fits = |sql_type| decode::converted(texts, sql_type).null_count() == texts.null_count();
    if values().all(|text| text == "true" || text == "false") {
        return guess(SqlType::Boolean, None);
    }
    if values().all(is_whole) {
        let sql_type = [SqlType::Integer, SqlType::BigInt].into_iter().find(|sql_type| fits(*sql_type));
        if let Some(sql_type) = sql_type {
            return guess(sql_type, None);
        }
        return guess(varchar(values()), Some("more digits than BIGINT has"));
    }
    if values().all(is_number) {
        return guess(SqlType::Double, None);
    }
    if values().all(begins_as_date) && fits(SqlType::Timestamp) {
        return guess(SqlType::Timestamp, None);
    }
    let is_time = values().all(|text| text.starts_with('[')) && fits(SqlType::Timestamp);
    guess(varchar(values()), is_time.then_some("TIMESTAMP reads this too"))
}

fn varchar<'a>(values: impl Iterator<Item = &'a str>) -> SqlType {
    let longest = values.map(|text| text.chars().count()).max().unwrap_or(0);
    let length = u32::try_from(longest.next_power_of_two()).unwrap_or(LONGEST);
    SqlType::Varchar(length.clamp(SHORTEST, LONGEST))
}

/// Digits of a whole number. One with zeros in front is text: they would be lost.
fn is_whole(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0')) && !digits.is_empty()
}

/// A number as JSON writes it, of a size that a DOUBLE has.
fn is_number(text: &str) -> bool {
    let whole = text.split(['.', 'e', 'E']).next().unwrap_or_default();
    let has_digits = |text: &str| text.ends_with(|last: char| last.is_ascii_digit());
    is_whole(whole) && has_digits(text) && !text.contains(".e") && !text.contains(".E") && text.parse().is_ok_and(f64::is_finite)
}

fn begins_as_date(text: &str) -> bool {
    let shape = |(index, byte): (usize, u8)| if index == 4 || index == 7 { byte == b'-' } else { byte.is_ascii_digit() };
    text.len() >= 10 && text.bytes().take(10).enumerate().all(shape)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::StringViewArray;

    use super::*;

    fn typed(values: &[&str]) -> String {
        let texts = values.iter().map(|text| Some(*text).filter(|text| *text != "NULL"));
        of_texts(&(Arc::new(texts.collect::<StringViewArray>()) as ArrayRef)).sql_type.to_string()
    }

    #[test]
    fn a_type_takes_every_value_as_it_is() {
        assert_eq!(typed(&["200", "NULL", "-1", "0"]), "INTEGER");
        assert_eq!(typed(&["200", "2147483648"]), "BIGINT");
        assert_eq!(typed(&["9223372036854775808"]), "VARCHAR(32)");
        assert_eq!(typed(&["1", "0.5", "-2e9"]), "DOUBLE");
        assert_eq!(typed(&["true", "false"]), "BOOLEAN");
        assert_eq!(typed(&["true", "1"]), "VARCHAR(4)");
        assert_eq!(typed(&["007"]), "VARCHAR(4)");
        for text in ["1e999", "NaN", "inf", "+1", ".5", "1.", "1.e5", "", " 1", "0x10", "--1", "1-"] {
            assert!(typed(&[text]).starts_with("VARCHAR"), "{text}: {}", typed(&[text]));
        }
    }

    #[test]
    fn text_gets_the_next_power_of_two_of_its_characters() {
        let lengths = [2, 4, 5, 35, 64, 65, 40_000, 70_000];
        let sizes = lengths.map(|length| typed(&["é".repeat(length).as_str()]));
        let expected = [4, 4, 8, 64, 64, 128, 65_535, 65_535].map(|size| format!("VARCHAR({size})"));
        assert_eq!(sizes, expected);
        assert_eq!(typed(&["NULL"]), "VARCHAR(256)");
    }

    #[test]
    fn times_of_the_iso_form_are_timestamps_and_apaches_stay_text() {
        assert_eq!(
            typed(&["1992-02-14", "1992-02-14 18:35:44.0", "2026-11-21T02:08:50Z", "2026-11-21T02:08:50+01:00"]),
            "TIMESTAMP"
        );
        assert_eq!(typed(&["1992-02-14", "1992-02-31"]), "VARCHAR(16)");
        assert_eq!(typed(&["[21/Nov/2026:02:08:50 +0000]"]), "VARCHAR(32)");
    }
}
