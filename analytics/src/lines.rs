//! Lines in bytes.

use bytes::Bytes;
use memchr::memchr_iter;

/// Lines of `bytes` without their newlines; the last one may lack it.
pub(crate) fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    split(bytes, memchr_iter(b'\n', bytes))
}

/// A block of whole lines. Where they end is found once, by the reader, who counts them, and used by the decoder.
#[derive(Debug)]
pub(crate) struct Lines {
    bytes: Bytes,
    newlines: Vec<usize>,
}

impl Lines {
    pub(crate) fn new(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let newlines = memchr_iter(b'\n', &bytes).collect();
        Self { bytes, newlines }
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Lines that end with a newline.
    pub(crate) fn ended(&self) -> u64 {
        self.newlines.len() as u64
    }

    /// Lines, with the last one that may lack its newline.
    pub(crate) fn count(&self) -> u64 {
        self.ended() + u64::from(self.bytes.last().is_some_and(|last| *last != b'\n'))
    }

    /// The lines without their newlines.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        split(&self.bytes, self.newlines.iter().copied())
    }
}

fn split(bytes: &[u8], newlines: impl Iterator<Item = usize>) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    let ends = newlines.chain(std::iter::once(bytes.len()));
    ends.filter_map(move |end| {
        let line = bytes.get(start..end);
        start = end + 1;
        line.filter(|line| !line.is_empty() || end < bytes.len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_last_line_counts_without_its_newline_and_nothing_behind_the_last_one_does_not() {
        for (text, expected) in [("a\nb\n", vec!["a", "b"]), ("a\n\nb", vec!["a", "", "b"]), ("\n", vec![""])] {
            let block = Lines::new(text);
            assert_eq!(block.iter().collect::<Vec<_>>(), expected.iter().map(|line| line.as_bytes()).collect::<Vec<_>>());
            assert!(lines(text.as_bytes()).eq(block.iter()));
            assert_eq!(block.count(), expected.len() as u64);
        }
    }
}
