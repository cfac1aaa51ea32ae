//! Tumbling windows: time cut into pieces of one width, each row in exactly one.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Windows `[origin + n * width, origin + (n + 1) * width)`.
///
/// All spellings of the dialect become one of these: STEP, FLOOR, and FLOOR of a difference from a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    width: Width,
    /// Milliseconds since 1970. 0 for months, which begin with their first day.
    origin_ms: i64,
}

/// How long a window is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    /// Milliseconds, above 0.
    Ms(i64),
    /// Calendar months, above 0, counted from January 1970.
    Months(i64),
}

impl Window {
    /// Windows that begin at the epoch, as `FLOOR(… TO SECOND)` cuts them. A width below 1 ms counts as 1 ms.
    pub(crate) fn tumbling(width_ms: i64) -> Self {
        Self::new(Width::Ms(width_ms), 0)
    }

    /// Windows of a width, one of which begins at the origin.
    pub(crate) fn new(width: Width, origin_ms: i64) -> Self {
        match width {
            Width::Ms(ms) => Self { width: Width::Ms(ms.max(1)), origin_ms: origin_ms.rem_euclid(ms.max(1)) },
            Width::Months(months) => Self { width: Width::Months(months.max(1)), origin_ms: 0 },
        }
    }

    /// Each moment is a window of its own: the width of ROWTIME itself.
    pub(crate) fn moment() -> Self {
        Self::tumbling(1)
    }

    /// Whether each moment is a window of its own.
    pub(crate) fn is_moment(self) -> bool {
        self.width == Width::Ms(1)
    }

    pub(super) fn width(self) -> Width {
        self.width
    }

    pub(super) fn origin_ms(self) -> i64 {
        self.origin_ms
    }

    /// Where the window of this moment begins.
    pub(crate) fn start_of(self, ms: i64) -> i64 {
        match self.width {
            Width::Ms(width) => ms.saturating_sub((ms.saturating_sub(self.origin_ms)).rem_euclid(width)),
            Width::Months(months) => month_start(month_of(ms).div_euclid(months) * months),
        }
    }

    /// Where the window that begins here ends: the first moment that no longer belongs to it.
    pub(crate) fn end_of(self, start_ms: i64) -> i64 {
        match self.width {
            Width::Ms(width) => start_ms.saturating_add(width),
            Width::Months(months) => month_start(month_of(start_ms).saturating_add(months)),
        }
    }

    /// The ROWTIME of what a window yields: the first moment at which it is complete.
    pub(crate) fn row_time(self, start_ms: i64) -> i64 {
        if self.is_moment() { start_ms } else { self.end_of(start_ms) }
    }

    /// Whether every window of `finer` lies in one window of this.
    pub(crate) fn holds(self, finer: Self) -> bool {
        match (self.width, finer.width) {
            (Width::Ms(width), Width::Ms(fine)) => width % fine == 0 && (self.origin_ms - finer.origin_ms) % fine == 0,
            (Width::Months(_), Width::Ms(fine)) => 86_400_000 % fine == 0 && finer.origin_ms % fine == 0,
            (Width::Months(months), Width::Months(fine)) => months % fine == 0,
            (Width::Ms(_), Width::Months(_)) => false,
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.width {
            Width::Ms(ms) if ms % 1000 == 0 => write!(out, "{} s", ms / 1000)?,
            Width::Ms(ms) => write!(out, "{ms} ms")?,
            Width::Months(months) => write!(out, "{months} months")?,
        }
        if self.origin_ms != 0 { write!(out, " from {} ms", self.origin_ms) } else { Ok(()) }
    }
}

/// Months since January 1970. Moments beyond the calendar count as its ends.
fn month_of(ms: i64) -> i64 {
    let moment = Timestamp::from_millisecond(ms).unwrap_or(if ms < 0 { Timestamp::MIN } else { Timestamp::MAX });
    let date = moment.to_zoned(TimeZone::UTC).date();
    (i64::from(date.year()) - 1970) * 12 + i64::from(date.month()) - 1
}

/// Milliseconds since 1970 at the beginning of a month.
fn month_start(month: i64) -> i64 {
    let (year, month) = (1970 + month.div_euclid(12), month.rem_euclid(12) + 1);
    let date = i16::try_from(year).ok().and_then(|year| Date::new(year, i8::try_from(month).unwrap_or(1), 1).ok());
    let moment = date.and_then(|date| date.to_zoned(TimeZone::UTC).ok()).map(|zoned| zoned.timestamp().as_millisecond());
    moment.unwrap_or(if year < 1970 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_belongs_to_the_window_that_begins_at_or_before_it() {
        let window = Window::tumbling(10_000);
        assert_eq!(window.start_of(0), 0);
        assert_eq!(window.start_of(9_999), 0);
        assert_eq!(window.start_of(10_000), 10_000);
        assert_eq!(window.start_of(-1), -10_000);
        assert_eq!(window.end_of(10_000), 20_000);
    }

    #[test]
    fn windows_may_begin_elsewhere() {
        let window = Window::new(Width::Ms(10), 3);
        assert_eq!((window.start_of(2), window.start_of(3), window.start_of(13)), (-7, 3, 13));
    }

    #[test]
    fn months_follow_the_calendar() {
        let window = Window::new(Width::Months(1), 0);
        let leap_day = 951_782_400_000; // 2000-02-29
        assert_eq!(window.start_of(leap_day), 949_363_200_000); // 2000-02-01
        assert_eq!(window.end_of(949_363_200_000), 951_868_800_000); // 2000-03-01
        assert_eq!(Window::new(Width::Months(12), 0).start_of(leap_day), 946_684_800_000); // 2000-01-01
        assert_eq!(window.start_of(-1), -2_678_400_000); // 1969-12-01
    }

    #[test]
    fn a_window_holds_those_that_divide_it() {
        assert!(Window::tumbling(60_000).holds(Window::tumbling(10_000)));
        assert!(!Window::tumbling(60_000).holds(Window::tumbling(7_000)));
        assert!(!Window::new(Width::Ms(60_000), 1).holds(Window::tumbling(10_000)));
        assert!(Window::new(Width::Months(1), 0).holds(Window::tumbling(3_600_000)));
    }
}
