//! What has been accepted of each file: news from the tailer and acknowledgements in, the flow's state out.
//!
//! Pure logic. Owned by the shipper's loop.

use std::collections::BTreeMap;

use super::state::{FileState, FlowState, VERSION};
use crate::{
    ack_tracker::{AckTracker, Ticket},
    record::{FileFacts, FileId, Record},
};

/// The files of one flow and how far each was accepted.
#[derive(Debug)]
pub(crate) struct Positions {
    flow: String,
    files: BTreeMap<FileId, Tracked>,
    /// False until every file that must not count as new was learnt; before that there is nothing to save.
    has_baseline: bool,
    /// Whether the state differs from the one last taken.
    changed: bool,
}

#[derive(Debug)]
struct Tracked {
    facts: FileFacts,
    acks: AckTracker,
    /// End of the last line that arrived from the tailer.
    received: u64,
    /// Records that arrived and are in no batch on its way yet.
    waiting: usize,
    /// End of the lines behind the last record that need no sending. Only set while that record is not accepted.
    passed: Option<u64>,
    /// No more lines will arrive.
    done: bool,
}

/// The parts of files in one batch; handed back when the batch is accepted.
#[derive(Debug, Default)]
pub(crate) struct Tickets(Vec<(FileId, Ticket)>);

impl Tickets {
    /// The files the parts are of.
    pub(crate) fn files(&self) -> Vec<FileId> {
        self.0.iter().map(|(file, _)| *file).collect()
    }
}

impl Positions {
    /// Nothing known yet.
    pub(crate) fn new(flow: String) -> Self {
        Self { flow, files: BTreeMap::new(), has_baseline: false, changed: false }
    }

    /// Learns of a file, or what changed about it. The position counts only the first time.
    pub(crate) fn learn(&mut self, id: FileId, facts: FileFacts, position: u64) {
        self.changed = true;
        match self.files.get_mut(&id) {
            Some(file) => file.facts = facts,
            None => {
                self.files.insert(id, Tracked::new(facts, position));
            }
        }
    }

    /// Notes that every file that must not count as new was learnt: from now on there is a state to save.
    pub(crate) fn baseline(&mut self) {
        self.has_baseline = true;
        self.changed = true;
    }

    /// Notes that lines arrived; all are from one file.
    pub(crate) fn received(&mut self, records: &[Record]) {
        let Some(last) = records.last() else { return };
        if let Some(file) = self.files.get_mut(&last.file) {
            file.received = last.end;
            file.waiting += records.len();
            file.passed = None; // the records stand behind it
        }
    }

    /// Notes that a file's lines from its last record to `end` need no sending.
    pub(crate) fn passed(&mut self, id: FileId, end: u64) {
        if let Some(file) = self.files.get_mut(&id) {
            file.received = end;
            file.passed = Some(end);
            self.changed |= file.pass();
        }
    }

    /// Notes that nothing more comes from a file.
    pub(crate) fn done(&mut self, id: FileId) {
        if let Some(file) = self.files.get_mut(&id) {
            file.done = true;
            self.forget_if_shipped(id);
        }
    }

    /// Notes that a batch is on its way. Batches must be noted in the order they were closed.
    pub(crate) fn sent(&mut self, records: &[Record]) -> Tickets {
        let mut parts: Vec<(FileId, u64, usize)> = Vec::new();
        let mut note = |id, after| match parts.iter_mut().find(|(file, ..)| *file == id) {
            Some((_, end, count)) => (*end, *count) = (after, *count + 1),
            None => parts.push((id, after, 1)),
        };
        for record in records {
            match &record.packed {
                None => note(record.file, record.end),
                Some(packed) => packed.lines.iter().for_each(|line| note(line.file, line.end)),
            }
        }
        let ticket = |(id, end, count)| {
            let file = self.files.get_mut(&id)?;
            file.waiting = file.waiting.saturating_sub(count);
            Some((id, file.acks.sent(end)))
        };
        Tickets(parts.into_iter().filter_map(ticket).collect())
    }

    /// Notes that every record of a batch is settled.
    pub(crate) fn acked(&mut self, tickets: Tickets) {
        for (id, ticket) in tickets.0 {
            let Some(file) = self.files.get_mut(&id) else { continue };
            self.changed |= file.acks.acked(ticket).is_some();
            self.changed |= file.pass();
            self.forget_if_shipped(id);
        }
    }

    /// Whether there is something to save that was not taken yet.
    pub(crate) fn is_changed(&self) -> bool {
        self.changed && self.has_baseline
    }

    /// The state to save; it counts as saved from now on.
    pub(crate) fn take_state(&mut self) -> FlowState {
        self.changed = false;
        self.state()
    }

    /// The state as it is.
    pub(crate) fn state(&self) -> FlowState {
        FlowState {
            version: VERSION,
            flow: self.flow.clone(),
            files: self.files.values().map(Tracked::state).collect(),
            saved_at: None,
        }
    }

    /// Whether there is a state that may be saved.
    pub(crate) fn has_baseline(&self) -> bool {
        self.has_baseline
    }

    /// Bytes of each file that arrived from the tailer but were not accepted, with the file's name.
    pub(crate) fn unaccepted(&self) -> impl Iterator<Item = (&str, u64)> {
        let missing = |file: &Tracked| file.received.saturating_sub(file.acks.safe());
        self.files.values().filter(move |file| missing(file) > 0).map(move |file| (file.facts.name.as_str(), missing(file)))
    }

    /// How far a file was accepted; none when it is forgotten.
    pub(crate) fn accepted(&self, id: FileId) -> Option<u64> {
        self.files.get(&id).map(|file| file.acks.safe())
    }

