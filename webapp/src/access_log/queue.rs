//! Lines on their way from the requests to the writer's thread.
//!
//! A bounded channel of bytes: requests append to one buffer and never wait, the writer takes the whole buffer at once.
//! So a line costs no allocation, and under load one write carries many lines.
//!
//! Invariant: holds complete lines only, at most `limits.lines` and `limits.bytes` of them; what does not fit is counted.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tracing::warn;

/// How long the writer gathers lines before it writes them: few writes under load, and well under 100 ms of delay.
const GATHER_TIME: Duration = Duration::from_millis(20);

/// Enough for one write; the writer stops gathering.
const GATHER_BYTES: usize = 64 * 1024;

/// One warning about lost lines in this time.
const WARN_EVERY: Duration = Duration::from_secs(10);

/// What the queue may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) lines: usize,
    pub(super) bytes: usize,
}

/// What the writer must do besides writing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signals {
    /// Open the file again. Told once.
    pub(super) reopen: bool,
    /// Write what is left and end. Stays true.
    pub(super) stop: bool,
}

pub(super) struct Queue {
    limits: Limits,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    pending: Vec<u8>,
    lines: usize,
    dropped: u64,
    warned: Option<Instant>,
    reopen: bool,
    stop: bool,
}

impl Queue {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, state: Mutex::default(), wake: Condvar::new() }
    }

    /// Adds one line, or counts it as lost when the queue is full.
    pub(super) fn push(&self, line: &[u8]) {
        let mut state = self.lock();
        if state.lines >= self.limits.lines || state.pending.len() + line.len() > self.limits.bytes {
            state.dropped += 1;
            return self.warn_of_loss(state);
        }
        let before = state.pending.len();
        state.pending.extend_from_slice(line);
        state.lines += 1;
        let is_first = before == 0;
        let is_enough = before < GATHER_BYTES && state.pending.len() >= GATHER_BYTES;
        drop(state);
        if is_first || is_enough {
            self.wake.notify_one();
        }
    }

    /// Waits for lines or a signal, gathers for a moment, and moves all lines into the empty `batch`.
    pub(super) fn take(&self, batch: &mut Vec<u8>) -> Signals {
        debug_assert!(batch.is_empty(), "lines of the last batch are still to be written");
        let is_quiet = |state: &mut State| !state.reopen && !state.stop;
        let mut state = self.lock();
        state = self
            .wake
            .wait_while(state, |state| state.pending.is_empty() && is_quiet(state))
            .unwrap_or_else(PoisonError::into_inner);
        let is_gathering = |state: &mut State| state.pending.len() < GATHER_BYTES && is_quiet(state);
        (state, _) = self.wake.wait_timeout_while(state, GATHER_TIME, is_gathering).unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut state.pending, batch);
        state.lines = 0;
        state.signals()
    }

    /// Waits `time`, or until there is a signal. New lines stay in the queue.
    pub(super) fn pause(&self, time: Duration) -> Signals {
        let is_quiet = |state: &mut State| !state.reopen && !state.stop;
        let (mut state, _) = self.wake.wait_timeout_while(self.lock(), time, is_quiet).unwrap_or_else(PoisonError::into_inner);
        state.signals()
    }

    pub(super) fn reopen(&self) {
        self.lock().reopen = true;
        self.wake.notify_one();
    }

    pub(super) fn stop(&self) {
        self.lock().stop = true;
        self.wake.notify_one();
    }

    /// Lines lost since the start because the queue was full.
    pub(super) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// Nothing panics while holding the lock, and the lines behind it are worth keeping if something did.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn warn_of_loss(&self, mut state: MutexGuard<'_, State>) {
        let now = Instant::now();
        if state.warned.is_some_and(|last| now.duration_since(last) < WARN_EVERY) {
            return;
        }
        state.warned = Some(now);
        let dropped = state.dropped;
        drop(state);
        warn!(dropped, "access log lines lost: the file is not written as fast as requests come; check its disk");
    }
}

impl State {
    fn signals(&mut self) -> Signals {
        Signals { reopen: std::mem::take(&mut self.reopen), stop: self.stop }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_counts_what_it_cannot_hold() {
        let queue = Queue::new(Limits { lines: 2, bytes: 1000 });
        for line in [b"one\n", b"two\n", b"six\n"] {
            queue.push(line);
        }
        assert_eq!(queue.dropped(), 1);
        queue.stop();
        let mut batch = Vec::new();
        assert!(queue.take(&mut batch).stop);
        assert_eq!(batch, b"one\ntwo\n");
    }

    #[test]
    fn bytes_are_bounded_too() {
        let queue = Queue::new(Limits { lines: 100, bytes: 6 });
        queue.push(b"four\n");
        queue.push(b"five\n");
        assert_eq!(queue.dropped(), 1);
    }

    #[test]
    fn taking_makes_room() {
        let queue = Queue::new(Limits { lines: 1, bytes: 100 });
        queue.push(b"one\n");
        queue.take(&mut Vec::new());
        queue.push(b"two\n");
        assert_eq!(queue.dropped(), 0);
    }

    #[test]
    fn reopening_is_told_once_and_stopping_stays() {
        let queue = Queue::new(Limits { lines: 1, bytes: 100 });
        queue.reopen();
        queue.stop();
        let first = queue.pause(Duration::ZERO);
        let second = queue.pause(Duration::ZERO);
        assert!(first.reopen && first.stop);
        assert!(!second.reopen && second.stop);
    }
}
