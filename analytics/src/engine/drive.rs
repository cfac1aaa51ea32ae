//! Runs DataFusion's streams to where they stand, from a thread that computes.
//!
//! Inside a tokio runtime DataFusion's streams pause when their task has used its share of time, and go on when the
//! task yields. The engine owns its thread and never yields in the middle of a step, so it takes them out of that
//! accounting; without it a stream that paused would be waited for for ever.

use std::future::Future;

use futures::{FutureExt, Stream, StreamExt};
use tokio::task::unconstrained;

/// Runs a future that has all it needs.
pub(super) fn complete<F: Future>(future: F) -> F::Output {
    futures::executor::block_on(unconstrained(future))
}

/// The stream's next item if it is there already.
pub(super) fn next_if_ready<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    unconstrained(stream.next()).now_or_never().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It paused after 128 steps and never went on.
    #[tokio::test]
    async fn a_long_step_inside_a_runtime_ends() {
        let steps = tokio::task::coop::cooperative(futures::future::ready(())).then(|()| async {
            for _ in 0..1_000 {
                tokio::task::coop::consume_budget().await;
            }
        });
        complete(steps);
    }
}
