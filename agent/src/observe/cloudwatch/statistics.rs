//! What the requests of one flow were like, summed up: the statistic sets the Java agent sends. Pure.

use super::super::live::Answered;

/// Many values as CloudWatch takes them together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct StatisticSet {
    /// How many.
    pub(crate) count: f64,
    /// Their sum.
    pub(crate) sum: f64,
    /// The smallest.
    pub(crate) min: f64,
    /// The largest.
    pub(crate) max: f64,
}

impl StatisticSet {
    /// One value.
    pub(crate) fn of(value: f64) -> Self {
        Self { count: 1.0, sum: value, min: value, max: value }
    }

    /// Both together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            count: self.count + other.count,
            sum: self.sum + other.sum,
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        }
    }
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Metric {
    /// Records in requests.
    RecordSendAttempts,
    /// Of them not accepted.
    RecordSendErrors,
    /// Of them accepted.
    RecordsSent,
    /// 1 for a request that failed as a whole, else 0.
    ServiceErrors,
    /// Bytes accepted.
    BytesSent,
    /// Failed attempts to read a file since the last one that succeeded.
    ConsecutiveProcessingErrors,
    /// Ours: bytes in the files that were not accepted.
    LagBytes,
    /// Ours: lines cut to the record limit.
    RecordsTruncated,
    /// Ours: lines no converter could read.
    RecordsSkipped,
}

impl Metric {
    /// The name on the wire. Source: the Java agent; the last three are ours.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::RecordSendAttempts => "RecordSendAttempts",
            Self::RecordSendErrors => "RecordSendErrors",
            Self::RecordsSent => "RecordsSent",
            Self::ServiceErrors => "ServiceErrors",
            Self::BytesSent => "BytesSent",
            Self::ConsecutiveProcessingErrors => "ConsecutiveProcessingErrors",
            Self::LagBytes => "LagBytes",
            Self::RecordsTruncated => "RecordsTruncated",
            Self::RecordsSkipped => "RecordsSkipped",
        }
    }

    /// Whether it counts bytes; all others count things.
    pub(crate) fn is_bytes(self) -> bool {
        matches!(self, Self::BytesSent | Self::LagBytes)
    }
}

/// The requests of a while; nothing when there were none.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Calls(Option<[StatisticSet; 5]>);

/// The metrics of a request, in the order of [`Calls`].
const OF_CALLS: [Metric; 5] =
    [Metric::RecordSendAttempts, Metric::RecordSendErrors, Metric::RecordsSent, Metric::ServiceErrors, Metric::BytesSent];

impl Calls {
    /// Adds one request.
    pub(crate) fn add(&mut self, answer: &Answered<'_>) {
        let errors = answer.attempted.saturating_sub(answer.accepted);
        let values = [answer.attempted, errors, answer.accepted, usize::from(answer.failed_whole), answer.bytes];
        let one = values.map(|value| StatisticSet::of(value as f64));
        self.0 = Some(match self.0 {
            Some(sets) => std::array::from_fn(|index| sets[index].and(one[index])),
            None => one,
        });
    }

    /// Each metric with its values.
    pub(crate) fn sets(&self) -> impl Iterator<Item = (Metric, StatisticSet)> {
        self.0.into_iter().flat_map(|sets| OF_CALLS.into_iter().zip(sets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(attempted: usize, accepted: usize, failed_whole: bool) -> Answered<'static> {
        Answered { attempted, accepted, bytes: accepted * 10, failed_whole, failure: None }
    }

    #[test]
    fn requests_become_the_java_agent_s_five_statistic_sets() {
        let mut calls = Calls::default();
        assert_eq!(calls.sets().count(), 0);
        calls.add(&answer(500, 400, false));
        calls.add(&answer(100, 0, true));
        let sets: Vec<_> = calls.sets().map(|(metric, set)| (metric.name(), set.count, set.sum, set.min, set.max)).collect();
        assert_eq!(
            sets,
            [
                ("RecordSendAttempts", 2.0, 600.0, 100.0, 500.0),
                ("RecordSendErrors", 2.0, 200.0, 100.0, 100.0),
                ("RecordsSent", 2.0, 400.0, 0.0, 400.0),
                ("ServiceErrors", 2.0, 1.0, 0.0, 1.0),
                ("BytesSent", 2.0, 4000.0, 0.0, 4000.0),
            ]
        );
    }

    #[test]
    fn only_bytes_are_bytes() {
        let bytes = OF_CALLS.into_iter().filter(|metric| metric.is_bytes());
        assert_eq!(bytes.map(Metric::name).collect::<Vec<_>>(), ["BytesSent"]);
    }
}
