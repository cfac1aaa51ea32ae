//! This program as one of its own components.

use std::{
    ffi::OsString,
    io::{self, Read},
    process::ExitCode,
    thread,
};

use rustix::process::{Signal, getpid, kill_process};

use crate::stream;

/// A component that runs as a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Name {
    /// The embedded Kinesis stream.
    Stream,
    /// The photo site.
    Webapp,
    /// Ships the access log.
    Agent,
    /// Counts requests.
    Analytics,
}

impl Name {
    /// As on the command line and in file names.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Webapp => "webapp",
            Self::Agent => "agent",
            Self::Analytics => "analytics",
        }
    }
}

/// Runs a component with its own flags until it is told to stop, or until the process that started it is gone.
pub(crate) fn run(name: Name, arguments: Vec<OsString>) -> ExitCode {
    thread::spawn(stop_with_parent);
    let arguments = std::iter::once(name.as_str().into()).chain(arguments);
    match name {
        Name::Stream => stream::main(arguments),
        Name::Webapp => webapp::main(arguments),
        Name::Agent => agent::main(arguments),
        Name::Analytics => analytics::main(arguments),
    }
}

/// The parent holds the other end of stdin and never writes. Its end, however it came, ends the pipe.
fn stop_with_parent() {
    let mut byte = [0];
    while matches!(io::stdin().read(&mut byte), Ok(1)) {}
    kill_process(getpid(), Signal::TERM).ok(); // the component drains, as it would for any SIGTERM
}
