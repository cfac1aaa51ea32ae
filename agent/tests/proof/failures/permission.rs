//! Files and folders the agent may not read. Root may read everything, so the agent runs as another user here.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use super::{is_root, skip};
use crate::rig::{DEADLINE, Rig, append};

/// Debian's `nobody`.
const NOBODY: u32 = 65534;

/// A rig whose agent runs as `nobody`; None, with a word about it, where this cannot be done.
async fn as_nobody() -> Option<Rig> {
    let has_setpriv = std::process::Command::new("setpriv").arg("--version").output().is_ok();
    if !is_root() || !has_setpriv {
        skip("running the agent as another user takes root and setpriv (package util-linux)");
        return None;
    }
    let mut rig = Rig::with_flow("a.log*").await.unwrap();
    rig.run_through(&["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]).unwrap();
    fs::create_dir(&rig.state).unwrap();
    std::os::unix::fs::chown(&rig.state, Some(NOBODY), Some(NOBODY)).unwrap();
    set_mode(&rig.path(""), 0o755);
    Some(rig)
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_may_not_be_read_is_named_and_sent_once_it_may() {
    let Some(mut rig) = as_nobody().await else { return };
    let (mut written, log) = (Vec::new(), rig.log("a.log"));
    append(&log, 500, &mut written);
    set_mode(&log, 0o600);
    rig.start_ready().await.unwrap();
    rig.says(&["WARN", "cannot read", log.to_str().unwrap()]).await.unwrap();
    set_mode(&log, 0o644);
    rig.recorder.until_all("s", &written, DEADLINE).await.unwrap();
    rig.finish(&written).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_that_is_revoked_for_a_while_loses_nothing() {
    let Some(mut rig) = as_nobody().await else { return };
    let (mut written, log) = (Vec::new(), rig.log("a.log"));
    append(&log, 500, &mut written);
    rig.start_ready().await.unwrap();
    rig.recorder.until_all("s", &written, DEADLINE).await.unwrap();
    rig.stop().await.unwrap();
    set_mode(&log, 0o000);
    append(&log, 500, &mut written);
    rig.start_ready().await.unwrap();
    rig.says(&["WARN", "cannot read", log.to_str().unwrap()]).await.unwrap();
    set_mode(&log, 0o644);
    rig.recorder.until_all("s", &written, DEADLINE).await.unwrap();
    rig.finish(&written).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_may_not_be_entered_for_a_while_loses_nothing() {
    let Some(mut rig) = as_nobody().await else { return };
    let mut written = Vec::new();
    append(&rig.log("a.log"), 500, &mut written);
    rig.start_ready().await.unwrap();
    rig.recorder.until_all("s", &written, DEADLINE).await.unwrap();
    set_mode(&rig.logs(), 0o700);
    fs::rename(rig.log("a.log"), rig.log("a.log.1")).unwrap();
    append(&rig.log("a.log.1"), 5, &mut written);
    append(&rig.log("a.log"), 500, &mut written);
    rig.says(&["WARN", "cannot read", rig.logs().to_str().unwrap()]).await.unwrap();
    set_mode(&rig.logs(), 0o755);
    rig.recorder.until_all("s", &written, DEADLINE).await.unwrap();
    rig.finish(&written).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn sending_goes_on_while_the_state_directory_may_not_be_written() {
    let Some(mut rig) = as_nobody().await else { return };
    let (mut written, log) = (Vec::new(), rig.log("a.log"));
    append(&log, 500, &mut written);
    rig.start_ready().await.unwrap();
    rig.recorder.until_all("s", &written, DEADLINE).await.unwrap();
    set_mode(&rig.state, 0o555);
    append(&log, 500, &mut written);
    rig.says(&["ERROR", "cannot save checkpoint", "Permission denied"]).await.unwrap();
    rig.recorder.until_all("s", &written, DEADLINE).await.unwrap();
    set_mode(&rig.state, 0o755);
    append(&log, 10, &mut written);
    rig.finish(&written).await.unwrap();
}
