//! What the process costs, read from `/proc`. Parsing is pure.

use std::fs;

use serde::{Deserialize, Serialize};

/// Clock ticks in a second, as `/proc/<pid>/stat` counts them. Source: proc(5); 100 on every architecture we build for.
const TICKS_PER_SECOND: f64 = 100.0;

/// A process at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Usage {
    /// Memory that is in RAM.
    pub(crate) resident_bytes: u64,
    /// Processor time since the start, in user and kernel mode.
    pub(crate) cpu_seconds: f64,
    /// Open files, sockets included.
    pub(crate) open_files: u64,
    /// Threads.
    pub(crate) threads: u64,
}

/// This process now. A number that cannot be read is 0.
pub(crate) fn usage() -> Usage {
    let read = |name: &str| fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default();
    let status = read("status");
    Usage {
        resident_bytes: status_field(&status, "VmRSS:") * 1024,
        cpu_seconds: stat_fields(&read("stat"), &[14, 15]).iter().sum::<u64>() as f64 / TICKS_PER_SECOND,
        open_files: fs::read_dir("/proc/self/fd").map_or(0, |files| files.count().saturating_sub(1) as u64), // but our own look
        threads: status_field(&status, "Threads:"),
    }
}

/// When a process started, in ticks since the machine did; none when there is no such process. Together with its id
/// this names a process for good: ids are used again.
pub(crate) fn start_of(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat_fields(&stat, &[22]).first().copied().filter(|start| *start > 0)
}

/// Fields of `stat`, counted from 1 as in proc(5). The second one may hold blanks and brackets.
fn stat_fields(stat: &str, wanted: &[usize]) -> Vec<u64> {
    let Some((_, rest)) = stat.rsplit_once(')') else { return Vec::new() };
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |index: &usize| fields.get(index.checked_sub(3)?)?.parse().ok();
    wanted.iter().map(|index| number(index).unwrap_or(0)).collect()
}

fn status_field(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_ascii_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_behind_a_name_that_has_brackets() {
        let stat = "7 (a) (b c)) S 1 7 7 0 -1 4194304 100 0 0 0 150 50 0 0 20 0 5 0 8888 1000 200";
        assert_eq!(stat_fields(stat, &[14, 15, 22]), [150, 50, 8888]);
        assert_eq!(stat_fields("", &[14]), [] as [u64; 0]);
    }

    #[test]
    fn this_process_uses_something() {
        let usage = usage();
        assert!(usage.resident_bytes > 0 && usage.open_files > 0 && usage.threads > 0, "{usage:?}");
        assert!(start_of(std::process::id()).is_some());
        assert_eq!(start_of(u32::MAX), None);
    }
}
