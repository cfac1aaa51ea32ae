//! Waits for changes of a flow's files.
//!
//! What the kernel reports only ends a wait early, and says which closed files to look at; what there is to read is
//! found by looking. When nothing happens, the wait costs one wake-up in half a minute.
//!
//! The kernel does not report everything: not what another host writes to a network file system, nor what is written through
//! a link in another directory or through a memory map. Such a change is found within five seconds on a file system
//! that others may write to, within half a minute on a disk of this host. It shows that the kernel cannot be trusted
//! here: for an hour from then on a change is found within one second.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, Thread},
    time::{Duration, Instant},
};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{DataChange, ModifyKind},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{directory::node_of, local::is_local, pace::Pace};
use crate::{
    record::Node,
    settings::{FilePattern, FlowSettings},
};

/// Longest wait while the kernel reports changes, but something was missed lately or has to be done in time.
const WATCHED_WAIT: Duration = Duration::from_secs(1);

/// Longest wait while the kernel reports every change that is made on this host.
const TRUSTED_WAIT: Duration = Duration::from_secs(5);

/// Longest wait while nobody but this host writes, too.
const LOCAL_WAIT: Duration = Duration::from_secs(30);

/// Time after which a kernel that missed a change is trusted again.
const DISTRUST: Duration = Duration::from_secs(3600);

/// Directories that are watched; the kernel's limit is shared by all programs of a user.
const MAX_WATCHES: usize = 2000;

/// Changed files that are told apart; beyond, all are looked at.
const MAX_TOUCHED: usize = 1000;

/// What happened during a wait.
#[derive(Debug, Default)]
pub(super) struct Hints {
    /// Names came or went.
    pub(super) names: bool,
    /// Files that were written to.
    pub(super) touched: HashSet<PathBuf>,
    /// Whether anything did.
    pub(super) is_awake: bool,
}

/// Waits for a change, the next poll, or the stop signal.
pub(super) struct Waiter {
    stop: CancellationToken,
    poll: Duration,
    hints: Arc<Mutex<Hints>>,
    watcher: Option<RecommendedWatcher>,
    watched: BTreeMap<PathBuf, Node>,
    /// Whether every directory is watched.
    is_complete: bool,
    /// Whether every directory is on a disk of this host.
    is_local: bool,
    /// The last change that the kernel did not report.
    missed: Option<Instant>,
}

impl Waiter {
    /// A waiter for the calling thread, which must be woken by [`Thread::unpark`] when `stop` is cancelled.
    pub(super) fn new(settings: &FlowSettings, stop: CancellationToken) -> Self {
        let (pattern, poll) = (settings.files.clone(), settings.poll_interval);
        let hints: Arc<Mutex<Hints>> = Arc::default();
        let watcher = watcher(pattern, poll, hints.clone(), thread::current());
        Self { stop, poll, hints, watcher, watched: BTreeMap::new(), is_complete: false, is_local: false, missed: None }
    }

    /// Watches these directories, and no others.
    pub(super) fn watch(&mut self, directories: impl Iterator<Item = PathBuf>) {
        let Some(watcher) = &mut self.watcher else { return };
        let found = directories.filter_map(|path| Some((path.clone(), node_of(&fs::metadata(&path).ok()?))));
        let wanted: BTreeMap<PathBuf, Node> = found.take(MAX_WATCHES + 1).collect();
        self.is_complete = !wanted.is_empty() && wanted.len() <= MAX_WATCHES;
        let is_wanted = |path: &PathBuf, node: &Node| wanted.get(path) == Some(node);
        let old: Vec<PathBuf> =
            self.watched.iter().filter(|(path, node)| !is_wanted(path, node)).map(|(path, _)| path.clone()).collect();
        for path in old {
            let _ = watcher.unwatch(&path); // it may be gone, and the watch with it
            self.watched.remove(&path);
        }
        if !wanted.keys().eq(self.watched.keys()) {
            self.is_local = wanted.keys().all(|path| is_local(path));
        }
        for (path, node) in wanted.into_iter().take(MAX_WATCHES) {
            if self.watched.contains_key(&path) {
                continue;
            }
            match watcher.watch(&path, RecursiveMode::NonRecursive) {
                Ok(()) => drop(self.watched.insert(path, node)),
                Err(error) => {
                    debug!(directory = %path.display(), %error, "cannot watch, polling instead");
                    self.is_complete = false;
                }
            }
        }
    }

    /// Notes that a change was found that the kernel had not reported.
    pub(super) fn distrust(&mut self, now: Instant) {
        if self.is_complete {
            debug!("a change was not reported, waiting shorter");
            self.missed = Some(now);
        }
    }

