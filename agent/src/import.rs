//! `agent import-checkpoints`, and the same at the start of a flow that has no state: takes over from the Java agent.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use tracing::{info, warn};

use crate::{
    checkpoint::{
        java::{self, Outcome, Plan, Row},
        state::FlowState,
        store::{StateDirectory, Store},
    },
    settings::{FlowSettings, Settings},
    tail::survey::survey,
};

/// What `agent install` keeps of them: the default place is empty after a reboot, and after the old package is removed.
const KEPT: &str = "java-agent-checkpoints";

/// Where the Java agent's checkpoints are.
fn database(settings: &Settings) -> PathBuf {
    let own = settings.java_checkpoints.clone().unwrap_or_else(|| PathBuf::from(java::DEFAULT_DATABASE));
    let kept = settings.state_directory.join(KEPT);
    if !own.exists() && kept.exists() { kept } else { own }
}

/// The state a flow without one begins with, if the Java agent left any. It is saved before it is used.
///
/// # Errors
/// When there are checkpoints that cannot be read, or the state cannot be saved.
pub(crate) fn at_start(settings: &Settings, flow: &FlowSettings, store: &Store) -> Result<Option<FlowState>> {
    let path = database(settings);
    let rows = java::read(&path)?;
    let plan = plan_for(flow, &rows)?;
    let Some(state) = plan.state else { return Ok(None) };
    store.save(&state)?;
    info!(flow = flow.id, from = %path.display(), files = state.files.len(), "imported the Java agent's checkpoint");
    for (file, outcome) in plan.outcomes {
        match outcome {
            Outcome::Gone { .. } | Outcome::Shorter { .. } => warn!(flow = flow.id, file, "imported: {outcome}"),
            _ => info!(flow = flow.id, file, "imported: {outcome}"),
        }
    }
    Ok(Some(state))
}

/// Imports by hand. Returns the table for people.
///
/// # Errors
/// As [`at_start`]; also when an agent is running.
pub(crate) fn by_hand(settings: &Settings, file: Option<&Path>, is_dry: bool) -> Result<String> {
    let path = file.map_or_else(|| database(settings), Path::to_owned);
    if file.is_some() && !path.exists() {
        anyhow::bail!("{} does not exist; name the Java agent's checkpointFile", path.display());
    }
    let rows = java::read(&path)?;
    // Held to the end: an agent that starts meanwhile must not begin without what is imported.
    let _lock = (!is_dry).then(|| StateDirectory::open(&settings.state_directory)).transpose()?;
    let mut table = vec![["FLOW", "FILE", "OFFSET", "RESULT"].map(str::to_owned)];
    for flow in &settings.flows {
        let store = Store::of(&settings.state_directory, &flow.id);
        if store.load()?.is_some() {
            table.push([flow.id.clone(), "-".to_owned(), "-".to_owned(), "has a state of its own, left alone".to_owned()]);
            continue;
        }
        let plan = plan_for(flow, &rows)?;
        match &plan.state {
            None => table.push([flow.id.clone(), "-".to_owned(), "-".to_owned(), "no checkpoint of this flow".to_owned()]),
            Some(state) if !is_dry => drop(store.save(state)?),
            Some(_) => {}
        }
        table.extend(
            plan.outcomes.iter().map(|(file, outcome)| [flow.id.clone(), file.clone(), offset(outcome), outcome.to_string()]),
        );
    }
    let known = |flow: &str| settings.flows.iter().any(|own| own.id == flow);
    let strangers = rows.iter().filter(|(flow, _)| !known(flow));
    table.extend(strangers.map(|(flow, row)| {
        [flow.clone(), row.path.clone(), row.offset.to_string(), "no such flow in the settings, not imported".to_owned()]
    }));
    Ok(aligned(&table) + &format!("from {}{}\n", path.display(), if is_dry { ", nothing was changed" } else { "" }))
}

