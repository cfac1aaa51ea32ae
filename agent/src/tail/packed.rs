//! Reads a compressed file from a position of its uncompressed bytes.
//!
//! Only what was compressed before it was read to its end is read this way. The stream is unpacked from its start, in
//! memory that does not grow with it; positions stay those of the file that it once was.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
};

use flate2::bufread::MultiGzDecoder;

use super::directory::{Stamp, open};
use crate::record::Fingerprint;

/// Bytes unpacked at once while looking for a position.
const SKIP_BYTES: usize = 64 * 1024;

/// A compressed file that is being read.
pub(super) struct Packed {
    file: File,
    stream: Box<dyn Read + Send>,
    /// The bytes unpacked last, kept because an unfinished line is read again.
    window: Vec<u8>,
    /// Where the window begins, in unpacked bytes.
    start: u64,
    is_gzip: bool,
    /// Whether the stream ended as it must.
    is_whole: bool,
}

impl std::fmt::Debug for Packed {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Packed").field("start", &self.start).field("window", &self.window.len()).finish_non_exhaustive()
    }
}

impl Packed {
    /// Opens a file whose name ends in `.gz` or `.zst`.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = open(path)?;
        let is_gzip = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
        let stream = stream(&file, is_gzip)?;
        Ok(Self { file, stream, window: Vec::new(), start: 0, is_gzip, is_whole: false })
    }

    /// The compressed file.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Its size and time stamp.
    pub(super) fn stamp(&self) -> io::Result<Stamp> {
        Ok(Stamp::of(&self.file.metadata()?))
    }

    /// Whether all of it was unpacked to an end that is no break.
    pub(super) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Whether it begins as a known file did.
    pub(super) fn begins_with(&mut self, fingerprint: Fingerprint) -> io::Result<bool> {
        let mut head = vec![0; Fingerprint::FULL];
        let length = self.read_at(&mut head, 0)?;
        Ok(fingerprint.length > 0 && fingerprint.matches(&head[..length]))
    }

    /// Fills the buffer with the bytes from a position; less only at the end of what is there so far.
    pub(super) fn read_at(&mut self, buffer: &mut [u8], from: u64) -> io::Result<usize> {
        if from < self.start {
            self.begin_again()?;
        }
        match self.advance(from, buffer.len()) {
            Ok(()) => {}
            // It is still being written: from its start, once there is more.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => self.is_whole = false,
            Err(error) => return Err(error),
        }
        let offset = usize::try_from(from - self.start).unwrap_or(usize::MAX).min(self.window.len());
        let length = buffer.len().min(self.window.len() - offset);
        buffer[..length].copy_from_slice(&self.window[offset..offset + length]);
        Ok(length)
    }

    /// Unpacks from the start again.
    pub(super) fn begin_again(&mut self) -> io::Result<()> {
        self.stream = stream(&self.file, self.is_gzip)?;
        self.window.clear();
        (self.start, self.is_whole) = (0, false);
        Ok(())
    }

    /// Makes the window begin at `from` and hold `length` bytes.
    fn advance(&mut self, from: u64, length: usize) -> io::Result<()> {
        let mut piece = vec![0; SKIP_BYTES];
        loop {
            let passed = usize::try_from(from - self.start).unwrap_or(usize::MAX).min(self.window.len());
            self.window.drain(..passed);
            self.start += passed as u64;
            if self.start == from && self.window.len() >= length {
                return Ok(());
            }
            match self.stream.read(&mut piece) {
                Ok(0) => {
                    self.is_whole = true;
                    return Ok(());
                }
                Ok(read) => self.window.extend_from_slice(&piece[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn stream(file: &File, is_gzip: bool) -> io::Result<Box<dyn Read + Send>> {
    let from_start = BufReader::new(Positioned { file: file.try_clone()?, at: 0 });
    Ok(if is_gzip { Box::new(MultiGzDecoder::new(from_start)) } else { Box::new(zstd::Decoder::with_buffer(from_start)?) })
}

/// Reads a file from its start whatever its shared position is.
struct Positioned {
    file: File,
    at: u64,
}

impl Read for Positioned {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = std::os::unix::fs::FileExt::read_at(&self.file, buffer, self.at)?;
        self.at += length as u64;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write as _};

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn text() -> Vec<u8> {
        (0..40_000).flat_map(|line| format!("line {line}\n").into_bytes()).collect()
    }

    fn packed(name: &str, bytes: &[u8]) -> (tempfile::TempDir, Packed) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(name), bytes).unwrap();
        let packed = Packed::open(&folder.path().join(name)).unwrap();
        (folder, packed)
    }

    #[test]
    fn any_position_can_be_read_forwards_and_back() {
        let text = text();
        let (both, name) = ([gzip(&text[..100_000]), gzip(&text[100_000..])].concat(), "a.gz"); // two members, as `cat` makes
        for (bytes, name) in [(both, name), (zstd::encode_all(&text[..], 1).unwrap(), "a.zst")] {
            let (_folder, mut packed) = packed(name, &bytes);
            let mut buffer = vec![0; 1000];
            for from in [0, 99_500, 99_600, 300_000, 10] {
                assert_eq!(packed.read_at(&mut buffer, from as u64).unwrap(), 1000);
                assert_eq!(buffer, text[from..from + 1000], "{name} {from}");
            }
            assert_eq!(packed.read_at(&mut buffer, text.len() as u64 - 3).unwrap(), 3);
            assert!(packed.is_whole());
        }
    }

    #[test]
    fn a_file_that_is_still_being_written_is_read_as_far_as_it_goes() {
        let (text, bytes) = (text(), gzip(&text()));
        let (folder, mut packed) = packed("a.gz", &bytes[..bytes.len() - 20]);
        let mut buffer = vec![0; text.len()];
        let length = packed.read_at(&mut buffer, 0).unwrap();
        assert!(length < text.len() && buffer[..length] == text[..length] && !packed.is_whole());
        fs::write(folder.path().join("a.gz"), &bytes).unwrap();
        packed.begin_again().unwrap();
        assert_eq!(packed.read_at(&mut buffer, 0).unwrap(), text.len());
    }

    #[test]
    fn the_memory_is_bounded_by_what_is_asked_for() {
        let (_folder, mut packed) = packed("a.gz", &gzip(&vec![b'x'; 50_000_000]));
        packed.read_at(&mut [0; 100], 49_000_000).unwrap();
        assert!(packed.window.capacity() < 4 * SKIP_BYTES);
    }

    #[test]
    fn the_beginning_tells_whether_it_is_the_known_file() {
        let (_folder, mut packed) = packed("a.gz", &gzip(&text()));
        assert!(packed.begins_with(Fingerprint::of(&text())).unwrap());
        assert!(!packed.begins_with(Fingerprint::of(b"other")).unwrap());
    }
}
