//! Files that repeat another one: what was compared, and what happens when one of the two goes.

use std::{collections::HashSet, fs::File, io, time::Instant};

use bytes::Bytes;
use tracing::debug;

use super::{
    Tailer,
    directory::{node_of, read_full, read_head},
    discovery::Seen,
    file::READ_BYTES,
    names,
};
use crate::record::{FileFacts, FileId, FromTailer};

/// A file that repeats another one.
#[derive(Debug, Clone)]
pub(super) struct VerifiedCopy {
    /// The original.
    pub(super) of: FileId,
    /// Its own name.
    name: String,
    /// Its own first bytes; fewer than the original's when it is shorter.
    pub(super) head: Bytes,
    /// The first so many bytes are the original's.
    pub(super) size: u64,
}

/// How a copy compares with its original.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Likeness {
    /// Byte for byte.
    Equal,
    /// They differ.
    Different,
    /// One of them was changed or replaced meanwhile.
    Unknown,
}

impl<S: FnMut(FromTailer) -> bool> Tailer<S> {
    /// Compares a copy with its original byte for byte; one that differs is a file of its own.
    pub(super) fn compare(&mut self, of: FileId, copy: &Seen, all: &HashSet<&str>, now: Instant) {
        let verified = self.copies.get(&copy.node).filter(|known| known.of == of).map_or(0, |known| known.size);
        if verified == copy.size {
            return;
        }
        match self.likeness(of, copy, verified) {
            Ok(Likeness::Equal) => {
                debug!(flow = self.settings.id, file = copy.name, size = copy.size, "a copy, not sent again");
                let (name, head) = (copy.name.clone(), copy.head.clone().unwrap_or_default());
                self.copies.insert(copy.node, VerifiedCopy { of, name, head, size: copy.size });
            }
            Ok(Likeness::Different) => self.begin(copy, all, now),
            Ok(Likeness::Unknown) => self.must_look = true,
            Err(error) => self.trouble(&copy.name, &error, now),
        }
    }

    fn likeness(&self, of: FileId, copy: &Seen, from: u64) -> io::Result<Likeness> {
        let Some(known) = self.files.get(&of) else { return Ok(Likeness::Different) };
        let other = File::open(self.directory.path(&copy.name))?;
        let opened;
        let original = match known.handle() {
            Some(handle) => handle,
            None => {
                opened = File::open(self.directory.path(&known.facts.name))?;
                &opened
            }
        };
        if have_equal_bytes(original, &other, from, copy.size)? {
            return Ok(Likeness::Equal);
        }
        // It may have been truncated since the snapshot, and be filled again.
        let (metadata, head) = (original.metadata()?, read_head(original)?);
        let is_intact = node_of(&metadata) == known.facts.node
            && metadata.len() >= known.position
            && known.facts.fingerprint.matches(&head)
            && node_of(&other.metadata()?) == copy.node;
        Ok(if is_intact { Likeness::Different } else { Likeness::Unknown })
    }

    /// Lets go of a file that is gone and read to its end. If it has a copy, the copy takes its place, so that
    /// it is still known when the original is forgotten.
    pub(super) fn retire(&mut self, id: FileId) {
        let copies = self.copies.iter().filter(|(_, copy)| copy.of == id);
        let is_better =
            |one: &VerifiedCopy, other: &VerifiedCopy| names::is_better_copy((&one.name, one.size), (&other.name, other.size));
        let best = copies.reduce(|best, next| if is_better(next.1, best.1) { next } else { best });
        let copy = best.map(|(node, copy)| (*node, copy.clone()));
        let (Some((node, copy)), Some(file)) = (copy, self.files.get_mut(&id)) else {
            self.remember(id);
            return;
        };
        self.copies.remove(&node);
        file.close();
        file.gone_since = None;
        file.position = copy.size;
        file.begin_again_as(copy.head);
        file.facts = FileFacts { name: copy.name, node, rotated: true, copied_to: Some(copy.size), ..file.facts.clone() };
        self.announce(id);
    }
}

/// Whether two files agree in the bytes from `from` to `to`, which both must have.
fn have_equal_bytes(one: &File, other: &File, from: u64, to: u64) -> io::Result<bool> {
    let (mut left, mut right) = (vec![0; READ_BYTES], vec![0; READ_BYTES]);
    let mut at = from;
    while at < to {
        let wanted = usize::try_from(to - at).unwrap_or(READ_BYTES).min(READ_BYTES);
        let lengths = (read_full(one, &mut left[..wanted], at)?, read_full(other, &mut right[..wanted], at)?);
        if lengths != (wanted, wanted) || left[..wanted] != right[..wanted] {
            return Ok(false);
        }
        at += wanted as u64;
    }
    Ok(true)
}
