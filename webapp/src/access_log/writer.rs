//! The thread that owns the access log's file.
//!
//! A failed write loses nothing by itself: the batch is kept and tried again, and meanwhile the queue fills up to its
//! bound. Only a stop while the file cannot be written gives lines up, and says how many.

use std::{
    fs::{File, OpenOptions, create_dir_all},
    io::{self, ErrorKind, Write},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use tracing::{error, info, warn};

use super::queue::Queue;

/// Between two attempts to write to a file that refuses.
const RETRY_EVERY: Duration = Duration::from_millis(500);

/// One warning about a file that refuses in this time.
const WARN_EVERY: Duration = Duration::from_secs(10);

/// A buffer that grew in a burst goes back to this.
const KEPT_CAPACITY: usize = 1024 * 1024;

pub(super) struct Writer {
    path: PathBuf,
    file: File,
    queue: Arc<Queue>,
    warned: Option<Instant>,
}

impl Writer {
    /// Opens the file for appending; makes its folder if needed.
    pub(super) fn open(path: &Path, queue: Arc<Queue>) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            create_dir_all(folder)?;
        }
        Ok(Self { path: path.to_owned(), file: open(path)?, queue, warned: None })
    }

    /// Writes until the queue says stop.
    pub(super) fn run(mut self) {
        let mut batch = Vec::new();
        loop {
            let signals = self.queue.take(&mut batch);
            if signals.reopen {
                self.reopen(); // before writing: the old file may be the one that takes no more
            }
            self.write(&batch);
            batch.clear();
            batch.shrink_to(KEPT_CAPACITY);
            if signals.stop {
                return;
            }
        }
    }

    /// Writes a batch of lines, however often that takes. Gives up only when told to stop.
    fn write(&mut self, batch: &[u8]) {
        let mut written = 0;
        while written < batch.len() {
            match self.file.write(&batch[written..]) {
                Ok(0) => written = self.wait_out(&io::Error::from(ErrorKind::WriteZero), batch, written),
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => written = self.wait_out(&error, batch, written),
            }
        }
    }

    /// Waits before the next attempt. Returns where in the batch to go on: its end when the lines are given up.
    fn wait_out(&mut self, error: &io::Error, batch: &[u8], written: usize) -> usize {
        self.warn(error);
        let signals = self.queue.pause(RETRY_EVERY);
        if signals.stop {
            let lost = batch[written..].iter().filter(|byte| **byte == b'\n').count();
            error!(lost, file = %self.path.display(), %error, "access log lines lost: the file could not be written before the stop");
            return batch.len();
        }
        if !signals.reopen {
            return written;
        }
        self.reopen();
        // The new file gets the whole line, whose beginning may be in the old one.
        batch[..written].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1)
    }

    fn reopen(&mut self) {
        match open(&self.path) {
            Ok(file) => {
                self.file = file;
                self.warned = None;
                info!(file = %self.path.display(), "access log reopened");
            }
            Err(error) => {
                warn!(file = %self.path.display(), %error, "access log not reopened, still writing to the old file; check the folder's permissions");
            }
        }
    }

    fn warn(&mut self, error: &io::Error) {
        let now = Instant::now();
        if self.warned.is_some_and(|last| now.duration_since(last) < WARN_EVERY) {
            return;
        }
        self.warned = Some(now);
        let dropped = self.queue.dropped();
        warn!(file = %self.path.display(), %error, dropped, "cannot write the access log, trying again; lines are kept until the queue is full");
    }
}

/// Opens for appending. A last line that a crash cut short is ended, so that the next one starts on its own.
fn open(path: &Path) -> io::Result<File> {
    let mut file = OpenOptions::new().create(true).append(true).read(true).mode(0o640).open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() && metadata.len() > 0 {
        let mut last = [0];
        file.read_exact_at(&mut last, metadata.len() - 1)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;
    use crate::{access_log::queue::Limits, tests::wait_until};

    const LIMITS: Limits = Limits { lines: 100, bytes: 10_000 };

    fn start(path: &Path, limits: Limits) -> (Arc<Queue>, std::thread::JoinHandle<()>) {
        let queue = Arc::new(Queue::new(limits));
        let writer = Writer::open(path, queue.clone()).unwrap();
        (queue, std::thread::spawn(move || writer.run()))
    }

    #[test]
    fn stopping_writes_what_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs/access.log");
        let (queue, thread) = start(&path, LIMITS);
        queue.push(b"one\n");
        queue.stop();
        thread.join().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\n");
    }

    #[test]
    fn lines_after_a_reopen_go_to_the_new_file() {
        let folder = tempfile::tempdir().unwrap();
        let (path, rotated) = (folder.path().join("access.log"), folder.path().join("access.log.1"));
        let (queue, thread) = start(&path, LIMITS);
        queue.push(b"old\n");
        wait_until("the line is written", || fs::read_to_string(&path).unwrap() == "old\n");
        fs::rename(&path, &rotated).unwrap();
        queue.reopen();
        wait_until("the file is made again", || path.exists());
        queue.push(b"new\n");
        queue.stop();
        thread.join().unwrap();
        assert_eq!(fs::read_to_string(&rotated).unwrap(), "old\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "new\n");
    }

    #[test]
    fn a_full_disk_keeps_lines_up_to_the_bound() {
        let folder = tempfile::tempdir().unwrap();
        let (path, target) = (folder.path().join("access.log"), folder.path().join("with-room.log"));
        symlink("/dev/full", &path).unwrap();
        let (queue, thread) = start(&path, Limits { lines: 1, bytes: 100 });
        queue.push(b"one\n");
        wait_until("the writer has taken the first line", || {
            let before = queue.dropped();
            queue.push(b"two\n");
            queue.dropped() == before
        });
        let dropped = queue.dropped();
        queue.push(b"six\n");
        assert_eq!(queue.dropped(), dropped + 1);
        fs::remove_file(&path).unwrap();
        symlink(&target, &path).unwrap();
        queue.reopen();
        wait_until("the kept lines are written", || fs::read_to_string(&target).is_ok_and(|text| text == "one\ntwo\n"));
        queue.stop();
        thread.join().unwrap();
    }

    #[test]
    fn a_reopen_gets_away_from_a_full_disk_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let (path, target) = (folder.path().join("access.log"), folder.path().join("with-room.log"));
        symlink("/dev/full", &path).unwrap();
        let queue = Arc::new(Queue::new(LIMITS));
        let writer = Writer::open(&path, queue.clone()).unwrap();
        fs::remove_file(&path).unwrap();
        symlink(&target, &path).unwrap();
        // Both told in one take: writing first would try the full file for ever.
        queue.push(b"one\n");
        queue.reopen();
        queue.stop();
        writer.run();
        assert_eq!(fs::read_to_string(&target).unwrap(), "one\n");
    }

    #[test]
    fn a_line_cut_by_a_crash_does_not_swallow_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        fs::write(&path, "{ \"request").unwrap();
        let (queue, thread) = start(&path, LIMITS);
        queue.push(b"next\n");
        queue.stop();
        thread.join().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{ \"request\nnext\n");
    }
}
