//! Passwords: which are good enough, and how they are kept.
//!
//! Rules of OWASP ASVS 5.0, section 6.2: long rather than complicated, none that everybody tries first, none made from
//! the name; no demand for certain kinds of characters. Kept as Argon2id with a salt each (section 11.4.2).
//!
//! Hashing takes 19 MiB and some 20 ms of processor on purpose: call it where it may block, and few at a time.

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{Error, PasswordHasher, PasswordVerifier, phc::PasswordHash},
};

use crate::user_name::UserName;

/// Longer ones would only be a way to keep us busy.
const MAX_CHARS: usize = 128;

/// OWASP's password storage recommendation for Argon2id: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;

/// 10,000 passwords, the most tried first: those of eight characters or more, and words of five or more, which are the stems
/// of very many others. ASVS 6.2.4 asks for 3,000. Our own choice, then the list of zxcvbn-ts 4.1.3 (MIT).
const COMMON: &str = include_str!("../assets/common-passwords.txt");

/// Why a password is not good enough; the text is for the person who typed it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadPassword {
    #[error("Please choose a password of at least {0} characters. A few unrelated words make a good one.")]
    Short(usize),
    #[error("Please choose a password of at most {} characters.", MAX_CHARS)]
    Long,
    #[error("This password is one of those that are tried first. Please choose another, for example a few unrelated words.")]
    Common,
    #[error("The password is made from your name or from very few characters. Please choose another.")]
    Guessable,
}

/// Whether somebody may choose this password.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check(password: &str, name: &UserName, min_chars: usize) -> Result<(), BadPassword> {
    let chars = password.chars().count();
    if chars < min_chars {
        return Err(BadPassword::Short(min_chars));
    }
    if chars > MAX_CHARS {
        return Err(BadPassword::Long);
    }
    let folded = password.to_lowercase();
    // `password2024!` is tried as early as `password`.
    let stem = folded.trim_matches(|character: char| !character.is_alphabetic());
    if COMMON.lines().any(|common| common == folded || (!stem.is_empty() && common == stem)) {
        return Err(BadPassword::Common);
    }
    let name = name.as_str().to_lowercase();
    let without_name = folded.replace(&name, "");
    let mut different: Vec<char> = without_name.chars().collect();
    different.sort_unstable();
    different.dedup();
    if without_name.chars().count() * 2 < chars || different.len() < 5 || is_sequence(&folded) {
        return Err(BadPassword::Guessable);
    }
    Ok(())
}

/// Whether each character follows from the one before: `12345678`, `hgfedcba`.
fn is_sequence(text: &str) -> bool {
    let steps: Vec<i64> = text
        .chars()
        .zip(text.chars().skip(1))
        .map(|(one, next)| i64::from(u32::from(next)) - i64::from(u32::from(one)))
        .collect();
    steps.iter().all(|step| *step == 1) || steps.iter().all(|step| *step == -1)
}

/// What is kept of a password: Argon2id in PHC form, with a new salt.
///
/// # Errors
/// When the operating system has no randomness.
pub(crate) fn hash(password: &str) -> Result<String, Error> {
    let hash: PasswordHash = hasher()?.hash_password(password.as_bytes())?;
    Ok(hash.to_string())
}

/// Whether it is the password that was hashed. Takes as long when there is no such account, so that names cannot be
/// found out by the time an answer takes.
pub(crate) fn is_correct(password: &str, kept: Option<&str>) -> bool {
    let parsed = kept.and_then(|kept| PasswordHash::new(kept).ok());
    let Ok(hasher) = hasher() else { return false };
    match parsed {
        Some(kept) => password.chars().count() <= MAX_CHARS && hasher.verify_password(password.as_bytes(), &kept).is_ok(),
        None => {
            let _same_work = hash(password);
            false
        }
    }
}

fn hasher() -> Result<Argon2<'static>, Error> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).map_err(|_| Error::ParamsInvalid)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(password: &str) -> Result<(), BadPassword> {
        check(password, &UserName::parse("Brunhilde").unwrap(), 12)
    }

    #[test]
    fn long_is_enough_and_no_kind_of_character_is_asked_for() {
        assert_eq!(checked("correct horse battery"), Ok(()));
        assert_eq!(checked("пароль из слов"), Ok(()));
        assert_eq!(checked(&"abcdefgh".repeat(16)), Ok(()));
    }

    #[test]
    fn short_long_common_and_guessable_ones_are_told_apart() {
        assert_eq!(checked("elevenchars"), Err(BadPassword::Short(12)));
        assert_eq!(checked(&"ab cdefgh".repeat(20)), Err(BadPassword::Long));
        assert_eq!(checked("Password2024!"), Err(BadPassword::Common));
        assert_eq!(checked("qwertyuiop123"), Err(BadPassword::Common));
        assert_eq!(checked("Dragon19841984"), Err(BadPassword::Common));
        assert_eq!(checked("brunhilde12345"), Err(BadPassword::Guessable));
        assert_eq!(checked("abababababab"), Err(BadPassword::Guessable));
        assert_eq!(checked("abcdefghijklm"), Err(BadPassword::Guessable));
    }

    #[test]
    fn the_list_has_what_the_standard_asks_for() {
        let long = COMMON.lines().filter(|common| common.len() >= 8).count();
        assert!(long >= 3_000, "{long}");
        assert!(
            COMMON.lines().all(|common| common.to_lowercase() == common && common.len() >= 4),
            "in the form it is compared in"
        );
    }

    #[test]
    fn a_hash_fits_its_password_only_and_is_salted() {
        let (one, other) = (hash("correct horse").unwrap(), hash("correct horse").unwrap());
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
        assert_ne!(one, other);
        assert!(is_correct("correct horse", Some(&one)));
        assert!(!is_correct("correct horsf", Some(&one)));
        assert!(!is_correct("correct horse", None) && !is_correct("", Some("no hash")));
    }
}
