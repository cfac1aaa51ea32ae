//! What processes cost, as the kernel counts.

use std::fs;

use anyhow::{Context, Result};

/// Parts of a second in which /proc counts CPU time. Source: proc(5); Linux shows this unit everywhere.
const TICKS_PER_SECOND: f64 = 100.0;

/// User and system time of a process, its children, and those of them that ended.
pub(crate) fn seconds(process: u32) -> Result<f64> {
    // Fields 14 to 17, counted behind the program's name: own user and system time, and that of children that ended.
    let ticks = |stat: &[String], fields: usize| -> Result<f64> {
        stat.iter().skip(11).take(fields).map(|field| Ok(field.parse::<f64>()?)).sum()
    };
    let mut total = ticks(&stat(process)?, 4)?;
    for entry in fs::read_dir("/proc")? {
        let Ok(other) = entry?.file_name().to_string_lossy().parse::<u32>() else { continue };
        let Ok(fields) = stat(other) else { continue }; // ended meanwhile
        if fields.get(1) == Some(&process.to_string()) {
            total += ticks(&fields, 2)?;
        }
    }
    Ok(total / TICKS_PER_SECOND)
}

/// Memory that is resident now, and the most that ever was, in MiB. Format: proc(5).
pub(crate) fn resident_mib(process: u32) -> Result<(f64, f64)> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let number = |name: &str| -> Result<f64> {
        let value = status.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name} in status"))?;
        Ok(value.trim().trim_end_matches("kB").trim().parse::<f64>()? / 1024.0)
    };
    Ok((number("VmRSS:")?, number("VmHWM:")?))
}

/// Fields of /proc/PID/stat from the third on: state, parent, ...
fn stat(process: u32) -> Result<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let behind_name = stat.rsplit_once(')').context("no name in stat")?.1;
    Ok(behind_name.split_whitespace().map(str::to_owned).collect())
}
