//! The state directory and the log folder.

use std::fs;

use crate::rig::{DEADLINE, Rig, append};

#[tokio::test(flavor = "multi_thread")]
async fn a_second_agent_on_one_state_directory_is_refused_and_the_first_goes_on() {
    let (mut rig, mut written) = (Rig::with_flow("a.log").await.unwrap(), Vec::new());
    append(&rig.log("a.log"), 500, &mut written);
    rig.start_ready().await.unwrap();
    let second = rig.spawn().unwrap().wait(DEADLINE).await.unwrap();
    assert_eq!(second.status.code(), Some(1), "{}", second.output);
    assert!(second.output.contains("another agent is running with state directory"), "{}", second.output);
    assert!(second.output.contains("--state-dir"), "{}", second.output);
    append(&rig.log("a.log"), 500, &mut written);
    rig.finish(&written).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_checkpoint_stops_the_start_and_says_what_to_do() {
    let (mut rig, mut written) = (Rig::with_flow("a.log").await.unwrap(), Vec::new());
    append(&rig.log("a.log"), 500, &mut written);
    rig.start_ready().await.unwrap();
    rig.recorder.until_all("s", &written, DEADLINE).await.unwrap();
    rig.stop().await.unwrap();
    let checkpoint = rig.checkpoints().remove(0);
    let good = fs::read(&checkpoint).unwrap();
    fs::write(&checkpoint, &good[..good.len() / 2]).unwrap();

    let refused = rig.spawn().unwrap().wait(DEADLINE).await.unwrap();
    assert_eq!(refused.status.code(), Some(1), "{}", refused.output);
    let name = checkpoint.to_str().unwrap();
    let error = refused.output.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
    assert!(error.contains(name) && error.contains("damaged") && error.contains("restore it from a backup"), "{error}");

    fs::write(&checkpoint, good).unwrap(); // the backup
    append(&rig.log("a.log"), 7, &mut written);
    rig.start_ready().await.unwrap();
    rig.finish(&written).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_folder_may_come_later_go_and_come_back() {
    let (mut rig, mut written) = (Rig::with_flow("a.log").await.unwrap(), Vec::new());
    fs::remove_dir(rig.logs()).unwrap();
    rig.start_ready().await.unwrap();
    rig.baseline(1).await.unwrap();
    fs::create_dir(rig.logs()).unwrap();
    append(&rig.log("a.log"), 500, &mut written);
    rig.recorder.until_all("s", &written, DEADLINE).await.unwrap();
    fs::rename(rig.logs(), rig.path("unmounted")).unwrap();
    append(&rig.path("unmounted").join("a.log"), 10, &mut written);
    // Through the open handle, although nothing has this name any more.
    rig.recorder.until_all("s", &written, DEADLINE).await.unwrap();
    fs::rename(rig.path("unmounted"), rig.logs()).unwrap();
    append(&rig.log("a.log"), 10, &mut written);
    rig.finish(&written).await.unwrap();
}
