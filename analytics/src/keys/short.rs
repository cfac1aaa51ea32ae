//! ASCII texts of at most 15 bytes, such as addresses, as two words: they stand in a table of codes themselves, so a lookup
//! touches one place in memory, where texts on the heap took three.

/// An ASCII text of at most [`Short::MOST`] bytes, the first one lowest, and its length in the highest byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Short {
    low: u64,
    high: u64,
}

impl Short {
    const MOST: usize = 15;

    /// None: it is longer, or not ASCII.
    #[inline]
    pub(super) fn of(text: &[u8]) -> Option<Self> {
        const WORD: usize = size_of::<u64>();
        const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
        if text.len() > Self::MOST {
            return None;
        }
        let (low, high) = if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
            // The last eight bytes without those that are among the first.
            let twice = 2 * WORD - text.len();
            (u64::from_le_bytes(*first), u64::from_le_bytes(*last).checked_shr(8 * twice as u32).unwrap_or(0))
        } else {
            let mut bytes = [0; WORD];
            bytes[..text.len()].copy_from_slice(text);
            (u64::from_le_bytes(bytes), 0)
        };
        ((low | high) & HIGH_BITS == 0).then_some(Self { low, high: high | (text.len() as u64) << 56 })
    }

    /// The text.
    pub(super) fn text(self) -> String {
        let length = self.high.to_le_bytes()[7];
        let bytes = self.low.to_le_bytes().into_iter().chain(self.high.to_le_bytes());
        bytes.take(length.into()).map(char::from).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn it_is_the_text(text in "[\\x00-\\x7f]{0,15}") {
            proptest::prop_assert_eq!(Short::of(text.as_bytes()).unwrap().text(), text);
        }

        #[test]
        fn two_of_them_are_the_same_when_the_texts_are(one in "[ab]{0,15}", two in "[ab]{0,15}") {
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
