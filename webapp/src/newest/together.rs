//! One question for all pages that wait for the same answer.
//!
//! A task of its own asks. Pages that come while a question is under way wait for the next one, and share it: with many
//! visitors at a time, a question to the shared cache costs each of them a small part, and a visitor alone waits no longer
//! than if the page had asked itself.
//!
//! Invariants: every page gets the answer to a question that was asked after the page came, so a change that is done, on
//! whichever node, is in it; no page waits for more than one question that fails, and after a failure only those pages wait
//! that ask the next one.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};

/// Pages that may wait; further ones wait to get in. As many as a node has connections by default.
const WAITING: usize = 1024;

/// Asks for those that wait. Dropping it ends the task.
pub(super) struct Together<T> {
    waiting: mpsc::Sender<oneshot::Sender<Option<T>>>,
    /// Set while a question is under way that follows one which failed.
    is_trying_again: Arc<AtomicBool>,
    _task: JoinSet<()>,
}

impl<T: Clone + Send + 'static> Together<T> {
    /// Starts the task. `question` is asked again and again, one at a time; None: there is no answer.
    pub(super) fn start<F>(question: impl Fn() -> F + Send + 'static) -> Self
    where
        F: Future<Output = Option<T>> + Send + 'static,
    {
        let (waiting, pages) = mpsc::channel(WAITING);
        let is_trying_again = Arc::new(AtomicBool::new(false));
        let mut task = JoinSet::new();
        task.spawn(answer(pages, question, is_trying_again.clone()));
        Self { waiting, is_trying_again, _task: task }
    }

    /// The answer to a question that is asked from now on; None if there is none.
    pub(super) async fn ask(&self) -> Option<T> {
        if self.is_trying_again.load(Relaxed) {
            return None; // one page waits to see whether there are answers again; that is enough
        }
        let (page, answer) = oneshot::channel();
        self.waiting.send(page).await.ok()?;
        answer.await.ok()?
    }
}

async fn answer<T: Clone, F: Future<Output = Option<T>>>(
    mut waiting: mpsc::Receiver<oneshot::Sender<Option<T>>>,
    question: impl Fn() -> F,
    is_trying_again: Arc<AtomicBool>,
) {
    let (mut pages, mut has_failed) = (Vec::new(), false);
    while waiting.recv_many(&mut pages, WAITING).await > 0 {
        is_trying_again.store(has_failed, Relaxed);
        let answer = question().await;
        is_trying_again.store(false, Relaxed);
        has_failed = answer.is_none();
        if has_failed {
            // Those that came meanwhile would only wait for another time limit.
            while let Ok(page) = waiting.try_recv() {
                pages.push(page);
            }
        }
        for page in pages.drain(..) {
            let _ = page.send(answer.clone()); // its visitor may be gone
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

    use tokio::sync::Semaphore;

    use super::*;

    /// Something that is asked for, and whose answers are let out one by one.
    #[derive(Clone)]
    struct Store {
        value: Arc<AtomicU32>,
        /// Zero answers nothing.
        asked: Arc<AtomicU32>,
        gate: Arc<Semaphore>,
    }

    impl Store {
        fn new() -> (Self, Arc<Together<u32>>) {
            let store = Self { value: Arc::new(1.into()), asked: Arc::default(), gate: Arc::new(Semaphore::new(0)) };
            let asked = store.clone();
            let together = Together::start(move || {
                let store = asked.clone();
                async move {
                    let value = store.value.load(SeqCst); // what the store says is of the moment of the question
                    store.asked.fetch_add(1, SeqCst);
                    store.gate.acquire().await.ok()?.forget();
                    (value > 0).then_some(value)
                }
            });
            (store, Arc::new(together))
        }

        async fn was_asked(&self, times: u32) {
            while self.asked.load(SeqCst) < times {
                tokio::task::yield_now().await;
            }
        }
    }

    fn page(together: &Arc<Together<u32>>) -> tokio::task::JoinHandle<Option<u32>> {
        let together = together.clone();
        tokio::spawn(async move { together.ask().await })
    }

    /// Lets every page that was spawned get as far as it can.
    async fn settle() {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_page_never_gets_the_answer_to_a_question_from_before_it_came() {
        let (store, together) = Store::new();
        let early = page(&together);
        store.was_asked(1).await;
        store.value.store(2, SeqCst);
        let late = page(&together);
        settle().await;
        store.gate.add_permits(2);
        assert_eq!(early.await.unwrap(), Some(1));
        assert_eq!(late.await.unwrap(), Some(2));
    }

    #[tokio::test]
    async fn pages_that_come_during_a_question_share_the_next_one() {
        let (store, together) = Store::new();
        let first = page(&together);
        store.was_asked(1).await;
        let others: Vec<_> = (0..20).map(|_| page(&together)).collect();
        settle().await;
        store.gate.add_permits(9);
        assert_eq!(first.await.unwrap(), Some(1));
        for other in others {
            assert_eq!(other.await.unwrap(), Some(1));
        }
        assert_eq!(store.asked.load(SeqCst), 2);
    }

    #[tokio::test]
    async fn a_question_that_fails_fails_for_all_who_wait() {
        let (store, together) = Store::new();
        store.value.store(0, SeqCst);
        let first = page(&together);
        store.was_asked(1).await;
        let second = page(&together);
        settle().await;
        store.gate.add_permits(1);
        assert_eq!((first.await.unwrap(), second.await.unwrap()), (None, None));
        assert_eq!(store.asked.load(SeqCst), 1);
    }

    #[tokio::test]
    async fn after_a_failure_only_the_page_that_asks_waits() {
        let (store, together) = Store::new();
        store.value.store(0, SeqCst);
        store.gate.add_permits(1);
        assert_eq!(page(&together).await.unwrap(), None);
        store.value.store(3, SeqCst);
        let trying = page(&together);
        store.was_asked(2).await;
        assert_eq!(page(&together).await.unwrap(), None, "not held up");
        store.gate.add_permits(2);
        assert_eq!(trying.await.unwrap(), Some(3));
        assert_eq!(page(&together).await.unwrap(), Some(3));
    }

    #[tokio::test]
    async fn a_visitor_who_goes_away_keeps_nobody_waiting() {
        let (store, together) = Store::new();
        let gone = page(&together);
        store.was_asked(1).await;
        gone.abort();
        store.gate.add_permits(2);
        assert_eq!(page(&together).await.unwrap(), Some(1));
    }
}
