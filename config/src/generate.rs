//! What packages bring beside a program: manual pages and completions, made from what the program itself reads.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;

/// Flags of `man`.
#[derive(Debug, Args)]
pub struct ManOptions {
    /// The folder to write to, one page for each command
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Flags of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsOptions {
    /// The shell
    shell: Shell,
}

/// Writes one manual page for each command that is not hidden. `program` is the name it is installed under.
///
/// # Errors
/// When the folder cannot be written.
pub fn man(options: &ManOptions, program: &'static str, definition: Command) -> Result<()> {
    let written = write_pages(&options.out, program, named(definition, program));
    written.with_context(|| format!("cannot write to {}", options.out.display()))
}

/// Writes the completions for one shell.
pub fn completions(options: &CompletionsOptions, program: &'static str, definition: Command, out: &mut impl io::Write) {
    clap_complete::generate(options.shell, &mut named(definition, program), program, out);
}

fn named(definition: Command, program: &'static str) -> Command {
    definition.name(program).bin_name(program).disable_help_subcommand(true)
}

fn write_pages(folder: &Path, program: &str, mut command: Command) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    command.build(); // gives the flags of all commands their final form
    page(&command, program, folder)?;
    for subcommand in command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()) {
        let name = format!("{program}-{}", subcommand.get_name());
        page(&subcommand.clone().display_name(&name), &name, folder)?;
    }
    Ok(())
}

fn page(command: &Command, name: &str, folder: &Path) -> io::Result<()> {
    let mut text = Vec::new();
    let version = env!("CARGO_PKG_VERSION");
    Man::new(command.clone()).title(name.to_uppercase()).source(format!("weir {version}")).manual("weir").render(&mut text)?;
    fs::write(folder.join(format!("{name}.1")), text)
}
