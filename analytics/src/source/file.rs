//! Replay: files and standard input, as fast as they can be read.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::iter::Enumerate;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::vec::IntoIter;

use anyhow::{Context, Result, bail};
use flate2::bufread::MultiGzDecoder;
use md5::{Digest, Md5};
use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;

use super::arrivals::Arrivals;
use super::blocks::Blocks;
use super::{Input, turns};
use crate::chunk::{Chunk, FileMark, Mark, Payload, ShardId};
use crate::lines::Lines;
use crate::progress::Progress;

/// Bytes at the start of a file that tell it from another one.
pub(super) const HEAD_BYTES: usize = 4096;

/// What to replay.
pub(crate) struct Replay {
    pub(crate) inputs: Vec<Input>,
    /// The files of one replay are one sequence: the second continues the first.
    pub(crate) shard: ShardId,
    /// A file with the arrival time of every line.
    pub(crate) arrivals: Option<PathBuf>,
    /// Where a checkpoint stands.
    pub(crate) from: Option<FileMark>,
    pub(crate) progress: Arc<Progress>,
    /// Whether this is the only input of the program.
    pub(crate) is_alone: bool,
}

/// Sends the lines of every input, one after the other. Blocks of files are read by those who decode them.
///
/// # Errors
/// When a file cannot be opened or read; the lines before the fault have been sent.
pub(super) fn replay(replay: &Replay, chunks: &Sender<Chunk>, stop: &CancellationToken) -> Result<()> {
    let mut reading = Reading::begin(replay)?;
    // Who waits for a pipe, or passes over what a checkpoint knows, decodes nothing else meanwhile.
    if replay.is_alone && replay.inputs.iter().all(is_regular_file) {
        return turns::lend(reading, replay.shard, chunks, stop);
    }
    while let Some(chunk) = reading.next()? {
        if stop.is_cancelled() || chunks.blocking_send(chunk).is_err() {
            break;
        }
    }
    Ok(())
}

fn is_regular_file(input: &Input) -> bool {
    matches!(input, Input::File(path) if path.is_file())
}

/// The inputs of a replay on their way into chunks.
pub(super) struct Reading {
    shard: ShardId,
    inputs: Enumerate<IntoIter<Input>>,
    arrivals: Option<Arrivals>,
    progress: Arc<Progress>,
    /// Where it stands.
    mark: FileMark,
    current: Option<Current>,
    has_ended: bool,
}

/// The input that is read.
struct Current {
    name: Arc<str>,
    blocks: Blocks<Box<dyn Read + Send>>,
}

impl Reading {
    /// # Errors
    /// When the arrival times cannot be read, or are fewer than the lines that a checkpoint has.
    fn begin(replay: &Replay) -> Result<Self> {
        let mark = replay.from.clone().unwrap_or_default();
        let mut arrivals = replay.arrivals.as_deref().map(Arrivals::open).transpose()?;
        if let Some(arrivals) = &mut arrivals {
            arrivals.skip(mark.total_lines)?;
        }
        let inputs = replay.inputs.clone().into_iter().enumerate();
        let (shard, progress) = (replay.shard, replay.progress.clone());
        Ok(Self { shard, inputs, arrivals, progress, mark, current: None, has_ended: false })
    }

    /// The next chunk: the last one is the end of the shard. None behind that.
    ///
    /// # Errors
    /// When an input cannot be opened or read.
    pub(super) fn next(&mut self) -> Result<Option<Chunk>> {
        loop {
            let Some(current) = &mut self.current else {
                match self.inputs.next() {
                    Some((index, _)) if index < self.mark.input => {}
                    Some((index, input)) => self.current = Some(self.open(index, &input)?),
                    None => return self.end(),
                }
                continue;
            };
            match current.blocks.next().with_context(|| format!("cannot read {}", current.name))? {
                Some(bytes) => {
                    let name = current.name.clone();
                    return self.chunk(name, Lines::new(bytes)).map(Some);
                }
                None => self.current = None,
            }
        }
    }

    fn open(&mut self, index: usize, input: &Input) -> Result<Current> {
        let (name, mut reader) = open(input, &self.progress)?;
        if index == self.mark.input {
            skip(&mut reader, &self.mark).with_context(|| format!("cannot go on in {name}"))?;
        } else {
            self.mark = FileMark { input: index, total_lines: self.mark.total_lines, ..FileMark::default() };
        }
        let blocks = if *input == Input::Stdin { Blocks::eager(reader) } else { Blocks::new(reader) };
        Ok(Current { name, blocks })
    }

    fn chunk(&mut self, file: Arc<str>, lines: Lines) -> Result<Chunk> {
        let arrivals = self.arrivals.as_mut().map(|arrivals| arrivals.next(lines.count())).transpose();
        let arrivals_ms = arrivals.with_context(|| format!("cannot read {file}"))?.unwrap_or_default();
        let first_line = self.mark.lines + 1;
        self.pass(&lines);
        let payload = Payload::Lines { lines, file, first_line, arrivals_ms };
        Ok(Chunk { shard: self.shard, payload, mark: Some(Mark::File(self.mark.clone())) })
    }

