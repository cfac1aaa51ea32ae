//! What packages bring beside the program: manual pages, completions, the schema of the settings. All of it is made
//! from what the program itself reads.

use std::io;

pub(crate) use config::generate::{CompletionsOptions, ManOptions};
use config::{exit::Failure, generate};

use crate::{cli, settings::schema};

/// The name of the installed program; `agent` alone would be anybody's.
const PROGRAM: &str = "weir-agent";

/// `agent man`: one page for each command.
///
/// # Errors
/// When the folder cannot be written.
pub(crate) fn man(options: &ManOptions) -> Result<(), Failure> {
    Ok(generate::man(options, PROGRAM, cli::definition())?)
}

/// `agent completions`: for one shell, on stdout.
///
/// # Errors
/// Never.
pub(crate) fn completions(options: &CompletionsOptions) -> Result<(), Failure> {
    generate::completions(options, PROGRAM, cli::definition(), &mut io::stdout());
    Ok(())
}

/// `agent schema`: on stdout.
///
/// # Errors
/// Never.
pub(crate) fn schema() -> Result<(), Failure> {
    println!("{:#}", schema::schema());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsString, fs};

    use clap::{Args, FromArgMatches};

    use super::*;

    fn options<O: Args + FromArgMatches>(words: impl IntoIterator<Item = OsString>) -> O {
        let command = O::augment_args(clap::Command::new("test").no_binary_name(true));
        O::from_arg_matches(&command.get_matches_from(words)).unwrap()
    }

    #[test]
    fn there_is_a_page_for_each_command() {
        let folder = tempfile::tempdir().unwrap();
        man(&options(["--out".into(), folder.path().into()])).unwrap();
        for name in ["weir-agent", "weir-agent-run", "weir-agent-check", "weir-agent-install", "weir-agent-status"] {
            let text = fs::read_to_string(folder.path().join(format!("{name}.1"))).unwrap();
            assert!(text.contains(".SH NAME") && text.contains(&name.replace('-', "\\-")), "{name}: {text}");
        }
    }

    #[test]
    fn every_shell_has_completions() {
        for shell in ["bash", "zsh", "fish"] {
            let mut text = Vec::new();
            generate::completions(&options([shell.into()]), PROGRAM, cli::definition(), &mut text);
            assert!(String::from_utf8(text).unwrap().contains("uninstall"), "{shell}");
        }
    }
}
