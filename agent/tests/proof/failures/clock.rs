//! The clock of the machine jumps. libfaketime (package `faketime`) stands between the agent and the clock.

use std::{fs, path::PathBuf};

use super::skip;
use crate::rig::{DEADLINE, Rig, append};

fn faketime() -> Option<PathBuf> {
    let folders = ["/usr/lib/x86_64-linux-gnu/faketime", "/usr/lib/aarch64-linux-gnu/faketime", "/usr/lib64/faketime"];
    let found = folders.iter().map(|folder| PathBuf::from(folder).join("libfaketimeMT.so.1")).find(|path| path.exists());
    if found.is_none() {
        skip("libfaketime is missing (package faketime)");
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_either_way_neither_loses_nor_repeats_a_line() {
    let Some(library) = faketime() else { return };
    let (mut rig, mut written) = (Rig::with_flow("a.log*").await.unwrap(), Vec::new());
    let offset = rig.path("offset");
    fs::write(&offset, "+0d").unwrap();
    rig.set("LD_PRELOAD", library);
    rig.set("FAKETIME_TIMESTAMP_FILE", offset.clone());
    rig.set("FAKETIME_NO_CACHE", "1");
    // As when someone sets the date: only the wall clock jumps, never the one that only goes forward.
    rig.set("DONT_FAKE_MONOTONIC", "1");
    rig.start_ready().await.unwrap();
    for jump in ["+400d", "-400d", "+1d", "-2h"] {
        fs::write(&offset, jump).unwrap();
        append(&rig.log("a.log"), 300, &mut written);
        fs::rename(rig.log("a.log"), rig.log(&format!("a.log.{}", written.len() / 300))).unwrap();
        append(&rig.log("a.log"), 300, &mut written);
        rig.recorder.until_all("s", &written, DEADLINE).await.unwrap();
    }
    fs::write(&offset, "-30d").unwrap();
    rig.finish(&written).await.unwrap();
}
