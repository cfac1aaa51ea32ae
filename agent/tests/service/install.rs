//! `agent install` and `agent uninstall` in a tree of their own.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt as _, symlink},
    path::{Path, PathBuf},
    process::Command,
};

fn run(arguments: &[&str], root: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_agent")).args(arguments).arg("--root").arg(root).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Every path of the tree with its mode, and where a link points to.
fn tree(root: &Path) -> BTreeMap<PathBuf, String> {
    let (mut found, mut left) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let (path, kind) = (entry.path(), entry.metadata().unwrap());
            if kind.is_dir() {
                left.push(path.clone());
            }
            let link = fs::read_link(&path).map(|target| format!(" -> {}", target.display())).unwrap_or_default();
            found.insert(path.strip_prefix(root).unwrap().to_owned(), format!("{:o}{link}", kind.mode() & 0o7777));
        }
    }
    found
}

#[test]
fn a_dry_run_prints_what_the_real_one_does_and_does_nothing() {
    let root = tempfile::tempdir().unwrap();
    let planned = run(&["install", "--dry-run"], root.path());
    assert!(tree(root.path()).is_empty());
    let done = run(&["install"], root.path());
    assert_eq!(planned, done.lines().map(|line| format!("would {line}\n")).collect::<String>());
    let found = tree(root.path());
    let mode = |path: &str| found.get(Path::new(path)).map(String::as_str);
    assert_eq!(mode("etc/aws-kinesis/agent.json"), Some("640"));
    assert_eq!(mode("etc/default/aws-kinesis-agent"), Some("640"));
    assert_eq!(mode("var/lib/aws-kinesis-agent"), Some("750"));
    assert_eq!(mode("usr/bin/weir-agent"), Some("755"));
    assert_eq!(mode("usr/bin/aws-kinesis-agent"), Some("777 -> weir-agent"));
    assert_eq!(mode("etc/systemd/system/weir-agent.service"), Some("644"));
    assert_eq!(mode("etc/systemd/system/aws-kinesis-agent.service"), Some("777 -> /etc/systemd/system/weir-agent.service"));
}

#[test]
fn a_second_installation_does_nothing_and_keeps_what_was_edited() {
    let root = tempfile::tempdir().unwrap();
    run(&["install"], root.path());
    let (configuration, before) = (root.path().join("etc/aws-kinesis/agent.json"), tree(root.path()));
    fs::write(&configuration, "{\"flows\": []} // mine").unwrap();
    assert_eq!(run(&["install"], root.path()), "nothing to do\n");
    assert_eq!(tree(root.path()), before);
    assert_eq!(fs::read_to_string(configuration).unwrap(), "{\"flows\": []} // mine");
}

#[test]
fn the_java_agent_s_files_make_room_and_its_configuration_and_checkpoints_stay() {
    let root = tempfile::tempdir().unwrap();
    let put = |path: &str, text: &str| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    put("etc/init.d/aws-kinesis-agent", "#!/bin/sh\n");
    put("etc/cron.d/aws-kinesis-agent", "* * * * * root babysit\n");
    put("usr/bin/start-aws-kinesis-agent", "#!/bin/bash\njava\n");
    put("etc/aws-kinesis/agent.json", "{\"flows\": [1]}");
    put("run/aws-kinesis-agent/checkpoints", "SQLite");
    fs::create_dir(root.path().join("var")).unwrap();
    symlink("../run", root.path().join("var/run")).unwrap();
    run(&["install"], root.path());
    let found = tree(root.path());
    assert!(
        !found.contains_key(Path::new("etc/init.d/aws-kinesis-agent"))
            && !found.contains_key(Path::new("etc/cron.d/aws-kinesis-agent"))
    );
    assert_eq!(found[Path::new("usr/bin/start-aws-kinesis-agent")], "777 -> weir-agent");
    let read = |path: &str| fs::read_to_string(root.path().join(path)).unwrap();
    assert_eq!(read("usr/share/aws-kinesis-agent/replaced-by-weir/etc_init.d_aws-kinesis-agent"), "#!/bin/sh\n");
    assert_eq!(read("etc/aws-kinesis/agent.json"), "{\"flows\": [1]}");
    assert_eq!(read("var/lib/aws-kinesis-agent/java-agent-checkpoints"), "SQLite");
    assert_eq!(run(&["install"], root.path()), "nothing to do\n");
}

#[test]
fn uninstalling_keeps_configuration_and_state_unless_it_purges() {
    let root = tempfile::tempdir().unwrap();
    run(&["install"], root.path());
    fs::write(root.path().join("var/lib/aws-kinesis-agent/state.json"), "{}").unwrap();
    run(&["uninstall"], root.path());
    let found = tree(root.path());
    assert!(!found.contains_key(Path::new("usr/bin/weir-agent")) && !found.contains_key(Path::new("usr/bin/aws-kinesis-agent")));
    assert!(!found.contains_key(Path::new("etc/systemd/system/weir-agent.service")));
    assert!(found.contains_key(Path::new("etc/aws-kinesis/agent.json")));
    assert!(found.contains_key(Path::new("var/lib/aws-kinesis-agent/state.json")));
    run(&["uninstall", "--purge"], root.path());
    let left: Vec<PathBuf> = tree(root.path()).into_keys().filter(|path| root.path().join(path).is_file()).collect();
    assert_eq!(left, Vec::<PathBuf>::new());
    assert_eq!(run(&["uninstall", "--purge"], root.path()), "nothing to do\n");
}
