//! What `local` says when something is in its way.

use std::{fs, net::TcpListener, time::Duration};

use rustix::process::{Pid, Signal, kill_process};
use tests::{
    binaries,
    process::{Process, command},
    wait,
};

use crate::{local::Local, steps::DEADLINE};

#[tokio::test]
async fn a_taken_port_is_an_error_that_names_the_flag() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut local = command(binaries::path("local").unwrap());
    local.arg("--dir").arg(folder.path().join("weir")).args(["--port", &port, "--stream-port", "0", "--api-port", "0"]);
    let ended = Process::start("local", local, folder.path()).unwrap().wait(DEADLINE).await.unwrap();
    assert_eq!(ended.status.code(), Some(2));
    assert!(ended.output.contains(&format!("cannot listen on 127.0.0.1:{port}")), "{}", ended.output);
    assert!(ended.output.contains("choose another port with --port"), "{}", ended.output);
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_an_error_that_names_the_flag() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "a file, not a folder").unwrap(); // also root cannot make a folder below it
    let mut local = command(binaries::path("local").unwrap());
    local.arg("--dir").arg(file.join("weir"));
    let ended = Process::start("local", local, folder.path()).unwrap().wait(DEADLINE).await.unwrap();
    assert_eq!(ended.status.code(), Some(2));
    assert!(ended.output.contains("choose a folder that this user may write with --dir"), "{}", ended.output);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_component_stops_the_others_and_is_named_with_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let local = Local::start(folder.path(), &["--no-traffic"]).await;
    let children = children_of(local.process.id().unwrap());
    let agent = children.iter().find(|(_, command)| command.contains("component agent")).unwrap().0;
    kill_process(Pid::from_raw(agent).unwrap(), Signal::KILL).unwrap();
    let ended = local.process.wait(DEADLINE).await.unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.output.contains("error: agent ended with signal: 9"), "{}", ended.output);
    assert!(ended.output.contains("logs/agent.log"), "{}", ended.output);
    assert!(children.iter().all(|(id, _)| !is_running(*id)), "a component is still running");
}

#[tokio::test(flavor = "multi_thread")]
async fn components_end_by_themselves_when_local_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let local = Local::start(folder.path(), &["--no-traffic"]).await;
    let children = children_of(local.process.id().unwrap());
    assert_eq!(children.len(), 4, "{children:?}");
    local.process.kill().await.unwrap();
    let all_gone = || async { children.iter().all(|(id, _)| !is_running(*id)).then_some(()) };
    wait::until("the components to end", Duration::from_secs(30), all_gone).await.unwrap();
}

/// Process ids and command lines of a process's children, from /proc: each thread's own.
fn children_of(parent: u32) -> Vec<(i32, String)> {
    let mut ids: Vec<i32> = Vec::new();
    for task in fs::read_dir(format!("/proc/{parent}/task")).unwrap() {
        let of_thread = fs::read_to_string(task.unwrap().path().join("children")).unwrap();
        ids.extend(of_thread.split_whitespace().map(|id| id.parse::<i32>().unwrap()));
    }
    let command = |id: i32| fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default().replace('\0', " ");
    ids.into_iter().map(|id| (id, command(id))).collect()
}

/// Whether a process exists and is not just waiting to be collected.
fn is_running(id: i32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{id}/stat")) else { return false };
    !stat.rsplit(") ").next().unwrap_or_default().starts_with('Z')
}
