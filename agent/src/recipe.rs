//! What is done to a line before it is a record: repair, privacy, converters, truncation, and its key, in this order.
//!
//! Pure logic: a line and the time in, a record or a reason out. The tailer works by it, and so do `agent parse` and
//! `agent cost`, which is why they show what would be sent.
//!
//! Privacy stands before everything that may keep a line: what a converter sends as it is, and what goes to the dead
//! letters, has been through it. A line that was cut or cannot be treated has not, so no dead letter holds its content
//! unless that was asked for.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;

use crate::{
    partition_key::KeyRule,
    privacy::{OnPrivacyError, Privacy, PrivacyNow},
    record::{FileId, Record, Rejection},
    settings::{FlowSettings, OnOversized},
    tail::{Line, ended},
    transform::{OnParseError, Outcome, Transform, apache_json},
};

/// The recipe of one flow. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    repair: bool,
    privacy: Option<Arc<Privacy>>,
    transform: Option<Transform>,
    limit: usize,
    terminator: Arc<[u8]>,
    on_oversized: OnOversized,
    key: KeyRule,
}

/// A recipe at one time, and what became of the lines it was applied to.
pub(crate) struct Session<'a> {
    recipe: &'a Recipe,
    privacy: Option<PrivacyNow<'a>>,
    now_ms: i64,
    /// What happened so far.
    pub(crate) tally: Tally,
}

/// What became of a line.
#[derive(Debug)]
pub(crate) enum Made {
    /// It is sent.
    Record(Record),
    /// It goes to the dead-letter file.
    Rejected(Rejection, Record),
    /// It is not sent.
    Dropped {
        /// Why.
        reason: Rejection,
        /// Where it begins in the file.
        start: u64,
        /// Position in the file after it.
        end: u64,
    },
}

/// What became of the lines of one read.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Lines that were converted.
    pub(crate) transformed: u64,
    /// Lines not sent because a converter could not read them.
    pub(crate) skipped: u64,
    /// Converted records cut to the limit.
    pub(crate) truncated: u64,
    /// Records without a key of their own.
    pub(crate) keyless: u64,
    /// Lines not in the format of a converter.
    pub(crate) mismatched: Spot,
    /// Lines a converter failed on, and why it failed on the first.
    pub(crate) failed: Spot,
    /// Why the first one failed.
    pub(crate) reason: &'static str,
    /// Lines privacy could not be applied to.
    pub(crate) unreadable: Spot,
    /// Lines in which privacy found none of the fields it is to mask or hash.
    pub(crate) unnamed: Spot,
    /// Lines put aside because they were too long.
    pub(crate) oversized: Spot,
}

/// Lines of one kind: how many, and where the first one begins.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Spot {
    /// How many.
    pub(crate) lines: u64,
    /// Position in the file of the first one.
    pub(crate) offset: u64,
}

impl Spot {
    fn note(&mut self, offset: u64) {
        if self.lines == 0 {
            self.offset = offset;
        }
        self.lines += 1;
    }
}

impl Recipe {
    pub(crate) fn of(flow: &FlowSettings) -> Self {
        let records = &flow.records;
        Self {
            repair: records.repair,
            privacy: records.privacy.clone(),
            transform: flow.transform.clone(),
            limit: records.limit,
            terminator: records.framing.terminator.clone(),
            on_oversized: records.on_oversized,
            key: records.key.clone(),
        }
    }

    /// Whether a line is sent as it stands in the file: then only its key is to be made.
    pub(crate) fn is_plain(&self) -> bool {
        let changes = self.repair || self.privacy.is_some() || self.transform.is_some();
        !changes && self.on_oversized == OnOversized::Truncate && matches!(self.key, KeyRule::Option(_))
    }

    /// For lines that are read at this time, in milliseconds since the Unix epoch.
    pub(crate) fn at(&self, now_ms: i64) -> Session<'_> {
        let privacy = self.privacy.as_deref().map(|privacy| privacy.at(now_ms));
        Session { recipe: self, privacy, now_ms, tally: Tally::default() }
    }
}

