//! The name a person logs in with.

/// 1 to 64 characters, no control characters, no blanks at the ends. Everything else is allowed; pages escape it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UserName(String);

/// A name that cannot be taken, with the sentence for the person who typed it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("Please give a name of 1 to {} characters, without control characters.", UserName::MAX_CHARS)]
pub(crate) struct BadUserName;

impl UserName {
    pub(crate) const MAX_CHARS: usize = 64;

    /// Takes what was typed, without the blanks around it.
    ///
    /// # Errors
    /// When nothing is left, or too much, or a control character is in it.
    pub(crate) fn parse(typed: &str) -> Result<Self, BadUserName> {
        let name = typed.trim();
        let is_allowed = (1..=Self::MAX_CHARS).contains(&name.chars().count()) && !name.contains(char::is_control);
        if is_allowed { Ok(Self(name.to_owned())) } else { Err(BadUserName) }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_around_a_name_do_not_belong_to_it() {
        assert_eq!(UserName::parse("  José 🙂 ").unwrap().as_str(), "José 🙂");
    }

    #[test]
    fn a_name_has_1_to_64_characters_and_no_control_characters() {
        assert!(UserName::parse(&"é".repeat(64)).is_ok());
        for bad in ["", "   ", "a\nb", &"é".repeat(65)] {
            assert_eq!(UserName::parse(bad), Err(BadUserName), "{bad}");
        }
    }
}
