//! How many requests of a flow may be on their way. Pure.
//!
//! Additive increase, multiplicative decrease, as TCP does: each request that was accepted whole widens the window by a
//! part of a request, and one that was throttled halves it. So a stream that has room gets as many requests as it can
//! use, and one that has none gets one at a time, with the back-off's pauses in between.

/// The window of one flow.
#[derive(Debug)]
pub(super) struct Window {
    /// Requests, with the fraction that was earned so far. From 1 to `most`.
    size: f64,
    most: f64,
    /// Requests started since the last decrease; those that left before it say nothing new when they are throttled too.
    epoch: u64,
}

impl Window {
    pub(super) fn new(most: usize) -> Self {
        let most = most.max(1) as f64;
        Self { size: most, most, epoch: 0 }
    }

    /// Requests that may be on their way now.
    pub(super) fn size(&self) -> usize {
        self.size as usize
    }

    /// To be kept with a request that leaves now.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// A request was accepted whole.
    pub(super) fn widen(&mut self) {
        self.size = (self.size + 1.0 / self.size).min(self.most);
    }

    /// A request that left in this epoch was throttled, in part or whole.
    pub(super) fn narrow(&mut self, epoch: u64) {
        if epoch == self.epoch {
            self.size = (self.size / 2.0).max(1.0);
            self.epoch += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_wave_of_throttled_requests_halves_the_window_once() {
        let mut window = Window::new(8);
        let epoch = window.epoch();
        for _ in 0..8 {
            window.narrow(epoch);
        }
        assert_eq!(window.size(), 4);
        window.narrow(window.epoch());
        assert_eq!(window.size(), 2);
    }

    #[test]
    fn a_window_s_worth_of_accepted_requests_widens_it_by_about_one() {
        let mut window = Window::new(8);
        window.narrow(0);
        for _ in 0..5 {
            window.widen();
        }
        assert_eq!(window.size(), 5);
    }

    proptest! {
        #[test]
        fn the_window_stays_between_one_and_its_maximum(most in 0usize..20, wave in prop::collection::vec(any::<bool>(), 0..300)) {
            let mut window = Window::new(most);
            for is_throttled in wave {
                if is_throttled { window.narrow(window.epoch()) } else { window.widen() }
                prop_assert!((1..=most.max(1)).contains(&window.size()));
            }
        }
    }
}
