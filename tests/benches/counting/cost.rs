//! What a program cost, as GNU time tells.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::contender::{Contender, Output};

/// What one run cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// User and system, of all threads.
    pub(crate) cpu_seconds: f64,
    pub(crate) wall_seconds: f64,
    pub(crate) peak_mib: f64,
}

/// Runs it to its end.
///
/// # Errors
/// When it fails, with what it said.
pub(crate) fn run(contender: &Contender, output: &Path) -> Result<Cost> {
    let stdout = if contender.output == Output::Stdout { File::create(output)?.into() } else { Stdio::null() };
    let mut command = Command::new("/usr/bin/time");
    command.args(["--format", "cost %U %S %e %M"]).args(&contender.command).stdout(stdout).stderr(Stdio::piped());
    let ended = command.output().context("cannot run /usr/bin/time; apt install time")?;
    let stderr = String::from_utf8_lossy(&ended.stderr);
    ensure!(ended.status.success(), "{} failed: {stderr}", contender.name);
    let line = stderr.lines().rev().find_map(|line| line.strip_prefix("cost ")).context("GNU time said nothing")?;
    let numbers: Vec<f64> = line.split(' ').map(str::parse).collect::<Result<_, _>>()?;
    let [user, system, wall_seconds, peak_kib] = numbers[..] else { bail!("GNU time said {line}") };
    Ok(Cost { cpu_seconds: user + system, wall_seconds, peak_mib: peak_kib / 1024.0 })
}