    /// The name of a file, for messages.
    pub(crate) fn name(&self, id: FileId) -> &str {
        self.files.get(&id).map_or("(forgotten)", |file| file.facts.name.as_str())
    }

    fn forget_if_shipped(&mut self, id: FileId) {
        let is_shipped = self.files.get(&id).is_some_and(|file| file.done && file.acks.safe() == file.received);
        if is_shipped {
            self.files.remove(&id);
            self.changed = true;
        }
    }
}

impl Tracked {
    fn new(facts: FileFacts, position: u64) -> Self {
        Self { facts, acks: AckTracker::new(position), received: position, waiting: 0, passed: None, done: false }
    }

    /// Moves past lines that need no sending, once every record before them was accepted.
    fn pass(&mut self) -> bool {
        if self.waiting > 0 || !self.acks.is_idle() {
            return false;
        }
        let Some(end) = self.passed.take() else { return false };
        let ticket = self.acks.sent(end);
        self.acks.acked(ticket).is_some()
    }

    fn state(&self) -> FileState {
        let safe = self.acks.safe();
        FileState {
            path: self.facts.name.clone(),
            device: self.facts.node.device,
            inode: self.facts.node.inode,
            fingerprint: self.facts.fingerprint,
            offset: self.facts.copied_to.map_or(safe, |end| safe.min(end)),
            rotated: self.facts.rotated,
            gone: self.facts.gone.filter(|_| safe >= self.received), // until then there is more to read
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::record::{Fingerprint, Node, PartitionKey};

    /// Of a flow that has a state.
    fn known() -> Positions {
        let mut positions = Positions::new("f".to_owned());
        positions.baseline();
        positions.take_state();
        positions
    }

    fn facts(name: &str) -> FileFacts {
        let node = Node { device: 1, inode: 2 };
        FileFacts {
            name: name.to_owned(),
            node,
            fingerprint: Fingerprint::default(),
            rotated: false,
            copied_to: None,
            gone: None,
        }
    }

    fn record(file: u32, end: u64) -> Record {
        Record {
            data: Bytes::from_static(b"x"),
            key: PartitionKey::Random(1),
            file: FileId(file),
            end,
            line_bytes: 1,
            packed: None,
        }
    }

    fn offsets(positions: &Positions) -> Vec<u64> {
        positions.state().files.iter().map(|file| file.offset).collect()
    }

    #[test]
    fn a_batch_of_two_files_moves_both() {
        let mut positions = known();
        positions.learn(FileId(1), facts("a"), 0);
        positions.learn(FileId(2), facts("b"), 100);
        let tickets = positions.sent(&[record(1, 10), record(2, 110), record(1, 20)]);
        assert_eq!(offsets(&positions), [0, 100]);
        positions.acked(tickets);
        assert_eq!(offsets(&positions), [20, 110]);
    }

    #[test]
    fn nothing_is_saved_before_the_directory_was_seen() {
        let mut positions = Positions::new("f".to_owned());
        positions.learn(FileId(1), facts("a"), 7);
        assert!(!positions.is_changed());
        positions.baseline();
        assert!(positions.is_changed());
        assert_eq!(positions.take_state().files[0].offset, 7);
        assert!(!positions.is_changed());
    }

    #[test]
    fn a_file_is_forgotten_only_when_all_of_it_was_accepted() {
        let mut positions = known();
        positions.learn(FileId(1), facts("a"), 0);
        let records = [record(1, 10), record(1, 20)];
        positions.received(&records);
        let first = positions.sent(&records[..1]);
        positions.done(FileId(1));
        positions.acked(first);
        assert_eq!(offsets(&positions), [10], "the second line still waits");
        let second = positions.sent(&records[1..]);
        positions.acked(second);
        assert!(positions.state().files.is_empty());
    }

    #[test]
    fn lines_that_need_no_sending_are_passed_when_every_record_before_them_was_accepted() {
        let mut positions = known();
        positions.learn(FileId(1), facts("a"), 0);
        positions.passed(FileId(1), 5);
        assert_eq!(offsets(&positions), [5], "nothing stands before them");
        let records = [record(1, 10), record(1, 20)];
        positions.received(&records);
        positions.passed(FileId(1), 30);
        let first = positions.sent(&records[..1]);
        positions.acked(first);
        assert_eq!(offsets(&positions), [10], "the second record is in the open batch");
        let second = positions.sent(&records[1..]);
        assert_eq!(offsets(&positions), [10], "it is on its way");
        positions.take_state();
        positions.acked(second);
        assert_eq!(offsets(&positions), [30]);
        assert!(positions.is_changed());
    }

    #[test]
    fn a_record_behind_passed_lines_takes_them_along() {
        let mut positions = known();
        positions.learn(FileId(1), facts("a"), 0);
        let records = [record(1, 10), record(1, 40)];
        positions.received(&records[..1]);
        positions.passed(FileId(1), 30);
        positions.received(&records[1..]);
        let first = positions.sent(&records[..1]);
        positions.acked(first);
        assert_eq!(offsets(&positions), [10], "lines are passed at the end of what was read, not in between");
        let second = positions.sent(&records[1..]);
        positions.acked(second);
        assert_eq!(offsets(&positions), [40]);
    }

    #[test]
    fn a_file_whose_last_lines_were_passed_is_forgotten() {
        let mut positions = known();
        positions.learn(FileId(1), facts("a"), 0);
        positions.passed(FileId(1), 10);
        positions.done(FileId(1));
        assert!(positions.state().files.is_empty());
    }

    #[test]
    fn a_shorter_copy_limits_the_position_that_is_saved() {
        let mut positions = known();
        positions.learn(FileId(1), facts("a"), 50);
        positions.learn(FileId(1), FileFacts { copied_to: Some(30), ..facts("a.1") }, 0);
        assert_eq!(offsets(&positions), [30]);
    }
}
