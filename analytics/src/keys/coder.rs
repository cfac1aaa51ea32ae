//! The front of a dictionary in one thread: a text that it knows costs one lookup and no lock.
//!
//! Short texts of a chunk are looked up one right after the other: the table is larger than the nearest cache, and so the
//! CPU waits for many places of it at once (36 ns a text when lookups stood between the lines that were read).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::UInt32Array;

use super::short::Short;
use super::{Codes, Dictionaries, Dictionary};

/// Codes texts for one thread.
#[derive(Debug)]
pub(crate) struct Coder {
    dictionaries: Arc<Dictionaries>,
    current: Arc<Dictionary>,
    known: Known,
}

/// A text on its way to its code.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Key {
    Null,
    Short(Short),
    Code(u32),
}

/// What is known of a dictionary.
#[derive(Debug, Default)]
struct Known {
    short: Codes<Short>,
    long: Codes<Arc<str>>,
}

impl Coder {
    pub(crate) fn new(dictionaries: Arc<Dictionaries>) -> Self {
        Self { dictionaries, current: Arc::default(), known: Known::default() }
    }

    /// Begins a chunk of rows, all of which are coded with the returned dictionary. None: texts are better.
    pub(crate) fn begin(&mut self) -> Option<Arc<Dictionary>> {
        let current = self.dictionaries.current();
        let next = current.clone().unwrap_or_default();
        if !Arc::ptr_eq(&next, &self.current) {
            (self.current, self.known) = (next, Known::default());
        }
        current
    }

    /// A text of the chunk. None: it is not UTF-8.
    #[inline]
    pub(crate) fn key(&mut self, text: &[u8]) -> Option<Key> {
        match Short::of(text) {
            Some(short) => Some(Key::Short(short)),
            None => Some(Key::Code(self.code(str::from_utf8(text).ok()?))),
        }
    }

    fn code(&mut self, text: &str) -> u32 {
        if let Some(code) = self.known.long.get(text) {
            return *code;
        }
        let (code, text) = self.current.code(text);
        self.known.long.insert(text, code);
        code
    }

    /// The codes of the chunk's texts.
    pub(crate) fn codes(&mut self, keys: &[Key]) -> UInt32Array {
        let mut codes = Vec::with_capacity(keys.len());
        for key in keys {
            codes.push(match key {
                Key::Short(short) => match self.known.short.get(short) {
                    Some(code) => *code,
                    None => self.learn(*short),
                },
                Key::Code(code) => *code,
                Key::Null => 0,
            });
        }
        let has_null = keys.iter().any(|key| matches!(key, Key::Null));
        let nulls = has_null.then(|| keys.iter().map(|key| !matches!(key, Key::Null)).collect());
        UInt32Array::new(codes.into(), nulls)
    }

    #[cold]
    fn learn(&mut self, short: Short) -> u32 {
        let (code, _) = self.current.code(&short.text());
        self.known.short.insert(short, code);
        code
    }

    /// Tells how many rows of the chunk were coded.
    pub(crate) fn end(&self, rows: usize) {
        self.current.rows.fetch_add(rows as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Room;
    use super::*;

    const ROOM: Room = Room { texts: 3, bytes: 100 };

    fn chunk(coder: &mut Coder, texts: &[&str]) -> Option<(Arc<Dictionary>, Vec<u32>)> {
        let dictionary = coder.begin()?;
        let keys: Vec<Key> = texts.iter().map(|text| coder.key(text.as_bytes()).unwrap()).collect();
        coder.end(texts.len());
        Some((dictionary, coder.codes(&keys).values().to_vec()))
    }

    #[test]
    fn threads_give_a_text_the_same_number() {
        let dictionaries = Dictionaries::new(ROOM);
        let [mut one, mut two] = [(); 2].map(|()| Coder::new(dictionaries.clone()));
        let long = "a text of more than sixteen bytes";
        let (first, codes) = chunk(&mut one, &["a", long, "a", long]).unwrap();
        let (second, others) = chunk(&mut two, &[long, "a"]).unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        // A long text is learnt when it is read, short ones at the end of the chunk.
        assert_eq!((codes, others), (vec![1, 0, 1, 0], vec![0, 1]));
    }

    #[test]
    fn a_full_dictionary_is_followed_by_another_one() {
        let mut coder = Coder::new(Dictionaries::new(ROOM));
        let often = ["a"; 20];
        let (first, _) = chunk(&mut coder, &[&often[..], &["b", "c", "d"]].concat()).unwrap();
        let (second, codes) = chunk(&mut coder, &["d", "a"]).unwrap();
        assert!(!Arc::ptr_eq(&first, &second));
        assert_eq!(codes, [0, 1]);
    }

    #[test]
    fn texts_that_are_hardly_seen_twice_are_not_coded_for_long() {
        let mut coder = Coder::new(Dictionaries::new(ROOM));
        assert!(chunk(&mut coder, &["a", "b", "c", "a"]).is_some());
        assert!(chunk(&mut coder, &["a"]).is_none());
        assert!(chunk(&mut coder, &["a"]).is_none());
    }

    #[test]
    fn long_texts_fill_a_dictionary_too_and_bytes_that_are_no_text_have_no_number() {
        let (mut coder, long) = (Coder::new(Dictionaries::new(ROOM)), "x".repeat(100));
        let (first, _) = chunk(&mut coder, &[long.as_str(); 4]).unwrap();
        assert!(!Arc::ptr_eq(&first, &chunk(&mut coder, &[]).unwrap().0));
        assert!(coder.key(b"\xff").is_none() && coder.key(&[0xff; 20]).is_none());
    }
}
