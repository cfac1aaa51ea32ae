//! What packages bring beside the program: manual pages and completions, made from what the program itself reads.

use std::io;

use anyhow::Result;
use config::generate;
pub(crate) use config::generate::{CompletionsOptions, ManOptions};

/// The name of the installed program; `webapp` alone would be anybody's.
const PROGRAM: &str = "weir-webapp";

/// One manual page for each command.
pub(crate) fn man(options: &ManOptions, definition: clap::Command) -> Result<()> {
    generate::man(options, PROGRAM, definition)
}

/// Completions for one shell, on stdout.
pub(crate) fn completions(options: &CompletionsOptions, definition: clap::Command) {
    generate::completions(options, PROGRAM, definition, &mut io::stdout());
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsString, fs};

    use clap::{Args, FromArgMatches};

    use super::*;
    use crate::cli;

    fn options<O: Args + FromArgMatches>(words: impl IntoIterator<Item = OsString>) -> O {
        let command = O::augment_args(clap::Command::new("test").no_binary_name(true));
        O::from_arg_matches(&command.get_matches_from(words)).unwrap()
    }

    #[test]
    fn there_is_a_page_for_each_command() {
        let folder = tempfile::tempdir().unwrap();
        man(&options(["--out".into(), folder.path().into()]), cli::definition()).unwrap();
        for name in ["weir-webapp", "weir-webapp-run", "weir-webapp-check", "weir-webapp-init", "weir-webapp-doctor"] {
            let text = fs::read_to_string(folder.path().join(format!("{name}.1"))).unwrap();
            assert!(text.contains(".SH NAME") && text.contains(&name.replace('-', "\\-")), "{name}: {text}");
        }
    }

    #[test]
    fn every_shell_has_completions() {
        for shell in ["bash", "zsh", "fish"] {
            let mut text = Vec::new();
            generate::completions(&options([shell.into()]), PROGRAM, cli::definition(), &mut text);
            assert!(String::from_utf8(text).unwrap().contains("doctor"), "{shell}");
        }
    }
}
