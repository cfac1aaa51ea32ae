//! `agent shipped FILE...`: whether every byte of a file was accepted by the destination. For logrotate, which may then
//! compress, move or delete it.
//!
//! It compares the file with the saved checkpoints: by inode, so that a rotated name, and one outside of the pattern, is
//! known too; else by the first bytes. An unfinished last line is not shipped. A running agent saves at most once a
//! second, so `--wait` asks again for a while.

use std::{
    io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::anyhow;
use clap::Args;
use config::exit::Failure;
use serde::Serialize;

use crate::{
    checkpoint::{
        state::{FileState, FlowState},
        store::Store,
    },
    record::{Fingerprint, Node},
    settings::{FlowSettings, Settings},
    tail::{names, survey::identify},
};

/// Time between two looks at the checkpoints.
const INTERVAL: Duration = Duration::from_millis(200);

/// Bytes of fingerprint that make a file known whose inode is not.
const TELLING: u64 = 64;

/// What is asked.
#[derive(Debug, Args)]
pub(crate) struct Request {
    /// The files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Wait so long for what is missing, such as 30s
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "0s")]
    wait: Duration,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

/// The answer for one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Answer {
    file: PathBuf,
    /// The flow that is furthest behind.
    flow: Option<String>,
    size: u64,
    accepted: u64,
    missing: u64,
    shipped: bool,
}

/// Answers; fails when something is missing (exit code 1) or a file is unknown (2).
///
/// # Errors
/// As above; also when a checkpoint cannot be read.
pub(crate) fn run(settings: &Settings, request: &Request) -> Result<(), Failure> {
    let deadline = Instant::now() + request.wait;
    loop {
        let states = load(settings)?;
        let answers: Vec<Answer> = request.files.iter().map(|file| answer(file, settings, &states)).collect::<Result<_, _>>()?;
        let is_over = answers.iter().all(|answer| answer.shipped) || Instant::now() >= deadline;
        if is_over {
            return conclude(&answers, request.json);
        }
        pause(INTERVAL.min(deadline.saturating_duration_since(Instant::now())));
    }
}

#[expect(clippy::disallowed_methods, reason = "another process saves the checkpoints, and has no way to signal it")]
fn pause(time: Duration) {
    thread::sleep(time);
}

fn conclude(answers: &[Answer], json: bool) -> Result<(), Failure> {
    if json {
        println!("{}", serde_json::to_string(answers).map_err(|error| Failure::Run(error.into()))?);
    } else {
        let shipped = answers.iter().filter(|answer| answer.shipped);
        shipped.for_each(|answer| println!("{}: all {} bytes were accepted", answer.file.display(), answer.size));
    }
    let missing: Vec<String> = answers
        .iter()
        .filter(|answer| !answer.shipped)
        .map(|answer| {
            let flow = answer.flow.as_deref().unwrap_or("any flow");
            format!("{}: {} of {} bytes are not accepted yet by {flow}", answer.file.display(), answer.missing, answer.size)
        })
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(Failure::Run(anyhow!(missing.join("; ")))) }
}

/// The saved state of each flow that has one.
fn load(settings: &Settings) -> Result<Vec<(&FlowSettings, FlowState)>, Failure> {
    let mut states = Vec::new();
    for flow in &settings.flows {
        let state = Store::of(&settings.state_directory, &flow.id).load();
        if let Some(state) = state.map_err(|error| Failure::Run(error.into()))? {
            states.push((flow, state));
        }
    }
    Ok(states)
}

fn answer(path: &Path, settings: &Settings, states: &[(&FlowSettings, FlowState)]) -> Result<Answer, Failure> {
    let (node, size, head) = identify(path).map_err(|error| unreadable(path, &error))?;
    // The flows it is known to, each with what it accepted of it; 0 when the flow will read it and has not begun.
    let known =
        states.iter().filter_map(|(flow, state)| Some((flow.id.clone(), accepted(path, node, size, &head, flow, state)?)));
    let unstarted = settings.flows.iter().filter(|flow| !states.iter().any(|(own, _)| own.id == flow.id));
    let waiting = unstarted.filter(|flow| belongs(path, flow)).map(|flow| (flow.id.clone(), 0));
    let behind = known.chain(waiting).min_by_key(|(_, accepted)| *accepted);
    let Some((flow, accepted)) = behind else {
        let advice = "no flow has read it and no filePattern matches it; check the path, -c and --state-dir";
        return Err(Failure::usage(format!("{} is unknown: {advice}", path.display())));
    };
    let missing = size.saturating_sub(accepted);
    Ok(Answer { file: path.to_owned(), flow: Some(flow), size, accepted, missing, shipped: missing == 0 })
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!("cannot read {}: {error}", path.display()))
}

