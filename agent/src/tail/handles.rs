//! Which files are open: those with something to read first, a quiet one only while there are few.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use super::{Tailer, file::TailedFile};
use crate::record::{FileId, FromTailer};

/// After this time without a new byte, the last line of a rotated file is taken as it is and a deleted file is
/// closed. Long enough for a server that finishes its requests after rotation.
pub(super) const GRACE: Duration = Duration::from_secs(30);

/// Files kept open although they are quiet. Beyond, only those with something to read are.
pub(super) const IDLE_HANDLES: usize = 64;

/// Files open at once, if the system allows it. The others wait until one is read to its end.
pub(super) const MAX_HANDLES: usize = 512;

/// After this time without a new byte a file may be closed if there are many.
const IDLE_PERIOD: Duration = Duration::from_secs(600);

impl<S: FnMut(FromTailer) -> bool> Tailer<S> {
    /// Closes what need not stay open and lets go of what is gone.
    pub(super) fn tidy(&mut self, now: Instant) {
        let mut open = self.open.len();
        let (mut expired, mut rotated) = (Vec::new(), Vec::new());
        let files = &self.files;
        self.gone.retain(|id| files.get(id).is_some_and(|file| file.gone_since.is_some()));
        let ids: BTreeSet<FileId> = self.open.union(&self.gone).copied().collect();
        let is_starved = !self.waiting.is_empty();
        for id in &ids {
            let Some(file) = self.files.get_mut(id) else { continue };
            let is_quiet = file.is_quiet(GRACE, now);
            match file.gone_since {
                Some(since) if is_quiet && now.duration_since(since) >= GRACE => expired.push(file.id),
                None if is_quiet && file.is_open() && file.facts.rotated => rotated.push(file.id),
                None if open > IDLE_HANDLES
                    && file.is_open()
                    && (file.is_quiet(IDLE_PERIOD, now) || (is_starved && file.is_drained())) =>
                {
                    file.close();
                    open -= 1;
                }
                _ => {}
            }
        }
        for id in rotated {
            self.flush_rest(id, now);
            let Some(file) = self.files.get_mut(&id) else { continue };
            file.close();
            if file.is_blank() {
                self.retire(id); // once closed, its inode may become another file's
            }
        }
        for id in expired {
            self.flush_rest(id, now);
            self.retire(id);
        }
        self.open_waiting(now);
    }

    /// Opens files that waited, as far as handles are free.
    fn open_waiting(&mut self, now: Instant) {
        if self.waiting.is_empty() {
            return;
        }
        let files = &self.files;
        self.open.retain(|id| files.get(id).is_some_and(TailedFile::is_open));
        while self.open.len() < self.handles {
            let Some(id) = self.waiting.pop_front() else { return };
            if let Some(file) = self.files.get_mut(&id).filter(|file| file.is_waiting) {
                file.is_waiting = false;
                self.open_or_wait(id, now);
            }
        }
    }

    /// Opens a file that has more, or queues it when too many are open.
    pub(super) fn open_or_wait(&mut self, id: FileId, now: Instant) {
        let Some(file) = self.files.get_mut(&id) else { return };
        if self.open.len() >= self.handles {
            if !std::mem::replace(&mut file.is_waiting, true) {
                self.waiting.push_back(id);
            }
            return;
        }
        let name = file.facts.name.clone();
        match file.open(&self.directory.path(&name), now) {
            Ok(()) if file.is_open() => {
                self.open.insert(id);
            }
            Ok(()) => self.must_look = true, // another file has its name by now
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => self.must_look = true,
            Err(error) => self.trouble(&name, &error, now),
        }
    }
}

/// A share of the files this process may have open: other flows and connections need theirs.
pub(super) fn allowed_handles() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(limit / 4).unwrap_or(usize::MAX).clamp(8, MAX_HANDLES)
}
