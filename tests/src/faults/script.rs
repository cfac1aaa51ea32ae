//! Which fault the next put gets.

use std::{collections::VecDeque, time::Duration};

use rand::{Rng, SeedableRng, rngs::StdRng};
use serde::Deserialize;

use super::http::header;

/// What happens to one put request.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// It passes.
    None,
    /// It passes after a while.
    Delay(Duration),
    /// The stream takes it at once; the answer comes after a while.
    DelayedAnswer(Duration),
    /// These records, by their place in the request, are throttled; the rest is forwarded. The answer has status 200.
    Throttle(Vec<usize>),
    /// It is refused with this HTTP status and never reaches the stream.
    Status(u16),
    /// The connection is cut before it reaches the stream.
    CutBefore,
    /// The stream takes it, and the connection is cut before the answer.
    LoseAnswer,
}

/// A put request, as far as a script may know it.
#[derive(Debug, Clone)]
pub struct Put {
    /// Records in it.
    pub records: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Body {
    records: Vec<serde::de::IgnoredAny>,
}

impl Put {
    /// None when the request is not a put.
    pub(super) fn parse(head: &str, body: &[u8]) -> Option<Self> {
        match header(head, "x-amz-target")?.split_once('.')?.1 {
            "PutRecord" => Some(Self { records: 1 }),
            "PutRecords" => Some(Self { records: serde_json::from_slice::<Body>(body).ok()?.records.len() }),
            _ => None,
        }
    }
}

/// Decides about one put after the other.
#[derive(Debug)]
pub enum Script {
    /// Everything passes.
    Pass,
    /// These faults in this order, then everything passes.
    Listed(VecDeque<Fault>),
    /// Faults by chance, the same for the same seed.
    Seeded(Chances, Box<StdRng>),
}

impl Script {
    /// These faults in this order, then everything passes.
    pub fn listed(faults: impl IntoIterator<Item = Fault>) -> Self {
        Self::Listed(faults.into_iter().collect())
    }

    /// Faults by chance, the same for the same seed.
    pub fn seeded(seed: u64, chances: Chances) -> Self {
        Self::Seeded(chances, Box::new(StdRng::seed_from_u64(seed)))
    }

    pub(super) fn next(&mut self, put: &Put) -> Fault {
        match self {
            Self::Pass => Fault::None,
            Self::Listed(faults) => faults.pop_front().unwrap_or(Fault::None),
            Self::Seeded(chances, random) => chances.pick(random, put),
        }
    }
}

/// How often each fault comes, as parts of 1. What is left over passes.
#[derive(Debug, Clone, Default)]
pub struct Chances {
    /// Requests in which about half of the records are throttled.
    pub throttle: f64,
    /// Requests refused with 500 or 503.
    pub status: f64,
    /// Connections cut before the request reached the stream.
    pub cut: f64,
    /// Answers lost.
    pub lose_answer: f64,
    /// Longest delay of the answers that do come.
    pub delay: Duration,
}

impl Chances {
    fn pick(&self, random: &mut StdRng, put: &Put) -> Fault {
        let mut chance = random.random::<f64>();
        let mut falls_in = |share: f64| {
            chance -= share;
            chance < 0.0
        };
        if falls_in(self.throttle) {
            return Fault::Throttle((0..put.records).filter(|_| random.random_bool(0.5)).collect());
        }
        if falls_in(self.status) {
            return Fault::Status(if random.random_bool(0.5) { 500 } else { 503 });
        }
        if falls_in(self.cut) {
            return Fault::CutBefore;
        }
        if falls_in(self.lose_answer) {
            return Fault::LoseAnswer;
        }
        if self.delay.is_zero() { Fault::None } else { Fault::DelayedAnswer(self.delay.mul_f64(random.random())) }
    }
}