    /// Moves the mark behind a block.
    fn pass(&mut self, lines: &Lines) {
        let bytes = lines.bytes();
        if self.mark.offset == 0 {
            let head = &bytes[..bytes.len().min(HEAD_BYTES)];
            self.mark.head = (digest_of(head), head.len() as u64);
        }
        self.mark.offset += bytes.len() as u64;
        self.mark.lines += lines.ended();
        self.mark.total_lines += lines.count();
    }

    fn end(&mut self) -> Result<Option<Chunk>> {
        if let Some(arrivals) = self.arrivals.take() {
            arrivals.finish()?;
        }
        let is_first = !std::mem::replace(&mut self.has_ended, true);
        Ok(is_first.then(|| Chunk::new(self.shard, Payload::End)))
    }
}

/// Reads over what was read before, and checks that it is the same file.
fn skip(reader: &mut (dyn Read + Send), mark: &FileMark) -> Result<()> {
    let (digest, head_bytes) = &mark.head;
    let mut head = Vec::new();
    (&mut *reader).take(*head_bytes).read_to_end(&mut head)?;
    let rest = mark.offset.saturating_sub(*head_bytes);
    let skipped = io::copy(&mut reader.take(rest), &mut io::sink())?;
    if digest_of(&head) != *digest && mark.offset > 0 {
        bail!(
            "it is not the file that the checkpoint knows: its first bytes differ; put that one there, or start over with --fresh"
        );
    }
    if skipped < rest {
        bail!("it is shorter than at the checkpoint; put the whole file there, or start over with --fresh");
    }
    Ok(())
}

pub(super) fn digest_of(head: &[u8]) -> String {
    Md5::digest(head).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Opens an input and undoes its compression, which is known by its first bytes, not by its name.
fn open(input: &Input, progress: &Arc<Progress>) -> Result<(Arc<str>, Box<dyn Read + Send>)> {
    let (name, raw): (Arc<str>, Box<dyn Read + Send>) = match input {
        Input::File(path) => (path.display().to_string().into(), Box::new(progress.watch(open_file(path)?))),
        Input::Stdin | Input::Kinesis(_) => ("standard input".into(), Box::new(io::stdin())),
    };
    let reader = decompress(raw).with_context(|| format!("cannot read {name}"))?;
    Ok((name, reader))
}

pub(super) fn open_file(path: &Path) -> Result<File> {
    File::open(path).with_context(|| format!("cannot open {}; check the path and that this user may read it", path.display()))
}

pub(super) fn decompress(raw: Box<dyn Read + Send>) -> io::Result<Box<dyn Read + Send>> {
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
    use std::thread;

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

    fn replayed(path: &Path, from: Option<FileMark>) -> Result<Vec<(String, FileMark)>> {
        let inputs = vec![Input::File(path.to_owned())];
        let (chunks, mut received) = tokio::sync::mpsc::channel(2);
        let replay = Replay { inputs, shard: ShardId(0), arrivals: None, from, progress: Progress::hidden(), is_alone: true };
        let sender = thread::spawn(move || super::replay(&replay, &chunks, &CancellationToken::new()));
        let mut lines = Vec::new();
        while let Some(chunk) = received.blocking_recv().map(Chunk::read) {
            if let (Payload::Lines { lines: block, .. }, Some(Mark::File(mark))) = (chunk.payload, chunk.mark) {
                lines.push((String::from_utf8(block.bytes().to_vec()).unwrap(), mark));
            }
        }
        sender.join().unwrap()?;
        Ok(lines)
    }

    #[test]
    fn a_replay_goes_on_behind_its_mark_and_finds_what_was_added() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        std::fs::write(&path, "one\ntwo\n").unwrap();
        let first = replayed(&path, None).unwrap();
        assert_eq!((first.len(), first[0].1.offset, first[0].1.lines), (1, 8, 2));
        std::fs::write(&path, "one\ntwo\nthree\n").unwrap();
        let second = replayed(&path, Some(first[0].1.clone())).unwrap();
        assert_eq!((second[0].0.as_str(), second[0].1.offset, second[0].1.lines), ("three\n", 14, 3));
    }

    #[test]
    fn another_or_a_shorter_file_is_not_continued() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        std::fs::write(&path, "x\n".repeat(5_000)).unwrap();
        let mark = replayed(&path, None).unwrap().remove(0).1;
        for (text, what) in [("y\n".repeat(5_000), "its first bytes differ"), ("x\n".repeat(3_000), "it is shorter")] {
            std::fs::write(&path, text).unwrap();
            let error = format!("{:#}", replayed(&path, Some(mark.clone())).unwrap_err());
            assert!(error.contains(what), "{error}");
        }
    }
}
