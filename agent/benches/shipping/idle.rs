//! Idle: files that nobody writes to must cost next to nothing.

use std::{fs, thread, time::Duration};

use anyhow::Result;
use serde_json::json;

use crate::{Scale, contender::start_agent, sink::Sink, table::print};

pub(crate) fn run(scale: Scale) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let logs = folder.path().join("logs");
    fs::create_dir(&logs)?;
    for file in 0..scale.idle_files {
        fs::write(logs.join(format!("access-{file}.log")), format!("the only line of file {file}\n"))?;
    }
    let sink = Sink::start(None)?;
    let mut running = start_agent(&json!({}), &logs.join("*.log"), &sink, None, folder.path())?;
    sink.wait_for(scale.idle_files as u64, &mut running, Duration::from_secs(60))?;
    thread::sleep(scale.settle_time);
    let before = running.usage()?;
    thread::sleep(scale.idle_time);
    let after = running.usage()?;
    running.check()?;
    running.stop()?;
    let (cpu, waits) = after.since(&before);
    let seconds = scale.idle_time.as_secs_f64();
    let row = vec![
        scale.idle_files.to_string(),
        format!("{:.4} %", cpu.as_secs_f64() / seconds * 100.0),
        format!("{:.1}", waits as f64 / seconds),
        format!("{:.1}", after.resident_mib),
    ];
    print("Idle", &["files", "CPU of a core", "wake-ups/s", "resident MiB"], &[row]);
    Ok(())
}
