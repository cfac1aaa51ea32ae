//! Latency: from the append of a line to its arrival, at a steady rate.

use std::{
    fs::File,
    io::Write as _,
    thread,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use crate::{
    Scale,
    contender::start_agent,
    sink::{Sink, WRITTEN},
    table::{print, quantile},
};

/// How long a batch waits to fill. The looks at the file collect lines already.
const BUFFER_AGE_MILLIS: u64 = 10;

/// Times between two looks at the file: the default, and one that trades latency for CPU.
const POLL_MILLIS: [u64; 2] = [100, 160];

pub(crate) fn run(scale: Scale) -> Result<()> {
    let rows = POLL_MILLIS.iter().map(|poll| measure(scale, *poll)).collect::<Result<Vec<_>>>()?;
    let title = format!("Append to arrival (maxBufferAgeMillis {BUFFER_AGE_MILLIS})");
    let head = ["poll ms", "lines/s", "lines", "p50 ms", "p99 ms", "max ms", "CPU µs per line", "wake-ups/s", "resident MiB"];
    print(&title, &head, &rows);
    Ok(())
}

/// One row of the table. `poll_millis` is the flow's `minTimeBetweenFilePollsMillis`.
fn measure(scale: Scale, poll_millis: u64) -> Result<Vec<String>> {
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("access.log");
    let mut file = File::create(&log)?;
    let sink = Sink::start(None)?;
    let settings = json!({"maxBufferAgeMillis": BUFFER_AGE_MILLIS, "minTimeBetweenFilePollsMillis": poll_millis});
    let mut running = start_agent(&settings, &log, &sink, None, folder.path())?;
    // The first line arrives when the agent is ready; it is no part of what is measured.
    write_line(&mut file, SystemTime::now())?;
    sink.wait_for(1, &mut running, Duration::from_secs(60))?;
    let before = running.usage()?;

    let lines = append(&mut file, scale)?;
    let arrived = sink.wait_for(lines + 1, &mut running, Duration::from_secs(60))?;
    let after = running.usage()?;
    running.stop()?;
    ensure!(sink.content().lines == lines + 1, "more lines arrived than were written");
    let (cpu, waits) = after.since(&before);
    let mut millis: Vec<f64> = arrived.latencies.iter().skip(1).map(|latency| latency.as_secs_f64() * 1e3).collect();
    millis.sort_by(f64::total_cmp);
    Ok(vec![
        poll_millis.to_string(),
        scale.lines_per_second.to_string(),
        lines.to_string(),
        format!("{:.0}", quantile(&millis, 0.5)),
        format!("{:.0}", quantile(&millis, 0.99)),
        format!("{:.0}", quantile(&millis, 1.0)),
        format!("{:.1}", cpu.as_secs_f64() * 1e6 / lines as f64),
        format!("{:.0}", waits as f64 / scale.latency_time.as_secs_f64()),
        format!("{:.1}", after.resident_mib),
    ])
}

/// Writes lines at an even rate, each with its own time in it. Returns how many.
fn append(file: &mut File, scale: Scale) -> Result<u64> {
    let lines = (scale.lines_per_second as f64 * scale.latency_time.as_secs_f64()) as u64;
    let started = Instant::now();
    for line in 0..lines {
        let due = Duration::from_secs_f64(line as f64 / scale.lines_per_second as f64);
        thread::sleep(due.saturating_sub(started.elapsed()));
        write_line(file, SystemTime::now())?;
    }
    Ok(lines)
}

fn write_line(file: &mut File, now: SystemTime) -> Result<()> {
    let nanos = now.duration_since(SystemTime::UNIX_EPOCH)?.as_nanos();
    let mark = std::str::from_utf8(WRITTEN)?;
    let line = format!(
        "{{ \"request_time\":\"[21/Nov/2026:01:22:03 +0000]\", \"client_ip\":\"10.1.2.3\", \"client_hostname\":\"www.example.com\", \
         \"server_ip\":\"172.31.0.11\", \"request\":\"/web-demo/index.php?{mark}{nanos}\", \"http_method\":\"GET\", \
         \"status\":\"200\", \"size\":\"1234\", \"userAgent\":\"Mozilla/5.0 (Windows NT 10.0; Win64; x64) \
         AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36\", \"referer\":\"-\" }}\n"
    );
    file.write_all(line.as_bytes()).context("cannot append to the log")
}
