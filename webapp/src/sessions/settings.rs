//! `[sessions]`: where logins are kept, and for how long.

use std::time::Duration;

use serde::Deserialize;

use super::session::Lifetime;
use crate::{remote::secret::Secret, settings::Problems};

/// A signing key shorter than this could be guessed.
const MIN_KEY_CHARS: usize = 32;

/// Sessions of people who are logged in.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SessionSettings {
    /// Where they are kept.
    pub(crate) store: SessionStore,
    /// Local store: sessions at the same time; one more ends the oldest.
    pub(crate) max: usize,
    /// How long a login lasts, whatever happens.
    #[serde(with = "humantime_serde")]
    pub(crate) lifetime: Duration,
    /// How long a login lasts without a request.
    #[serde(with = "humantime_serde")]
    pub(crate) idle: Duration,
    /// The site is reached over https (through a proxy): the cookie is `__Host-session`, and `Secure`.
    pub(crate) secure_cookie: bool,
    /// Cookie store: what signs the cookies, the same on all nodes. One is made in the data folder if not given.
    pub(crate) key: Option<Secret>,
}

/// Where sessions are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SessionStore {
    /// In the memory of this process.
    Local,
    /// In the browser, signed.
    Cookie,
    /// In the memcached nodes of `[memcached]`.
    Memcached,
    /// In the Redis of `[redis]`.
    Redis,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            store: SessionStore::Local,
            max: 20_000,
            lifetime: Duration::from_secs(12 * 60 * 60),
            idle: Duration::from_secs(2 * 60 * 60),
            secure_cookie: false,
            key: None,
        }
    }
}

impl SessionSettings {
    /// Reports what is out of range.
    pub(crate) fn check(&self, problems: &mut Problems) {
        const SECOND: Duration = Duration::from_secs(1);
        const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
        problems.range("sessions.max", self.max, 1..=10_000_000);
        problems.range("sessions.lifetime", self.lifetime, SECOND..=YEAR);
        problems.range("sessions.idle", self.idle, SECOND..=YEAR);
        if let Some(key) = &self.key
            && key.expose().len() < MIN_KEY_CHARS
        {
            problems.0.push(format!(
                "sessions.key has {} characters; allowed: {MIN_KEY_CHARS} or more, such as `openssl rand -hex 32` prints",
                key.expose().len()
            ));
        }
    }

    /// When a login is over.
    pub(crate) fn duration(&self) -> Lifetime {
        Lifetime { total: self.lifetime, idle: self.idle.min(self.lifetime) }
    }
}
