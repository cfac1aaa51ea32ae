//! What a service tells systemd. Outside of systemd nothing is sent.

use std::time::Duration;

pub use sd_notify::NotifyState;
use tracing::debug;

/// Time between two status texts when there is no watchdog.
const STATUS_PERIOD: Duration = Duration::from_secs(10);

/// Whether systemd waits for news.
pub fn is_listening() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

/// How often to tell that there is progress: three tries for each period of the watchdog, because one that comes late must
/// not end the service.
pub fn period() -> Duration {
    sd_notify::watchdog_enabled().map_or(STATUS_PERIOD, |period| period / 3).max(Duration::from_millis(1))
}

/// Tells these; a manager that does not listen is its own fault.
pub fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        debug!(%error, "cannot tell systemd");
    }
}
