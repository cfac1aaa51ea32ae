//! What the recorder does with a put request.

use std::time::Duration;

use rand::{Rng, SeedableRng, rngs::StdRng};

/// What becomes of one request.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// All records are taken.
    Accept,
    /// All records are taken, and the answer comes after a while.
    AcceptSlowly(Duration),
    /// The records whose bit is set are throttled, counted modulo 64; the others are taken.
    Throttle(u64),
    /// The whole request is refused with this status and error code; nothing is taken.
    Error(u16, &'static str, &'static str),
    /// Nobody ever answers; `stored` says whether the records were taken.
    Hang {
        /// Whether the records were taken.
        stored: bool,
    },
    /// The connection is cut before the answer.
    Cut {
        /// Whether the records were taken.
        stored: bool,
    },
    /// The records are taken; the answer breaks off in the middle.
    Truncate,
}

impl Reply {
    /// Whether the sender is meant to get the whole answer.
    pub(super) fn is_answered(&self) -> bool {
        !matches!(self, Self::Hang { .. } | Self::Cut { .. } | Self::Truncate)
    }
}

/// Decides about one request after the other.
#[derive(Debug, Default)]
pub(super) struct Script {
    /// For the next requests, in this order.
    pub(super) next: std::collections::VecDeque<Reply>,
    /// For all others until it is taken away.
    pub(super) standing: Option<Reply>,
    /// For those that neither of the above is for.
    pub(super) chances: Option<(Chances, Box<StdRng>)>,
}

impl Script {
    pub(super) fn decide(&mut self) -> Reply {
        if let Some(reply) = self.next.pop_front().or_else(|| self.standing.clone()) {
            return reply;
        }
        self.chances.as_mut().map_or(Reply::Accept, |(chances, random)| chances.pick(random))
    }
}

/// How often each reply comes, as parts of 1. What is left over is accepted.
#[derive(Debug, Clone, Default)]
pub struct Chances {
    /// About half of the records are throttled.
    pub throttle: f64,
    /// Refused with 500 or 503.
    pub status: f64,
    /// Cut before anything was taken.
    pub cut: f64,
    /// Longest delay of the answers.
    pub delay: Duration,
}

impl Chances {
    pub(super) fn with_seed(self, seed: u64) -> (Self, Box<StdRng>) {
        (self, Box::new(StdRng::seed_from_u64(seed)))
    }

    fn pick(&self, random: &mut StdRng) -> Reply {
        let chance = random.random::<f64>();
        if chance < self.throttle {
            Reply::Throttle(random.random())
        } else if chance < self.throttle + self.status {
            internal_failure(random.random())
        } else if chance < self.throttle + self.status + self.cut {
            Reply::Cut { stored: false }
        } else {
            Reply::AcceptSlowly(self.delay.mul_f64(random.random()))
        }
    }
}

/// A 500 or a 503, as AWS words them.
pub fn internal_failure(is_unavailable: bool) -> Reply {
    if is_unavailable {
        Reply::Error(503, "ServiceUnavailable", "Service is currently unavailable.")
    } else {
        Reply::Error(500, "InternalFailure", "Internal service failure.")
    }
}
