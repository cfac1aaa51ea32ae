//! What the agent tells systemd: that it is ready, reloads, stops, and still makes progress.
//!
//! Outside of systemd nothing is sent. A keep-alive says that no loop of any flow has hung: a loop that waits for input
//! or for a destination that is down does not hang, and a restart would not help it. All times are monotonic, so a
//! changed clock neither delays a keep-alive nor makes one look late.

use std::time::{Duration, Instant};

use config::systemd::{self, NotifyState, tell};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error};

use crate::observe::{Flows, Observed};

/// Lines wait this long anyway, for their batch and for an answer.
const TOLD_LAG: Duration = Duration::from_secs(2);

/// What stopping may take beyond the time for draining: the last checkpoint and the last metrics.
const STOP_MARGIN: Duration = Duration::from_secs(20);

/// The flows run, or run again after a reload.
pub(crate) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// A reload begins. The time tells systemd which request it answers.
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now, NotifyState::Status("reloading")]),
        Err(error) => debug!(%error, "cannot read the monotonic clock"),
    }
}

/// The agent begins to stop, and drains for `grace` at most.
pub(crate) fn stopping(grace: Duration) {
    let most = u32::try_from((grace + STOP_MARGIN).as_micros()).unwrap_or(u32::MAX);
    let text = format!("stopping: at most {} s to finish what was read", grace.as_secs());
    tell(&[NotifyState::Stopping, NotifyState::Status(&text), NotifyState::ExtendTimeoutUsec(most)]);
}

/// Sends keep-alives and status texts until `stop` is cancelled.
pub(crate) async fn keep_alive(flows: Flows, stop: CancellationToken) {
    if !systemd::is_listening() {
        return;
    }
    let mut ticks = interval(systemd::period());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut has_hung = false;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => return,
        }
        match hung(&flows, Instant::now()) {
            None => {
                has_hung = false;
                tell(&[NotifyState::Watchdog, NotifyState::Status(&text(&flows))]);
            }
            Some(reason) => {
                tell(&[NotifyState::Status(&reason)]);
                if !std::mem::replace(&mut has_hung, true) {
                    error!(
                        "{reason}; look for a dead disk or file system. No more keep-alives: the watchdog, if on, restarts the agent"
                    );
                }
            }
        }
    }
}

/// The first loop that hangs.
fn hung(flows: &Flows, now: Instant) -> Option<String> {
    let hung = |flow: &Observed| {
        let live = &flow.counters.live;
        let loops = [("tailer", &live.tailer), ("shipper", &live.shipper)];
        let (name, hung) = loops.into_iter().find_map(|(name, beat)| Some((name, beat.stuck_for(now)?)))?;
        Some(format!("flow {}: its {name} has hung for {} s", flow.id, hung.as_secs()))
    };
    flows.all().iter().find_map(|flow| hung(flow))
}

/// One line for `systemctl status`. From memory alone: a dead disk must not keep the keep-alives.
pub(crate) fn text(flows: &Flows) -> String {
    let flows = flows.all();
    let sent: u64 = flows.iter().map(|flow| flow.counters.records_sent.get()).sum();
    let mut text = format!("{} flow(s), {sent} records sent", flows.len());
    let failing = flows.iter().find_map(|flow| {
        let delivery = flow.counters.live.delivery();
        let (failure, _) = delivery.last_failure.filter(|_| delivery.is_failing)?;
        Some(format!("; {}: {}", flow.id, failure.cause))
    });
    text.extend(failing);
    let (now, mut lag) = (Instant::now(), Duration::ZERO);
    flows.iter().for_each(|flow| flow.counters.live.each_file(|file| lag = lag.max(file.lag(now))));
    if lag >= TOLD_LAG {
        text.push_str(&format!("; the oldest line read waits {} s", lag.as_secs()));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::{path::Path, sync::Arc};

    use bytes::Bytes;

    use super::*;
    use crate::{
        counters::Counters,
        record::{FileId, PartitionKey, Record},
        testing::flow,
    };

    #[test]
    fn a_loop_that_works_too_long_hangs_and_one_that_waits_does_not() {
        let (flows, counters) = (Flows::default(), Arc::<Counters>::default());
        flows.add(Observed::new(&flow(Path::new("/l"), "a", ""), counters.clone()));
        let start = Instant::now();
        let later = start + Duration::from_secs(301);
        counters.live.tailer.waiting(start);
        counters.live.shipper.busy(start);
        assert_eq!(hung(&flows, start), None);
        assert_eq!(hung(&flows, later).unwrap(), "flow kinesis:s:/l/a: its shipper has hung for 301 s");
        counters.live.shipper.waiting(later);
        assert_eq!(hung(&flows, later + Duration::from_secs(3600)), None);
    }

    #[test]
    fn the_status_text_sums_up() {
        let (flows, counters) = (Flows::default(), Arc::<Counters>::default());
        counters.records_sent.add(7);
        flows.add(Observed::new(&flow(Path::new("/l"), "a", ""), counters.clone()));
        flows.add(Observed::new(&flow(Path::new("/l"), "b", ""), Arc::default()));
        assert_eq!(text(&flows), "2 flow(s), 7 records sent");
        counters.live.learn(FileId(1), "a", 0);
        let record = Record { data: Bytes::new(), key: PartitionKey::None, file: FileId(1), end: 5, line_bytes: 5, packed: None };
        counters.live.received(&[record], Instant::now() - Duration::from_secs(90));
        assert_eq!(text(&flows), "2 flow(s), 7 records sent; the oldest line read waits 90 s");
    }
}
