//! Tumbling windows: time cut into pieces of one width, each row in exactly one.

/// Windows `[origin + n * width, origin + (n + 1) * width)`, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// Always above 0.
    width_ms: i64,
    origin_ms: i64,
}

impl Window {
    /// Windows that begin at the epoch, as `FLOOR(… TO SECOND)` cuts them. A width below 1 ms counts as 1 ms.
    pub(crate) fn tumbling(width_ms: i64) -> Self {
        Self { width_ms: width_ms.max(1), origin_ms: 0 }
    }

    /// Where the window of this moment begins.
    pub(crate) fn start_of(self, ms: i64) -> i64 {
        ms - (ms - self.origin_ms).rem_euclid(self.width_ms)
    }

    /// Where the window that begins at `start_ms` ends. The end is not part of it.
    pub(crate) fn end_of(self, start_ms: i64) -> i64 {
        start_ms.saturating_add(self.width_ms)
    }

    /// Whether times are shown to the second or to the millisecond.
    pub(crate) fn is_whole_seconds(self) -> bool {
        self.width_ms % 1000 == 0 && self.origin_ms % 1000 == 0
    }
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
}
