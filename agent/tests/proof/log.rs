//! A log as its writer and its rotator see it, and what of it must arrive.
//!
//! Lines carry a number, so each is written once. A line counts as written when its newline is in the file. A last
//! line that is rotated away without its newline may arrive or not, and whole or not at all: the agent takes it for
//! finished after a grace period only.

use std::{
    collections::HashSet,
    fs,
    io::{self, Write as _},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};

use crate::rig::append_bytes;

/// How rotated files are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// `a.log.1`, older ones shifted up.
    Numbered,
    /// `a.log-20260101`, a day for each rotation.
    Dated,
    /// The live name is a symbolic link; rotation writes a new target and swaps the link.
    Linked,
}

/// One log.
#[derive(Debug)]
pub(crate) struct Log {
    folder: PathBuf,
    name: String,
    style: Style,
    /// The unfinished last line of the live file.
    part: Vec<u8>,
    /// Rotated files that end in an unfinished line: nothing may be appended there.
    torn: HashSet<PathBuf>,
    /// Every complete line, in the order written.
    pub(crate) written: Vec<Vec<u8>>,
    /// Unfinished lines that were rotated away.
    pub(crate) possible: HashSet<Vec<u8>>,
    rotations: usize,
    moved: usize,
    parts: usize,
    was_emptied: bool,
}

impl Log {
    pub(crate) fn new(folder: &Path, name: &str, style: Style) -> Self {
        Self {
            folder: folder.to_owned(),
            name: name.to_owned(),
            style,
            part: Vec::new(),
            torn: HashSet::new(),
            written: Vec::new(),
            possible: HashSet::new(),
            rotations: 0,
            moved: 0,
            parts: 0,
            was_emptied: false,
        }
    }

