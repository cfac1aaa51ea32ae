//! Blocks of files, read in turn by the threads that decode them.
//!
//! What a thread has read is near its CPU when it decodes it: a reader on another CPU cost a tenth of a replay, and its
//! blocks waited in a queue. One thread reads at a time, in the order of the turns, so lines stay in order.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;

use super::file::Reading;
use crate::chunk::{Chunk, Payload, ShardId, Unread};

/// Sends turns until one of them has found the end.
///
/// # Errors
/// Those of the reading.
pub(super) fn lend(reading: Reading, shard: ShardId, chunks: &Sender<Chunk>, stop: &CancellationToken) -> Result<()> {
    let turns = Arc::new(Turns::new(reading));
    for number in 0.. {
        if turns.is_over.load(Ordering::Relaxed) || stop.is_cancelled() {
            break;
        }
        let turn = Box::new(Turn { turns: turns.clone(), number, was_taken: false });
        if chunks.blocking_send(Chunk::new(shard, Payload::Unread(turn))).is_err() {
            break;
        }
    }
    turns.lock().fault.take().map_or(Ok(()), Err)
}

/// A reading, and whose turn it is.
struct Turns {
    state: Mutex<State>,
    changed: Condvar,
    /// Nothing more is read.
    is_over: AtomicBool,
}

struct State {
    reading: Reading,
    /// The turn that reads next.
    next: u64,
    fault: Option<anyhow::Error>,
}

impl Turns {
    fn new(reading: Reading) -> Self {
        let state = State { reading, next: 0, fault: None };
        Self { state: Mutex::new(state), changed: Condvar::new(), is_over: AtomicBool::new(false) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn and reads. None: it is over.
    fn read(&self, number: u64) -> Option<Chunk> {
        let is_early = |state: &mut State| state.next != number && !self.is_over.load(Ordering::Relaxed);
        let mut state = self.changed.wait_while(self.lock(), is_early).unwrap_or_else(PoisonError::into_inner);
        if self.is_over.load(Ordering::Relaxed) {
            return None;
        }
        let chunk = state.reading.next().unwrap_or_else(|fault| {
            state.fault = Some(fault);
            None
        });
        state.next += 1;
        self.is_over.store(chunk.is_none(), Ordering::Relaxed);
        self.changed.notify_all();
        chunk
    }

    /// A turn that was not taken is the end: who dropped it has stopped.
    fn give_up(&self) {
        let _state = self.lock(); // so that nobody is between looking and waiting
        self.is_over.store(true, Ordering::Relaxed);
        self.changed.notify_all();
    }
}

/// The right to read one block.
struct Turn {
    turns: Arc<Turns>,
    number: u64,
    was_taken: bool,
}

impl Unread for Turn {
    fn read(mut self: Box<Self>) -> Option<Chunk> {
        let chunk = self.turns.read(self.number);
        self.was_taken = true; // not if reading panics
        chunk
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.was_taken {
            self.turns.give_up();
        }
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "turn {}", self.number)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::thread;

    use tokio::sync::mpsc::{Receiver, channel};

    use super::*;
    use crate::chunk::Payload;
    use crate::progress::Progress;
    use crate::source::{Input, Replay, Source};

    const LINE: &[u8] = b"a line of the log\n";

    /// A source over a file of many blocks, and where it sends.
    fn lent(path: PathBuf) -> (thread::JoinHandle<Result<()>>, Receiver<Chunk>, CancellationToken) {
        let (chunks, received) = channel(2);
        let stop = CancellationToken::new();
        let inputs = vec![Input::File(path)];
        let replay =
            Replay { inputs, shard: ShardId(0), arrivals: None, from: None, progress: Progress::hidden(), is_alone: true };
        let run = Source::Replay(replay).run(chunks, stop.clone());
        let source = thread::spawn(|| tokio::runtime::Builder::new_current_thread().build()?.block_on(run));
        (source, received, stop)
    }

    fn log(blocks: usize) -> (tempfile::TempDir, PathBuf, usize) {
        let folder = tempfile::tempdir().unwrap();
        let lines = blocks * (1 << 20) / LINE.len() + 1;
        let path = folder.path().join("a.log");
        std::fs::write(&path, LINE.repeat(lines)).unwrap();
        (folder, path, lines)
    }

    #[test]
    fn threads_read_in_turn_and_all_of_it() {
        let (_folder, path, lines) = log(9);
        let (source, mut received, _stop) = lent(path);
        // Each turn on a thread of its own, the later ones first.
        let mut threads = Vec::new();
        while let (Some(one), two) = (received.blocking_recv(), received.blocking_recv()) {
            let two = two.map(|two| thread::spawn(|| two.read()));
            threads.push(thread::spawn(|| one.read()));
            threads.extend(two);
        }
        let chunks: Vec<Chunk> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        let firsts = chunks.iter().filter_map(|chunk| match &chunk.payload {
            Payload::Lines { lines, first_line, .. } => Some((*first_line, lines.count())),
            _ => None,
        });
        let mut next = 1;
        for (first, count) in firsts {
            assert_eq!(first, next);
            next += count;
        }
        assert_eq!(next as usize, lines + 1);
        assert_eq!(chunks.iter().filter(|chunk| matches!(chunk.payload, Payload::End)).count(), 1);
        source.join().unwrap().unwrap();
    }

    #[test]
    fn a_turn_that_nobody_takes_ends_the_others() {
        let (_folder, path, _) = log(9);
        let (source, mut received, _stop) = lent(path);
        let (first, second) = (received.blocking_recv().unwrap(), received.blocking_recv().unwrap());
        let waiting = thread::spawn(|| second.read());
        drop(first);
        assert!(matches!(waiting.join().unwrap().payload, Payload::Nothing));
        while let Some(chunk) = received.blocking_recv() {
            assert!(matches!(chunk.read().payload, Payload::Nothing));
        }
        source.join().unwrap().unwrap();
    }

    #[test]
    fn a_file_that_cannot_be_read_is_the_sources_fault() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("broken.log.gz");
        std::fs::write(&path, b"\x1f\x8b, and then no gzip").unwrap();
        let (source, mut received, _stop) = lent(path);
        while let Some(chunk) = received.blocking_recv() {
            assert!(matches!(chunk.read().payload, Payload::Nothing));
        }
        assert!(source.join().unwrap().unwrap_err().to_string().contains("broken.log.gz"));
    }
}
