//! The thread of one flow: drives the tailer, and waits in between.

use std::{
    io,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Instant,
};

use tokio::{
    runtime::Handle,
    sync::mpsc::{self, error::TrySendError},
};
use tokio_util::sync::CancellationToken;

use super::{Tailer, watch::Waiter};
use crate::{checkpoint::state::FlowState, counters::Counters, observe::Beat, record::FromTailer, settings::FlowSettings};

/// Starts the thread. It ends when `stop` is cancelled and all is read, or when the receiver is gone.
///
/// # Errors
/// When the system refuses another thread.
pub(crate) fn spawn(
    settings: FlowSettings,
    state: Option<FlowState>,
    counters: Arc<Counters>,
    to_shipper: mpsc::Sender<FromTailer>,
    stop: CancellationToken,
) -> io::Result<JoinHandle<()>> {
    let runtime = Handle::current();
    thread::Builder::new().name("tailer".to_owned()).spawn(move || {
        let mut waiter = Waiter::new(&settings, stop.clone());
        let waiting = thread::current();
        let signal = stop.clone();
        let wake = runtime.spawn(async move {
            signal.cancelled().await;
            waiting.unpark();
        });
        let live = counters.clone();
        let sink = |news| send(&to_shipper, news, &live.live.tailer);
        let mut tailer = Tailer::new(settings, state.as_ref(), counters, Instant::now(), sink);
        let (mut hinted, mut was_told) = (false, true);
        while !stop.is_cancelled() && !tailer.is_closed() {
            let now = Instant::now();
            live.live.tailer.busy(now);
            let has_more = tailer.round(now, hinted);
            if !was_told && tailer.has_read() {
                waiter.distrust(now);
            }
            was_told = true;
            if has_more {
                continue;
            }
            if tailer.has_looked() {
                waiter.watch(tailer.directories());
            }
            live.live.tailer.waiting(Instant::now());
            let hints = waiter.wait(tailer.rests_until());
            (hinted, was_told) = (hints.names, hints.is_awake);
            if !hints.touched.is_empty() {
                tailer.touch(&hints.touched, Instant::now());
            }
        }
        wake.abort(); // it may outlive the flow otherwise
        tailer.finish(Instant::now());
    })
}

/// Hands news on; waits for a place when there is none. Returns false when nobody wants more.
fn send(to_shipper: &mpsc::Sender<FromTailer>, news: FromTailer, beat: &Beat) -> bool {
    match to_shipper.try_send(news) {
        Ok(()) => true,
        Err(TrySendError::Closed(_)) => false,
        Err(TrySendError::Full(news)) => {
            beat.waiting(Instant::now());
            let is_sent = to_shipper.blocking_send(news).is_ok();
            beat.busy(Instant::now());
            is_sent
        }
    }
}
