//! A progress bar on stderr for long replays, drawn only on a terminal.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How much of the files has been read. Hidden when stderr is no terminal or the size is unknown.
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A bar over the sizes of these files.
    pub(crate) fn over<'a>(files: impl Iterator<Item = &'a Path>) -> Arc<Self> {
        let bytes: u64 = files.filter_map(|path| path.metadata().ok()).map(|metadata| metadata.len()).sum();
        let bar = if bytes > 0 { ProgressBar::new(bytes) } else { ProgressBar::hidden() };
        let style = "{bar:40} {percent:>3}% {bytes}/{total_bytes} {bytes_per_sec} eta {eta}";
        bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(250));
        Arc::new(Self { bar })
    }

    /// No bar at all.
    pub(crate) fn hidden() -> Arc<Self> {
        Arc::new(Self { bar: ProgressBar::hidden() })
    }

    /// A reader that moves the bar.
    pub(crate) fn watch(self: &Arc<Self>, file: File) -> impl Read + use<> {
        Watched { file, progress: self.clone() }
    }

    /// Takes the bar off the screen.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

struct Watched {
    file: File,
    progress: Arc<Progress>,
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.progress.bar.inc(read as u64);
        Ok(read)
    }
}
