//! Where Parquet files are written and get their names: a folder, or a prefix in a bucket.
//!
//! A part is a file that no checkpoint has yet. In a folder it has the ending `.parquet.part`; in a bucket, where nothing is
//! renamed, it stands under `_parts/`, which readers of tables leave out, and is copied.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};

use super::remote::{Attempt, Network};
use crate::bucket::{Bucket, Condition};

const PART: &str = "parquet.part";
const WHOLE: &str = "parquet";
const PARTS: &str = "_parts/";

/// A part that is being written.
pub(super) enum Part {
    File(File),
    Memory(Vec<u8>),
}

impl Write for Part {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Memory(memory) => memory.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.flush(),
            Self::Memory(_) => Ok(()),
        }
    }
}

/// Where files are. Their names have no ending, and are `date=2026-11-21/STREAM-000007`.
pub(super) trait Parts: Send {
    /// A file that was found: its name, and whether it is still a part.
    fn found(&self) -> Result<Vec<(PathBuf, bool)>>;

    /// Begins a part.
    fn create(&self, name: &Path) -> Result<Part>;

    /// Makes a part durable.
    fn finish(&self, name: &Path, part: Part) -> Result<()>;

    /// Gives a part its name, unless it has it already.
    fn publish(&self, name: &Path) -> Result<()>;

    /// Removes a part.
    fn remove(&self, name: &Path) -> Result<()>;

    /// The bytes after which a part is finished; None: it may be of any length.
    fn most_bytes(&self) -> Option<usize>;
}

/// Files in a folder.
pub(super) struct Folder {
    folder: PathBuf,
}

impl Folder {
    /// Creates it if need be.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot create the folder {}", folder.display()))?;
        Ok(Self { folder: folder.to_owned() })
    }

    fn part(&self, name: &Path) -> PathBuf {
        self.folder.join(name).with_added_extension(PART)
    }
}

impl Parts for Folder {
    fn found(&self) -> Result<Vec<(PathBuf, bool)>> {
        let mut found = Vec::new();
        let cannot = || format!("cannot list {}", self.folder.display());
        for day in fs::read_dir(&self.folder).with_context(cannot)? {
            let day = day.with_context(cannot)?;
            if !day.file_name().to_string_lossy().starts_with("date=") {
                continue;
            }
            for file in fs::read_dir(day.path()).with_context(cannot)? {
                let file = file.with_context(cannot)?.file_name().to_string_lossy().into_owned();
                let name = |ending: &str| {
                    file.strip_suffix(ending)?.strip_suffix('.').map(|name| PathBuf::from(day.file_name()).join(name))
                };
                found.extend(name(PART).map(|name| (name, true)).or_else(|| name(WHOLE).map(|name| (name, false))));
            }
        }
        Ok(found)
    }

    fn create(&self, name: &Path) -> Result<Part> {
        let path = self.part(name);
        let folder = path.parent().ok_or_else(|| anyhow!("{} is in no folder", path.display()))?;
        fs::create_dir_all(folder).with_context(|| format!("cannot create the folder {}", folder.display()))?;
        File::create(&path).map(Part::File).with_context(|| format!("cannot create {}", path.display()))
    }

    fn finish(&self, name: &Path, part: Part) -> Result<()> {
        match part {
            Part::File(file) => file.sync_all().with_context(|| format!("cannot finish {}", self.part(name).display())),
            Part::Memory(_) => Ok(()), // this folder has made none
        }
    }

    fn publish(&self, name: &Path) -> Result<()> {
        let (from, to) = (self.part(name), self.folder.join(name).with_added_extension(WHOLE));
        if !from.exists() && to.exists() {
            return Ok(()); // it got its name before a crash
        }
        fs::rename(&from, &to).with_context(|| format!("cannot rename {} to {}", from.display(), to.display()))?;
        let folder = to.parent().ok_or_else(|| anyhow!("{} is in no folder", to.display()))?;
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.with_context(|| format!("cannot save {}", folder.display()))
    }

    fn remove(&self, name: &Path) -> Result<()> {
        let part = self.part(name);
        fs::remove_file(&part).with_context(|| format!("cannot remove {}, which no checkpoint knows", part.display()))
    }

    fn most_bytes(&self) -> Option<usize> {
        None
    }
}

/// Objects in a bucket. A bucket that does not answer blocks the sink.
pub(super) struct Objects {
    bucket: Bucket,
    name: String,
    network: Network,
}

/// A part in a bucket waits in memory until it is whole.
const MAX_OBJECT_BYTES: usize = 64 * 1024 * 1024;

impl Objects {
    /// Under the prefix of this bucket.
    pub(super) fn new(bucket: Bucket, network: Network) -> Self {
        Self { name: format!("parquet:{}", bucket.place()), bucket, network }
    }

    /// Tries until it is done.
    fn until_done(&self, mut request: impl AsyncFnMut() -> Result<()>) -> Result<()> {
        let attempt = async || match request().await {
            Ok(()) => Attempt::Done,
            Err(error) => Attempt::Blocked(format!("{error:#}")),
        };
        self.network.wait(self.network.deliver(&self.name, attempt))
    }
}

fn key(name: &Path) -> String {
    format!("{}.{WHOLE}", name.display())
}

fn part_key(name: &Path) -> String {
    format!("{PARTS}{}", key(name))
}

impl Parts for Objects {
    fn found(&self) -> Result<Vec<(PathBuf, bool)>> {
        let keys = self.network.wait(async {
            let parts = self.bucket.list(PARTS).await?;
            Ok::<_, anyhow::Error>([parts, self.bucket.list("date=").await?].concat())
        })?;
        let named = |key: &String| {
            let part = key.strip_prefix(PARTS);
            Some((PathBuf::from(part.unwrap_or(key).strip_suffix(WHOLE)?.strip_suffix('.')?), part.is_some()))
        };
        Ok(keys.iter().filter_map(named).collect())
    }

    fn create(&self, _name: &Path) -> Result<Part> {
        Ok(Part::Memory(Vec::new()))
    }

    fn finish(&self, name: &Path, part: Part) -> Result<()> {
        let Part::Memory(bytes) = part else { return Ok(()) }; // this bucket has made none
        let bytes = bytes::Bytes::from(bytes);
        self.until_done(async || self.bucket.put(&part_key(name), bytes.clone(), Condition::Always, "parquet").await.map(|_| ()))
    }

    fn publish(&self, name: &Path) -> Result<()> {
        self.until_done(async || {
            if self.bucket.copy(&part_key(name), &key(name)).await? {
                return self.bucket.remove(&part_key(name)).await;
            }
            // It got its name before a crash; or it is lost.
            let is_there = self.bucket.list(&key(name)).await?.contains(&key(name));
            is_there.then_some(()).with_context(|| format!("neither {} nor {} is there", part_key(name), key(name)))
        })
    }

    fn remove(&self, name: &Path) -> Result<()> {
        self.until_done(async || self.bucket.remove(&part_key(name)).await)
    }

    fn most_bytes(&self) -> Option<usize> {
        Some(MAX_OBJECT_BYTES)
    }
}
