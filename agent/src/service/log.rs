//! Where the log goes and how much of it: the Java agent's levels and keys in our terms.

use config::exit::Failure;

use super::log_file::LogFile;
use crate::{
    cli::RunOptions,
    settings::{LogSettings, Settings},
};

/// Starts logging as the flags and then the settings say: to stderr (the journal, under systemd) or to a file.
///
/// # Errors
/// When the level is none, or the file cannot be opened.
pub(crate) fn start(options: &RunOptions, settings: &Settings) -> Result<(), Failure> {
    let given = options.log_level.as_deref().filter(|text| !text.is_empty());
    // The Java agent documents the variable and never reads it, so whatever stands there must not stop this one.
    let is_variable = given.is_some_and(|text| std::env::var("AGENT_LOG_LEVEL").is_ok_and(|variable| variable == text));
    let level = match given.map(|text| (text, level(text))) {
        Some((_, Some(level))) => level,
        Some((text, None)) if !is_variable => {
            return Err(Failure::usage(format!("-L is {text:?}: allowed are TRACE, DEBUG, INFO, WARN, ERROR, OFF")));
        }
        _ => settings.log.level,
    };
    let LogSettings { file, max_bytes, backups, .. } = &settings.log;
    match options.log_file.as_ref().or(file.as_ref()) {
        Some(path) => {
            let opened = LogFile::open(path.clone(), *max_bytes, *backups);
            let file = opened.map_err(|error| {
                Failure::usage(format!("cannot append to log file {}: {error}; let the agent's user write there", path.display()))
            })?;
            config::logging::init_to(level, file);
        }
        None => config::logging::init(level),
    }
    Ok(())
}

/// Our name of a log4j level, in either case.
pub(crate) fn level(text: &str) -> Option<&'static str> {
    match text.to_ascii_uppercase().as_str() {
        "ALL" | "TRACE" => Some("trace"),
        "DEBUG" => Some("debug"),
        "INFO" => Some("info"),
        "WARN" | "WARNING" => Some("warn"),
        "ERROR" | "FATAL" => Some("error"),
        "OFF" => Some("off"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log4j_s_levels_are_ours() {
        let names = ["ALL", "trace", "DEBUG", "Info", "WARN", "FATAL", "OFF"];
        assert_eq!(names.map(|name| level(name).unwrap()), ["trace", "trace", "debug", "info", "warn", "error", "off"]);
        assert_eq!(level("LOUD"), None);
    }
}
