//! A program that is measured: what it cost, from its start to its end, as the kernel counts.

use std::{
    collections::BTreeMap,
    fs,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

/// Parts of a second in which /proc counts CPU time. Source: proc(5); Linux shows this unit everywhere.
const TICKS_PER_SECOND: f64 = 100.0;

/// A running program. Dropped, it is killed by its process id.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    name: String,
}

/// What a program cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// User and system, of all threads, those that ended included.
    pub(crate) cpu_seconds: f64,
    pub(crate) peak_mib: f64,
}

/// What a program has used so far, finer than [`Cost`] but only of threads that still run.
#[derive(Debug, Clone)]
pub(crate) struct Usage {
    /// Nanoseconds on a processor, and waits for something, of each thread.
    threads: BTreeMap<String, (u64, u64)>,
    pub(crate) resident_mib: f64,
}

impl Usage {
    /// CPU time and the number of waits since `earlier`.
    pub(crate) fn since(&self, earlier: &Self) -> (Duration, u64) {
        let before = |thread: &String| earlier.threads.get(thread).copied().unwrap_or_default();
        let spent = |(thread, now): (&String, &(u64, u64))| (now.0 - before(thread).0, now.1 - before(thread).1);
        let (nanos, waits) = self.threads.iter().map(spent).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        (Duration::from_nanos(nanos), waits)
    }
}

impl Running {
    pub(crate) fn start(name: &str, mut command: Command) -> Result<Self> {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
        Ok(Self { child: child.with_context(|| format!("cannot start {name}"))?, name: name.to_owned() })
    }

    /// Whether it ended on its own, which none does in order.
    pub(crate) fn check(&mut self) -> Result<()> {
        let ended = self.child.try_wait()?;
        ensure!(ended.is_none(), "{} ended too early: {ended:?}", self.name);
        Ok(())
    }

    /// Asks it to stop, by signal or by the end of its standard input, and waits for its end.
    pub(crate) fn stop(mut self) -> Result<Cost> {
        let id = self.child.id();
        let peak_mib = status_number(id, None, "VmHWM")? / 1024.0; // gone when it has ended
        drop(self.child.stdin.take());
        let pid = Pid::from_raw(id.cast_signed()).context("a process id is not 0")?;
        if !self.name.starts_with("floor") {
            kill_process(pid, Signal::TERM)?;
        }
        // Ended, but not yet forgotten: its times are final.
        waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)?;
        let cpu_seconds = cpu_seconds(id)?;
        let status = self.child.wait()?;
        ensure!(status.success() || self.name.starts_with("boto3"), "{} ended with {status}", self.name);
        Ok(Cost { cpu_seconds, peak_mib })
    }

    /// What it has used so far.
    pub(crate) fn usage(&self) -> Result<Usage> {
        let id = self.child.id();
        let mut threads = BTreeMap::new();
        for thread in fs::read_dir(format!("/proc/{id}/task"))? {
            let thread = thread?.file_name().to_string_lossy().into_owned();
            let schedule = fs::read_to_string(format!("/proc/{id}/task/{thread}/schedstat"))?;
            let nanos = schedule.split(' ').next().context("schedstat is empty")?.parse()?;
            let waits = status_number(id, Some(&thread), "voluntary_ctxt_switches")?;
            threads.insert(thread, (nanos, waits as u64));
        }
        Ok(Usage { threads, resident_mib: status_number(id, None, "VmRSS")? / 1024.0 })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it has ended in order already, unless something failed
        let _ = self.child.wait();
    }
}

/// A number from the process's or the thread's status. Format: proc(5).
fn status_number(id: u32, thread: Option<&str>, name: &str) -> Result<f64> {
    let folder = thread.map_or_else(|| format!("/proc/{id}"), |thread| format!("/proc/{id}/task/{thread}"));
    let status = fs::read_to_string(format!("{folder}/status"))?;
    let mut fields = status.lines().filter_map(|line| line.split_once(':'));
    let value = fields.find(|(other, _)| *other == name).map(|(_, value)| value.trim());
    let number = value.and_then(|value| value.split(' ').next()).with_context(|| format!("no {name} in {folder}/status"))?;
    Ok(number.parse()?)
}

/// User and system time. Format: proc(5), fields 14 and 15, counted behind the program's name.
fn cpu_seconds(id: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
    let behind_name = stat.rsplit_once(')').context("no name in stat")?.1;
    let times: Vec<f64> = behind_name.split_whitespace().skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(times.iter().sum::<f64>() / TICKS_PER_SECOND)
}
