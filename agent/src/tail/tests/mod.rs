//! The real tailer on real files, driven step by step: named cases, and random histories against a model.

mod cases;
mod conversion;
mod folders;
mod framing;
mod many;
mod model;
mod rotators;

use std::{
    cell::RefCell,
    fs::{self, OpenOptions},
    io::Write as _,
    path::PathBuf,
    rc::Rc,
};

use tempfile::TempDir;

use super::{handles::GRACE, *};
use crate::{checkpoint::positions::Positions, record::Record, testing::flow};

type Sink = Box<dyn FnMut(FromTailer) -> bool>;

/// A directory of logs, and a flow over it that can be stopped and started.
struct World {
    folder: TempDir,
    settings: FlowSettings,
    now: Instant,
    running: Option<Running>,
    /// The saved state.
    saved: Option<FlowState>,
    /// Lines that were acknowledged.
    delivered: Vec<String>,
}

/// A tailer and the acknowledging side of a shipper.
struct Running {
    tailer: Tailer<Sink>,
    inbox: Rc<RefCell<Vec<FromTailer>>>,
    positions: Positions,
    /// Arrived, not acknowledged.
    waiting: Vec<Record>,
    /// Meant for the dead-letter file.
    put_aside: Vec<Record>,
}

impl World {
    fn new(pattern: &str, position: &str) -> Self {
        Self::with(pattern, position, "")
    }

    /// A world whose flow has more settings.
    fn with(pattern: &str, position: &str, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = flow(folder.path(), pattern, &format!(r#", "initialPosition": "{position}"{more}"#));
        Self { folder, settings, now: Instant::now(), running: None, saved: None, delivered: Vec::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn append(&self, name: &str, text: &str) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    fn copy(&self, from: &str, to: &str) {
        fs::copy(self.path(from), self.path(to)).unwrap();
    }

    fn truncate(&self, name: &str) {
        OpenOptions::new().write(true).open(self.path(name)).unwrap().set_len(0).unwrap();
    }

    fn start(&mut self) {
        let inbox: Rc<RefCell<Vec<FromTailer>>> = Rc::default();
        let outbox = inbox.clone();
        let sink: Sink = Box::new(move |news| {
            outbox.borrow_mut().push(news);
            true
        });
        let tailer = Tailer::new(self.settings.clone(), self.saved.as_ref(), Arc::default(), self.now, sink);
        let positions = Positions::new(self.settings.id.clone());
        self.running = Some(Running { tailer, inbox, positions, waiting: Vec::new(), put_aside: Vec::new() });
    }

    /// Reads all there is; nothing is acknowledged.
    fn read(&mut self) {
        let Some(running) = &mut self.running else { return };
        // Twice: the first pass may find a file displaced, which takes another look.
        for _ in 0..2 {
            while running.tailer.round(self.now, true) {}
        }
        running.take_news();
    }

    fn poll(&mut self) {
        self.read();
        self.acknowledge();
    }

    fn acknowledge(&mut self) {
        let Some(running) = &mut self.running else { return };
        let records = std::mem::take(&mut running.waiting);
        let tickets = running.positions.sent(&records);
        running.positions.acked(tickets);
        self.delivered.extend(records.iter().map(|record| String::from_utf8_lossy(&record.data).into_owned()));
        self.save();
    }

    fn save(&mut self) {
        if let Some(running) = self.running.as_mut().filter(|running| running.positions.has_baseline()) {
            self.saved = Some(running.positions.take_state());
        }
    }

    fn stop(&mut self) {
        if let Some(running) = &mut self.running {
            running.tailer.finish(self.now);
            running.take_news();
        }
        self.acknowledge();
        self.running = None;
    }

    /// Looks at the directory and ends while the shipper has heard only the first news.
    fn crash_after_the_first_news(&mut self) {
        if let Some(running) = &mut self.running {
            running.tailer.round(self.now, false);
            running.inbox.borrow_mut().truncate(1);
            running.take_news();
        }
        self.crash();
    }

    /// Ends without a word: what was not acknowledged never arrived.
    fn crash(&mut self) {
        self.save();
        self.running = None;
    }

    fn pass_grace(&mut self) {
        self.poll();
        self.now += GRACE + Duration::from_secs(1);
        self.poll();
    }

    fn sorted(&self) -> Vec<String> {
        let mut lines = self.delivered.clone();
        lines.sort();
        lines
    }
}

impl Running {
    fn take_news(&mut self) {
        for news in self.inbox.borrow_mut().drain(..) {
            match news {
                FromTailer::File { id, facts, position } => self.positions.learn(id, facts, position),
                FromTailer::Baseline => self.positions.baseline(),
                FromTailer::Done(id) => self.positions.done(id),
                FromTailer::Records(records) => {
                    self.positions.received(&records);
                    self.waiting.extend(records);
                }
                FromTailer::Rejected { records, .. } => self.put_aside.extend(records),
                FromTailer::Passed { id, end } => self.positions.passed(id, end),
            }
        }
    }
}
