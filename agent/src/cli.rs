//! The command line.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use clap::{Args, Parser, Subcommand};
use config::exit::Failure;

use crate::{
    observe::{bundle, status_command, tap_command},
    service::{
        arguments, generate,
        install::{InstallOptions, UninstallOptions},
    },
    settings::{Settings, SettingsError},
    shipped,
};

/// Where the settings are unless `-c` says otherwise; the Java agent's place.
pub(crate) const DEFAULT_CONFIGURATION: &str = "/etc/aws-kinesis/agent.json";

/// Where the Java agent looks for more flows, wherever `-c` points to.
const JAVA_FLOWS_DIRECTORY: &str = "/etc/aws-kinesis/agent.d";

/// What the user typed.
#[derive(Debug, Parser)]
#[command(name = "agent", version, about = "Ships log files to Kinesis, line by line, without losing one")]
#[command(after_help = "Examples:
  agent check -c agent.json                      say whether the settings are right, and which flows they hold
  agent check --online -c agent.json             also whether AWS would take the lines
  agent run -c agent.json                        ship until SIGTERM or Ctrl-C
  agent -c agent.json                            the same, as the Java agent is started
  agent run -c agent.json --state-dir ./state    keep the checkpoints elsewhere
  agent parse access.log -c agent.json --json    what would be sent for a file, and what would not
  agent cost access.log                          what aggregation and compression would save
  agent status -c agent.json                     how far each file is, and what is wrong
  agent import-checkpoints --dry-run             say what would be taken over from the Java agent
  agent shipped --wait 30s /var/log/app.log.1    wait until all of a file was accepted
  RUST_LOG=debug agent run -c agent.json         say more")]
// The last of a flag that is there twice counts: AGENT_ARGS and ARGS may both have it.
#[command(args_conflicts_with_subcommands = true, args_override_self = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// The Java agent has no commands: its flags alone mean `run`.
    #[command(flatten)]
    run: RunOptions,
}

