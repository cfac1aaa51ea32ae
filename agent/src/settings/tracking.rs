//! How a flow's files are found and remembered: links, places for rotated files, and files that are gone.

use std::{path::PathBuf, time::Duration};

use serde_json::{Map, Value};

use super::problem::Fields;

/// Days a file that is gone stays known. The Java agent's default.
const DEFAULT_DAYS: i64 = 7;

/// Which links are followed. Those in the part of `filePattern` without wildcards always are: they are the operator's
/// own words, such as a `/var/log/app` that is a link to another disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FollowLinks {
    /// All, as the Java agent did.
    Always,
    /// Those that lead to a place inside of the flow's directories, and those whose maker could have read the target
    /// or is trusted: root, the agent's own user, the target's owner. So a drop-in keeps its links, and an application
    /// that may write into its log directory cannot have another's files sent.
    #[default]
    Trusted,
    /// Only those that lead to a place inside of the flow's directories.
    Inside,
}

/// How the files of a flow are found and remembered.
#[derive(Debug, Clone, Default)]
pub struct Tracking {
    /// Which links are followed.
    pub follow_links: FollowLinks,
    /// Where rotated files go besides the directory of the live one. Absolute.
    pub rotated_directories: Vec<PathBuf>,
    /// How long a file that is gone stays known, so that it is not sent again should it return.
    pub remember: Duration,
}

/// Reads the keys of a flow; those it does not have are taken from the top of the file.
pub(super) fn read(fields: &mut Fields<'_>, agent: &Map<String, Value>, base: &std::path::Path) -> Tracking {
    let days = Fields::new(agent, String::new(), &mut Vec::new()).integer("checkpointTimeToLiveDays", DEFAULT_DAYS, 1..=36_500);
    let mut tracking = Tracking { remember: Duration::from_secs(days.unsigned_abs() * 86_400), ..Tracking::default() };
    let is_own = fields.value("followLinks").is_some();
    tracking.follow_links = match is_own {
        true => follow_links(fields),
        false => follow_links(&mut Fields::new(agent, String::new(), &mut Vec::new())), // its problems are told once, at the top
    };
    tracking.rotated_directories = rotated_directories(fields, base);
    tracking
}

/// Notes what is wrong with the keys at the top of the file.
pub(super) fn check_agent(fields: &mut Fields<'_>) {
    follow_links(fields);
    fields.integer("checkpointTimeToLiveDays", DEFAULT_DAYS, 1..=36_500);
}

fn follow_links(fields: &mut Fields<'_>) -> FollowLinks {
    match fields.text("followLinks").as_deref() {
        None | Some("trusted") => FollowLinks::Trusted,
        Some("true") => FollowLinks::Always,
        Some("false") => FollowLinks::Inside,
        Some(_) => {
            fields.problem("followLinks", "allowed are true, false and \"trusted\"");
            FollowLinks::Trusted
        }
    }
}

fn rotated_directories(fields: &mut Fields<'_>, base: &std::path::Path) -> Vec<PathBuf> {
    let remedy = "allowed is a list of directories, such as [\"/var/log/app/old\"]";
    let Some(value) = fields.value("rotatedDirectories") else { return Vec::new() };
    let Some(values) = value.as_array() else {
        fields.problem("rotatedDirectories", remedy);
        return Vec::new();
    };
    let mut directories = Vec::new();
    for value in values {
        match value.as_str().filter(|text| !text.is_empty()) {
            // As in logrotate's olddir, a relative one is beside the live file.
            Some(text) => directories.push(base.join(text)),
            None => fields.problem("rotatedDirectories", remedy),
        }
    }
    directories
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;

    fn read_from(flow: &Value, agent: &Value) -> (Tracking, Vec<String>) {
        let mut problems = Vec::new();
        let mut fields = Fields::new(flow.as_object().unwrap(), "flows[0].".to_owned(), &mut problems);
        let tracking = read(&mut fields, agent.as_object().unwrap(), Path::new("/var/log"));
        (tracking, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_flow_s_own_keys_beat_those_at_the_top() {
        let (tracking, problems) = read_from(&json!({"followLinks": false}), &json!({"followLinks": true}));
        assert_eq!((tracking.follow_links, problems.len()), (FollowLinks::Inside, 0));
        assert_eq!(read_from(&json!({}), &json!({"followLinks": true})).0.follow_links, FollowLinks::Always);
        assert_eq!(read_from(&json!({}), &json!({})).0.follow_links, FollowLinks::Trusted);
    }

    #[test]
    fn relative_directories_are_beside_the_live_file() {
        let (tracking, _) = read_from(&json!({"rotatedDirectories": ["old", "/archive"]}), &json!({}));
        assert_eq!(tracking.rotated_directories, [Path::new("/var/log/old"), Path::new("/archive")]);
    }

    #[test]
    fn what_is_not_allowed_is_told_with_its_key() {
        let (_, problems) = read_from(&json!({"followLinks": "some", "rotatedDirectories": "old"}), &json!({}));
        assert!(problems[0].starts_with("flows[0].followLinks is \"some\": allowed are"), "{problems:?}");
        assert!(problems[1].starts_with("flows[0].rotatedDirectories is \"old\": allowed is a list"), "{problems:?}");
    }
}
