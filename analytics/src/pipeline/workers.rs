//! Decoder threads that take chunks in turn.

use std::thread;

use anyhow::Result;
use tokio::sync::mpsc::{Receiver, Sender, channel};

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
}

/// Starts one thread for each of these, which has a decoder for each input of the program. They end when their sender is dropped.
pub(super) fn start(decoders: Vec<Vec<Decoder>>) -> Result<Workers> {
    let mut senders = Vec::new();
    let mut receivers = Vec::new();
    for decoders in decoders {
        let (chunks, incoming) = channel(WAITING);
        let (decoded, receiver) = channel(WAITING);
        thread::Builder::new().name("decoder".to_owned()).spawn(move || work(decoders, incoming, &decoded))?;
        senders.push(chunks);
        receivers.push(receiver);
    }
    Ok(Workers { chunks: senders, decoded: InTurn { receivers, turn: 0 } })
}

fn work(mut decoders: Vec<Decoder>, mut chunks: Receiver<Chunk>, decoded: &Sender<Decoded>) {
    while let Some(chunk) = chunks.blocking_recv() {
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
