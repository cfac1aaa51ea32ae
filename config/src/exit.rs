//! Exit codes and the one place where a failure is printed for a person.
//!
//! 0 done, 1 failed, 2 wrong usage or configuration (as clap uses for flags).

use std::process::ExitCode;

use crate::say;

/// Why a command ended early; decides the exit code.
#[derive(Debug)]
pub enum Failure {
    /// The user can fix it by changing a flag or a settings file. Exit code 2.
    Usage(anyhow::Error),
    /// It failed while running. Exit code 1.
    Run(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Run(error)
    }
}

impl Failure {
    /// A mistake in flags or settings, described in one sentence with a next step.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Usage(anyhow::anyhow!(message.into()))
    }
}

/// Prints a failure on stderr as `error: what: cause: cause` and gives the exit code.
pub fn code(outcome: Result<(), Failure>) -> ExitCode {
    let (error, code) = match outcome {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Run(error)) => (error, 1),
        Err(Failure::Usage(error)) => (error, 2),
    };
    say::line(&format!("error: {error:#}"));
    ExitCode::from(code)
}
