//! Dates and times in the patterns of Java's `SimpleDateFormat`, which the dialect's conversions take.
//!
//! Letters: `y M d H h k K m s S a E D`, text in single quotes, and everything else as it stands. Names are English,
//! times are UTC. Fields that a pattern lacks are 1970, 01 and 00.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// A pattern, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    items: Vec<Item>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    /// A letter and how often it stands.
    Field(char, usize),
    Text(char),
}

impl Pattern {
    /// Takes a pattern apart.
    ///
    /// # Errors
    /// When a letter has no meaning, or a quote is not closed.
    pub(super) fn new(pattern: &str) -> Result<Self, String> {
        let mut items = Vec::new();
        let mut rest = pattern.chars().peekable();
        while let Some(character) = rest.next() {
            match character {
                '\'' if rest.next_if_eq(&'\'').is_some() => items.push(Item::Text('\'')),
                '\'' => quoted(&mut rest, &mut items).ok_or_else(|| format!("a quote in the pattern {pattern} is not closed"))?,
                letter if letter.is_ascii_alphabetic() => {
                    if !"yMdHhkKmsSaED".contains(letter) {
                        return Err(format!("the letter {letter} of the pattern {pattern} is not supported"));
                    }
                    let mut count = 1;
                    while rest.next_if_eq(&letter).is_some() {
                        count += 1;
                    }
                    items.push(Item::Field(letter, count));
                }
                other => items.push(Item::Text(other)),
            }
        }
        Ok(Self { items })
    }

    /// The moment as text.
    pub(super) fn format(&self, ms: i64) -> Option<String> {
        let moment = jiff::Timestamp::from_millisecond(ms).ok()?.to_zoned(TimeZone::UTC).datetime();
        let mut text = String::new();
        for item in &self.items {
            match item {
                Item::Text(character) => text.push(*character),
                Item::Field(letter, count) => text.push_str(&field(*letter, *count, moment)),
            }
        }
        Some(text)
    }

    /// The moment that a text means, in milliseconds since 1970; text behind the pattern is ignored.
    pub(super) fn parse(&self, text: &str) -> Option<i64> {
        let mut read =
            Read { rest: text, year: 1970, month: 1, day: 1, hour: 0, minute: 0, second: 0, ms: 0, is_afternoon: false };
        for (index, item) in self.items.iter().enumerate() {
            match item {
                Item::Text(character) => read.rest = read.rest.strip_prefix(*character)?,
                Item::Field(letter, count) => {
                    // Digits that more digits follow have the width of their letters.
                    let is_fixed = matches!(self.items.get(index + 1), Some(Item::Field(next, _)) if !matches!(next, 'a' | 'E'));
                    read.field(*letter, *count, is_fixed)?;
                }
            }
        }
        read.moment()
    }
}

fn quoted(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, items: &mut Vec<Item>) -> Option<()> {
    loop {
        match rest.next()? {
            '\'' if rest.next_if_eq(&'\'').is_some() => items.push(Item::Text('\'')),
            '\'' => return Some(()),
            other => items.push(Item::Text(other)),
        }
    }
}

fn field(letter: char, count: usize, moment: DateTime) -> String {
    let number = |value: i64| format!("{value:0count$}");
    let hour = i64::from(moment.hour());
    let name = |name: &str| if count > 3 { name.to_owned() } else { name[..3].to_owned() };
    match letter {
        'y' if count == 2 => format!("{:02}", moment.year().rem_euclid(100)),
        'y' => number(i64::from(moment.year())),
        'M' if count > 2 => name(MONTHS[usize::from(moment.month().unsigned_abs()) - 1]),
        'M' => number(i64::from(moment.month())),
        'd' => number(i64::from(moment.day())),
        'D' => number(i64::from(moment.date().day_of_year())),
        'E' => name(WEEKDAYS[usize::from(moment.weekday().to_monday_zero_offset().unsigned_abs())]),
        'H' => number(hour),
        'k' => number(if hour == 0 { 24 } else { hour }),
        'K' => number(hour % 12),
        'h' => number(if hour % 12 == 0 { 12 } else { hour % 12 }),
        'm' => number(i64::from(moment.minute())),
        's' => number(i64::from(moment.second())),
        'S' => number(i64::from(moment.millisecond())),
        _ => if hour < 12 { "AM" } else { "PM" }.to_owned(),
    }
}

/// Fields read so far.
struct Read<'a> {
    rest: &'a str,
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    ms: i64,
    is_afternoon: bool,
}