    /// Returns what changed. `rests_until` is when something has to be done in any case; none may mean soon.
    pub(super) fn wait(&mut self, rests_until: Option<Instant>) -> Hints {
        // A poll interval of 0 must not become a busy loop.
        let poll = self.poll.max(Duration::from_millis(1));
        let start = Instant::now();
        if self.is_complete {
            let longest = if self.is_local { LOCAL_WAIT } else { TRUSTED_WAIT };
            self.park_until(start + watched_wait(self.missed, rests_until, longest, start).max(poll), || self.is_awake());
        }
        // A change waits for the end of the poll interval: lines that come one by one are read together.
        self.park_until(start + poll, || false);
        std::mem::take(&mut *self.hints.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn is_awake(&self) -> bool {
        self.hints.lock().unwrap_or_else(PoisonError::into_inner).is_awake
    }

    fn park_until(&self, deadline: Instant, is_over: impl Fn() -> bool) {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.stop.is_cancelled() || is_over() {
                return;
            }
            thread::park_timeout(left);
        }
    }
}

/// The longest wait while the kernel reports changes and `missed` was the last one that it did not report.
fn watched_wait(missed: Option<Instant>, rests_until: Option<Instant>, longest: Duration, now: Instant) -> Duration {
    let is_trusted = missed.is_none_or(|missed| now.duration_since(missed) >= DISTRUST);
    let rest = rests_until.filter(|_| is_trusted).map(|until| until.saturating_duration_since(now));
    rest.unwrap_or_default().clamp(WATCHED_WAIT, longest)
}

/// Asks the kernel to report changes. None when it cannot; polling finds them too.
fn watcher(pattern: FilePattern, poll: Duration, hints: Arc<Mutex<Hints>>, waiting: Thread) -> Option<RecommendedWatcher> {
    // Bounded: a thread that rests takes no new directories to watch.
    let mut pace = Pace::new(poll.min(WATCHED_WAIT));
    let handler = move |event: notify::Result<Event>| {
        let Ok(event) = event else { return };
        let mut hints = hints.lock().unwrap_or_else(PoisonError::into_inner);
        if !note(&event, &pattern, &mut hints) {
            return;
        }
        let was_awake = std::mem::replace(&mut hints.is_awake, true);
        drop(hints);
        if !was_awake {
            waiting.unpark();
        }
        pace.after_event();
    };
    notify::recommended_watcher(handler).inspect_err(|error| warn!(%error, "cannot watch directories, polling instead")).ok()
}

/// Takes note of an event. Returns whether it is of interest: our own opening and reading makes events too.
fn note(event: &Event, pattern: &FilePattern, hints: &mut Hints) -> bool {
    let fits = |path: &Path| path.file_name().and_then(|name| name.to_str()).is_some_and(|name| pattern.fits_anywhere(name));
    match event.kind {
        EventKind::Access(_) => false,
        EventKind::Modify(ModifyKind::Data(DataChange::Any | DataChange::Content | DataChange::Size)) => {
            let ours: Vec<&PathBuf> = event.paths.iter().filter(|path| fits(path)).collect();
            hints.names |= hints.touched.len() > MAX_TOUCHED;
            if hints.touched.len() <= MAX_TOUCHED {
                hints
                    .touched
                    .extend(ours.iter().copied().filter(|path| !hints.touched.contains(*path)).cloned().collect::<Vec<_>>());
            }
            !ours.is_empty()
        }
        _ => {
            // The name of a directory may be anything.
            let is_ours = !pattern.is_flat() || event.paths.iter().any(|path| fits(path));
            hints.names |= is_ours;
            is_ours
        }
    }
}

#[cfg(test)]
mod tests {
    use notify::event::{AccessKind, CreateKind, MetadataKind};

    use super::*;

    fn noted(pattern: &str, kind: EventKind, path: &str) -> (bool, bool, usize) {
        let mut hints = Hints::default();
        let event = Event::new(kind).add_path(path.into());
        let is_noted = note(&event, &FilePattern::parse(pattern).unwrap(), &mut hints);
        (is_noted, hints.names, hints.touched.len())
    }

    #[test]
    fn a_wait_is_long_only_while_nothing_is_due_and_the_kernel_misses_nothing() {
        let now = Instant::now();
        let (soon, later) = (now + Duration::from_secs(3), now + Duration::from_secs(60));
        let wait = |missed, rests_until, now| watched_wait(missed, rests_until, LOCAL_WAIT, now);
        assert_eq!(wait(None, Some(later), now), LOCAL_WAIT);
        assert_eq!(watched_wait(None, Some(later), TRUSTED_WAIT, now), TRUSTED_WAIT, "others may write");
        assert_eq!(wait(None, Some(soon), now), Duration::from_secs(3));
        assert_eq!(wait(None, Some(now), now), WATCHED_WAIT);
        assert_eq!(wait(None, None, now), WATCHED_WAIT);
        assert_eq!(wait(Some(now), Some(later), now), WATCHED_WAIT);
        assert_eq!(wait(Some(now), Some(later + DISTRUST), now + DISTRUST), LOCAL_WAIT);
    }

    #[test]
    fn only_changes_of_the_flow_s_files_end_a_wait() {
        let written = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        assert_eq!(noted("/l/a*.log", written, "/l/ab.log"), (true, false, 1));
        assert_eq!(noted("/l/a*.log", written, "/l/b.log"), (false, false, 0));
        assert_eq!(noted("/l/a.log", EventKind::Create(CreateKind::File), "/l/a.log.1"), (true, true, 0));
        assert_eq!(noted("/l/a.log", EventKind::Access(AccessKind::Read), "/l/a.log"), (false, false, 0));
        let rights = EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any));
        assert_eq!(noted("/l/a.log", rights, "/l/a.log"), (true, true, 0), "it may be readable now");
        assert_eq!(noted("/l/*/a.log", EventKind::Create(CreateKind::Folder), "/l/new"), (true, true, 0));
    }
}
