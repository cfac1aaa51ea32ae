//! What there is to know about this machine and the agent's folders. A part that cannot be read says why.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom},
    os::unix::fs::MetadataExt as _,
    path::Path,
    process::Command,
};

use serde_json::{Map, Value};

use super::Parts;
use crate::settings::Settings;

/// Bytes of a log's end, or of a checkpoint.
const MAX_TEXT: u64 = 512 * 1024;

/// Files listed of one folder.
const MAX_LISTED: usize = 2000;

/// Checkpoints in the bundle.
const MAX_CHECKPOINTS: usize = 500;

/// Where the Java agent logs, and this one when it takes its place.
const JAVA_LOG: &str = "/var/log/aws-kinesis-agent/aws-kinesis-agent.log";

/// Names the service may have.
const UNITS: [&str; 2] = ["weir-agent.service", "aws-kinesis-agent.service"];

/// Properties of the service. Not its environment: keys stand there.
const PROPERTIES: &str = "Id,LoadState,ActiveState,SubState,Result,NRestarts,ExecMainStatus,ExecMainStartTimestamp,MainPID,MemoryCurrent,MemoryMax,TasksCurrent,FragmentPath,DropInPaths,User,Group,SupplementaryGroups";

/// The checkpoints, and how large the dead-letter file is; it holds records, so nothing else of it.
pub(super) fn checkpoints(state_directory: &Path) -> Parts {
    let mut listing = String::new();
    let mut parts = Parts::new();
    list(&mut listing, state_directory);
    let entries = fs::read_dir(state_directory).into_iter().flatten().flatten();
    for entry in entries.take(MAX_LISTED) {
        let name = entry.file_name().to_string_lossy().into_owned();
        // status.json holds the token of the running agent.
        if name.ends_with(".json") && name != "status.json" && parts.len() < MAX_CHECKPOINTS {
            parts.push((format!("checkpoints/{name}"), end_of(&entry.path()).unwrap_or_else(|error| format!("{error}\n"))));
        }
    }
    parts.push(("checkpoints/folder.txt".to_owned(), listing));
    parts
}

/// Names, sizes and modes in the watched folders, and the modes on the way to them.
pub(super) fn folders(settings: &Settings) -> Parts {
    let mut out = String::new();
    let mut seen: Vec<&Path> = Vec::new();
    for flow in &settings.flows {
        let directory = flow.files.directory();
        let _ = writeln!(out, "# flow {}", flow.id);
        if seen.contains(&directory) {
            continue;
        }
        seen.push(directory);
        directory.ancestors().skip(1).collect::<Vec<_>>().iter().rev().for_each(|folder| describe(&mut out, folder));
        list(&mut out, directory);
    }
    vec![("folders.txt".to_owned(), out)]
}

/// The end of the agent's log, if it writes one, and of the journal.
pub(super) fn logs(settings: &Map<String, Value>) -> Parts {
    let named = settings.get("log.file").and_then(Value::as_str);
    let mut parts = Parts::new();
    for path in named.into_iter().chain([JAVA_LOG]) {
        if let (Ok(text), Some(name)) = (end_of(Path::new(path)), Path::new(path).file_name()) {
            parts.push((format!("log/{}", name.to_string_lossy()), text));
        }
    }
    let units = UNITS.map(|unit| format!("--unit={unit}"));
    let journal = output("journalctl", &["--no-pager", "--lines=1000", "--output=short-iso", &units[0], &units[1]]);
    parts.push(("log/journal.txt".to_owned(), journal));
    parts
}

/// Versions, the service, and the kernel's view of this machine.
pub(super) fn machine() -> Parts {
    let file = |path: &str| fs::read_to_string(path).unwrap_or_else(|error| format!("{path}: {error}\n"));
    let versions = format!(
        "agent {}\nbuilt for {} on {}\n{}{}",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH,
        std::env::consts::OS,
        file("/proc/version"),
        file("/etc/os-release")
    );
    let memory: String = file("/proc/meminfo").lines().take(5).map(|line| format!("{line}\n")).collect();
    let system = format!(
        "# load and uptime\n{}{}# memory\n{memory}# limits of this process\n{}# inotify\n{}{}# mounts\n{}",
        file("/proc/loadavg"),
        file("/proc/uptime"),
        file("/proc/self/limits"),
        file("/proc/sys/fs/inotify/max_user_watches"),
        file("/proc/sys/fs/inotify/max_user_instances"),
        file("/proc/mounts"),
    );
    let service = output("systemctl", &["show", "--no-pager", "--property", PROPERTIES, UNITS[0], UNITS[1]]);
    vec![
        ("versions.txt".to_owned(), versions),
        ("system.txt".to_owned(), system),
        ("service.txt".to_owned(), service),
        ("environment.txt".to_owned(), environment()),
    ]
}

/// Variables that change how AWS is reached. Of most only that they are set.
fn environment() -> String {
    let plain = ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_EC2_METADATA_DISABLED", "AWS_ENDPOINT_URL", "RUST_LOG"];
    let mut names: Vec<(String, String)> = std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .filter(|(name, _)| name.starts_with("AWS_") || name.to_lowercase().ends_with("_proxy") || name == "RUST_LOG")
        .collect();
    names.sort();
    let show = |(name, value): (String, String)| {
        let is_plain = plain.contains(&name.as_str()) || name.to_lowercase().ends_with("_proxy");
        format!("{name}={}\n", if is_plain { value.as_str() } else { "(set)" })
    };
    names.into_iter().map(show).collect()
}

fn output(program: &str, arguments: &[&str]) -> String {
    match Command::new(program).args(arguments).output() {
        Ok(output) => format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)),
        Err(error) => format!("{program} cannot be run here: {error}\n"),
    }
}

fn end_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(MAX_TEXT)))?;
    let mut bytes = Vec::new();
    file.take(MAX_TEXT).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

// Writing to a String cannot fail.
fn list(out: &mut String, folder: &Path) {
    describe(out, folder);
    let entries = fs::read_dir(folder);
    if let Err(error) = &entries {
        let _ = writeln!(out, "  cannot be listed: {error}");
    }
    let mut paths: Vec<_> = entries.into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().take(MAX_LISTED).for_each(|path| describe(out, path));
    if paths.len() > MAX_LISTED {
        let _ = writeln!(out, "  ... and {} more", paths.len() - MAX_LISTED);
    }
}

fn describe(out: &mut String, path: &Path) {
    let _ = match fs::symlink_metadata(path) {
        Ok(facts) => writeln!(
            out,
            "{:o} user {} group {} {} bytes, changed {}, inode {}: {}",
            facts.mode(),
            facts.uid(),
            facts.gid(),
            facts.size(),
            facts.mtime(),
            facts.ino(),
            path.display()
        ),
        Err(error) => writeln!(out, "{}: {error}", path.display()),
    };
}