impl Read<'_> {
    fn field(&mut self, letter: char, count: usize, is_fixed: bool) -> Option<()> {
        match letter {
            'M' if count > 2 => self.month = self.name(&MONTHS)? + 1,
            'E' => _ = self.name(&WEEKDAYS)?,
            'a' => self.is_afternoon = self.name(&["AM ", "PM "])? == 1,
            _ => {
                let value = self.digits(count, is_fixed)?;
                match letter {
                    // Two digits are a year of 1950 to 2049. Java's limits move with the clock; a replay's must not.
                    'y' if count == 2 && value < 100 => self.year = if value < 50 { 2000 + value } else { 1900 + value },
                    'y' => self.year = value,
                    'M' => self.month = value,
                    'd' => self.day = value,
                    'D' => (self.month, self.day) = (0, value),
                    'H' | 'K' => self.hour = value,
                    'k' | 'h' => self.hour = if value == if letter == 'h' { 12 } else { 24 } { 0 } else { value },
                    'm' => self.minute = value,
                    's' => self.second = value,
                    _ => self.ms = value,
                }
            }
        }
        Some(())
    }

    fn digits(&mut self, count: usize, is_fixed: bool) -> Option<i64> {
        let length = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let length = if is_fixed { length.min(count) } else { length };
        let (digits, rest) = self.rest.split_at(length);
        self.rest = rest;
        digits.parse().ok()
    }

    /// The index of a name, whole or its first three letters.
    fn name(&mut self, names: &[&str]) -> Option<i64> {
        let starts = |name: &str| self.rest.get(..name.len()).is_some_and(|text| text.eq_ignore_ascii_case(name));
        let found = names.iter().enumerate().find_map(|(index, name)| {
            let name = name.trim_end();
            let short = name.get(..3).unwrap_or(name);
            [name, short].into_iter().find(|name| starts(name)).map(|name| (index, name.len()))
        });
        let (index, length) = found?;
        self.rest = &self.rest[length..];
        i64::try_from(index).ok()
    }

    fn moment(self) -> Option<i64> {
        let small = |value: i64| i8::try_from(value).ok();
        let year = i16::try_from(self.year).ok()?;
        let date = match self.month {
            0 => Date::new(year, 1, 1).ok()?.checked_add(jiff::Span::new().days(self.day - 1)).ok()?,
            month => Date::new(year, small(month)?, small(self.day)?).ok()?,
        };
        let hour = if self.is_afternoon && self.hour < 12 { self.hour + 12 } else { self.hour };
        let time = Time::new(small(hour)?, small(self.minute)?, small(self.second)?, 0).ok()?;
        let moment = DateTime::from_parts(date, time).to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond();
        (0..1000).contains(&self.ms).then_some(moment + self.ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(pattern: &str, text: &str) -> Option<String> {
        let ms = Pattern::new(pattern).unwrap().parse(text)?;
        Some(Pattern::new("yyyy-MM-dd HH:mm:ss").unwrap().format(ms).unwrap())
    }

    /// The tables of CHAR_TO_TIMESTAMP in the service's SQL reference.
    #[test]
    fn texts_become_the_times_of_the_reference() {
        for (pattern, text, expected) in [
            ("yyyy-MM-dd", "2009-09-16 03:15:24", Some("2009-09-16 00:00:00")),
            ("MM/dd/yy hh:mm:ss", "09/16/11 03:15:24", Some("2011-09-16 03:15:24")),
            ("MM/dd/yy hh:mm:ss", "2009/09/16 03:15:24", None),
            ("yyyy", "09-16 03:15", Some("0009-01-01 00:00:00")),
            ("yyyy", "16 03:15", Some("0016-01-01 00:00:00")),
            ("yyyy-hh-mm", "2009-09-16 03:15:24", Some("2009-01-01 09:16:00")),
            ("yyyy hh", "2009-09-16 03:15:24", None),
            ("yyyy hh", "2009 09 16 03:15:24", Some("2009-01-01 09:00:00")),
            ("yyyy/hh", "2009/09/16 03:15:24", Some("2009-01-01 09:00:00")),
            ("yyyy-mm", "2009-09-16 03:15:24", Some("2009-01-01 00:09:00")),
            ("yyyy-MM-dd", "2009-02-30", None),
        ] {
            assert_eq!(parsed(pattern, text).as_deref(), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn names_halves_of_the_day_and_fields_without_delimiters_are_read() {
        assert_eq!(parsed("EEE, dd MMM yyyy hh:mm a", "Wed, 16 Sep 2009 03:15 PM").as_deref(), Some("2009-09-16 15:15:00"));
        assert_eq!(parsed("yyyyMMddHHmmss", "20090916031524").as_deref(), Some("2009-09-16 03:15:24"));
        assert_eq!(parsed("yyyy-MM-dd'T'HH:mm", "2009-09-16T03:15").as_deref(), Some("2009-09-16 03:15:00"));
    }

    #[test]
    fn moments_are_written() {
        let text = |pattern: &str| Pattern::new(pattern).unwrap().format(1_253_114_124_007).unwrap();
        assert_eq!(text("yyyy/MM/dd HH:mm:ss.SSS"), "2009/09/16 15:15:24.007");
        assert_eq!(text("EEEE d MMM yy, h 'o''clock' a"), "Wednesday 16 Sep 09, 3 o'clock PM");
    }

    #[test]
    fn unknown_letters_and_open_quotes_are_errors() {
        assert!(Pattern::new("yyyy G").is_err());
        assert!(Pattern::new("yyyy 'x").is_err());
    }
}
