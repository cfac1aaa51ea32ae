use std::fs::{self, OpenOptions};
use std::io::Write;
use std::thread::JoinHandle;

use tokio::sync::mpsc::{Receiver, channel};

use super::*;

/// A log that is followed, and what comes of it.
struct Followed {
    folder: tempfile::TempDir,
    lines: String,
    mark: FileMark,
    running: Option<(Receiver<Chunk>, CancellationToken, JoinHandle<Result<()>>)>,
}

impl Followed {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut new = Self { folder, lines: String::new(), mark: FileMark::default(), running: None };
        new.start(None);
        new
    }

    fn start(&mut self, from: Option<FileMark>) {
        let (chunks, received) = channel(4);
        let stop = CancellationToken::new();
        let millisecond = Duration::from_millis(1);
        let tail = Tail { path: self.path(""), shard: ShardId(0), from, look: millisecond, grace: millisecond };
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || follow(&tail, &chunks, &stopped));
        self.running = Some((received, stop, thread));
    }

    /// Stops in the middle, and goes on from the last mark; meanwhile something happens.
    fn restart(&mut self, meanwhile: impl FnOnce(&Self)) {
        let (received, stop, thread) = self.running.take().unwrap();
        stop.cancel();
        drop(received);
        thread.join().unwrap().unwrap();
        meanwhile(self);
        self.start(Some(self.mark.clone()));
    }

    fn path(&self, suffix: &str) -> PathBuf {
        self.folder.path().join(format!("access.log{suffix}"))
    }

    fn append(&self, text: &str) {
        let file = OpenOptions::new().create(true).append(true).open(self.path(""));
        file.unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    /// Takes chunks until these lines have come in all.
    fn wait_for(&mut self, lines: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.lines.len() < lines.len() && Instant::now() < deadline {
            let (received, ..) = self.running.as_mut().unwrap();
            let chunk = received.blocking_recv().expect("it goes on");
            if let Payload::Lines { lines, .. } = chunk.payload {
                self.lines.push_str(std::str::from_utf8(lines.bytes()).unwrap());
            }
            if let Some(Mark::File(mark)) = chunk.mark {
                self.mark = mark;
            }
        }
        assert_eq!(self.lines, lines);
    }

    /// Takes chunks until the end was reached so many times.
    fn catch_up(&mut self, times: usize) {
        for _ in 0..times {
            let (received, ..) = self.running.as_mut().unwrap();
            while !matches!(received.blocking_recv().expect("it goes on").payload, Payload::CaughtUp { .. }) {}
        }
    }
}

#[test]
fn lines_come_when_they_are_whole() {
    let mut log = Followed::new();
    log.append("one\ntw");
    log.wait_for("one\n");
    log.catch_up(2);
    log.append("o\nthree\n");
    log.wait_for("one\ntwo\nthree\n");
    assert_eq!((log.mark.offset, log.mark.lines), (14, 3));
}

#[test]
fn a_renamed_file_is_read_to_its_end_and_then_those_that_came_after_it() {
    let mut log = Followed::new();
    log.append("one\n");
    log.wait_for("one\n");
    let mut old = OpenOptions::new().append(true).open(log.path("")).unwrap();
    log.rename("", ".1");
    old.write_all(b"two\nthree").unwrap(); // by a server that has not opened the new one, and never ends the line
    log.append("four\n");
    log.rename(".1", ".2");
    log.rename("", ".1");
    log.append("five\n");
    log.wait_for("one\ntwo\nthreefour\nfive\n");
    log.append("six\n");
    log.wait_for("one\ntwo\nthreefour\nfive\nsix\n");
    assert_eq!(log.mark.total_lines, 6);
}

#[test]
fn a_truncated_file_is_read_on_in_its_copy_and_then_from_its_beginning() {
    let mut log = Followed::new();
    log.append("one\n");
    log.wait_for("one\n");
    log.restart(|log| {
        log.append("two\n");
        fs::copy(log.path(""), log.path(".1")).unwrap();
        File::create(log.path("")).unwrap();
        log.append("three\n"); // longer than what was read
    });
    log.wait_for("one\ntwo\nthree\n");
}

#[test]
fn a_truncated_file_without_a_copy_is_read_from_its_beginning() {
    let mut log = Followed::new();
    log.append("one\ntwo\n");
    log.wait_for("one\ntwo\n");
    File::create(log.path("")).unwrap();
    log.append("3\n");
    log.wait_for("one\ntwo\n3\n");
}

#[test]
fn a_restart_finds_the_file_under_its_new_name_and_those_after_it() {
    let mut log = Followed::new();
    log.append("one\n");
    log.wait_for("one\n");
    log.restart(|log| {
        log.append("two\n");
        log.rename("", ".1");
        log.append("three\n");
        log.rename(".1", ".2");
        log.rename("", ".1");
        log.append("four\n");
    });
    log.wait_for("one\ntwo\nthree\nfour\n");
}

#[test]
fn a_compressed_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log.gz");
    fs::write(&path, [0x1f, 0x8b, 8, 0]).unwrap();
    let (chunks, _received) = channel(1);
    let tail = Tail::new(path, ShardId(0), None);
    let error = follow(&tail, &chunks, &CancellationToken::new()).unwrap_err();
    assert!(format!("{error:#}").contains("read it without --follow"), "{error:#}");
}
