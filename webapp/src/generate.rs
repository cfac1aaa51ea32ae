//! What packages bring beside the program: manual pages and completions, made from what the program itself reads.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use clap::Args;
use clap_complete::Shell;
use clap_mangen::Man;

/// The name of the installed program; `webapp` alone would be anybody's.
const PROGRAM: &str = "weir-webapp";

/// Flags of `man`.
#[derive(Debug, Args)]
pub(crate) struct ManOptions {
    /// The folder to write to, one page for each command
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Flags of `completions`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsOptions {
    /// The shell
    shell: Shell,
}

/// One manual page for each command.
pub(crate) fn man(options: &ManOptions, definition: clap::Command) -> Result<()> {
    write_pages(&options.out, named(definition)).with_context(|| format!("cannot write to {}", options.out.display()))
}

/// Completions for one shell, on stdout.
pub(crate) fn completions(options: &CompletionsOptions, definition: clap::Command) {
    clap_complete::generate(options.shell, &mut named(definition), PROGRAM, &mut io::stdout());
}

fn named(definition: clap::Command) -> clap::Command {
    definition.name(PROGRAM).bin_name(PROGRAM).disable_help_subcommand(true)
}

fn write_pages(folder: &Path, mut command: clap::Command) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    command.build(); // gives the flags of all commands their final form
    page(&command, PROGRAM, folder)?;
    for subcommand in command.get_subcommands() {
        let name = format!("{PROGRAM}-{}", subcommand.get_name());
        page(&subcommand.clone().display_name(&name), &name, folder)?;
    }
    Ok(())
}

fn page(command: &clap::Command, name: &str, folder: &Path) -> io::Result<()> {
    let mut text = Vec::new();
    let version = env!("CARGO_PKG_VERSION");
    Man::new(command.clone()).title(name.to_uppercase()).source(format!("weir {version}")).manual("weir").render(&mut text)?;
    fs::write(folder.join(format!("{name}.1")), text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli;

    #[test]
    fn there_is_a_page_for_each_command() {
        let folder = tempfile::tempdir().unwrap();
        man(&ManOptions { out: folder.path().to_owned() }, cli::definition()).unwrap();
        for name in ["weir-webapp", "weir-webapp-run", "weir-webapp-check", "weir-webapp-init", "weir-webapp-doctor"] {
            let text = fs::read_to_string(folder.path().join(format!("{name}.1"))).unwrap();
            assert!(text.contains(".SH NAME") && text.contains(&name.replace('-', "\\-")), "{name}: {text}");
        }
    }

    #[test]
    fn every_shell_has_completions() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut named(cli::definition()), PROGRAM, &mut text);
            assert!(String::from_utf8(text).unwrap().contains("doctor"), "{shell}");
        }
    }
}
