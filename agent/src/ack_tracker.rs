//! Turns acknowledgements in any order into the position of a file that is safe to save.
//!
//! Pure logic, one tracker for each file. Parts of a file are sent in order and answered in any order; the safe
//! position is the end of the last part before which everything was answered.
//!
//! Invariant: the safe position never passes a part that was not acknowledged.

use std::collections::VecDeque;

/// Names a part that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

/// The parts of one file that are on their way.
#[derive(Debug)]
pub(crate) struct AckTracker {
    safe: u64,
    /// Parts in the order they were sent; the first one is never acknowledged.
    parts: VecDeque<Part>,
    /// Ticket of the first part.
    first: u64,
}

#[derive(Debug)]
struct Part {
    end: u64,
    acknowledged: bool,
}

impl AckTracker {
    /// A tracker for a file of which everything before `position` needs no sending.
    pub(crate) fn new(position: u64) -> Self {
        Self { safe: position, parts: VecDeque::new(), first: 0 }
    }

    /// Notes that the next part of the file, up to `end`, was sent.
    pub(crate) fn sent(&mut self, end: u64) -> Ticket {
        self.parts.push_back(Part { end, acknowledged: false });
        Ticket(self.first + self.parts.len() as u64 - 1)
    }

    /// Notes that a part arrived. Returns the new safe position if it moved. A second acknowledgement is ignored.
    pub(crate) fn acked(&mut self, ticket: Ticket) -> Option<u64> {
        let index = usize::try_from(ticket.0.checked_sub(self.first)?).ok()?;
        self.parts.get_mut(index)?.acknowledged = true;
        let mut moved = None;
        while let Some(part) = self.parts.pop_front_if(|part| part.acknowledged) {
            self.first += 1;
            self.safe = part.end;
            moved = Some(part.end);
        }
        moved
    }

    /// Whether no part is on its way.
    pub(crate) fn is_idle(&self) -> bool {
        self.parts.is_empty()
    }

    /// Everything before this position of the file was accepted.
    pub(crate) fn safe(&self) -> u64 {
        self.safe
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, sample::Index};

    use super::*;

    #[test]
    fn the_safe_position_waits_for_the_oldest_unacknowledged_part() {
        let mut acks = AckTracker::new(0);
        let (first, second) = (acks.sent(100), acks.sent(200));
        assert_eq!(acks.acked(second), None);
        assert_eq!(acks.safe(), 0);
        assert_eq!(acks.acked(first), Some(200));
    }

    #[test]
    fn a_second_acknowledgement_changes_nothing() {
        let mut acks = AckTracker::new(50);
        let (first, second) = (acks.sent(100), acks.sent(200));
        assert_eq!(acks.acked(first), Some(100));
        assert_eq!(acks.acked(first), None);
        assert_eq!(acks.acked(second), Some(200));
        assert_eq!(acks.acked(first), None);
        assert_eq!(acks.safe(), 200);
    }

    proptest! {
        /// `steps` mixes sending the next part (true) with acknowledging any part that is on its way.
        #[test]
        fn no_order_of_acknowledgements_passes_an_unacknowledged_part(
            start in 0u64..1000,
            sizes in prop::collection::vec(1u64..100, 1..60),
            steps in prop::collection::vec((any::<bool>(), any::<Index>()), 0..200),
        ) {
            let mut acks = AckTracker::new(start);
            let ends: Vec<u64> = sizes.iter().scan(start, |end, size| { *end += size; Some(*end) }).collect();
            let mut unsent = ends.iter().copied();
            // The model: parts on their way, as (begin, ticket), and where the first of them begins.
            let (mut open, mut sent_to) = (Vec::new(), start);
            for (send, index) in steps {
                if send || open.is_empty() {
                    let Some(end) = unsent.next() else { continue };
                    open.push((sent_to, acks.sent(end)));
                    sent_to = end;
                } else {
                    let (_, ticket) = open.remove(index.index(open.len()));
                    acks.acked(ticket);
                }
                let expected = open.iter().map(|(begin, _)| *begin).min().unwrap_or(sent_to);
                prop_assert_eq!(acks.safe(), expected);
            }
            while let Some((_, ticket)) = open.pop() {
                acks.acked(ticket);
            }
            prop_assert_eq!(acks.safe(), sent_to);
        }
    }
}
