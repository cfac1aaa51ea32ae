//! Logs on stderr: results go to stdout, so the two never mix.

use std::{
    io::{IsTerminal, Write},
    sync::Mutex,
};

use tracing_subscriber::EnvFilter;

/// Starts logging at `default_level` (`"info"`), or at what the variable `RUST_LOG` says.
///
/// The AWS SDK and HTTP crates log at `warn`: their `info` lines repeat ours. A second call changes nothing,
/// so that a test may start a service twice in one process.
pub fn init(default_level: &str) {
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter(default_level))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    let _ = subscriber.try_init(); // already started: keep the first
}

/// [`init`] with another place for the lines, such as a file. Each is written with one call.
pub fn init_to(default_level: &str, place: impl Write + Send + 'static) {
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter(default_level))
        .with_writer(Mutex::new(place))
        .with_ansi(false)
        .with_target(false);
    let _ = subscriber.try_init(); // already started: keep the first
}

fn filter(default_level: &str) -> EnvFilter {
    let quiet = "aws_config=warn,aws_smithy_runtime=warn,hyper=warn,datafusion=warn,sqlx=warn";
    EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(format!("{default_level},{quiet}")))
}
