//! ASCII texts of at most 16 bytes, such as addresses, as two words: they stand in a table of codes themselves, so a lookup
//! touches one place in memory, where texts on the heap took three.

use std::hash::{Hash, Hasher};

/// An ASCII text of at most [`Short::MOST`] bytes. Its first and its last bytes, which overlap, and its length tell it from
/// all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Short {
    first: u64,
    last: u64,
    length: u8,
}

impl Hash for Short {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.first);
        state.write_u64(self.last);
    }
}

impl Short {
    const MOST: usize = 16;

    /// None: it is longer, or not ASCII.
    pub(super) fn of(text: &[u8]) -> Option<Self> {
        if text.len() > Self::MOST {
            return None;
        }
        let (first, last) = if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
            (u64::from_le_bytes(*first), u64::from_le_bytes(*last))
        } else {
            let mut bytes = [0; 8];
            bytes[..text.len()].copy_from_slice(text);
            (u64::from_le_bytes(bytes), 0)
        };
        const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
        ((first | last) & HIGH_BITS == 0).then_some(Self { first, last, length: text.len() as u8 })
    }

    /// The text.
    pub(super) fn text(self) -> String {
        let length = usize::from(self.length);
        let (first, last) = (self.first.to_le_bytes(), self.last.to_le_bytes());
        let bytes = first.into_iter().take(length).chain(last.into_iter().skip(16 - length.max(8)));
        bytes.map(char::from).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn it_is_the_text(text in "[\\x00-\\x7f]{0,16}") {
            proptest::prop_assert_eq!(Short::of(text.as_bytes()).unwrap().text(), text);
        }

        #[test]
        fn two_of_them_are_the_same_when_the_texts_are(one in "[ab]{0,16}", two in "[ab]{0,16}") {
            let of = |text: &str| Short::of(text.as_bytes()).unwrap();
            proptest::prop_assert_eq!(of(&one) == of(&two), one == two);
        }

        #[test]
        fn longer_texts_and_others_than_ascii_have_none(text in "[a\\x00\\x7f\u{80}é漢]{0,20}") {
            let is_short = text.is_ascii() && text.len() <= Short::MOST;
            proptest::prop_assert_eq!(Short::of(text.as_bytes()).is_some(), is_short);
        }
    }
}
