//! Disks that are full or read-only, as small file systems of their own. Only root may mount.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tests::recorder::Reply;

use super::{is_root, skip};
use crate::rig::{DEADLINE, Rig, append, append_bytes};

/// A file system of 64 KiB in memory; unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None, with a word about it, where this may not be done.
    fn mount(path: PathBuf) -> Option<Self> {
        fs::create_dir_all(&path).unwrap();
        if is_root() && run("mount", &["-t", "tmpfs", "-o", "size=64k", "weir-test", text(&path)]) {
            return Some(Self(path));
        }
        skip("mounting a tmpfs takes root");
        None
    }

    /// Fills it to the last byte.
    fn fill(&self) -> PathBuf {
        let filler = self.0.join("filler");
        let mut file = fs::File::create(&filler).unwrap();
        while std::io::Write::write(&mut file, &[0; 512]).is_ok() {}
        filler
    }

    fn remount(&self, option: &str) {
        assert!(run("mount", &["-o", &format!("remount,{option}"), text(&self.0)]));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        run("umount", &["-l", text(&self.0)]);
    }
}

fn run(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).status().is_ok_and(|status| status.success())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn sending_goes_on_while_the_disk_of_the_checkpoint_is_full() {
    let (mut rig, mut written) = (Rig::with_flow("a.log").await.unwrap(), Vec::new());
    let Some(disk) = SmallDisk::mount(rig.path("state")) else { return };
    rig.start_ready().await.unwrap();
    append(&rig.log("a.log"), 500, &mut written);
    rig.recorder.until_all("s", &written, DEADLINE).await.unwrap();
    let filler = disk.fill();
    append(&rig.log("a.log"), 1_000, &mut written);
    rig.says(&["ERROR", "cannot save checkpoint", "the disk has room", "No space left"]).await.unwrap();
    rig.recorder.until_all("s", &written, DEADLINE).await.unwrap();
    fs::remove_file(filler).unwrap();
    append(&rig.log("a.log"), 10, &mut written);
    rig.finish(&written).await.unwrap(); // nothing is sent again: the last positions were saved after all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_without_room_for_the_checkpoint_fails_and_says_so() {
    let (mut rig, mut written) = (Rig::with_flow("a.log").await.unwrap(), Vec::new());
    let Some(disk) = SmallDisk::mount(rig.path("state")) else { return };
    append(&rig.log("a.log"), 500, &mut written);
    rig.start_ready().await.unwrap();
    rig.recorder.until_all("s", &written, DEADLINE).await.unwrap();
    disk.fill();
    append(&rig.log("a.log"), 500, &mut written);
    rig.recorder.until_all("s", &written, DEADLINE).await.unwrap();
    let finished = rig.terminate().await.unwrap();
    assert_eq!(finished.status.code(), Some(1), "{}", finished.output);
    let error = finished.output.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
    assert!(error.contains("cannot save checkpoint") && error.contains("No space left"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_state_directory_stops_the_start_and_says_what_to_do() {
    let (mut rig, mut written) = (Rig::with_flow("a.log").await.unwrap(), Vec::new());
    let Some(disk) = SmallDisk::mount(rig.path("state")) else { return };
    append(&rig.log("a.log"), 500, &mut written);
    disk.remount("ro");
    let refused = rig.spawn().unwrap().wait(DEADLINE).await.unwrap();
    assert_eq!(refused.status.code(), Some(1), "{}", refused.output);
    let error = refused.output.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
    assert!(error.contains("cannot use state directory") && error.contains("--state-dir"), "{error}");
    assert!(error.contains("Read-only file system"), "{error}");
    disk.remount("rw");
    rig.start_ready().await.unwrap();
    rig.finish(&written).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_record_waits_until_the_disk_of_the_dead_letters_has_room() {
    let (mut rig, mut written) = (Rig::with_flow("a.log").await.unwrap(), Vec::new());
    let Some(disk) = SmallDisk::mount(rig.path("state")) else { return };
    append(&rig.log("a.log"), 1, &mut written);
    rig.start_ready().await.unwrap();
    rig.recorder.until_all("s", &written, DEADLINE).await.unwrap();
    let filler = disk.fill();
    rig.recorder.reply_always(Some(Reply::Error(400, "ValidationException", "1 validation error detected")));
    append_bytes(&rig.log("a.log"), b"a line that is refused\n");
    rig.says(&["ERROR", "cannot write the dead-letter file", "No space left"]).await.unwrap();
    fs::remove_file(filler).unwrap();
    let letters = rig.state.join("dead-letter.jsonl");
    let is_there = || async { fs::read_to_string(&letters).ok().filter(|text| text.contains("ValidationException")) };
    tests::wait::until("the dead letter", DEADLINE, is_there).await.unwrap();
    rig.recorder.heal();
    append(&rig.log("a.log"), 5, &mut written);
    rig.finish(&written).await.unwrap();
}
