//! Where lines come from: a Kinesis stream, files that are there, a file that is being written, standard input.
//!
//! A source sends [`Chunk`]s into a bounded channel. Full, it waits: the file or the stream is the real buffer.

mod arrivals;
mod blocks;
mod file;
pub(crate) mod kinesis;
mod shards;
mod tail;
mod turns;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Result;
use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;

use crate::chunk::Chunk;
pub(crate) use file::Replay;
use kinesis::KinesisSource;
pub(crate) use tail::Tail;

/// What `--input` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    /// A file, read once to its end. Compressed with gzip or zstd, or not.
    File(PathBuf),
    /// Standard input, read once to its end.
    Stdin,
    /// A stream, by name, followed until stopped.
    Kinesis(String),
}

impl FromStr for Input {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("kinesis:") {
            Some("") => Err("kinesis: needs a stream's name, as in kinesis:web-access-log".to_owned()),
            Some(stream) => Ok(Self::Kinesis(stream.to_owned())),
            None if text == "-" => Ok(Self::Stdin),
            None => Ok(Self::File(PathBuf::from(text))),
        }
    }
}

impl fmt::Display for Input {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(out, "{}", path.display()),
            Self::Stdin => out.write_str("-"),
            Self::Kinesis(stream) => write!(out, "kinesis:{stream}"),
        }
    }
}

/// What `--stream` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StreamText {
    /// A Kinesis stream, for a program with one input.
    Only(String),
    /// The source of one of the program's streams.
    Of { stream: String, source: Input },
}

impl FromStr for StreamText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            None if text.is_empty() => Err("it is the name of a Kinesis stream, or STREAM=SOURCE".to_owned()),
            None => Ok(Self::Only(text.to_owned())),
            Some((stream, source)) if stream.is_empty() || source.is_empty() => {
                Err("it is STREAM=SOURCE, as in SOURCE_SQL_STREAM_002=kinesis:NAME or SOURCE_SQL_STREAM_002=access.log"
                    .to_owned())
            }
            Some((stream, source)) => Ok(Self::Of { stream: stream.to_owned(), source: source.parse()? }),
        }
    }
}

/// A source, ready to run.
pub(crate) enum Source {
    Replay(Replay),
    Tail(Tail),
    Kinesis(Box<KinesisSource>),
}

impl Source {
    /// Sends every chunk, until the input ends, the receiver is gone, or `stop`.
    pub(crate) async fn run(self, chunks: Sender<Chunk>, stop: CancellationToken) -> Result<()> {
        match self {
            Self::Replay(replay) => {
                // Files are read on a thread of their own: reading blocks.
                tokio::task::spawn_blocking(move || or_stop(file::replay(&replay, &chunks, &stop), &stop)).await?
            }
            Self::Tail(tail) => tokio::task::spawn_blocking(move || or_stop(tail::follow(&tail, &chunks, &stop), &stop)).await?,
            Self::Kinesis(source) => source.run(chunks, stop).await,
        }
    }
}

/// Stops everything after a failure, before the channel of the source is closed: that would be the end of a complete input.
fn or_stop(outcome: Result<()>, stop: &CancellationToken) -> Result<()> {
    outcome.inspect_err(|_| stop.cancel())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_told_apart() {
        assert_eq!("-".parse(), Ok(Input::Stdin));
        assert_eq!("kinesis:s".parse(), Ok(Input::Kinesis("s".to_owned())));
        assert_eq!("a.log".parse(), Ok(Input::File("a.log".into())));
        assert!("kinesis:".parse::<Input>().is_err());
        assert_eq!("web".parse(), Ok(StreamText::Only("web".to_owned())));
        let of = |stream: &str, source| Ok(StreamText::Of { stream: stream.to_owned(), source });
        assert_eq!("A=kinesis:s".parse(), of("A", Input::Kinesis("s".to_owned())));
        assert_eq!("A=a.log".parse(), of("A", Input::File("a.log".into())));
        assert!(["", "=a", "A=", "A=kinesis:"].iter().all(|text| text.parse::<StreamText>().is_err()));
    }
}
