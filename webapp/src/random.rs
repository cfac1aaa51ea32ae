//! Random names of 128 bits: too many to guess or to collide.

use std::fmt::{Display, Formatter, Result};

/// 128 bits from the operating system's generator, written as 32 hex digits. No `Debug`: some are secrets.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct RandomId(u128);

impl RandomId {
    /// The length of its text.
    pub(crate) const CHARS: usize = 32;

    pub(crate) fn new() -> Self {
        Self(rand::random())
    }

    /// Reads what `Display` writes, and nothing else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_hex = text.len() == Self::CHARS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if is_hex { u128::from_str_radix(text, 16).ok().map(Self) } else { None }
    }
}

impl Display for RandomId {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        write!(formatter, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_and_nothing_else_does() {
        let id = RandomId::new();
        assert!(RandomId::parse(&id.to_string()) == Some(id));
        for text in
            ["", "0", "+0000000000000000000000000000000", "0000000000000000000000000000000A", "../../../../../../../../../../xx"]
        {
            assert!(RandomId::parse(text).is_none(), "{text}");
        }
    }
}
