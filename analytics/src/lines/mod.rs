//! Lines in bytes.

mod ends;

use bytes::Bytes;
use memchr::{memchr, memrchr};

use ends::End;

/// A line without its newline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    pub(crate) bytes: &'a [u8],
    /// Whether it has no backslash and its quotes come in fours, as about the key and the value of each field of an object.
    pub(crate) is_plain: bool,
}

/// Bytes whose lines are found together: where they end takes room, most for a record of nothing but newlines.
const PIECE_BYTES: usize = 1 << 20;

/// Lines of `bytes`; the last one may lack its newline.
pub(crate) fn lines(bytes: &[u8]) -> impl Iterator<Item = Line<'_>> {
    pieces(bytes, PIECE_BYTES).flat_map(|piece| split(piece, ends::find(piece).into_iter()))
}

/// Whole lines, in pieces of so many bytes or of one line.
fn pieces(bytes: &[u8], most: usize) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let end = match rest.get(..most) {
            None => rest.len(),
            Some(start) => match memrchr(b'\n', start).or_else(|| memchr(b'\n', rest)) {
                Some(newline) => newline + 1,
                None => rest.len(),
            },
        };
        let (piece, behind) = rest.split_at(end);
        rest = behind;
        (!piece.is_empty()).then_some(piece)
    })
}

/// A block of whole lines. Where they end is found once, by the reader, who counts them, and used by the decoder.
#[derive(Debug)]
pub(crate) struct Lines {
    bytes: Bytes,
    ends: Vec<End>,
}

impl Lines {
    pub(crate) fn new(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let ends = ends::find(&bytes);
        Self { bytes, ends }
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Lines that end with a newline.
    pub(crate) fn ended(&self) -> u64 {
        self.count() - u64::from(self.bytes.last().is_some_and(|last| *last != b'\n'))
    }

    /// Lines, with the last one that may lack its newline.
    pub(crate) fn count(&self) -> u64 {
        self.ends.len() as u64
    }

    /// The lines.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Line<'_>> {
        split(&self.bytes, self.ends.iter().copied())
    }
}

fn split(bytes: &[u8], ends: impl Iterator<Item = End>) -> impl Iterator<Item = Line<'_>> {
    let mut start = 0;
    ends.map(move |End { at, is_plain }| {
        let line = Line { bytes: &bytes[start..at], is_plain };
        start = at + 1;
        line
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_whole_lines() {
        for text in ["", "a\n", "a\nbb\n\nccccc\ndddddddd\ne", "no newline at all", "\n\n\n\n\n\n"] {
            for most in 1..12 {
                let found: Vec<&[u8]> = pieces(text.as_bytes(), most).collect();
                assert_eq!(found.concat(), text.as_bytes());
                assert!(found.iter().rev().skip(1).all(|piece| piece.ends_with(b"\n")), "{text:?} in pieces of {most}");
            }
        }
    }

    #[test]
    fn a_last_line_counts_without_its_newline_and_nothing_behind_the_last_one_does_not() {
        for (text, expected, ended) in [
            ("a\nb\n", vec!["a", "b"], 2),
            ("a\n\nb", vec!["a", "", "b"], 2),
            ("\n", vec![""], 1),
            ("", vec![], 0),
            ("a", vec!["a"], 0),
        ] {
            let block = Lines::new(text);
            let found: Vec<&[u8]> = block.iter().map(|line| line.bytes).collect();
            assert_eq!(found, expected.iter().map(|line| line.as_bytes()).collect::<Vec<_>>());
            assert!(lines(text.as_bytes()).eq(block.iter()));
            assert_eq!((block.count(), block.ended()), (expected.len() as u64, ended));
        }
    }
}
