//! Settings of how visitors are treated: accounts, limits, and the delay that the tutorial's scaling level asks for.

use std::net::SocketAddr;

use serde::Deserialize;

use super::Problems;

/// Who may sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SignInMode {
    /// As in the tutorial: any name, no password. The page says so.
    #[default]
    Demo,
    /// Accounts with a password.
    Accounts,
}

/// Signing in.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AccountSettings {
    pub(crate) mode: SignInMode,
    /// Whether visitors may make accounts.
    pub(crate) registration: bool,
    /// Shortest password: 8 to 64 characters.
    pub(crate) min_password_chars: usize,
}

/// How often one client may do what costs us something.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LimitSettings {
    /// Attempts to sign in or register, for each client; as many may come at once. 0: no limit.
    pub(crate) sign_ins_per_minute: u32,
    /// Uploaded requests, for each client; as many may come at once. 0: no limit.
    pub(crate) uploads_per_minute: u32,
    /// Requests of any kind, for each client; as many may come at once. 0: no limit.
    pub(crate) requests_per_second: u32,
}

/// The second listener, for the people who run the site.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AdminSettings {
    /// A loopback address for metrics and the latency knob. None: neither.
    pub(crate) listen: Option<SocketAddr>,
}

/// How long pages wait before they are made. Can be changed while the site runs.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LatencySettings {
    /// At least this long.
    pub(crate) delay_ms: u32,
    /// And up to this much longer, by chance.
    pub(crate) jitter_ms: u32,
    /// The part of all pages that wait: 0 to 1.
    pub(crate) share: f64,
}

impl Default for AccountSettings {
    fn default() -> Self {
        Self { mode: SignInMode::Demo, registration: true, min_password_chars: 12 }
    }
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self { sign_ins_per_minute: 30, uploads_per_minute: 120, requests_per_second: 0 }
    }
}

impl Default for LatencySettings {
    fn default() -> Self {
        Self { delay_ms: 0, jitter_ms: 0, share: 1.0 }
    }
}

/// A minute: a longer wait is an outage.
const MAX_DELAY_MS: u32 = 60_000;

impl AccountSettings {
    pub(super) fn check(&self, problems: &mut Problems) {
        problems.range("accounts.min_password_chars", self.min_password_chars, 8..=64);
    }
}

impl LimitSettings {
    pub(super) fn check(&self, problems: &mut Problems) {
        problems.range("limits.sign_ins_per_minute", self.sign_ins_per_minute, 0..=100_000);
        problems.range("limits.uploads_per_minute", self.uploads_per_minute, 0..=100_000);
        problems.range("limits.requests_per_second", self.requests_per_second, 0..=1_000_000);
    }
}

impl AdminSettings {
    pub(super) fn check(&self, problems: &mut Problems) {
        if let Some(listen) = self.listen.filter(|listen| !listen.ip().is_loopback()) {
            problems.0.push(format!(
                "admin.listen is {listen}; allowed: loopback addresses such as 127.0.0.1:9180, because it asks for no password"
            ));
        }
    }
}

impl LatencySettings {
    /// For a change while the site runs.
    ///
    /// # Errors
    /// What is out of its range.
    pub(crate) fn checked(&self) -> Result<(), Problems> {
        let mut problems = Problems(Vec::new());
        self.check(&mut problems);
        if problems.0.is_empty() { Ok(()) } else { Err(problems) }
    }

    pub(super) fn check(&self, problems: &mut Problems) {
        problems.range("latency.delay_ms", self.delay_ms, 0..=MAX_DELAY_MS);
        problems.range("latency.jitter_ms", self.jitter_ms, 0..=MAX_DELAY_MS);
        problems.range("latency.share", self.share, 0.0..=1.0);
    }
}
