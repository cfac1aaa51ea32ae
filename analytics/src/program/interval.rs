//! Interval literals: `INTERVAL '10' SECOND`, `INTERVAL '59:59.999' MINUTE TO SECOND(3)`, `INTERVAL '3 4' DAY TO HOUR`.

use datafusion::sql::sqlparser::ast::{DateTimeField, Expr, Interval, Value};

use super::window::Width;

/// The length of an interval literal; negative ones and zero are lengths too.
pub(super) fn length(interval: &Interval) -> Result<Width, String> {
    let text = text(&interval.value).ok_or("an interval is written as INTERVAL '10' SECOND, its number in quotes")?;
    let leading = interval.leading_field.as_ref().ok_or("an interval needs a unit: INTERVAL '10' SECOND")?;
    let first = Unit::of(leading).ok_or_else(|| format!("intervals have no unit {leading}"))?;
    let last = match &interval.last_field {
        Some(field) => Unit::of(field).ok_or_else(|| format!("intervals have no unit {field}"))?,
        None => first,
    };
    value(&text, first, last).ok_or_else(|| format!("'{text}' is not the value of an interval of this unit"))
}

/// The length of so many units, as in `FLOOR(x TO SECOND)`.
pub(super) fn unit_length(field: &DateTimeField, count: i64) -> Option<Width> {
    Unit::of(field).and_then(|unit| unit.length(count))
}

fn text(value: &Expr) -> Option<String> {
    match value {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(text.trim().to_owned()),
            _ => None,
        },
        _ => None,
    }
}

/// The units of intervals, longest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Unit {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
}

impl Unit {
    const ALL: [Self; 6] = [Self::Year, Self::Month, Self::Day, Self::Hour, Self::Minute, Self::Second];

    fn of(field: &DateTimeField) -> Option<Self> {
        match field {
            DateTimeField::Year | DateTimeField::Years => Some(Self::Year),
            DateTimeField::Month | DateTimeField::Months => Some(Self::Month),
            DateTimeField::Day | DateTimeField::Days => Some(Self::Day),
            DateTimeField::Hour | DateTimeField::Hours => Some(Self::Hour),
            DateTimeField::Minute | DateTimeField::Minutes => Some(Self::Minute),
            DateTimeField::Second | DateTimeField::Seconds => Some(Self::Second),
            _ => None,
        }
    }

    fn length(self, count: i64) -> Option<Width> {
        let ms = match self {
            Self::Year => return count.checked_mul(12).map(Width::Months),
            Self::Month => return Some(Width::Months(count)),
            Self::Day => 86_400_000,
            Self::Hour => 3_600_000,
            Self::Minute => 60_000,
            Self::Second => 1_000,
        };
        count.checked_mul(ms).map(Width::Ms)
    }
}

/// Numbers from the first unit to the last, with a blank behind days, colons and hyphens else: `3 04:05:06.7`.
fn value(text: &str, first: Unit, last: Unit) -> Option<Width> {
    let (is_negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest.trim()));
    let units = Unit::ALL.into_iter().filter(|unit| (first..=last).contains(unit));
    let mut numbers = text.split([' ', ':', '-']);
    let (mut months, mut ms) = (0_i64, 0_i64);
    for unit in units {
        let number = numbers.next()?;
        let (whole, thousandths) = if unit == Unit::Second { seconds(number)? } else { (number.parse().ok()?, 0) };
        match unit.length(whole)? {
            Width::Months(more) => months = months.checked_add(more)?,
            Width::Ms(more) => ms = ms.checked_add(more)?.checked_add(thousandths)?,
        }
    }
    if numbers.next().is_some() || (first <= Unit::Month) != (last <= Unit::Month) {
        return None;
    }
    let sign = if is_negative { -1 } else { 1 };
    Some(if first <= Unit::Month { Width::Months(sign * months) } else { Width::Ms(sign * ms) })
}

/// Whole seconds and thousandths; finer parts are cut.
fn seconds(text: &str) -> Option<(i64, i64)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths = format!("{fraction:0<3}");
    Some((whole.parse().ok()?, thousandths.get(..3)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_have_their_lengths() {
        for (text, first, last, expected) in [
            ("10", Unit::Second, Unit::Second, Width::Ms(10_000)),
            ("0.500", Unit::Second, Unit::Second, Width::Ms(500)),
            ("59:59.999", Unit::Minute, Unit::Second, Width::Ms(3_599_999)),
            ("3 4", Unit::Day, Unit::Hour, Width::Ms(276_400_000 - 2_800_000)),
            ("-1", Unit::Day, Unit::Day, Width::Ms(-86_400_000)),
            ("2-3", Unit::Year, Unit::Month, Width::Months(27)),
        ] {
            assert_eq!(value(text, first, last), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_its_unit_is_refused() {
        for (text, first, last) in [
            ("x", Unit::Second, Unit::Second),
            ("1:2", Unit::Second, Unit::Second),
            ("1", Unit::Minute, Unit::Second),
            ("1.5", Unit::Minute, Unit::Minute),
            ("9223372036854775807", Unit::Day, Unit::Day),
        ] {
            assert_eq!(value(text, first, last), None, "{text}");
        }
    }
}
