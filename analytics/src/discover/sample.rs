//! The first lines of a source.

use std::collections::{BTreeMap, HashSet};

use anyhow::{Context, Result};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::chunk::{Chunk, Payload, ShardId};
use crate::cli::DiscoverArguments;
use crate::decode;
use crate::live::Behind;
use crate::progress::Progress;
use crate::source::kinesis::{KinesisSource, StreamSettings};
use crate::source::{Input, Replay, Source};

/// Chunks that wait: the sample stops soon anyway.
const WAITING: usize = 1;

/// Chunks with as many lines as are asked for, or all that there are.
///
/// # Errors
/// When the source cannot be read.
pub(super) async fn take(arguments: &DiscoverArguments) -> Result<Vec<Chunk>> {
    let source = open(arguments).await?;
    let (sender, mut chunks) = mpsc::channel(WAITING);
    let stop = CancellationToken::new();
    let reader = tokio::spawn(source.run(sender, stop.clone()));
    let mut sample = Sample { chunks: vec![], lines: 0, behind: HashSet::new(), is_stream: is_stream(&arguments.source) };
    let deadline = Instant::now() + arguments.wait;
    let has_ended = loop {
        tokio::select! {
            chunk = chunks.recv() => match chunk {
                Some(chunk) => sample.add(chunk.read()),
                None => break true,
            },
            () = tokio::time::sleep_until(deadline) => break false,
        }
        if sample.is_enough(arguments.lines) {
            break false;
        }
    };
    stop.cancel();
    if has_ended {
        reader.await.context("the reader panicked")??; // what it has to say when it ended by itself
    }
    Ok(sample.chunks)
}

fn is_stream(input: &Input) -> bool {
    matches!(input, Input::Kinesis(_))
}

async fn open(arguments: &DiscoverArguments) -> Result<Source> {
    if let Input::Kinesis(stream) = &arguments.source {
        let aws = config::aws::AwsSettings { endpoint: arguments.endpoint.clone(), region: arguments.region.clone() };
        let settings = StreamSettings { input: 0, stream: stream.clone(), start: arguments.start.clone(), efo: None, aws };
        let source = KinesisSource::connect(settings, &BTreeMap::new(), Behind::default()).await?;
        return Ok(Source::Kinesis(Box::new(source)));
    }
    let inputs = vec![arguments.source.clone()];
    Ok(Source::Replay(Replay {
        inputs,
        shard: ShardId::of_input(0, 0),
        arrivals: None,
        from: None,
        progress: Progress::hidden(),
        is_alone: true,
    }))
}

/// What was read so far.
struct Sample {
    chunks: Vec<Chunk>,
    lines: usize,
    /// Shards that have not been read to where the stream stands now.
    behind: HashSet<ShardId>,
    is_stream: bool,
}

impl Sample {
    fn add(&mut self, chunk: Chunk) {
        match &chunk.payload {
            Payload::Begin => {
                self.behind.insert(chunk.shard);
            }
            Payload::CaughtUp { .. } | Payload::End => {
                self.behind.remove(&chunk.shard);
            }
            lines => {
                self.lines += decode::lines_of(lines).len();
                self.chunks.push(chunk);
            }
        }
    }

    /// A stream has no end: it is enough to have read what it held.
    fn is_enough(&self, lines: usize) -> bool {
        self.lines >= lines || (self.is_stream && self.lines > 0 && self.behind.is_empty())
    }
}
