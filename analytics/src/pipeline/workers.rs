//! Decoder threads that take chunks in turn.

use std::thread;

use anyhow::Result;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio_util::sync::CancellationToken;

use super::{Part, spawn};
use crate::chunk::Chunk;
use crate::clock::now_ms;
use crate::decode::{Decoded, Decoder};

/// Chunks waiting at each decoder, and decoded ones waiting behind it: one in work, one ready.
const WAITING: usize = 1;

/// The ends of the decoder threads.
pub(super) struct Workers {
    /// Where the n-th decoder takes chunks.
    pub(super) chunks: Vec<Sender<Chunk>>,
    /// What they made of them, in the order the chunks were dispatched.
    pub(super) decoded: InTurn,
    pub(super) parts: Vec<Part<()>>,
}

/// Starts one thread for each of these, which has a decoder for each input of the program. They end when their sender is
/// dropped; a panic in one of them is a `stop`.
pub(super) fn start(decoders: Vec<Vec<Decoder>>, stop: &CancellationToken) -> Result<Workers> {
    let (mut senders, mut receivers, mut parts) = (Vec::new(), Vec::new(), Vec::new());
    for decoders in decoders {
        let (chunks, incoming) = channel(WAITING);
        let (decoded, receiver) = channel(WAITING);
        let stop = stop.clone();
        parts.push(spawn("decoder", move || {
            // Before the channel is closed: that would be the end of a complete input.
            let _guard = StopOnPanic(&stop);
            work(decoders, incoming, &decoded);
            Ok(())
        })?);
        senders.push(chunks);
        receivers.push(receiver);
    }
    Ok(Workers { chunks: senders, decoded: InTurn { receivers, turn: 0 }, parts })
}

struct StopOnPanic<'a>(&'a CancellationToken);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.cancel();
        }
    }
}

fn work(mut decoders: Vec<Decoder>, mut chunks: Receiver<Chunk>, decoded: &Sender<Decoded>) {
    while let Some(chunk) = chunks.blocking_recv() {
        let chunk = chunk.read(); // before the clock is looked at
        let decoder = &mut decoders[chunk.shard.input()];
        if decoded.blocking_send(decoder.decode(chunk, now_ms())).is_err() {
            return; // the engine has stopped
        }
    }
}

/// Hands chunks to the decoders in turn, until the source has ended or the decoders have.
pub(super) async fn dispatch(mut chunks: Receiver<Chunk>, workers: Vec<Sender<Chunk>>) -> Result<()> {
    for worker in workers.iter().cycle() {
        let Some(chunk) = chunks.recv().await else { break };
        if worker.send(chunk).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// Takes what the decoders made, in the order of dispatch.
pub(super) struct InTurn {
    receivers: Vec<Receiver<Decoded>>,
    turn: usize,
}

impl InTurn {
    /// The next one; None when all is done. Safe to cancel: the turn moves on only when something was taken.
    pub(super) async fn next(&mut self) -> Option<Decoded> {
        let decoded = self.receivers[self.turn].recv().await?;
        self.turn = (self.turn + 1) % self.receivers.len();
        Some(decoded)
    }
}
