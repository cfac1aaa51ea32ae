//! `agent.d/`: files with more flows beside the main file.
//!
//! As in the Java agent, only the flows of each file count, and a file that is no JSON is skipped with a warning. Unlike
//! there, the order is that of the names, what editors and package managers leave behind is not read, and what is
//! skipped is remembered, so that a reload does not end flows because of a typing error.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::object_of;

/// What a folder holds.
#[derive(Debug, Default)]
pub(super) struct Folder {
    /// Each file with its flows, in the order of the names.
    pub(super) files: Vec<(PathBuf, Vec<Value>)>,
    /// What is remarkable.
    pub(super) warnings: Vec<String>,
    /// Files that should have been read and could not.
    pub(super) skipped: Vec<String>,
}

/// Reads a folder. One that is not there is empty.
pub(super) fn read(folder: &Path) -> Folder {
    let mut found = Folder::default();
    for path in names(folder, &mut found) {
        if !path.is_file() {
            continue; // the Java agent does not descend either
        }
        if is_leftover(&path) {
            found.warnings.push(format!("{} is ignored: it looks like a copy that an editor or a package left", path.display()));
            continue;
        }
        match read_file(&path) {
            Ok((flows, others)) => {
                if !others.is_empty() {
                    let keys = others.join(", ");
                    found.warnings.push(format!("{}: only flows are taken from this folder, not {keys}", path.display()));
                }
                found.files.push((path, flows));
            }
            Err(reason) => found.skipped.push(format!(
                "Error reading configuration file, ignoring - {}: {reason}; correct it and reload",
                path.display()
            )),
        }
    }
    found
}

fn names(folder: &Path, found: &mut Folder) -> Vec<PathBuf> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            found.skipped.push(format!("cannot list {}: {error}; let the agent's user read it", folder.display()));
            return Vec::new();
        }
    };
    let mut names: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    names.sort();
    names
}

/// The flows of a file and its other keys, or why there are none.
fn read_file(path: &Path) -> Result<(Vec<Value>, Vec<String>), String> {
    let text = fs::read(path).map_err(|error| error.to_string())?;
    let mut object = object_of(&text).map_err(|error| error.to_string())?;
    let flows = match object.shift_remove("flows") {
        Some(Value::Array(flows)) => flows,
        Some(_) => return Err("flows is not an array of objects".to_owned()),
        None => Vec::new(),
    };
    Ok((flows, object.keys().cloned().collect()))
}

/// Whether a name is one that editors and package managers give to copies.
fn is_leftover(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return true };
    let ends = ["~", ".swp", ".swo", ".bak", ".orig", ".tmp", ".rpmsave", ".rpmnew", ".rpmorig"];
    name.starts_with(['.', '#'])
        || name.contains(".dpkg-")
        || name.contains(".ucf-")
        || ends.iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::super::{Settings, SettingsError};

    fn load(main: &str, files: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let folder = tempfile::tempdir().unwrap();
        let flows = folder.path().join("agent.d");
        std::fs::create_dir(&flows).unwrap();
        std::fs::write(folder.path().join("agent.json"), main).unwrap();
        for (name, text) in files {
            std::fs::write(flows.join(name), text).unwrap();
        }
        Settings::load_with(&folder.path().join("agent.json"), &flows)
    }

    fn flow(name: &str) -> String {
        format!(r#"{{"flows": [{{"filePattern": "/l/{name}", "kinesisStream": "s"}}]}}"#)
    }

    fn ids(settings: &Settings) -> Vec<&str> {
        settings.flows.iter().map(|flow| flow.id.as_str()).collect()
    }

    #[test]
    fn flows_of_the_folder_follow_in_the_order_of_the_names() {
        let settings = load(&flow("main"), &[("20-b", &flow("b")), ("10-a.conf", &flow("a"))]).unwrap();
        assert_eq!(ids(&settings), ["kinesis:s:/l/main", "kinesis:s:/l/a", "kinesis:s:/l/b"]);
    }

    #[test]
    fn the_main_file_needs_no_flows_when_the_folder_has_some() {
        assert_eq!(ids(&load("{}", &[("a", &flow("a"))]).unwrap()), ["kinesis:s:/l/a"]);
        assert_eq!(ids(&load(r#"{"flows": []}"#, &[("a", &flow("a"))]).unwrap()), ["kinesis:s:/l/a"]);
        assert!(load("{}", &[("a", "{}")]).unwrap_err().to_string().contains("no flows configured"));
    }

    #[test]
    fn a_file_that_is_no_json_is_skipped_with_its_position() {
        let settings = load(&flow("main"), &[("bad", "{\n  \"flows\": [}"), ("good", &flow("a"))]).unwrap();
        assert_eq!(ids(&settings).len(), 2);
        let skipped = &settings.skipped_files[0];
        assert!(skipped.contains("ignoring - ") && skipped.contains("agent.d/bad") && skipped.contains("line 2"), "{skipped}");
    }

    #[test]
    fn copies_of_editors_and_packages_are_not_read() {
        let names = ["a~", ".a.swp", "a.bak", "a.dpkg-old", "a.rpmsave", ".hidden", "#a#"];
        let text = flow("main");
        let files: Vec<_> = names.iter().map(|name| (*name, text.as_str())).collect();
        let settings = load(&text, &files).unwrap();
        assert_eq!((settings.flows.len(), settings.warnings.len()), (1, names.len()));
    }

    #[test]
    fn problems_name_their_file_and_duplicates_name_both() {
        let found = load(&flow("x"), &[("a.json", r#"{"flows": [{"kinesisStream": "s"}]}"#), ("b.json", &flow("x"))]);
        let message = found.unwrap_err().to_string();
        assert!(message.contains("agent.d/a.json: flows[0].filePattern is missing"), "{message}");
        assert!(message.contains("agent.d/b.json: flows[0] is there twice: Duplicate flow: kinesis:s:/l/x"), "{message}");
        assert!(message.contains("also in agent.json: flows[0]"), "{message}");
    }

    #[test]
    fn other_keys_of_the_folder_s_files_are_not_taken() {
        let settings = load(&flow("x"), &[("a.json", r#"{"stateDirectory": "/elsewhere", "flows": []}"#)]).unwrap();
        assert_eq!(settings.state_directory, std::path::Path::new(super::super::DEFAULT_STATE_DIRECTORY));
        assert!(settings.warnings[0].contains("not stateDirectory"), "{:?}", settings.warnings);
    }
}