fn plan_for(flow: &FlowSettings, rows: &[(String, Row)]) -> Result<Plan> {
    let own: Vec<Row> = rows.iter().filter(|(id, _)| *id == flow.id).map(|(_, row)| row.clone()).collect();
    if own.is_empty() {
        return Ok(Plan { state: None, outcomes: Vec::new() });
    }
    let files =
        survey(flow).with_context(|| format!("cannot compare the Java agent's checkpoint with the files of {}", flow.id))?;
    Ok(java::plan(&flow.id, &own, &files))
}

fn offset(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Resumed(offset) | Outcome::Passed(offset) => offset.to_string(),
        Outcome::New | Outcome::Shorter { .. } => "0".to_owned(),
        Outcome::Gone { .. } => "-".to_owned(),
    }
}

/// Columns as wide as their widest cell.
fn aligned(table: &[[String; 4]]) -> String {
    let width = |column: usize| table.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (flow, file, offset) = (width(0), width(1), width(2));
    table.iter().map(|row| format!("{:flow$}  {:file$}  {:>offset$}  {}\n", row[0], row[1], row[2], row[3])).collect()
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::MetadataExt as _};

    use super::*;

    /// A folder with a log, settings for it, and the Java agent's database with what it had sent.
    fn world(sent: i64) -> (tempfile::TempDir, Settings) {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("a.log");
        fs::write(&log, "one\ntwo\n").unwrap();
        let text = format!(
            r#"{{"stateDirectory": "{0}/state", "checkpointFile": "{0}/checkpoints", "flows": [{{"filePattern": "{0}/a.log", "kinesisStream": "s"}}]}}"#,
            folder.path().display()
        );
        let settings = Settings::parse(text.as_bytes(), Path::new("test")).unwrap();
        let metadata = fs::metadata(&log).unwrap();
        let id = format!("(dev={:x},ino={})", metadata.dev(), metadata.ino());
        let row = (
            settings.flows[0].id.as_str(),
            log.to_str().unwrap(),
            id.as_str(),
            metadata.mtime() * 1000,
            sent,
            "2026-01-01 00:00:00.000",
        );
        java::create(&folder.path().join("checkpoints"), &[row]);
        (folder, settings)
    }

    #[test]
    fn what_the_installation_kept_stands_in_for_a_database_that_is_gone() {
        let (folder, settings) = world(4);
        let own = folder.path().join("checkpoints");
        fs::create_dir_all(&settings.state_directory).unwrap();
        fs::copy(&own, settings.state_directory.join(KEPT)).unwrap();
        assert_eq!(database(&settings), own);
        fs::remove_file(own).unwrap();
        let store = StateDirectory::open(&settings.state_directory).unwrap().store(&settings.flows[0].id);
        let state = at_start(&settings, &settings.flows[0], &store).unwrap().unwrap();
        assert_eq!(state.files[0].offset, 4);
    }

    #[test]
    fn a_flow_without_a_state_begins_where_the_java_agent_ended_and_saves_that() {
        let (_folder, settings) = world(4);
        let directory = StateDirectory::open(&settings.state_directory).unwrap();
        let store = directory.store(&settings.flows[0].id);
        let state = at_start(&settings, &settings.flows[0], &store).unwrap().unwrap();
        assert_eq!((state.files[0].path.as_str(), state.files[0].offset), ("a.log", 4));
        assert_eq!(store.load().unwrap().unwrap().files, state.files);
    }

    #[test]
    fn a_dry_run_changes_nothing_and_prints_what_would_happen() {
        let (folder, settings) = world(4);
        let table = by_hand(&settings, None, true).unwrap();
        assert!(table.contains("a.log") && table.contains("goes on at 4") && table.contains("nothing was changed"), "{table}");
        assert!(!folder.path().join("state").exists());
    }

    #[test]
    fn a_state_of_our_own_is_never_replaced() {
        let (_folder, settings) = world(4);
        by_hand(&settings, None, false).unwrap();
        assert!(by_hand(&settings, None, false).unwrap().contains("left alone"));
    }

    #[test]
    fn a_file_that_does_not_exist_is_an_error_when_it_was_named() {
        let (_folder, settings) = world(4);
        assert!(by_hand(&settings, Some(Path::new("/nowhere")), true).unwrap_err().to_string().contains("does not exist"));
    }
}
