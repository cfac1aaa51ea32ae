//! What systemd is told: that the work has begun, how it goes, that it stops, and that it still makes progress.
//!
//! Outside of systemd nothing is sent. Progress is a turn of the engine, which has one every 200 ms, whether rows come or
//! not. A sink that is blocked stops the engine and is no reason for a restart, which would not help it; nor is standing by.

use anyhow::Result;
use config::systemd::{self, NotifyState};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::live::{Health, Phase};

/// Tells systemd until `stop`.
///
/// # Errors
/// Never; a manager that does not listen is its own fault.
pub(crate) async fn tell(mut health: Health, stop: CancellationToken) -> Result<()> {
    if !systemd::is_listening() {
        return Ok(());
    }
    let period = systemd::period();
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut has_hung = false;
    loop {
        let phase = *health.phase.borrow_and_update();
        match phase {
            Phase::Starting => {}
            Phase::StandingBy | Phase::Running => systemd::tell(&[NotifyState::Ready, NotifyState::Status(&status(&health))]),
            Phase::Stopping => systemd::tell(&[NotifyState::Stopping, NotifyState::Status("stopping: writing what was read")]),
        }
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                changed = health.phase.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return Ok(()), // the work has ended
                },
                () = stop.cancelled() => return Ok(()),
            }
            if makes_progress(&mut health) {
                has_hung = false;
                systemd::tell(&[NotifyState::Watchdog, NotifyState::Status(&status(&health))]);
            } else if !std::mem::replace(&mut has_hung, true) {
                error!(
                    "the engine has not turned for {period:?}; look for a dead disk. The watchdog, if on, restarts the service"
                );
            }
        }
    }
}

/// Whether the engine has turned since this was last asked, or has a reason not to.
fn makes_progress(health: &mut Health) -> bool {
    let has_turned = health.totals.has_changed().unwrap_or(true); // an engine that has ended does not hang
    health.totals.mark_unchanged();
    has_turned || *health.phase.borrow() != Phase::Running || health.blocked.borrow().is_some()
}

/// One line for `systemctl status`.
fn status(health: &Health) -> String {
    if let Some(hindrance) = health.hindrance() {
        return hindrance;
    }
    let totals = *health.totals.borrow();
    let mut text = format!("{} rows, {} results, {} open windows", totals.stats.rows, totals.stats.results, totals.open_windows);
    if let Some(behind_ms) = health.behind.all().into_values().max() {
        text.push_str(&format!(", {} s behind the stream", behind_ms / 1000));
    }
    let saved = *health.saved.borrow();
    if saved.failures > 0 {
        text.push_str(&format!("; {} checkpoints could not be saved", saved.failures));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Saved;
    use crate::engine::Totals;
    use crate::live::Told;

    fn health() -> (Told, Health) {
        let (told, health) = Told::new(true);
        told.phase.send_replace(Phase::Running);
        (told, health)
    }

    #[test]
    fn an_engine_that_does_not_turn_makes_no_progress_unless_a_sink_blocks_it() {
        let (told, mut health) = health();
        told.totals.send_replace(Totals::default());
        assert_eq!([makes_progress(&mut health), makes_progress(&mut health)], [true, false]);
        told.blocked.send_replace(Some("kinesis:s".to_owned()));
        assert!(makes_progress(&mut health));
        told.blocked.send_replace(None);
        assert!(!makes_progress(&mut health));
        told.phase.send_replace(Phase::StandingBy);
        assert!(makes_progress(&mut health));
    }

    #[test]
    fn the_status_says_how_it_goes_or_why_not() {
        let (told, health) = health();
        health.behind.tell("shard", 2_500);
        told.saved.send_replace(Saved { failures: 2, ..Saved::default() });
        let expected = "0 rows, 0 results, 0 open windows, 2 s behind the stream; 2 checkpoints could not be saved";
        assert_eq!(status(&health), expected);
        told.blocked.send_replace(Some("kinesis:s: no network".to_owned()));
        assert_eq!(status(&health), "a sink is blocked: kinesis:s: no network");
    }
}