/// How much of a file one flow accepted; none when the flow has nothing to do with it.
fn accepted(path: &Path, node: Node, size: u64, head: &[u8], flow: &FlowSettings, state: &FlowState) -> Option<u64> {
    let is_same = |file: &&FileState| file.fingerprint.matches(head) && file.offset <= size;
    let is_node = |file: &&FileState| file.device == node.device && file.inode == node.inode;
    let by_inode = state.files.iter().filter(is_node).find(is_same);
    // A copy: only what tells more than a common first line, and only when nothing else begins so.
    let whole = head.len().min(Fingerprint::FULL) as u64;
    let begins_so = |file: &&FileState| file.fingerprint.length >= TELLING.max(whole) && is_same(file);
    let mut alike = state.files.iter().filter(begins_so).filter(|_| by_inode.is_none());
    let by_content = alike.next().filter(|file| alike.next().is_none() && is_rotation_of(path, &file.path));
    match by_inode.or(by_content) {
        Some(file) => Some(file.offset),
        None => belongs(path, flow).then_some(0),
    }
}

/// Whether a path may be a later place of a file by its names.
fn is_rotation_of(path: &Path, known: &str) -> bool {
    let file = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let (_, known) = names::split(known);
    file == known || names::is_more_rotated(file, known)
}

/// Whether a flow reads files of this path, or rotations of them.
fn belongs(path: &Path, flow: &FlowSettings) -> bool {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let name = absolute.strip_prefix(flow.files.directory()).ok().and_then(Path::to_str);
    name.is_some_and(|name| flow.files.matches(name) || flow.files.is_rotation(name))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::MetadataExt as _};

    use super::*;
    use crate::checkpoint::state::VERSION;

    const TEXT: &str = "a first line that is long enough to tell one log from another one, with its time\nnext\nunfini";

    /// Settings for `a.log`, of which `offset` bytes were accepted.
    fn world(offset: u64) -> (tempfile::TempDir, Settings) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.log"), TEXT).unwrap();
        let text = format!(
            r#"{{"stateDirectory": "{0}/state", "flows": [{{"filePattern": "{0}/a.log", "kinesisStream": "s"}}]}}"#,
            folder.path().display()
        );
        let settings = Settings::parse(text.as_bytes(), Path::new("test")).unwrap();
        let metadata = fs::metadata(folder.path().join("a.log")).unwrap();
        let file = FileState {
            path: "a.log".to_owned(),
            device: metadata.dev(),
            inode: metadata.ino(),
            fingerprint: Fingerprint::of(TEXT.as_bytes()),
            offset,
            rotated: false,
            gone: None,
        };
        let flow = settings.flows[0].id.clone();
        fs::create_dir(folder.path().join("state")).unwrap();
        let state = FlowState { version: VERSION, flow: flow.clone(), files: vec![file], saved_at: None };
        Store::of(&settings.state_directory, &flow).save(&state).unwrap();
        (folder, settings)
    }

    fn asked(settings: &Settings, file: PathBuf) -> Result<(), Failure> {
        run(settings, &Request { files: vec![file], wait: Duration::ZERO, json: false })
    }

    fn message(outcome: Result<(), Failure>) -> String {
        match outcome.unwrap_err() {
            Failure::Run(error) => format!("1 {error}"),
            Failure::Usage(error) => format!("2 {error}"),
        }
    }

    #[test]
    fn a_file_is_shipped_when_all_of_it_was_accepted() {
        let (folder, settings) = world(TEXT.len() as u64);
        assert!(asked(&settings, folder.path().join("a.log")).is_ok());
    }

    #[test]
    fn an_unfinished_last_line_is_missing() {
        let (folder, settings) = world(TEXT.len() as u64 - 6);
        let text = message(asked(&settings, folder.path().join("a.log")));
        assert!(text.starts_with("1 ") && text.contains(": 6 of 92 bytes are not accepted yet by kinesis:s:"), "{text}");
    }

    #[test]
    fn a_rotated_name_is_known_by_its_inode_and_a_copy_by_its_content() {
        let (folder, settings) = world(TEXT.len() as u64);
        let (renamed, copy) = (folder.path().join("elsewhere"), folder.path().join("a.log-20260101"));
        fs::copy(folder.path().join("a.log"), &copy).unwrap();
        fs::rename(folder.path().join("a.log"), &renamed).unwrap();
        assert!(asked(&settings, renamed).is_ok());
        assert!(asked(&settings, copy).is_ok());
    }

    #[test]
    fn a_file_that_was_not_begun_is_missing_and_a_stranger_is_unknown() {
        let (folder, settings) = world(5);
        fs::write(folder.path().join("a.log.1"), "other\n").unwrap();
        fs::write(folder.path().join("b.log"), "other\n").unwrap();
        assert!(message(asked(&settings, folder.path().join("a.log.1"))).starts_with("1 "));
        assert!(message(asked(&settings, folder.path().join("b.log"))).starts_with("2 "));
        assert!(message(asked(&settings, folder.path().join("none"))).starts_with("2 cannot read"));
    }

    #[test]
    fn a_file_with_the_inode_of_another_is_not_taken_for_it() {
        let (folder, settings) = world(TEXT.len() as u64);
        let path = folder.path().join("a.log");
        let other: String = TEXT.chars().rev().collect();
        fs::write(&path, other).unwrap(); // the same inode
        assert!(message(asked(&settings, path)).contains("92 of 92 bytes"));
    }
}
