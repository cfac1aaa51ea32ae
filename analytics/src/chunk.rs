//! What a source hands to the decoders: whole lines, with where they came from.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::lines::Lines;

/// One ordered sequence of lines: a shard of a stream, or a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct ShardId(pub(crate) u32);

impl ShardId {
    /// The high bits tell the input of the program, the low ones count its shards: room for 256 inputs, and for more
    /// shards than a stream has in its life.
    const INPUT_SHIFT: u32 = 24;

    /// The n-th shard of an input.
    pub(crate) fn of_input(input: usize, number: u32) -> Self {
        Self(u32::try_from(input).unwrap_or(u32::MAX) << Self::INPUT_SHIFT | number)
    }

    /// The input of the program that it belongs to, from 0.
    pub(crate) fn input(self) -> usize {
        (self.0 >> Self::INPUT_SHIFT) as usize
    }
}

/// Lines of one shard, in the order they were written, or news about the shard.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) shard: ShardId,
    pub(crate) payload: Payload,
    /// Where the source stands behind this chunk; None: where it stood before.
    pub(crate) mark: Option<Mark>,
}

impl Chunk {
    /// The chunk itself, read if it was not.
    pub(crate) fn read(self) -> Self {
        match self.payload {
            Payload::Unread(unread) => unread.read().unwrap_or_else(|| Self::new(self.shard, Payload::Nothing)),
            _ => self,
        }
    }

    /// A chunk that does not tell where the source stands.
    pub(crate) fn new(shard: ShardId, payload: Payload) -> Self {
        Self { shard, payload, mark: None }
    }
}

/// Where a source stands: everything before has been handed over, and reading goes on from here.
///
/// A record is handed over whole, with all that was aggregated or compressed into it, so no position inside of a
/// record is needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Mark {
    /// In a shard of a stream.
    Shard { name: String, at: ShardMark },
    /// In one of the files of a replay.
    File(FileMark),
}

/// Where in a shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ShardMark {
    /// At the oldest record that the stream has.
    Beginning,
    /// At the first record that arrived at this moment or later, milliseconds since 1970.
    Since(i64),
    /// Behind the record with this sequence number.
    After(String),
    /// At the end: nothing more comes.
    Drained,
}

/// Where in a list of files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileMark {
    /// Which of the inputs, from 0.
    pub(crate) input: usize,
    /// Bytes of it that were read, after decompression.
    pub(crate) offset: u64,
    /// Lines in those bytes.
    pub(crate) lines: u64,
    /// Lines of all inputs together.
    pub(crate) total_lines: u64,
    /// MD5 of the first bytes of the input, and how many they are: tells another file of the same name.
    pub(crate) head: (String, u64),
}

/// The contents of a [`Chunk`].
#[derive(Debug)]
pub(crate) enum Payload {
    /// The shard will be read: its rows are waited for.
    Begin,
    /// Whole lines of a file. The last one may lack its newline.
    Lines {
        lines: Lines,
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
    /// What [`Chunk::read`] reads.
    Unread(Box<dyn Unread>),
    /// There was nothing more to be read.
    Nothing,
}

/// A chunk that stands where its source has it, and is read by whoever decodes it.
pub(crate) trait Unread: fmt::Debug + Send {
    /// Reads it; None: the source has ended.
    fn read(self: Box<Self>) -> Option<Chunk>;
}

/// One record of a stream.
#[derive(Debug, Clone)]
pub(crate) struct StreamRecord {
    pub(crate) data: Bytes,
    /// ApproximateArrivalTimestamp, milliseconds since 1970.
    pub(crate) arrival_ms: i64,
    pub(crate) partition_key: String,
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