impl Session<'_> {
    /// Makes a record of a line.
    pub(crate) fn make(&mut self, line: Line, file: FileId) -> Made {
        let recipe = self.recipe;
        let place = Place { file, start: line.start, end: line.end };
        if line.is_cut() && recipe.on_oversized == OnOversized::DeadLetter {
            self.tally.oversized.note(place.start);
            return Made::Rejected(Rejection::Oversized, place.record(self.letter(line.data)));
        }
        let line = if recipe.repair { apache_json::repair(&line.data).map_or(line.data, Bytes::from) } else { line.data };
        let line = match self.privacy.as_ref().map(|privacy| privacy.apply(&line)) {
            None => line,
            Some(Ok(seen)) => {
                if seen.is_unnamed {
                    self.tally.unnamed.note(place.start);
                }
                match seen.line {
                    Cow::Borrowed(_) => line,
                    Cow::Owned(seen) => Bytes::from(seen),
                }
            }
            Some(Err(_)) => return self.unreadable(line, place),
        };
        let data = match recipe.transform.as_ref().map(|transform| transform.apply(&line, self.now_ms)) {
            None => line,
            Some(Outcome::Converted(data)) => {
                self.tally.transformed += 1;
                Bytes::from(data)
            }
            Some(Outcome::Failed(reason)) => {
                if self.tally.failed.lines == 0 {
                    self.tally.reason = reason;
                }
                self.tally.failed.note(place.start);
                line
            }
            Some(Outcome::Mismatched(policy)) => match self.mismatched(policy, &line, place) {
                Some(made) => return made,
                None => line,
            },
        };
        self.finish(data, place)
    }

    /// Cuts the record to the limit, as a line is, and makes its key.
    fn finish(&mut self, data: Bytes, place: Place) -> Made {
        let recipe = self.recipe;
        let data = if data.len() <= recipe.limit {
            data
        } else if recipe.on_oversized == OnOversized::DeadLetter {
            self.tally.oversized.note(place.start);
            return Made::Rejected(Rejection::Oversized, place.record(data.slice(..recipe.limit)));
        } else {
            self.tally.truncated += 1;
            ended(&data[..recipe.limit], &recipe.terminator)
        };
        let key = recipe.key.key(&data, &mut self.tally.keyless);
        Made::Record(Record { key, ..place.record(data) })
    }

    /// What becomes of a line in another format; nothing when it is sent all the same.
    fn mismatched(&mut self, policy: OnParseError, line: &Bytes, place: Place) -> Option<Made> {
        self.tally.mismatched.note(place.start);
        self.tally.skipped += u64::from(policy != OnParseError::Raw);
        match policy {
            OnParseError::Raw => None,
            OnParseError::Drop => Some(place.dropped(Rejection::NotInFormat)),
            OnParseError::DeadLetter => Some(Made::Rejected(Rejection::NotInFormat, place.record(line.clone()))),
        }
    }

    fn unreadable(&mut self, line: Bytes, place: Place) -> Made {
        self.tally.unreadable.note(place.start);
        match self.recipe.privacy.as_ref().map(|privacy| privacy.on_error) {
            Some(OnPrivacyError::DeadLetter) => Made::Rejected(Rejection::Unreadable, place.record(self.letter(line))),
            _ => place.dropped(Rejection::Unreadable),
        }
    }

    /// What a dead letter may hold of a line that privacy was not applied to.
    fn letter(&self, line: Bytes) -> Bytes {
        let is_hidden = self.recipe.privacy.as_ref().is_some_and(|privacy| !privacy.keeps_content);
        if is_hidden { Bytes::new() } else { line }
    }
}

/// Where a line stands.
#[derive(Clone, Copy)]
struct Place {
    file: FileId,
    start: u64,
    end: u64,
}

impl Place {
    fn dropped(self, reason: Rejection) -> Made {
        Made::Dropped { reason, start: self.start, end: self.end }
    }

    /// A record of these bytes; its key is still to be made.
    fn record(self, data: Bytes) -> Record {
        let line_bytes = u32::try_from(self.end - self.start).unwrap_or(u32::MAX);
        let key = crate::record::PartitionKey::Random(0);
        Record { data, key, file: self.file, end: self.end, line_bytes, packed: None }
    }
}
