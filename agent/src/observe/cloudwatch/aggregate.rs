//! Collects data until they are worth a call. Pure: the caller passes the time and does the sending.
//!
//! Values of one metric and destination are one datum, however many they are. Only a new pair takes room, and when
//! there is none it is dropped and counted.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::statistics::{Metric, StatisticSet};

/// Data that are sent without waiting for their time. Source: the Java agent.
const FLUSH_SIZE: usize = 200;

/// Data in one PutMetricData request. Source: the Java agent; the service takes 1,000 by now.
pub(crate) const IN_ONE_REQUEST: usize = 20;

/// One value on its way, or many of them summed up.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Datum {
    /// What was measured.
    pub(crate) metric: Metric,
    /// The dimension `Destination`.
    pub(crate) destination: String,
    /// The values.
    pub(crate) values: StatisticSet,
}

/// The data that were not sent yet.
#[derive(Debug)]
pub(crate) struct Aggregator {
    data: BTreeMap<(Metric, String), StatisticSet>,
    capacity: usize,
    period: Duration,
    due: Instant,
    dropped: u64,
}

impl Aggregator {
    /// An empty one that is due a `period` from now and holds `capacity` pairs at most.
    pub(crate) fn new(capacity: usize, period: Duration, now: Instant) -> Self {
        Self { data: BTreeMap::new(), capacity, period, due: now + period, dropped: 0 }
    }

    /// Adds values to those of the same metric and destination.
    pub(crate) fn add(&mut self, datum: Datum) {
        let has_room = self.data.len() < self.capacity;
        match self.data.entry((datum.metric, datum.destination)) {
            std::collections::btree_map::Entry::Occupied(mut known) => {
                *known.get_mut() = known.get().and(datum.values);
            }
            std::collections::btree_map::Entry::Vacant(new) if has_room => {
                new.insert(datum.values);
            }
            std::collections::btree_map::Entry::Vacant(_) => self.dropped += 1,
        }
    }

    /// When the data leave although they are few.
    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    /// Whether the data should leave now.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        now >= self.due || self.data.len() >= FLUSH_SIZE
    }

    /// Everything, in requests' worths. The next period begins.
    pub(crate) fn take(&mut self, now: Instant) -> Vec<Vec<Datum>> {
        self.due = now + self.period;
        let data = std::mem::take(&mut self.data);
        let data: Vec<Datum> =
            data.into_iter().map(|((metric, destination), values)| Datum { metric, destination, values }).collect();
        data.chunks(IN_ONE_REQUEST).map(<[Datum]>::to_vec).collect()
    }

    /// How many values found no room since the last call.
    pub(crate) fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_secs(30);

    fn datum(metric: Metric, destination: &str, value: f64) -> Datum {
        Datum { metric, destination: destination.to_owned(), values: StatisticSet::of(value) }
    }

    #[test]
    fn values_of_one_metric_and_destination_are_one_datum() {
        let mut data = Aggregator::new(10, PERIOD, Instant::now());
        data.add(datum(Metric::RecordsSent, "a", 1.0));
        data.add(datum(Metric::RecordsSent, "b", 7.0));
        data.add(datum(Metric::RecordsSent, "a", 3.0));
        let taken = data.take(Instant::now()).concat();
        assert_eq!(
            taken.iter().map(|datum| (datum.destination.as_str(), datum.values.sum)).collect::<Vec<_>>(),
            [("a", 4.0), ("b", 7.0)]
        );
        assert!(data.take(Instant::now()).is_empty());
    }

    #[test]
    fn data_leave_by_time_or_by_number() {
        let start = Instant::now();
        let mut data = Aggregator::new(1000, PERIOD, start);
        data.add(datum(Metric::RecordsSent, "a", 1.0));
        assert!(!data.is_due(start));
        assert!(data.is_due(start + PERIOD));
        data.take(start + PERIOD);
        assert!(!data.is_due(start + PERIOD));
        (0..FLUSH_SIZE).for_each(|number| data.add(datum(Metric::BytesSent, &number.to_string(), 1.0)));
        assert!(data.is_due(start + PERIOD));
        assert_eq!(data.take(start).iter().map(Vec::len).collect::<Vec<_>>(), [IN_ONE_REQUEST; 10]);
    }

    #[test]
    fn what_finds_no_room_is_dropped_and_counted_and_known_pairs_go_on() {
        let mut data = Aggregator::new(1, PERIOD, Instant::now());
        data.add(datum(Metric::RecordsSent, "a", 1.0));
        data.add(datum(Metric::RecordsSent, "b", 1.0));
        data.add(datum(Metric::RecordsSent, "a", 1.0));
        assert_eq!((data.take_dropped(), data.take_dropped()), (1, 0));
        assert_eq!(data.take(Instant::now()).concat()[0].values.sum, 2.0);
    }
}
