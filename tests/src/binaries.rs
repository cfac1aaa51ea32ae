//! The shipped programs, built into the folder this test runs from.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The path of `agent`, `analytics`, `webapp` or `local`, built with the same profile as this test.
///
/// # Errors
/// When it is not built; the message has the command that builds it.
pub fn path(name: &str) -> Result<PathBuf> {
    let test = std::env::current_exe().context("cannot find out where this test runs from")?;
    let folder = profile_folder(&test).with_context(|| format!("{} is not in a target folder", test.display()))?;
    let program = folder.join(name);
    if !program.is_file() {
        let flag = if folder.ends_with("release") { " --release" } else { "" };
        bail!("{} is missing; run cargo build{flag} --workspace --bins", program.display());
    }
    Ok(program)
}

/// `target/release` for `target/release/deps/pipeline-0123`: test executables lie one folder deeper than programs.
fn profile_folder(test: &Path) -> Option<&Path> {
    let folder = test.parent()?;
    if folder.ends_with("deps") { folder.parent() } else { Some(folder) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_looked_for_one_folder_above_the_tests() {
        assert_eq!(profile_folder(Path::new("/t/release/deps/pipeline-1")), Some(Path::new("/t/release")));
        assert_eq!(profile_folder(Path::new("/t/release/generate-log")), Some(Path::new("/t/release")));
    }

    #[test]
    fn a_missing_program_names_the_command_that_builds_it() {
        let missing = path("no-such-program").unwrap_err().to_string();
        assert!(missing.contains("run cargo build"), "{missing}");
    }
}
