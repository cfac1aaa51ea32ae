//! Keyed hashes: equal values stay equal, and without the key nobody can try all addresses to find whose they are.
//!
//! HMAC-SHA-256, its first 128 bits in hexadecimal. With a rotation period each period has a key of its own, derived
//! from the one that is configured, so that a client cannot be followed from one period into the next. The period is
//! that of the time when a line is read, not written.

use std::{fmt, time::Duration};

use aws_lc_rs::hmac;

/// Bytes of a digest that are kept: enough that no two clients of a log meet.
const KEPT_BYTES: usize = 16;

/// The configured key.
pub(crate) struct HashKey {
    key: hmac::Key,
    /// Never zero.
    period: Option<Duration>,
}

/// The key of one period.
pub(crate) struct Hasher(hmac::Key);

impl HashKey {
    /// A key from any bytes, and how long it is used before the next one is derived.
    pub(crate) fn new(key: &[u8], period: Option<Duration>) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key), period: period.filter(|period| !period.is_zero()) }
    }

    /// The key at a time in milliseconds since the Unix epoch.
    pub(super) fn at(&self, now_ms: i64) -> Hasher {
        let Some(period) = self.period else { return Hasher(self.key.clone()) };
        let length = i64::try_from(period.as_millis()).unwrap_or(i64::MAX).max(1);
        let number = now_ms.div_euclid(length);
        let derived = hmac::sign(&self.key, format!("weir privacy period {length} {number}").as_bytes());
        Hasher(hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()))
    }
}

/// Without the key.
impl fmt::Debug for HashKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("HashKey").field("period", &self.period).finish_non_exhaustive()
    }
}

impl Hasher {
    pub(super) fn hash(&self, value: &str) -> String {
        let digest = hmac::sign(&self.0, value.as_bytes());
        digest.as_ref().iter().take(KEPT_BYTES).map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_hmac_sha_256() {
        // RFC 4231, test case 2.
        let hasher = HashKey::new(b"Jefe", None).at(0);
        assert_eq!(hasher.hash("what do ya want for nothing?"), "5bdcc146bf60754e6a042426089575c7");
    }

    #[test]
    fn a_period_has_its_own_key() {
        let key = HashKey::new(b"secret", Some(Duration::from_secs(86_400)));
        let day = 86_400_000;
        assert_eq!(key.at(0).hash("1.2.3.4"), key.at(day - 1).hash("1.2.3.4"));
        assert_ne!(key.at(day - 1).hash("1.2.3.4"), key.at(day).hash("1.2.3.4"));
        assert_ne!(key.at(0).hash("1.2.3.4"), HashKey::new(b"secret", None).at(0).hash("1.2.3.4"));
    }

    #[test]
    fn the_key_is_not_shown() {
        let shown = format!("{:?}", HashKey::new(b"secret", None));
        assert_eq!(shown, "HashKey { period: None, .. }");
    }
}
