//! Random histories of writing, rotating, stopping and crashing, against a model of what must arrive.

use std::fs;

use proptest::prelude::*;

use super::World;

/// What a writer, a rotator or an operator may do.
#[derive(Debug, Clone)]
enum Action {
    Append {
        lines: usize,
        padding: usize,
    },
    AppendPart,
    Rotate,
    CopyTruncate,
    Copy,
    /// Only while the agent runs and has everything: otherwise lines are lost by right.
    Truncate,
    /// As above.
    DeleteOldest,
    Read,
    Poll,
    PassGrace,
    Stop,
    Crash,
    Start,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => (1usize..4, prop_oneof![Just(0usize), Just(30), Just(700)]).prop_map(|(lines, padding)| Action::Append { lines, padding }),
        2 => Just(Action::AppendPart),
        3 => Just(Action::Rotate),
        2 => Just(Action::CopyTruncate),
        1 => Just(Action::Copy),
        1 => Just(Action::Truncate),
        1 => Just(Action::DeleteOldest),
        1 => Just(Action::Read),
        4 => Just(Action::Poll),
        1 => Just(Action::PassGrace),
        2 => Just(Action::Stop),
        1 => Just(Action::Crash),
        4 => Just(Action::Start),
    ]
}

/// The files as the rotator sees them, and every line that must arrive.
struct Model {
    world: World,
    written: usize,
    /// The unfinished last line of the live file.
    part: String,
    expected: Vec<String>,
    has_crashed: bool,
}

impl Model {
    fn act(&mut self, action: &Action) {
        match action {
            Action::Append { lines, padding } => (0..*lines).for_each(|_| self.append(*padding)),
            Action::AppendPart => {
                self.written += 1;
                let part = format!("part {} ", self.written);
                self.world.append("a.log", &part);
                self.part += &part;
            }
            Action::Rotate => self.rotate(),
            Action::CopyTruncate => self.copy_truncate(),
            Action::Copy => self.copy(),
            Action::Truncate => self.truncate(),
            Action::DeleteOldest => self.delete_oldest(),
            Action::Read => self.world.read(),
            Action::Poll => self.world.poll(),
            Action::PassGrace => self.world.pass_grace(),
            Action::Stop => self.world.stop(),
            Action::Crash => {
                self.has_crashed |= self.world.running.is_some();
                self.world.crash();
            }
            Action::Start if self.world.running.is_none() => self.world.start(),
            Action::Start => {}
        }
    }

    fn append(&mut self, padding: usize) {
        self.written += 1;
        let line = format!("line {} {}\n", self.written, "x".repeat(padding));
        self.world.append("a.log", &line);
        self.expected.push(std::mem::take(&mut self.part) + &line);
    }

    /// The highest number of a rotated file; 0 when there is none.
    fn oldest(&self) -> usize {
        (1..).take_while(|number| self.world.path(&format!("a.log.{number}")).exists()).last().unwrap_or(0)
    }

    fn shift(&self) {
        for number in (1..=self.oldest()).rev() {
            self.world.rename(&format!("a.log.{number}"), &format!("a.log.{}", number + 1));
        }
    }

    fn rotate(&mut self) {
        if self.world.path("a.log").exists() {
            self.shift();
            self.world.rename("a.log", "a.log.1");
            self.end_part();
        }
    }

    fn copy_truncate(&mut self) {
        if self.world.path("a.log").exists() {
            self.shift();
            self.world.copy("a.log", "a.log.1");
            self.world.truncate("a.log");
            self.end_part();
        }
    }

    /// A copy nobody asked for; only of whole lines that the agent has, so that it is a copy for good.
    fn copy(&mut self) {
        if self.world.path("a.log").exists() && self.part.is_empty() && self.world.running.is_some() {
            self.world.poll();
            self.shift();
            self.world.copy("a.log", "a.log.1");
            self.world.poll();
        }
    }

    fn truncate(&mut self) {
        if self.world.path("a.log").exists() && self.world.running.is_some() {
            self.world.poll();
            self.world.truncate("a.log");
            self.part.clear();
        }
    }

    fn delete_oldest(&mut self) {
        let oldest = self.oldest();
        if oldest > 0 && self.world.running.is_some() {
            self.world.pass_grace(); // its last line may be unfinished
            fs::remove_file(self.world.path(&format!("a.log.{oldest}"))).unwrap();
        }
    }

    /// Nobody will end the line that was being written.
    fn end_part(&mut self) {
        if !self.part.is_empty() {
            self.expected.push(std::mem::take(&mut self.part));
        }
    }
}

fn check(pattern: &str, more: &str, actions: &[Action]) -> Result<(), TestCaseError> {
    let mut world = World::with(pattern, "END_OF_FILE", more);
    world.start();
    world.poll(); // the baseline: an empty directory
    let mut model = Model { world, written: 0, part: String::new(), expected: Vec::new(), has_crashed: false };
    actions.iter().for_each(|action| model.act(action));
    model.act(&Action::Start);
    model.world.pass_grace();
    model.world.pass_grace();
    model.world.stop();
    let (mut delivered, mut expected) = (model.world.sorted(), model.expected);
    expected.sort();
    if model.has_crashed {
        delivered.dedup(); // repeating is allowed after a crash, losing is not
    }
    prop_assert_eq!(delivered, expected);
    Ok(())
}

proptest! {
#![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

#[test]
fn every_line_arrives_and_only_once_without_a_crash(actions in prop::collection::vec(action(), 1..30)) {
    check("a.log", "", &actions)?;
}

#[test]
fn the_same_holds_when_rotated_names_match_too(actions in prop::collection::vec(action(), 1..30)) {
    check("a.log*", "", &actions)?;
}}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    // Every line starts a record, and each is taken when it is complete: by another way the same lines must come.
    // Without unfinished lines: one holds the record before it too, which nobody has when the file is truncated.
    #[test]
    fn the_same_holds_for_records_that_could_have_several_lines(actions in prop::collection::vec(action(), 1..30)) {
        let whole: Vec<Action> = actions.into_iter().filter(|action| !matches!(action, Action::AppendPart)).collect();
        check("a.log", r#", "multiLineStartPattern": "line", "multiLineFlushMillis": 0"#, &whole)?;
    }
}
