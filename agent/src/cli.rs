//! The command line.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use clap::{Args, Parser, Subcommand};
use config::exit::Failure;

use crate::{
    observe::{bundle, status_command, tap_command},
    settings::{Settings, SettingsError},
    shipped,
};

/// Where the settings are unless `-c` says otherwise; the Java agent's place.
pub(crate) const DEFAULT_CONFIGURATION: &str = "/etc/aws-kinesis/agent.json";

/// What the user typed.
#[derive(Debug, Parser)]
#[command(name = "agent", version, about = "Ships log files to Kinesis, line by line, without losing one")]
#[command(after_help = "Examples:
  agent check -c agent.json                      say whether the settings are right, and which flows they hold
  agent check --online -c agent.json             also whether AWS would take the lines
  agent run -c agent.json                        ship until SIGTERM or Ctrl-C
  agent run -c agent.json --state-dir ./state    keep the checkpoints elsewhere
  agent parse access.log -c agent.json --json    what would be sent for a file, and what would not
  agent cost access.log                          what aggregation and compression would save
  agent status -c agent.json                     how far each file is, and what is wrong
  agent import-checkpoints --dry-run             say what would be taken over from the Java agent
  agent shipped --wait 30s /var/log/app.log.1    wait until all of a file was accepted
  RUST_LOG=debug agent run -c agent.json         say more")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Ship the files of all flows until SIGTERM or SIGINT
    Run(Options),
    /// Validate the settings and print the flows as they are understood
    Check(CheckOptions),
    /// Print what would be sent for a file, without sending it
    Parse(crate::parse::Arguments),
    /// Say what a log costs as single records, aggregated, compressed and joined
    Cost(crate::cost::Arguments),
    /// Ask the running agent how each flow and file is doing
    Status(status_command::StatusOptions),
    /// Print a sample of the records in flight
    Tap(tap_command::TapOptions),
    /// Pack what a support case needs, without secrets
    SupportBundle(bundle::BundleOptions),
    /// Take over the checkpoints of the Java agent, so that nothing is lost or repeated by switching
    ImportCheckpoints {
        /// Which settings
        #[command(flatten)]
        options: Options,
        /// Its database; checkpointFile of the settings unless given
        file: Option<PathBuf>,
        /// Only say what would be imported
        #[arg(long)]
        dry_run: bool,
    },
    /// Succeed only when every byte of the files was accepted by the destination; for logrotate
    Shipped {
        /// Which settings
        #[command(flatten)]
        options: Options,
        /// What is asked
        #[command(flatten)]
        request: shipped::Request,
    },
}

/// Flags of `check`.
#[derive(Debug, Args)]
pub(crate) struct CheckOptions {
    #[command(flatten)]
    pub(crate) settings: Options,
    /// Also ask AWS: are there credentials, whose are they, does each stream exist? Sends no record
    #[arg(long)]
    pub(crate) online: bool,
}

/// Flags of both commands.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The settings, in the Java agent's format
    #[arg(short = 'c', long = "configuration", value_name = "FILE", default_value = DEFAULT_CONFIGURATION)]
    configuration: PathBuf,
    /// Where checkpoints are kept; beats stateDirectory in the settings
    #[arg(long = "state-dir", value_name = "DIR")]
    state_directory: Option<PathBuf>,
}

impl Options {
    /// The settings file.
    pub(crate) fn path(&self) -> &Path {
        &self.configuration
    }

    /// Loads the settings; flags beat them.
    ///
    /// # Errors
    /// When the file is missing or wrong; the user can fix that.
    pub(crate) fn settings(&self) -> Result<Settings, Failure> {
        let loaded = Settings::load(&self.configuration);
        let mut settings = loaded.map_err(|error: SettingsError| Failure::Usage(error.into()))?;
        if let Some(directory) = &self.state_directory {
            settings.state_directory.clone_from(directory);
        }
        Ok(settings)
    }
}

/// Parses the command line. `--help`, `--version` and mistakes end here with clap's own exit codes.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Arguments {
    Arguments::parse_from(arguments)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_flags_of_all_commands_fit_together() {
        Arguments::command().debug_assert();
    }
}
