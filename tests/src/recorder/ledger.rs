//! Keeps account of every line: how often it was taken, and how often it had to come again.
//!
//! Pure logic. A line may be taken once, and once more for each of these:
//! - It was taken and the sender never got the whole answer.
//! - The sender died while the line was in one of the batches that may have been on their way. A sender with a
//!   window of four batches sends batch n + 4 only after batch n was settled and saved, so four may be in doubt. They
//!   are on their way at the same time and may arrive in any order, also behind three that are settled: these are
//!   among the last [`WINDOW`] batches seen. A sender that stops cleanly while something is unsettled is judged the same way.

use std::collections::{HashMap, HashSet, VecDeque};

/// Among so many batches are those in doubt. An agent has at most four on their way for each flow (`ship::REQUESTS`).
pub const WINDOW: usize = 4 + 3;

/// The account of all streams.
#[derive(Debug, Default)]
pub struct Ledger {
    streams: HashMap<String, Stream>,
}

/// The account of one stream, which one flow writes.
#[derive(Debug, Default)]
struct Stream {
    lines: HashMap<Vec<u8>, Line>,
    /// The last batches of this run, oldest first. At most [`WINDOW`].
    recent: VecDeque<Vec<Vec<u8>>>,
    /// Lines of this run, and what became of each.
    run: HashMap<Vec<u8>, Fate>,
    /// Records received, refused ones and repetitions included.
    received: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Line {
    taken: usize,
    excused: usize,
    /// Its repetitions are not counted.
    is_exempt: bool,
}

/// What became of a line when it was last in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Refused,
    Taken,
    /// Taken, and known to be excused already.
    TakenUnanswered,
}

/// What arrived, compared with what was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Lines that never arrived.
    pub missing: Vec<String>,
    /// Lines that arrived and were never written.
    pub foreign: Vec<String>,
    /// Lines that arrived more often than anything excuses.
    pub repeated: Vec<String>,
    /// Repetitions, excused or not.
    pub doubled: usize,
    /// How many repetitions there might have been.
    pub excused: usize,
}

impl Ledger {
    /// Notes a request and which of its records were taken.
    pub(super) fn note(&mut self, stream: &str, records: &[Vec<u8>], is_taken: impl Fn(usize) -> bool) {
        let stream = self.streams.entry(stream.to_owned()).or_default();
        stream.received += records.len();
        // A repeated request holds only what was refused or not answered; all others are batches of their own.
        if records.iter().any(|line| matches!(stream.run.get(line), None | Some(Fate::Taken))) {
            stream.recent.push_back(records.to_vec());
            if stream.recent.len() > WINDOW {
                stream.recent.pop_front();
            }
        }
        for (place, line) in records.iter().enumerate() {
            let fate = if is_taken(place) { Fate::Taken } else { Fate::Refused };
            stream.run.insert(line.clone(), fate);
            if fate == Fate::Taken {
                stream.lines.entry(line.clone()).or_default().taken += 1;
            }
        }
    }

    /// Notes that the sender did not get the answer to its last request with these records.
    pub(super) fn unanswered(&mut self, stream: &str, records: &[Vec<u8>]) {
        let Some(stream) = self.streams.get_mut(stream) else { return };
        // A request may hold a line twice, of a file and of its copy.
        let lost: Vec<&Vec<u8>> = records.iter().filter(|line| stream.run.get(*line) == Some(&Fate::Taken)).collect();
        for line in lost {
            stream.run.insert(line.clone(), Fate::TakenUnanswered);
            stream.lines.entry(line.clone()).or_default().excused += 1;
        }
    }

    /// Notes that the sender ended; `killed` when it had no chance to save what it knew.
    pub(super) fn end_run(&mut self, killed: bool) {
        for stream in self.streams.values_mut() {
            let is_unsettled = stream.run.values().any(|fate| *fate != Fate::Taken);
            for line in stream.recent.drain(..).flatten().filter(|_| killed || is_unsettled) {
                if stream.run.get(&line) == Some(&Fate::Taken) {
                    stream.lines.entry(line).or_default().excused += 1;
                }
            }
            stream.run.clear();
        }
    }