impl Arguments {
    /// What to do; without a command, run.
    pub(crate) fn command(self) -> Command {
        self.command.unwrap_or(Command::Run(self.run))
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Ship the files of all flows until SIGTERM or SIGINT
    Run(RunOptions),
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
    /// Make this program the machine's service, in the place of the Java agent
    Install(InstallOptions),
    /// Remove the service; configuration and state stay
    Uninstall(UninstallOptions),
    /// Write the manual pages
    Man(generate::ManOptions),
    /// Print the completions for a shell
    Completions(generate::CompletionsOptions),
    /// Print the JSON Schema of agent.json
    Schema,
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

/// Flags of `run`.
#[derive(Debug, Clone, Args)]
#[group(skip)]
pub(crate) struct RunOptions {
    #[command(flatten)]
    pub(crate) settings: Options,
    /// Append the log to this file instead of stderr; SIGHUP reopens it. Beats log.file in the settings
    #[arg(short = 'l', long = "log-file", value_name = "FILE")]
    pub(crate) log_file: Option<PathBuf>,
    /// How much to log: TRACE, DEBUG, INFO, WARN, ERROR or OFF. Beats log.level in the settings; RUST_LOG beats both
    #[arg(short = 'L', long = "log-level", value_name = "LEVEL", env = "AGENT_LOG_LEVEL", hide_env_values = true)]
    pub(crate) log_level: Option<String>,
    /// Run as the service: take more flags from AGENT_ARGS and ARGS, and flows from /etc/aws-kinesis/agent.d
    #[arg(long)]
    pub(crate) service: bool,
}

/// Flags of every command that reads the settings.
#[derive(Debug, Clone, Args)]
#[group(skip)]
pub(crate) struct Options {
    /// The settings, in the Java agent's format
    #[arg(short = 'c', long = "configuration", value_name = "FILE", default_value = DEFAULT_CONFIGURATION)]
    configuration: PathBuf,
    /// Where checkpoints are kept; beats stateDirectory in the settings
    #[arg(long = "state-dir", value_name = "DIR")]
    state_directory: Option<PathBuf>,
    /// Files with more flows; agent.d beside the settings unless given
    #[arg(long = "flows-dir", value_name = "DIR")]
    flows_directory: Option<PathBuf>,
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
        let flows = self.flows_directory.clone().unwrap_or_else(|| self.configuration.with_file_name("agent.d"));
        let loaded = Settings::load_with(&self.configuration, &flows);
        let mut settings = loaded.map_err(|error: SettingsError| Failure::Usage(error.into()))?;
        if let Some(directory) = &self.state_directory {
            settings.state_directory.clone_from(directory);
        }
        Ok(settings)
    }
}

impl RunOptions {
    /// The flags of the service: those of the command line, then those of `AGENT_ARGS` and `ARGS`.
    ///
    /// # Errors
    /// When the variables hold something that is no flag of `run`.
    pub(crate) fn with_environment(self) -> Result<Self, Failure> {
        let words = arguments::from_environment()?;
        let mut options = self;
        if !words.is_empty() {
            let given = format!(
                "cannot understand AGENT_ARGS or ARGS ({}); correct them in /etc/default/aws-kinesis-agent or /etc/sysconfig/aws-kinesis-agent",
                words.join(" ")
            );
            let parsed = Arguments::try_parse_from(["agent", "run", "--service"].into_iter().map(str::to_owned).chain(words));
            let Ok(Command::Run(more)) = parsed.map(Arguments::command) else { return Err(Failure::usage(given)) };
            options.log_file = more.log_file.or(options.log_file);
            options.log_level = more.log_level.or(options.log_level);
            options.settings = more.settings.over(options.settings);
        }
        options.settings.flows_directory.get_or_insert_with(|| JAVA_FLOWS_DIRECTORY.into());
        Ok(options)
    }
}

impl Options {
    /// These flags where they say something, the others where they do not.
    fn over(self, others: Self) -> Self {
        let is_default = self.configuration == Path::new(DEFAULT_CONFIGURATION);
        Self {
            configuration: if is_default { others.configuration } else { self.configuration },
            state_directory: self.state_directory.or(others.state_directory),
            flows_directory: self.flows_directory.or(others.flows_directory),
        }
    }
}

/// The whole command line as data: for man pages and completions.
pub(crate) fn definition() -> clap::Command {
    <Arguments as clap::CommandFactory>::command()
}

/// Parses the command line. `--help`, `--version` and mistakes end here with clap's own exit codes.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Arguments {
    Arguments::parse_from(arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(words: &[&str]) -> Command {
        Arguments::try_parse_from(words).unwrap().command()
    }

    #[test]
    fn the_java_agent_s_flags_alone_mean_run() {
        for words in [
            &["agent", "-c", "x.json", "-L", "DEBUG", "-l", "a.log"][..],
            &["agent", "run", "-c", "x.json", "-L=DEBUG", "-la.log"],
        ] {
            let Command::Run(options) = command(words) else { panic!("{words:?} is not run") };
            assert_eq!(options.settings.path(), Path::new("x.json"));
            assert_eq!((options.log_level.as_deref(), options.log_file.as_deref()), (Some("DEBUG"), Some(Path::new("a.log"))));
        }
        let Command::Run(options) = command(&["start-aws-kinesis-agent"]) else { panic!("no run") };
        assert_eq!(options.settings.path(), Path::new(DEFAULT_CONFIGURATION));
    }

    #[test]
    fn the_separator_may_be_an_equals_sign() {
        let Command::Run(options) = command(&["agent", "--configuration=x.json"]) else { panic!("no run") };
        assert_eq!(options.settings.path(), Path::new("x.json"));
    }

    #[test]
    fn an_unknown_flag_is_wrong_usage() {
        assert_eq!(Arguments::try_parse_from(["agent", "-x"]).unwrap_err().exit_code(), 2);
        assert_eq!(Arguments::try_parse_from(["agent", "--help"]).unwrap_err().exit_code(), 0);
    }

    #[test]
    fn the_unit_starts_the_program_with_flags_it_has() {
        let unit = include_str!("../../config/systemd/weir-agent.service");
        let words: Vec<&str> = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap().split(' ').collect();
        let Command::Run(options) = command(&words) else { panic!("{words:?} is not run") };
        assert!(options.service && words[0] == "/usr/bin/weir-agent");
    }

    #[test]
    fn the_definition_is_consistent() {
        definition().debug_assert();
    }
}
