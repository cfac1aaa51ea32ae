//! Single cases of files, links and bytes that rotation scripts do not reach.
//!
//! Section 12 of the Java agent's contract names what a replacement must pass. What can be shown from outside, and
//! where it is shown:
//!
//! | row | test |
//! |---|---|
//! | `SourceFileTest`: `.gz` and the like are excluded, a missing folder is empty | [`compressed_files_directories_and_dangling_links_are_no_logs`], `failures::state::a_log_folder_may_come_later_go_and_come_back` |
//! | `SourceFileTrackerTest` x rename, create, copy, truncate | `rotators`, `scripts` |
//! | `SourceFileTrackerTest`: current deleted, all deleted, no files | [`a_file_deleted_while_behind_is_read_to_its_end`], `scripts` (`DeleteLive`) |
//! | `TrackedFileRotationAnalyzerTest` | `scripts` |
//! | `FileTailerTest`: start and restart with a checkpoint, no loss, no repetition | every test: [`crate::rig::Rig::finish`] starts once more and expects silence |
//! | `FileTailerTest`: useless checkpoint | `failures::state::a_damaged_checkpoint_stops_the_start_and_says_what_to_do` |
//! | `FileTailerTest`: existing and missing files, both positions | [`end_of_file_skips_what_is_there_and_nothing_that_comes`], `scripts` |
//! | `AbstractParserTest`: partial last record, bytes | [`a_line_arrives_once_when_its_end_is_written`], [`odd_bytes_arrive_as_they_are`] |
//! | `KinesisRecordTest`: truncation at the limit | [`a_line_over_the_limit_is_cut_and_the_next_is_whole`] |
//! | `PublishingQueueTest`: back-pressure | `rotators` (behind), `failures::service::an_endpoint_that_is_away_..` |
//! | `AsyncPublisherTest`: flaky senders, no checkpoint when everything fails | `scripts`, `crashes`, `failures::service` |
//! | `KinesisSenderTest`: partial failures, exceptions | `scripts` (`Faults`) |
//! | `CheckpointerTest`, `SQLiteFileCheckpointStoreTest` | `failures::state`, `failures::disk`; import: its own tests |
//! | extra: `dateext` | `scripts` (`Dated`) |
//! | extra: `olddir`, deletion while behind | `scripts` (`TakeWhileBehind`), [`a_file_deleted_while_behind_is_read_to_its_end`] |
//! | extra: copytruncate with regrow | [`a_file_truncated_and_regrown_beyond_its_old_size_is_read_from_its_start`] |
//! | extra: inode re-use | [`a_new_file_on_the_inode_of_a_deleted_one_is_new`] |
//! | extra: late writer after rename | [`a_writer_that_keeps_the_renamed_file_open_loses_nothing`] |
//! | extra: two live files | [`two_live_files_under_one_glob_are_both_sent_once`] |
//! | extra: symlink swap | `scripts` (`Linked`) |
//! | extra: directory matching the glob | [`compressed_files_directories_and_dangling_links_are_no_logs`] |
//! | extra: unreadable then readable | `failures::permission` |
//! | extra: disk full, clock jump | `failures::disk`, `failures::clock` |
//! | extra: duplicated hard links | [`two_names_of_one_file_are_one_file`] |
//! | extra: CRLF, UTF-8 | [`odd_bytes_arrive_as_they_are`] |

use std::{fs, io::Write as _, os::unix::fs::symlink};

use tests::recorder::Reply;

use crate::rig::{DEADLINE, Rig, append, append_bytes, flow, with};

