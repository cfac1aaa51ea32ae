//! The thread of one flow: drives the tailer, and waits in between.
//!
//! Changes that the kernel reports only end a wait early; what there is to read is found by looking.

use std::{
    io,
    path::Path,
    sync::{Arc, atomic::AtomicBool, atomic::Ordering::Relaxed},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _, event::ModifyKind};
use tokio::{
    runtime::Handle,
    sync::{
        Notify,
        mpsc::{self, error::TrySendError},
    },
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{Tailer, pace::Pace};
use crate::{
    checkpoint::state::FlowState,
    counters::Counters,
    observe::Beat,
    record::FromTailer,
    settings::{FilePattern, FlowSettings},
};

/// Longest wait while the kernel reports changes. Not for ever: over a network file system it does not.
const WATCHED_WAIT: Duration = Duration::from_secs(1);

/// Starts the thread. It ends when `stop` is cancelled and all is read, or when the receiver is gone.
///
/// # Errors
/// When the system refuses another thread.
pub(crate) fn spawn(
    settings: FlowSettings,
    state: Option<FlowState>,
    counters: Arc<Counters>,
    to_shipper: mpsc::Sender<FromTailer>,
    stop: CancellationToken,
) -> io::Result<JoinHandle<()>> {
    let runtime = Handle::current();
    thread::Builder::new().name("tailer".to_owned()).spawn(move || {
        let mut waiter = Waiter::new(&settings, runtime, stop.clone());
        let live = counters.clone();
        let sink = |news| send(&to_shipper, news, &live.live.tailer);
        let mut tailer = Tailer::new(settings, state.as_ref(), counters, Instant::now(), sink);
        let mut hinted = false;
        while !stop.is_cancelled() && !tailer.is_closed() {
            let now = Instant::now();
            live.live.tailer.busy(now);
            if !tailer.round(now, hinted) {
                live.live.tailer.waiting(Instant::now());
                hinted = waiter.wait();
            }
        }
        tailer.finish(Instant::now());
    })
}

/// Hands news on; waits for a place when there is none. Returns false when nobody wants more.
fn send(to_shipper: &mpsc::Sender<FromTailer>, news: FromTailer, beat: &Beat) -> bool {
    match to_shipper.try_send(news) {
        Ok(()) => true,
        Err(TrySendError::Closed(_)) => false,
        Err(TrySendError::Full(news)) => {
            beat.waiting(Instant::now());
            let is_sent = to_shipper.blocking_send(news).is_ok();
            beat.busy(Instant::now());
            is_sent
        }
    }
}

/// Waits for a change, the next poll, or the stop signal.
struct Waiter {
    runtime: Handle,
    stop: CancellationToken,
    pattern: FilePattern,
    poll: Duration,
    changed: Arc<Change>,
    watcher: Option<RecommendedWatcher>,
}

/// Set by the watcher's thread.
#[derive(Debug, Default)]
struct Change {
    wake: Notify,
    /// Stays set until the end of a wait, whichever way it ends.
    hint: AtomicBool,
}

impl Waiter {
    fn new(settings: &FlowSettings, runtime: Handle, stop: CancellationToken) -> Self {
        let (pattern, poll) = (settings.files.clone(), settings.poll_interval);
        Self { runtime, stop, pattern, poll, changed: Arc::default(), watcher: None }
    }

    /// Returns whether something in the directory changed.
    fn wait(&mut self) -> bool {
        if self.watcher.is_none() {
            self.watcher = watch(&self.pattern, self.poll, &self.changed);
        }
        let rest = if self.watcher.is_some() { WATCHED_WAIT.saturating_sub(self.poll) } else { Duration::ZERO };
        // A poll interval of 0 must not become a busy loop.
        let poll = self.poll.max(Duration::from_millis(1));
        let wait = async {
            // A change within the poll interval waits for its end: lines that come one by one are read together.
            sleep(poll).await;
            let _ = timeout(rest, self.changed.wake.notified()).await; // either way it is time to look
        };
        self.runtime.block_on(async {
            tokio::select! {
                () = wait => {}
                () = self.stop.cancelled() => {}
            }
        });
        if !self.pattern.directory().exists() {
            self.watcher = None; // it watched a directory that is gone
        }
        self.changed.hint.swap(false, Relaxed)
    }
}

/// Asks the kernel to report changes of the flow's files. None when it cannot; polling finds them too.
fn watch(pattern: &FilePattern, poll: Duration, changed: &Arc<Change>) -> Option<RecommendedWatcher> {
    let (names, changed, mut pace) = (pattern.clone(), changed.clone(), Pace::new(poll));
    let handler = move |event: notify::Result<Event>| {
        if event.is_ok_and(|event| is_of_interest(&event, &names)) {
            changed.hint.store(true, Relaxed);
            changed.wake.notify_one();
            pace.after_event();
        }
    };
    let mut watcher = notify::recommended_watcher(handler)
        .inspect_err(|error| warn!(%error, "cannot watch directories, polling instead"))
        .ok()?;
    match watcher.watch(pattern.directory(), RecursiveMode::NonRecursive) {
        Ok(()) => Some(watcher),
        Err(error) => {
            debug!(directory = %pattern.directory().display(), %error, "cannot watch, polling instead");
            None
        }
    }
}

/// Opening and reading a file makes events too: our own must not wake us.
fn is_of_interest(event: &Event, pattern: &FilePattern) -> bool {
    let is_change = match event.kind {
        EventKind::Access(_) | EventKind::Modify(ModifyKind::Metadata(_)) => false,
        EventKind::Any | EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_) | EventKind::Other => true,
    };
    let is_ours = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| pattern.matches(name) || pattern.is_rotation(name))
    };
    is_change && event.paths.iter().any(|path| is_ours(path))
}
