//! What writers, rotators, operators and networks do, drawn from a seed.

use std::time::Duration;

use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom as _};
use tests::recorder::{Reply, internal_failure};

use crate::log::Style;

/// One step of a script. `log` chooses a log of the script.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    /// Complete lines; the first ends an open part.
    Append {
        log: usize,
        lines: usize,
        padding: usize,
    },
    /// The beginning of a line.
    AppendPart {
        log: usize,
    },
    /// Rotation by rename, or by a new target of the link.
    Rotate {
        log: usize,
    },
    /// The same, and the writer ends its open line in the rotated file.
    RotateAndFinish {
        log: usize,
    },
    /// The writer appends to the rotated file because it has not reopened its log yet.
    AppendLate {
        log: usize,
        lines: usize,
    },
    CopyTruncate {
        log: usize,
    },
    Copy {
        log: usize,
    },
    /// Truncates and refills at once, when everything has arrived.
    TruncateRefill {
        log: usize,
        lines: usize,
    },
    /// Deletes the live file when everything has arrived; the next append creates it again.
    DeleteLive {
        log: usize,
    },
    /// Deletes the oldest rotated file when everything has arrived.
    DeleteOldest {
        log: usize,
    },
    /// Compresses the oldest rotated file when everything has arrived.
    CompressOldest {
        log: usize,
    },
    /// Moves the oldest rotated file out of sight when everything has arrived.
    MoveOldest {
        log: usize,
    },
    /// Lets the agent fall behind, and takes the live file away while it is open and not accepted.
    TakeWhileBehind {
        log: usize,
        lines: usize,
        delete: bool,
    },
    /// Stops the agent in the middle of a file, and rotates and compresses that before the next start.
    CompressWhileDown {
        log: usize,
        lines: usize,
    },
    /// Waits until everything has arrived.
    Settle,
    /// Lets the agent work for a moment.
    Pause(Duration),
    /// SIGKILL after a moment.
    Kill(Duration),
    /// SIGTERM, and nothing until the next start.
    Stop,
    Start,
    /// What the next requests get.
    Faults(Vec<Reply>),
    /// The endpoint is away for a moment.
    Outage(Duration),
}

/// A script: the world it runs in, and what happens there.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    pub(crate) seed: u64,
    pub(crate) flows: Vec<Flow>,
    pub(crate) actions: Vec<Action>,
}

/// A flow with its logs.
#[derive(Debug, Clone)]
pub(crate) struct Flow {
    pub(crate) pattern: String,
    pub(crate) style: Style,
    /// Names of live files.
    pub(crate) logs: Vec<&'static str>,
    pub(crate) from_end: bool,
    pub(crate) max_records: usize,
    /// Whether its lines go to Firehose.
    pub(crate) is_firehose: bool,
    /// How its logs are rotated.
    pub(crate) rotator: Rotator,
}

/// A log has one rotator, as a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rotator {
    Rename,
    CopyTruncate,
    /// Now this, now that. Which file continues which cannot always be told then, least of all after a stop.
    Both,
}

impl Script {
    /// The script of a seed.
    pub(crate) fn draw(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let flows = flows(&mut random);
        let logs = flows.iter().map(|flow| flow.logs.len()).sum();
        let count = random.random_range(4..28);
        let actions = (0..count).map(|_| action(&mut random, logs)).collect();
        Self { seed, flows, actions }
    }
}

/// One to three of: an exact name, a glob that covers rotated names, several live files, a symbolic link.
fn flows(random: &mut StdRng) -> Vec<Flow> {
    let mut shapes = vec![("a.log", vec!["a.log"], false), ("b.log*", vec!["b.log"], false)];
    shapes.push(("c*.log*", vec!["c1.log", "c2.log"], false));
    shapes.push(("d.log", vec!["d.log"], true));
    let wanted = *[1, 1, 1, 2, 2, 3].choose(random).unwrap_or(&1);
    while shapes.len() > wanted {
        shapes.remove(random.random_range(0..shapes.len()));
    }
    let mut flow = |(pattern, logs, is_linked): (&str, Vec<&'static str>, bool)| Flow {
        pattern: pattern.to_owned(),
        style: match (is_linked, random.random_bool(0.6)) {
            (true, _) => Style::Linked,
            (false, true) => Style::Numbered,
            (false, false) => Style::Dated,
        },
        logs,
        from_end: random.random_bool(0.4),
        is_firehose: random.random_bool(0.25),
        max_records: *[1, 1, 2, 5, 500].choose(random).unwrap_or(&1),
        rotator: *[Rotator::Rename, Rotator::CopyTruncate, Rotator::Both].choose(random).unwrap_or(&Rotator::Both),
    };
    shapes.into_iter().map(&mut flow).collect()
}

fn action(random: &mut StdRng, logs: usize) -> Action {
    let log = random.random_range(0..logs);
    let lines = random.random_range(1..6);
    match random.random_range(0..100) {
        0..26 => Action::Append { log, lines, padding: *[0, 0, 30, 700, 5_000].choose(random).unwrap_or(&0) },
        26..32 => Action::AppendPart { log },
        32..41 => Action::Rotate { log },
        41..44 => Action::RotateAndFinish { log },
        44..47 => Action::AppendLate { log, lines },
        47..53 => Action::CopyTruncate { log },
        53..55 => Action::Copy { log },
        55..57 => Action::TruncateRefill { log, lines },
        57..59 => Action::DeleteLive { log },
        59..61 => Action::DeleteOldest { log },
        61..63 => Action::CompressOldest { log },
        63..65 => Action::MoveOldest { log },
        65..67 => Action::TakeWhileBehind { log, lines, delete: random.random() },
        67..69 => Action::CompressWhileDown { log, lines },
        69..71 => Action::Settle,
        71..77 => Action::Pause(moment(random, 60)),
        77..81 => Action::Kill(moment(random, 40)),
        81..84 => Action::Stop,
        84..92 => Action::Start,
        92..98 => Action::Faults((0..random.random_range(1..6)).map(|_| fault(random)).collect()),
        _ => Action::Outage(moment(random, 50)),
    }
}

fn moment(random: &mut StdRng, most_ms: u64) -> Duration {
    Duration::from_millis(random.random_range(0..most_ms))
}

fn fault(random: &mut StdRng) -> Reply {
    match random.random_range(0..20) {
        0..6 => Reply::Throttle(random.random()),
        6..8 => Reply::Throttle(u64::MAX),
        8..10 => Reply::AcceptSlowly(moment(random, 100)),
        10..13 => internal_failure(random.random()),
        13..15 => Reply::Cut { stored: false },
        15..17 => Reply::Cut { stored: true },
        17..19 => Reply::Truncate,
        // Seldom, because each costs the agent's whole time-out.
        _ => Reply::Hang { stored: random.random() },
    }
}
