//! What the Java agent's rows mean for the files that are there now.
//!
//! Pure logic. The file of the last row goes on at its offset, wherever it was renamed to. Files that were written to
//! before it was are done: the Java agent read in that order. Newer ones are left out of the state, which makes them new:
//! they are read from their start, whatever `initialPosition` is. In doubt a line is sent twice and never lost.

use std::time::{Duration, SystemTime};

use super::Row;
use crate::{
    checkpoint::state::{FileState, FlowState, VERSION},
    tail::survey::Surveyed,
};

/// What becomes of one flow.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The state to begin with; none when there is no row for the flow.
    pub(crate) state: Option<FlowState>,
    /// What happens to each file.
    pub(crate) outcomes: Vec<(String, Outcome)>,
}

/// What becomes of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Read on from there.
    Resumed(u64),
    /// It was sent before the one that is resumed.
    Passed(u64),
    /// Younger than what was sent: read from its start.
    New,
    /// The checkpointed file is not there any more.
    Gone {
        /// End of what was sent.
        offset: u64,
    },
    /// The checkpointed file is shorter than what was sent of it.
    Shorter {
        /// End of what was sent.
        offset: u64,
        /// What there is.
        size: u64,
    },
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Resumed(offset) => write!(out, "goes on at {offset}"),
            Self::Passed(_) => out.write_str("sent before, older than the checkpoint"),
            Self::New => out.write_str("new, from its start"),
            Self::Gone { offset } => {
                write!(
                    out,
                    "not there any more; what it held behind {offset} cannot be sent unless it is put back before the import"
                )
            }
            Self::Shorter { offset, size } => {
                write!(out, "has {size} bytes but {offset} were sent: truncated, or another file with its inode; from its start")
            }
        }
    }
}

/// Decides about the files of one flow. `rows` are the flow's, the one written last first.
pub(crate) fn plan(flow: &str, rows: &[Row], files: &[Surveyed]) -> Plan {
    let Some(last) = rows.first() else { return Plan { state: None, outcomes: Vec::new() } };
    let current = find(last, files);
    let mut outcomes = Vec::new();
    let border = match current {
        Some(at) => files[at].modified,
        None => {
            outcomes.push((last.path.clone(), Outcome::Gone { offset: last.offset }));
            time_of(last.modified_ms)
        }
    };
    let mut states = Vec::new();
    for (at, file) in files.iter().enumerate() {
        let own = rows.iter().find(|row| find(row, files) == Some(at));
        let outcome = match own {
            Some(row) if file.size < row.offset => Outcome::Shorter { offset: row.offset, size: file.size },
            Some(row) if current == Some(at) || file.modified >= border => Outcome::Resumed(row.offset),
            _ if file.modified < border => Outcome::Passed(file.size),
            _ => Outcome::New,
        };
        if let Outcome::Resumed(offset) | Outcome::Passed(offset) = outcome {
            states.push(state_of(file, offset));
        }
        outcomes.push((file.name.clone(), outcome));
    }
    let state = FlowState { version: VERSION, flow: flow.to_owned(), files: states, saved_at: None };
    Plan { state: Some(state), outcomes }
}

/// The file a row is about: by device and inode, else by inode alone, because devices are renumbered at a reboot.
fn find(row: &Row, files: &[Surveyed]) -> Option<usize> {
    let node = row.node?;
    let exact = files.iter().position(|file| file.node == node);
    exact.or_else(|| files.iter().position(|file| file.node.inode == node.inode))
}

/// The first moment behind the millisecond: a file written to within it may be older or newer, and is taken for newer.
fn time_of(milliseconds: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds.max(0).unsigned_abs())
}

fn state_of(file: &Surveyed, offset: u64) -> FileState {
    FileState {
        path: file.name.clone(),
        device: file.node.device,
        inode: file.node.inode,
        fingerprint: file.fingerprint,
        offset,
        rotated: file.rotated,
        gone: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Fingerprint, Node};

    fn file(name: &str, inode: u64, size: u64, modified_ms: i64) -> Surveyed {
        let node = Node { device: 1, inode };
        Surveyed {
            name: name.to_owned(),
            node,
            size,
            modified: time_of(modified_ms),
            fingerprint: Fingerprint::of(b"x"),
            rotated: false,
        }
    }

    fn row(path: &str, inode: u64, modified_ms: i64, offset: u64) -> Row {
        Row { path: path.to_owned(), node: Some(Node { device: 1, inode }), modified_ms, offset }
    }

    fn outcomes(rows: &[Row], files: &[Surveyed]) -> Vec<Outcome> {
        plan("f", rows, files).outcomes.into_iter().map(|(_, outcome)| outcome).collect()
    }

    #[test]
    fn the_checkpointed_file_goes_on_older_ones_are_done_and_newer_ones_are_new() {
        let files = [file("a", 3, 5, 3000), file("a.1", 2, 50, 2000), file("a.2", 1, 70, 1000)];
        let plan = plan("f", &[row("/l/a", 2, 1500, 20)], &files);
        let found: Vec<_> = plan.outcomes.iter().map(|(name, outcome)| (name.as_str(), outcome.clone())).collect();
        assert_eq!(found, [("a", Outcome::New), ("a.1", Outcome::Resumed(20)), ("a.2", Outcome::Passed(70))]);
        let saved: Vec<_> = plan.state.unwrap().files.iter().map(|file| (file.path.clone(), file.offset)).collect();
        assert_eq!(saved, [("a.1".to_owned(), 20), ("a.2".to_owned(), 70)]);
    }

    #[test]
    fn without_the_checkpointed_file_what_was_written_after_it_is_new() {
        let files = [file("a", 3, 5, 3000), file("a.1", 2, 50, 1000)];
        let found = outcomes(&[row("/l/a", 9, 1500, 20)], &files);
        assert_eq!(found, [Outcome::Gone { offset: 20 }, Outcome::New, Outcome::Passed(50)]);
    }

    #[test]
    fn a_shorter_file_is_read_from_its_start() {
        assert_eq!(outcomes(&[row("/l/a", 1, 1, 20)], &[file("a", 1, 5, 3000)]), [Outcome::Shorter { offset: 20, size: 5 }]);
    }

    #[test]
    fn a_device_renumbered_by_a_reboot_is_no_other_file() {
        let moved = Row { node: Some(Node { device: 7, inode: 1 }), ..row("/l/a", 1, 1, 20) };
        assert_eq!(outcomes(&[moved], &[file("a", 1, 50, 3000)]), [Outcome::Resumed(20)]);
    }

    #[test]
    fn an_earlier_file_written_to_since_goes_on_at_its_own_row() {
        let files = [file("a", 2, 50, 2000), file("b", 1, 70, 3000)];
        assert_eq!(
            outcomes(&[row("/l/a", 2, 1, 20), row("/l/b", 1, 1, 60)], &files),
            [Outcome::Resumed(20), Outcome::Resumed(60)]
        );
    }

    #[test]
    fn a_flow_without_a_row_has_no_state() {
        assert_eq!(plan("f", &[], &[file("a", 1, 5, 1)]).state, None);
    }
}
