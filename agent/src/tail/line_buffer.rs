//! Cuts the bytes of a file into lines.
//!
//! Pure logic. The file itself is the buffer: an unfinished last line is not kept here, it is read again when
//! the file has grown. Only a line over the limit is: its beginning, until its end is found and it can be sent
//! as one truncated record. So a position between two lines is always a line's end, and no restart can see half a line.

use std::sync::Arc;

use bytes::Bytes;
use memchr::{memchr, memchr_iter, memrchr};

/// A complete line, or a record of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// With its `\n`. A slice of a block shared by its neighbours.
    pub(crate) data: Bytes,
    /// Position in the file where it begins.
    pub(crate) start: u64,
    /// Position in the file after it.
    pub(crate) end: u64,
}

impl Line {
    /// Whether it is longer in the file than what was kept of it.
    pub(crate) fn is_cut(&self) -> bool {
        self.end - self.start > self.data.len() as u64
    }
}

/// Splits one file, piece by piece.
#[derive(Debug)]
pub(crate) struct LineBuffer {
    /// In bytes, `\n` included.
    limit: usize,
    /// Ends a line that was cut.
    terminator: Arc<[u8]>,
    long: Option<LongLine>,
    truncated: u64,
}

/// The open line when it is over the limit.
#[derive(Debug)]
struct LongLine {
    /// What will be sent: `limit` bytes that end with the terminator.
    data: Bytes,
    /// Bytes of the line seen so far. At least `limit`.
    length: u64,
}

impl LineBuffer {
    pub(crate) fn new(limit: usize, terminator: Arc<[u8]>) -> Self {
        Self { limit, terminator, long: None, truncated: 0 }
    }

    /// Bytes of the open line that need not be read again.
    pub(crate) fn held(&self) -> u64 {
        self.long.as_ref().map_or(0, |long| long.length)
    }

    /// Longest line in bytes, `\n` included.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Forgets the open line; it must be read again from its start.
    pub(crate) fn forget(&mut self) {
        self.long = None;
    }

    /// Lines cut to the limit since the last call.
    pub(crate) fn take_truncated(&mut self) -> u64 {
        std::mem::take(&mut self.truncated)
    }

    /// Splits the bytes that follow `start + held()`, where `start` is the end of the last complete line.
    ///
    /// Lines go to `lines`; the result is the new end of the last complete line. Lines are slices of `block`, which holds
    /// the piece; without it they are copied.
    pub(crate) fn split(&mut self, piece: &[u8], start: u64, block: Option<&Bytes>, lines: &mut Vec<Line>) -> u64 {
        let (piece, start) = match self.long.take() {
            None => (piece, start),
            Some(long) => match self.finish_long(long, piece, start, lines) {
                Some(used) => (&piece[used.0..], used.1),
                None => return start,
            },
        };
        let complete = memrchr(b'\n', piece).map_or(0, |last| last + 1);
        self.cut(&piece[..complete], start, block, lines);
        self.open(&piece[complete..]);
        start + complete as u64
    }

    /// The unfinished last line, given the bytes that follow `start + held()`: it will not be finished any more.
    pub(crate) fn take_rest(&mut self, piece: &[u8], start: u64) -> Option<Line> {
        let end = start + self.held() + piece.len() as u64;
        let line = match self.long.take() {
            Some(long) => Some(long.data),
            None => (!piece.is_empty()).then(|| Bytes::copy_from_slice(piece)),
        };
        line.map(|data| Line { data, start, end })
    }

    /// Looks for the end of an over-long line. Returns how much of the piece it took and where the line ends.
    fn finish_long(&mut self, mut long: LongLine, piece: &[u8], start: u64, lines: &mut Vec<Line>) -> Option<(usize, u64)> {
        let Some(newline) = memchr(b'\n', piece) else {
            long.length += piece.len() as u64;
            self.long = Some(long);
            return None;
        };
        let end = start + long.length + newline as u64 + 1;
        lines.push(Line { data: long.data, start, end });
        self.truncated += 1;
        Some((newline + 1, end))
    }

    /// Cuts bytes that end with a newline.
    fn cut(&mut self, complete: &[u8], start: u64, block: Option<&Bytes>, lines: &mut Vec<Line>) {
        // Else one copy and one allocation for all of them.
        let block = block.map_or_else(|| Bytes::copy_from_slice(complete), |block| block.slice_ref(complete));
        let mut from = 0;
        for newline in memchr_iter(b'\n', complete) {
            let to = newline + 1;
            let data = if to - from > self.limit { self.truncate(&complete[from..to]) } else { block.slice(from..to) };
            lines.push(Line { data, start: start + from as u64, end: start + to as u64 });
            from = to;
        }
    }