    /// The path that is written to.
    pub(crate) fn live(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    pub(crate) fn is_linked(&self) -> bool {
        self.style == Style::Linked
    }

    /// Whether the live file was copied and truncated, and got no complete line since.
    pub(crate) fn was_emptied(&self) -> bool {
        self.was_emptied
    }

    pub(crate) fn has_part(&self) -> bool {
        !self.part.is_empty()
    }

    /// Appends complete lines; the first ends the open part.
    pub(crate) fn append(&mut self, lines: usize, padding: usize) -> io::Result<()> {
        self.create_target()?;
        for _ in 0..lines {
            let end = self.line(padding);
            append_bytes(&self.live(), &end);
            self.end_part(end);
            self.was_emptied = false;
        }
        Ok(())
    }

    /// Appends the beginning of a line.
    pub(crate) fn append_part(&mut self) -> io::Result<()> {
        self.create_target()?;
        self.parts += 1;
        let part = format!("{} part {} ", self.name, self.parts).into_bytes();
        append_bytes(&self.live(), &part);
        self.part.extend(part);
        Ok(())
    }

    /// Rotates by rename. A writer that has the file open finishes its line there, if `finish` says so.
    pub(crate) fn rotate(&mut self, finish: bool) -> io::Result<()> {
        if !self.live().exists() {
            return Ok(());
        }
        if self.is_linked() {
            self.drop_part();
            return self.link();
        }
        let to = self.next_place()?;
        fs::rename(self.live(), &to)?;
        self.leave_part(finish, to);
        Ok(())
    }

    /// Copies the live file and truncates it.
    pub(crate) fn copy_truncate(&mut self) -> io::Result<()> {
        if self.is_linked() || !self.live().exists() {
            return Ok(());
        }
        let to = self.next_place()?;
        fs::copy(self.live(), &to)?;
        fs::File::create(self.live())?;
        self.was_emptied = true;
        self.leave_part(false, to);
        Ok(())
    }

    /// Copies the live file and leaves it as it is. Gives the copy's content.
    pub(crate) fn copy(&mut self) -> io::Result<Vec<u8>> {
        if self.is_linked() || !self.live().exists() {
            return Ok(Vec::new());
        }
        let to = self.next_place()?;
        fs::copy(self.live(), &to)?;
        if self.has_part() {
            self.possible.insert(self.part.clone());
            self.torn.insert(to.clone());
        }
        fs::read(to)
    }

    /// Empties the live file and writes other lines into it at once.
    pub(crate) fn truncate(&mut self, refill: usize) -> io::Result<()> {
        if self.is_linked() || !self.live().exists() {
            return Ok(());
        }
        fs::File::create(self.live())?;
        self.drop_part();
        self.append(refill, 0)
    }

    /// Deletes the live file.
    pub(crate) fn delete_live(&mut self) -> io::Result<()> {
        if self.is_linked() || !self.live().exists() {
            return Ok(());
        }
        self.drop_part();
        fs::remove_file(self.live())
    }

    /// Appends lines to the youngest rotated file, as a writer does that has not reopened its log yet.
    pub(crate) fn append_late(&mut self, lines: usize) -> io::Result<()> {
        let Some(youngest) = self.rotated().into_iter().next().filter(|path| !self.torn.contains(path)) else { return Ok(()) };
        for _ in 0..lines {
            let line = self.line(0);
            append_bytes(&youngest, &line);
            self.written.push(line);
        }
        Ok(())
    }

    /// The oldest rotated file.
    pub(crate) fn oldest(&self) -> Option<PathBuf> {
        self.rotated().pop()
    }

    /// Compresses a file and removes it.
    pub(crate) fn compress(&mut self, path: &Path) -> io::Result<()> {
        let mut name = path.as_os_str().to_owned();
        name.push(".gz");
        let mut out = GzEncoder::new(fs::File::create(name)?, Compression::fast());
        out.write_all(&fs::read(path)?)?;
        out.finish()?;
        fs::remove_file(path)
    }

    /// Moves a file to a folder that nobody watches.
    pub(crate) fn move_away(&mut self, path: &Path) -> io::Result<()> {
        let archive = self.folder.join("../archive");
        fs::create_dir_all(&archive)?;
        self.moved += 1;
        if path == self.live() {
            self.drop_part();
        }
        fs::rename(path, archive.join(format!("{}.{}", self.name, self.moved)))
    }

    /// Rotated files, youngest first.
    pub(crate) fn rotated(&self) -> Vec<PathBuf> {
        let numbers: Box<dyn Iterator<Item = usize>> = match self.style {
            Style::Numbered => Box::new(1..=self.rotations),
            Style::Dated => Box::new((1..=self.rotations).rev()),
            Style::Linked => Box::new(std::iter::empty()),
        };
        numbers.map(|number| self.place(number)).filter(|path| path.exists()).collect()
    }

    fn place(&self, number: usize) -> PathBuf {
        let mark = match self.style {
            Style::Dated => format!("-2026{:02}{:02}", 1 + number / 28, 1 + number % 28),
            Style::Numbered | Style::Linked => format!(".{number}"),
        };
        self.folder.join(format!("{}{mark}", self.name))
    }

    /// Makes room for a rotated file and says where. Compressed files shift too.
    fn next_place(&mut self) -> io::Result<PathBuf> {
        self.rotations += 1;
        if self.style == Style::Dated {
            return Ok(self.place(self.rotations));
        }
        for number in (1..self.rotations).rev() {
            for suffix in ["", ".gz"] {
                let with_suffix = |number| PathBuf::from(format!("{}{suffix}", self.place(number).display()));
                let (from, to) = (with_suffix(number), with_suffix(number + 1));
                if from.exists() {
                    fs::rename(&from, &to)?;
                }
                if self.torn.remove(&from) {
                    self.torn.insert(to);
                }
            }
        }
        Ok(self.place(1))
    }

    /// The first target of the link. It has a name that no pattern matches.
    fn create_target(&mut self) -> io::Result<()> {
        if self.is_linked() && !self.live().exists() { self.link() } else { Ok(()) }
    }

    fn link(&mut self) -> io::Result<()> {
        self.rotations += 1;
        let target = self.folder.join(format!("{}{}", self.name.replace(".log", "-target"), self.rotations));
        let new = self.folder.join("new-link");
        fs::File::create(&target)?;
        symlink(&target, &new)?;
        fs::rename(new, self.live())
    }

    /// What becomes of the open part when its file is rotated to `to`.
    fn leave_part(&mut self, finish: bool, to: PathBuf) {
        if !self.has_part() {
            return;
        }
        if finish {
            let end = self.line(0);
            append_bytes(&to, &end);
            self.end_part(end);
        } else {
            self.torn.insert(to);
            self.drop_part();
        }
    }

    fn drop_part(&mut self) {
        if self.has_part() {
            self.possible.insert(std::mem::take(&mut self.part));
        }
    }

    fn end_part(&mut self, end: Vec<u8>) {
        let mut line = std::mem::take(&mut self.part);
        line.extend(end);
        self.written.push(line);
    }

    /// A line that no other is equal to. Odd bytes travel too: the agent must not look at them.
    fn line(&self, padding: usize) -> Vec<u8> {
        let number = self.written.len();
        let odd: &[u8] = match number % 7 {
            0 => "\u{e9}\u{4e16}".as_bytes(),
            1 => b"\xff\xc3",
            2 => b"\r",
            _ => b"",
        };
        let mut line = format!("{} {number:06} {}", self.name, "x".repeat(padding)).into_bytes();
        line.extend(odd);
        line.push(b'\n');
        line
    }
}