#[tokio::test(flavor = "multi_thread")]
async fn end_of_file_skips_what_is_there_and_nothing_that_comes() {
    let (mut rig, mut written) = (Rig::create().await.unwrap(), Vec::new());
    let end = serde_json::json!({ "initialPosition": "END_OF_FILE" });
    rig.settings(vec![with(flow(&rig.log("a.log*").to_string_lossy(), "s"), end)], serde_json::json!({})).unwrap();
    append_bytes(&rig.log("a.log"), b"old\nolder\nnot yet ended");
    rig.start_ready().await.unwrap();
    rig.baseline(1).await.unwrap();
    append_bytes(&rig.log("a.log"), b", now it is\n");
    written.push(b"not yet ended, now it is\n".to_vec());
    append(&rig.log("a.log"), 10, &mut written);
    fs::rename(rig.log("a.log"), rig.log("a.log.1")).unwrap();
    append(&rig.log("a.log"), 10, &mut written);
    rig.finish(&written).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_arrives_once_when_its_end_is_written() {
    let mut rig = Rig::with_flow("a.log").await.unwrap();
    let written = vec![b"first\n".to_vec(), b"begun, continued, ended\n".to_vec()];
    append_bytes(&rig.log("a.log"), b"first\nbegun");
    rig.start_ready().await.unwrap();
    rig.recorder.until_all("s", &written[..1], DEADLINE).await.unwrap();
    append_bytes(&rig.log("a.log"), b", continued");
    rig.kill().await.unwrap();
    rig.start_ready().await.unwrap();
    append_bytes(&rig.log("a.log"), b", ended\n");
    rig.finish(&written).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_bytes_arrive_as_they_are() {
    let mut rig = Rig::with_flow("a.log").await.unwrap();
    let every_byte: Vec<u8> = (0..=255).filter(|byte| *byte != b'\n').chain([b'\n']).collect();
    let written = vec![b"crlf\r\n".to_vec(), "2001:db8::1 \u{4e16}\u{754c}\n".as_bytes().to_vec(), every_byte, b"\n".to_vec()];
    append_bytes(&rig.log("a.log"), &written.concat());
    rig.start_ready().await.unwrap();
    rig.finish(&written).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_over_the_limit_is_cut_and_the_next_is_whole() {
    let mut rig = Rig::with_flow("a.log").await.unwrap();
    append_bytes(&rig.log("a.log"), &[vec![b'x'; 3 << 20], b"\nnext\n".to_vec()].concat());
    rig.start_ready().await.unwrap();
    rig.recorder.until_all("s", &[b"next\n".to_vec()], DEADLINE).await.unwrap();
    rig.stop_for_good().await.unwrap();
    assert_eq!(rig.recorder.ledger(|ledger| ledger.total()), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_live_files_under_one_glob_are_both_sent_once() {
    let (mut rig, mut written) = (Rig::with_flow("*.log").await.unwrap(), Vec::new());
    rig.start_ready().await.unwrap();
    for _ in 0..20 {
        append(&rig.log("one.log"), 30, &mut written);
        append(&rig.log("two.log"), 30, &mut written);
        rig.recorder.until("some", DEADLINE, |ledger| ledger.total() > 0).await.unwrap();
    }
    rig.finish(&written).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_names_of_one_file_are_one_file() {
    let (mut rig, mut written) = (Rig::with_flow("*.log").await.unwrap(), Vec::new());
    append(&rig.log("a.log"), 100, &mut written);
    fs::hard_link(rig.log("a.log"), rig.log("b.log")).unwrap();
    symlink(rig.log("a.log"), rig.log("c.log")).unwrap();
    rig.start_ready().await.unwrap();
    append(&rig.log("b.log"), 100, &mut written);
    rig.recorder.until_all("s", &written, DEADLINE).await.unwrap();
    fs::remove_file(rig.log("a.log")).unwrap();
    append(&rig.log("b.log"), 100, &mut written);
    rig.finish(&written).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_files_directories_and_dangling_links_are_no_logs() {
    let (mut rig, mut written) = (Rig::with_flow("a.log*").await.unwrap(), Vec::new());
    append_bytes(&rig.log("a.log.2.gz"), b"no line\n");
    append_bytes(&rig.log("a.log.3.bz2"), b"no line\n");
    append_bytes(&rig.log("a.log.4.ZIP"), b"no line\n");
    fs::create_dir(rig.log("a.log.d")).unwrap();
    symlink("nowhere", rig.log("a.log.link")).unwrap();
    append(&rig.log("a.log"), 600, &mut written);
    rig.start_ready().await.unwrap();
    rig.finish(&written).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_deleted_while_behind_is_read_to_its_end() {
    let (mut rig, mut written) = (Rig::with_flow("a.log").await.unwrap(), Vec::new());
    append(&rig.log("a.log"), 500, &mut written);
    rig.start_ready().await.unwrap();
    rig.recorder.until_all("s", &written, DEADLINE).await.unwrap();
    rig.recorder.reply_always(Some(Reply::Throttle(u64::MAX)));
    let received = rig.recorder.ledger(|ledger| ledger.received());
    // More than the agent takes into memory: most of it is read after the deletion.
    append(&rig.log("a.log"), 30_000, &mut written);
    rig.recorder.until("a refused line", DEADLINE, |ledger| ledger.received() > received).await.unwrap();
    fs::remove_file(rig.log("a.log")).unwrap();
    append(&rig.log("a.log"), 10, &mut written);
    rig.recorder.heal();
    rig.finish(&written).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_truncated_and_regrown_beyond_its_old_size_is_read_from_its_start() {
    let (mut rig, mut written) = (Rig::with_flow("a.log").await.unwrap(), Vec::new());
    append(&rig.log("a.log"), 100, &mut written);
    rig.start_ready().await.unwrap();
    for lines in [200, 300, 400] {
        rig.recorder.until_all("s", &written, DEADLINE).await.unwrap();
        // One system call after the other: the agent does not see the file small.
        fs::File::create(rig.log("a.log")).unwrap();
        append(&rig.log("a.log"), lines, &mut written);
    }
    rig.finish(&written).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_file_on_the_inode_of_a_deleted_one_is_new() {
    let (mut rig, mut written) = (Rig::with_flow("a.log").await.unwrap(), Vec::new());
    rig.start_ready().await.unwrap();
    for _ in 0..5 {
        append(&rig.log("a.log"), 40, &mut written);
        rig.recorder.until_all("s", &written, DEADLINE).await.unwrap();
        rig.stop().await.unwrap(); // so that nobody holds the inode
        fs::remove_file(rig.log("a.log")).unwrap();
        append(&rig.log("a.log"), 41, &mut written);
        rig.start_ready().await.unwrap();
    }
    rig.finish(&written).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_keeps_the_renamed_file_open_loses_nothing() {
    let (mut rig, mut written) = (Rig::with_flow("a.log").await.unwrap(), Vec::new());
    append(&rig.log("a.log"), 100, &mut written);
    rig.start_ready().await.unwrap();
    rig.recorder.until_all("s", &written, DEADLINE).await.unwrap(); // at the first start ever only the live name counts
    let mut late = fs::OpenOptions::new().append(true).open(rig.log("a.log")).unwrap();
    fs::rename(rig.log("a.log"), rig.log("a.log.1")).unwrap();
    for round in 0..10 {
        append(&rig.log("a.log"), 50, &mut written);
        let line = format!("late line {round}\n").into_bytes();
        late.write_all(&line).unwrap();
        written.push(line);
        rig.recorder.until_all("s", &written, DEADLINE).await.unwrap();
    }
    rig.finish(&written).await.unwrap();
}
