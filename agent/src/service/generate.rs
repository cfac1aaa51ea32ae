//! What packages bring beside the program: manual pages, completions, the schema of the settings. All of it is made
//! from what the program itself reads.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::Args;
use clap_complete::Shell;
use clap_mangen::Man;
use config::exit::Failure;

use crate::{cli, settings::schema};

/// The name of the installed program; `agent` alone would be anybody's.
const PROGRAM: &str = "weir-agent";

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

/// `agent man`: one page for each command.
///
/// # Errors
/// When the folder cannot be written.
pub(crate) fn man(options: &ManOptions) -> Result<(), Failure> {
    let written = write_pages(&options.out).with_context(|| format!("cannot write to {}", options.out.display()));
    Ok(written?)
}

/// `agent completions`: for one shell, on stdout.
///
/// # Errors
/// Never.
pub(crate) fn completions(options: &CompletionsOptions) -> Result<(), Failure> {
    clap_complete::generate(options.shell, &mut definition(), PROGRAM, &mut io::stdout());
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

fn definition() -> clap::Command {
    cli::definition().name(PROGRAM).bin_name(PROGRAM).disable_help_subcommand(true)
}

fn write_pages(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut command = definition();
    command.build(); // gives the flags of all commands their final form
    page(&command, PROGRAM, folder)?;
    for subcommand in command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()) {
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

    #[test]
    fn there_is_a_page_for_each_command() {
        let folder = tempfile::tempdir().unwrap();
        write_pages(folder.path()).unwrap();
        for name in ["weir-agent", "weir-agent-run", "weir-agent-check", "weir-agent-install", "weir-agent-status"] {
            let text = fs::read_to_string(folder.path().join(format!("{name}.1"))).unwrap();
            assert!(text.contains(".SH NAME") && text.contains(&name.replace('-', "\\-")), "{name}: {text}");
        }
    }

    #[test]
    fn every_shell_has_completions() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut definition(), PROGRAM, &mut text);
            assert!(String::from_utf8(text).unwrap().contains("uninstall"), "{shell}");
        }
    }
}