    /// Starts an over-long line when what is left cannot fit a record whatever follows.
    fn open(&mut self, rest: &[u8]) {
        if rest.len() >= self.limit {
            let length = rest.len() as u64;
            self.long = Some(LongLine { data: ended(&rest[..self.limit], &self.terminator), length });
        }
    }

    fn truncate(&mut self, line: &[u8]) -> Bytes {
        self.truncated += 1;
        ended(&line[..self.limit], &self.terminator)
    }
}

/// The bytes with the last ones replaced by the terminator, as the Java agent truncates: a character of several bytes
/// may be cut in two.
pub(crate) fn ended(bytes: &[u8], terminator: &[u8]) -> Bytes {
    let mut ended = bytes.to_vec();
    let kept = bytes.len().saturating_sub(terminator.len());
    ended.truncate(kept);
    ended.extend_from_slice(terminator);
    ended.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn newline() -> Arc<[u8]> {
        Arc::from(b"\n".as_slice())
    }

    /// Reads `text` as the tailer does: each read starts at the end of the last line and sees `step` more bytes.
    fn lines_of(text: &[u8], steps: &[usize], limit: usize) -> (Vec<Line>, Option<Line>) {
        let (mut buffer, mut lines, mut start, mut visible) = (LineBuffer::new(limit, newline()), Vec::new(), 0, 0);
        for step in steps.iter().copied().chain([text.len()]) {
            visible = text.len().min(visible + step);
            let from = start as usize + buffer.held() as usize;
            start = buffer.split(&text[from..visible], start, None, &mut lines);
        }
        let rest = buffer.take_rest(&text[start as usize + buffer.held() as usize..], start);
        (lines, rest)
    }

    #[test]
    fn lines_keep_their_newline_and_know_their_end() {
        let (lines, rest) = lines_of(b"one\n\ntwo\r\nthr", &[], 100);
        let seen: Vec<_> = lines.iter().map(|line| (&line.data[..], line.end)).collect();
        assert_eq!(seen, [(&b"one\n"[..], 4), (b"\n", 5), (b"two\r\n", 10)]);
        assert_eq!(rest, Some(Line { data: Bytes::from_static(b"thr"), start: 10, end: 13 }));
    }

    #[test]
    fn a_line_over_the_limit_is_cut_to_it_and_ends_with_a_newline() {
        let (lines, _) = lines_of(b"abcdefghij\nok\n", &[2, 3, 4], 4);
        let seen: Vec<_> = lines.iter().map(|line| (&line.data[..], line.end)).collect();
        assert_eq!(seen, [(&b"abc\n"[..], 11), (b"ok\n", 14)]);
    }

    #[test]
    fn a_line_of_exactly_the_limit_is_whole() {
        assert_eq!(lines_of(b"abc\nabcd\n", &[3, 1, 4], 4).0[0].data, &b"abc\n"[..]);
    }

    #[test]
    fn the_terminator_replaces_the_last_bytes_and_may_cut_a_character() {
        assert_eq!(ended("ab\u{e9}de".as_bytes(), b"!\n"), "ab\u{e9}!\n".as_bytes());
        assert_eq!(ended("abc\u{e9}".as_bytes(), b"\n"), b"abc\xc3\n".as_slice());
    }

    #[test]
    fn a_line_that_was_cut_knows_where_it_began() {
        let (lines, _) = lines_of(b"ok\nabcdefghij\n", &[4, 3, 4], 4);
        let seen: Vec<_> = lines.iter().map(|line| (line.start, line.end, line.is_cut())).collect();
        assert_eq!(seen, [(0, 3, false), (3, 14, true)]);
    }

    proptest! {
        #[test]
        fn any_cut_of_the_bytes_gives_the_same_lines(
            text in prop::collection::vec(prop_oneof![Just(b'\n'), any::<u8>(), Just(b'x')], 0..300),
            steps in prop::collection::vec(0usize..40, 0..20),
            limit in 2usize..30,
        ) {
            prop_assert_eq!(lines_of(&text, &steps, limit), lines_of(&text, &[], limit));
        }

        #[test]
        fn lines_and_rest_make_the_file_again(text in prop::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..300)) {
            let (lines, rest) = lines_of(&text, &[], 1000);
            let joined: Vec<u8> = lines.iter().chain(&rest).flat_map(|line| line.data.to_vec()).collect();
            prop_assert_eq!(joined, text);
        }
    }
}
