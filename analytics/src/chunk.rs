//! What a source hands to the decoders: whole lines, with where they came from.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

/// One ordered sequence of lines: a shard of a stream, or a file. Numbered from 0 by the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ShardId(pub(crate) u32);

/// Lines of one shard, in the order they were written, or news about the shard.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) shard: ShardId,
    pub(crate) payload: Payload,
}

/// The contents of a [`Chunk`].
#[derive(Debug)]
pub(crate) enum Payload {
    /// The shard will be read: its rows are waited for.
    Begin,
    /// Whole lines of a file. The last one may lack its newline.
    Lines {
        bytes: Bytes,
        file: Arc<str>,
        first_line: u64,
        /// When each line arrived, milliseconds since 1970; empty when nobody knows.
        arrivals_ms: Vec<i64>,
    },
    /// Records of a stream, each with one line or several.
    Records(Vec<StreamRecord>),
    /// Every record that had arrived at `at_ms` (milliseconds since 1970) has been handed over.
    CaughtUp { at_ms: i64 },
    /// Nothing more comes from this shard.
    End,
}

/// One record of a stream.
#[derive(Debug, Clone)]
pub(crate) struct StreamRecord {
    pub(crate) data: Bytes,
    /// ApproximateArrivalTimestamp, milliseconds since 1970.
    pub(crate) arrival_ms: i64,
    /// Kinesis' own number, text of up to 56 digits.
    pub(crate) sequence_number: String,
    /// The shard's name in Kinesis, such as `shardId-000000000000`.
    pub(crate) shard_name: Arc<str>,
}

/// Where a line stands, for a person who looks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Position {
    File { file: Arc<str>, line: u64 },
    Stream { shard: Arc<str>, sequence_number: String, line: u64 },
}

impl fmt::Display for Position {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line } => write!(out, "{file}:{line}"),
            Self::Stream { shard, sequence_number, line } => write!(out, "{shard}/{sequence_number}:{line}"),
        }
    }
}