    /// Excuses one more repetition of these lines, which the files themselves caused.
    ///
    /// Only where nothing fails: of a line that is in two requests at once, a fault does not say which one it hit.
    pub fn excuse<'a>(&mut self, stream: &str, lines: impl IntoIterator<Item = &'a [u8]>) {
        let stream = self.streams.entry(stream.to_owned()).or_default();
        for line in lines {
            stream.lines.entry(line.to_vec()).or_default().excused += 1;
        }
    }

    /// Stops counting repetitions of these lines; they must arrive all the same.
    pub fn exempt<'a>(&mut self, stream: &str, lines: impl IntoIterator<Item = &'a [u8]>) {
        let stream = self.streams.entry(stream.to_owned()).or_default();
        for line in lines {
            stream.lines.entry(line.to_vec()).or_default().is_exempt = true;
        }
    }

    /// Whether the line was taken.
    pub fn has(&self, stream: &str, line: &[u8]) -> bool {
        self.taken(stream, line) > 0
    }

    /// How often the line was taken.
    pub fn taken(&self, stream: &str, line: &[u8]) -> usize {
        self.streams.get(stream).and_then(|stream| stream.lines.get(line)).map_or(0, |line| line.taken)
    }

    /// Records taken, repetitions included, of all streams.
    pub fn total(&self) -> usize {
        self.streams.values().flat_map(|stream| stream.lines.values()).map(|line| line.taken).sum()
    }

    /// Records received, refused ones included, of all streams.
    pub fn received(&self) -> usize {
        self.streams.values().map(|stream| stream.received).sum()
    }

    /// Compares what a stream took with what was `written`; `possible` lines may be there or not.
    pub fn verdict(&self, stream: &str, written: &[Vec<u8>], possible: &HashSet<Vec<u8>>) -> Verdict {
        let empty = HashMap::new();
        let lines = self.streams.get(stream).map_or(&empty, |stream| &stream.lines);
        let written: HashSet<&[u8]> = written.iter().map(Vec::as_slice).collect();
        let taken = || lines.iter().filter(|(_, line)| line.taken > 0);
        let is_known = |line: &Vec<u8>| written.contains(line.as_slice()) || possible.contains(line);
        let missing = written.iter().filter(|line| !self.has(stream, line)).map(|line| shown(line));
        let foreign = taken().filter(|(line, _)| !is_known(line)).map(|(line, _)| shown(line));
        let repeated = taken().filter(|(_, line)| !line.is_exempt && line.taken > 1 + line.excused);
        let repeated = repeated.map(|(line, times)| format!("{} ({times:?})", shown(line)));
        Verdict {
            missing: sorted(missing),
            foreign: sorted(foreign),
            repeated: sorted(repeated),
            doubled: taken().map(|(_, line)| line.taken - 1).sum(),
            excused: lines.values().map(|line| line.excused).sum(),
        }
    }
}

impl Verdict {
    /// Whether every line is there, no other is, and none came more often than something excuses.
    pub fn is_good(&self) -> bool {
        self.missing.is_empty() && self.foreign.is_empty() && self.repeated.is_empty()
    }
}

fn sorted(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut lines: Vec<String> = lines.collect();
    lines.sort();
    lines
}

/// The beginning of a line, for people.
fn shown(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(&line[..line.len().min(40)]);
    text.escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(names: &[&str]) -> Vec<Vec<u8>> {
        names.iter().map(|name| name.as_bytes().to_vec()).collect()
    }

    fn verdict(ledger: &Ledger, written: &[&str]) -> Verdict {
        ledger.verdict("s", &lines(written), &HashSet::new())
    }

    #[test]
    fn missing_and_foreign_lines_are_named() {
        let mut ledger = Ledger::default();
        ledger.note("s", &lines(&["a", "x"]), |_| true);
        let verdict = verdict(&ledger, &["a", "b"]);
        assert_eq!((verdict.missing, verdict.foreign), (vec!["b".to_owned()], vec!["x".to_owned()]));
    }

    #[test]
    fn a_repetition_needs_an_excuse() {
        let mut ledger = Ledger::default();
        ledger.note("s", &lines(&["a", "b"]), |_| true);
        ledger.note("s", &lines(&["a"]), |_| true);
        assert_eq!(verdict(&ledger, &["a", "b"]).repeated.len(), 1);
    }

    #[test]
    fn a_lost_answer_excuses_one_repetition() {
        let mut ledger = Ledger::default();
        ledger.note("s", &lines(&["a"]), |_| true);
        ledger.unanswered("s", &lines(&["a"]));
        ledger.note("s", &lines(&["a"]), |_| true);
        assert!(verdict(&ledger, &["a"]).is_good());
        ledger.note("s", &lines(&["a"]), |_| true);
        assert!(!verdict(&ledger, &["a"]).is_good());
    }

    #[test]
    fn a_kill_excuses_the_last_batches_only() {
        let mut ledger = Ledger::default();
        let batches = ["a", "b", "c", "d", "e", "f", "g", "h"];
        batches.iter().for_each(|line| ledger.note("s", &lines(&[line]), |_| true));
        ledger.end_run(true);
        ledger.note("s", &lines(&["b", "c", "d", "e", "f", "g", "h"]), |_| true);
        assert!(verdict(&ledger, &batches).is_good());
        ledger.note("s", &lines(&["a"]), |_| true);
        assert_eq!(verdict(&ledger, &batches).repeated.len(), 1);
    }

    #[test]
    fn a_clean_stop_excuses_nothing_once_all_is_settled() {
        let mut ledger = Ledger::default();
        ledger.note("s", &lines(&["a", "b"]), |place| place == 0);
        ledger.note("s", &lines(&["b"]), |_| true);
        ledger.end_run(false);
        ledger.note("s", &lines(&["a"]), |_| true);
        assert_eq!(verdict(&ledger, &["a", "b"]).repeated.len(), 1);
    }

    #[test]
    fn a_clean_stop_with_something_unsettled_excuses_what_was_behind_it() {
        let mut ledger = Ledger::default();
        ledger.note("s", &lines(&["a"]), |_| false);
        ledger.note("s", &lines(&["b"]), |_| true);
        ledger.end_run(false);
        ledger.note("s", &lines(&["a", "b"]), |_| true);
        assert!(verdict(&ledger, &["a", "b"]).is_good());
    }
}
