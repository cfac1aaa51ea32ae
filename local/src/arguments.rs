//! The command line.

use std::{env, ffi::OsString, path::PathBuf};

use clap::{Parser, Subcommand};

use crate::component::Name;

const EXAMPLES: &str = "\
Examples:
  Start everything, then open the address it prints:
    local

  In a folder of your own, without the built-in visitor:
    local --dir /tmp/weir --no-traffic

  When the usual ports are taken (0 takes any free port):
    local --port 0 --stream-port 0 --api-port 0

  Look at the counts from another terminal:
    curl 'http://127.0.0.1:8090/request_counts?limit=10'

Ctrl-C stops everything in order and says what was shipped and counted. The next start goes on where this one ended.";

/// Runs the photo site, the agent, the stream and the analytics together on this machine.
#[derive(Debug, Parser)]
#[command(name = "local", version, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Folder for all state and logs [default: weir-local in your data folder]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,

    /// Port of the photo site
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    pub(crate) port: u16,

    /// Port of the embedded Kinesis stream
    #[arg(long, value_name = "PORT", default_value_t = 4567)]
    pub(crate) stream_port: u16,

    /// Port of the live counts
    #[arg(long, value_name = "PORT", default_value_t = 8090)]
    pub(crate) api_port: u16,

    /// Shards of the stream, when it is created
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=100))]
    pub(crate) shards: i32,

    /// Width of the windows that requests are counted in
    #[arg(long, value_name = "DURATION", default_value = "10s")]
    pub(crate) window: String,

    /// Leave out the built-in visitor
    #[arg(long)]
    pub(crate) no_traffic: bool,

    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// How this program starts its parts.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// One component, with its own flags.
    #[command(hide = true)]
    Component {
        /// Which one.
        name: Name,
        /// Its flags.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

impl Arguments {
    /// The folder for everything, as given or as usual on this system.
    pub(crate) fn folder(&self) -> PathBuf {
        self.dir.clone().unwrap_or_else(|| data_folder(env::var_os("XDG_DATA_HOME"), env::var_os("HOME")).join("weir-local"))
    }
}

/// Where programs keep a user's data: the XDG base directory specification. Without a home, the current folder.
fn data_folder(xdg_data_home: Option<OsString>, home: Option<OsString>) -> PathBuf {
    let xdg = xdg_data_home.map(PathBuf::from).filter(|folder| folder.is_absolute());
    xdg.or_else(|| home.map(|home| PathBuf::from(home).join(".local/share"))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_flags_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn state_lies_where_programs_keep_a_users_data() {
        assert_eq!(data_folder(Some("/xdg".into()), Some("/home/u".into())), PathBuf::from("/xdg"));
        assert_eq!(data_folder(None, Some("/home/u".into())), PathBuf::from("/home/u/.local/share"));
        assert_eq!(data_folder(Some("relative".into()), None), PathBuf::new());
    }

    #[test]
    fn a_components_flags_are_not_ours() {
        let parsed = Arguments::parse_from(["local", "component", "agent", "run", "-c", "agent.json", "--help"]);
        let Some(Command::Component { arguments, .. }) = parsed.command else { panic!("not a component") };
        assert_eq!(arguments, ["run", "-c", "agent.json", "--help"]);
    }
}
