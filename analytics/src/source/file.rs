//! Replay: files and standard input, as fast as they can be read.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use flate2::bufread::MultiGzDecoder;
use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;

use super::Input;
use super::arrivals::Arrivals;
use super::blocks::Blocks;
use crate::chunk::{Chunk, Payload, ShardId};
use crate::progress::Progress;

/// The files of one replay are one sequence: the second continues the first.
const SHARD: ShardId = ShardId(0);

/// What to replay.
pub(crate) struct Replay {
    pub(crate) inputs: Vec<Input>,
    /// A file with the arrival time of every line.
    pub(crate) arrivals: Option<PathBuf>,
    pub(crate) progress: Arc<Progress>,
}

/// Sends the lines of every input, one after the other.
///
/// # Errors
/// When a file cannot be opened or read; the lines before the fault have been sent.
pub(super) fn replay(replay: &Replay, chunks: &Sender<Chunk>, stop: &CancellationToken) -> Result<()> {
    let Replay { inputs, arrivals, progress } = replay;
    let mut arrivals = arrivals.as_deref().map(Arrivals::open).transpose()?;
    for input in inputs {
        let (name, reader) = open(input, progress)?;
        if !send_lines(&name, reader, arrivals.as_mut(), chunks, stop).with_context(|| format!("cannot read {name}"))? {
            return Ok(());
        }
    }
    if let Some(arrivals) = arrivals {
        arrivals.finish()?;
    }
    let _ = chunks.blocking_send(Chunk { shard: SHARD, payload: Payload::End }); // a receiver that is gone needs no end
    Ok(())
}

/// Sends one input's lines. False when nobody wants more.
fn send_lines(
    name: &Arc<str>,
    reader: Box<dyn Read>,
    mut arrivals: Option<&mut Arrivals>,
    chunks: &Sender<Chunk>,
    stop: &CancellationToken,
) -> Result<bool> {
    let mut blocks = Blocks::new(reader);
    let mut first_line = 1;
    while let Some(bytes) = blocks.next()? {
        let lines = memchr::memchr_iter(b'\n', &bytes).count() as u64;
        let count = lines + u64::from(!bytes.ends_with(b"\n")); // the last line may lack its newline
        let arrivals_ms = arrivals.as_deref_mut().map(|arrivals| arrivals.next(count)).transpose()?.unwrap_or_default();
        let payload = Payload::Lines { bytes, file: name.clone(), first_line, arrivals_ms };
        first_line += lines;
        if stop.is_cancelled() || chunks.blocking_send(Chunk { shard: SHARD, payload }).is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Opens an input and undoes its compression, which is known by its first bytes, not by its name.
fn open(input: &Input, progress: &Arc<Progress>) -> Result<(Arc<str>, Box<dyn Read>)> {
    let (name, raw): (Arc<str>, Box<dyn Read>) = match input {
        Input::File(path) => (path.display().to_string().into(), Box::new(progress.watch(open_file(path)?))),
        Input::Stdin | Input::Kinesis(_) => ("standard input".into(), Box::new(io::stdin().lock())),
    };
    let reader = decompress(raw).with_context(|| format!("cannot read {name}"))?;
    Ok((name, reader))
}

pub(super) fn open_file(path: &Path) -> Result<File> {
    File::open(path).with_context(|| format!("cannot open {}; check the path and that this user may read it", path.display()))
}

pub(super) fn decompress(raw: Box<dyn Read>) -> io::Result<Box<dyn Read>> {
    const BUFFER_BYTES: usize = 256 * 1024;
    let mut reader = BufReader::with_capacity(BUFFER_BYTES, raw);
    Ok(match reader.fill_buf()? {
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(reader)), // several members: concatenated logs
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd::Decoder::with_buffer(reader)?),
        _ => Box::new(reader),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read_back(bytes: Vec<u8>) -> String {
        let mut text = String::new();
        decompress(Box::new(io::Cursor::new(bytes))).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn compression_is_known_by_content() {
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(b"line\n").unwrap();
        let gz = gz.finish().unwrap();
        assert_eq!(read_back(gz.clone()), "line\n");
        assert_eq!(read_back([gz.clone(), gz].concat()), "line\nline\n");
        assert_eq!(read_back(zstd::encode_all(&b"line\n"[..], 1).unwrap()), "line\n");
        assert_eq!(read_back(b"line\n".to_vec()), "line\n");
        assert_eq!(read_back(Vec::new()), "");
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = open_file(Path::new("/nowhere/access.log")).unwrap_err();
        assert!(error.to_string().starts_with("cannot open /nowhere/access.log;"), "{error}");
    }
}
