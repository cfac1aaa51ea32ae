//! Signals become values: SIGTERM and SIGINT cancel a token, SIGHUP wakes whoever reopens files.
//!
//! A service takes the token as an argument, so a test stops it the same way a signal does.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// A token that SIGTERM or SIGINT cancels. A second signal ends the process at once with code 130.
///
/// # Errors
/// When the process may not install signal handlers.
pub fn on_signal() -> io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let stop = token.clone();
    // Lives as long as the process: it only waits, and owns nothing that must be drained.
    tokio::spawn(async move {
        wait_for_either(&mut terminate, &mut interrupt).await;
        info!("stopping: finishing what was read; signal again to stop at once");
        stop.cancel();
        wait_for_either(&mut terminate, &mut interrupt).await;
        warn!("stopped at once, on a second signal");
        std::process::exit(130);
    });
    Ok(token)
}

/// SIGHUP, each time it comes: reopen log files or reload settings.
///
/// # Errors
/// When the process may not install signal handlers.
pub fn on_hangup() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}

async fn wait_for_either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}
