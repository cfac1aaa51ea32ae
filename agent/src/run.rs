//! Wires the flows and runs them until the stop token is cancelled.

use std::{sync::Arc, time::Instant};

use anyhow::{Context as _, Result};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    checkpoint::store::StateDirectory,
    counters::Counters,
    memory,
    observe::{Flows, Observer},
    runner::Runner,
    service::{notify, reload::Reload, supervisor::Supervisor},
    settings::Settings,
};

/// What was done, for the last line and for tests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Lines read.
    pub records_parsed: u64,
    /// Bytes of those lines.
    pub bytes_parsed: u64,
    /// Lines cut to the record limit.
    pub records_truncated: u64,
    /// Records that were converted.
    pub records_transformed: u64,
    /// Lines that were not sent because no converter could read them.
    pub records_skipped: u64,
    /// Records the destination accepted.
    pub records_sent: u64,
    /// Records sent once more after a failure.
    pub records_retried: u64,
    /// Records the destination refused for ever; they are in the dead-letter file.
    pub records_refused: u64,
}

/// Runs all flows until `stop` is cancelled, then finishes what was read within the shutdown time-out.
///
/// # Errors
/// When another agent has the state directory, a checkpoint is damaged or cannot be saved at the end, no region is
/// known, or a flow fails.
pub async fn run(settings: Settings, stop: CancellationToken) -> Result<Summary> {
    run_reloadable(settings, stop, mpsc::channel(1).1).await
}

/// [`run()`] that changes to other settings when it is asked to.
pub(crate) async fn run_reloadable(
    mut settings: Settings,
    stop: CancellationToken,
    reloads: mpsc::Receiver<Reload>,
) -> Result<Summary> {
    let started = Instant::now();
    let directory = StateDirectory::open(&settings.state_directory)?;
    state_memory(&mut settings);
    let (observed, grace) = (Flows::default(), settings.shutdown_timeout);
    let mut runner = Runner::new(&settings, directory, observed.clone(), stop.clone()).await;
    let flows = runner.prepare(settings.flows.iter().cloned()).await?;
    info!(flows = flows.len(), state = %settings.state_directory.display(), "Found {} configured flow(s)", flows.len());

    let observer = Observer::start(&settings, &observed, started, stop.clone()).await;
    let mut supervisor = Supervisor::new(runner, stop.clone());
    supervisor.start(flows).await;
    info!("Startup completed in {} ms.", started.elapsed().as_millis());
    notify::ready(&notify::text(&observed));
    let ended = CancellationToken::new();
    let keeping_alive = tokio::spawn(notify::keep_alive(observed.clone(), ended.clone()));
    let signal = stop.clone();
    let stopped = tokio::spawn(async move {
        signal.cancelled().await;
        notify::stopping(grace);
        Instant::now()
    });
    let outcome = supervisor.run(settings, reloads).await;
    observer.finish().await?;
    ended.cancel();
    keeping_alive.await.context("the keep-alives failed")?;
    stop.cancel(); // also where every flow ended on its own
    supervisor.finish().await?;
    outcome?;
    let stopped = stopped.await.context("cannot tell when the stop began")?;
    let summary = summarize(supervisor.counters());
    info!(
        records_refused = summary.records_refused,
        records_retried = summary.records_retried,
        "Shut down completed in {} ms. Uptime: {} ms",
        stopped.elapsed().as_millis(),
        started.elapsed().as_millis()
    );
    Ok(summary)
}

/// Gives each flow its share of the memory, and says what all may hold.
fn state_memory(settings: &mut Settings) {
    let (budget, bound) = (settings.max_memory_bytes, memory::fit(&mut settings.flows, settings.max_memory_bytes));
    let mib = |bytes: usize| bytes.div_ceil(1024 * 1024);
    info!(
        flows = settings.flows.len(),
        "memory: at most {} MiB for all flows, of maxMemoryBytes {} MiB",
        mib(bound),
        mib(budget)
    );
    if bound > budget {
        let (count, budget) = (settings.flows.len(), mib(budget));
        warn!("{count} flows cannot do with {budget} MiB: raise maxMemoryBytes to {bound}, or spread them over more agents");
    }
}

fn summarize(flows: &[Arc<Counters>]) -> Summary {
    let sum = |value: fn(&Counters) -> u64| flows.iter().map(|flow| value(flow)).sum();
    Summary {
        records_parsed: sum(|flow| flow.records_parsed.get()),
        bytes_parsed: sum(|flow| flow.bytes_parsed.get()),
        records_truncated: sum(|flow| flow.records_truncated.get()),
        records_transformed: sum(|flow| flow.records_transformed.get()),
        records_skipped: sum(|flow| flow.records_skipped.get()),
        records_sent: sum(|flow| flow.records_sent.get()),
        records_retried: sum(|flow| flow.records_retried.get()),
        records_refused: sum(|flow| flow.records_refused.get()),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write as _, path::Path};

    use super::*;
    use crate::testing::{FakeKinesis, flow};

    fn settings(folder: &Path, server: &FakeKinesis) -> Settings {
        let text = format!(
            r#"{{"kinesis.endpoint": "{1}", "awsAccessKeyId": "id", "awsSecretAccessKey": "secret", "stateDirectory": "{0}/state",
                "status.listen": "", "cloudwatch.emitMetrics": false, "flows": [{{"filePattern": "{0}/a.log", "kinesisStream": "s",
                "initialPosition": "START_OF_FILE", "minTimeBetweenFilePollsMillis": 1, "maxBufferAgeMillis": 1000}}]}}"#,
            folder.display(),
            server.endpoint()
        );
        Settings::parse(text.as_bytes(), Path::new("test")).unwrap()
    }

    fn append(folder: &Path, lines: std::ops::Range<u32>) {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(folder.join("a.log")).unwrap();
        for line in lines {
            writeln!(file, "line {line:06}").unwrap();
        }
    }

    fn lines(count: u32) -> Vec<Vec<u8>> {
        (0..count).map(|line| format!("line {line:06}\n").into_bytes()).collect()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_stop_sends_what_was_written_and_the_next_start_repeats_nothing() {
        let (folder, server) = (tempfile::tempdir().unwrap(), FakeKinesis::accepting().await);
        append(folder.path(), 0..1200);
        let stop = CancellationToken::new();
        let running = tokio::spawn(run(settings(folder.path(), &server), stop.clone()));
        server.wait_for(1000).await; // two full batches; the rest waits for its age
        append(folder.path(), 1200..1300);
        stop.cancel();
        let summary = running.await.unwrap().unwrap();
        assert_eq!((summary.records_parsed, summary.records_sent), (1300, 1300));

        append(folder.path(), 1300..1400);
        fs::rename(folder.path().join("a.log"), folder.path().join("a.log.1")).unwrap();
        append(folder.path(), 1400..1500);
        let stop = CancellationToken::new();
        let running = tokio::spawn(run(settings(folder.path(), &server), stop.clone()));
        server.wait_for(1500).await; // sent by age alone
        stop.cancel();
        running.await.unwrap().unwrap();
        assert_eq!(server.accepted_lines(), lines(1500));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_second_agent_on_the_same_state_is_refused() {
        let (folder, server) = (tempfile::tempdir().unwrap(), FakeKinesis::accepting().await);
        append(folder.path(), 0..500);
        let stop = CancellationToken::new();
        let running = tokio::spawn(run(settings(folder.path(), &server), stop.clone()));
        server.wait_for(500).await;
        let second = run(settings(folder.path(), &server), CancellationToken::new()).await;
        assert!(second.unwrap_err().to_string().contains("another agent is running"));
        stop.cancel();
        running.await.unwrap().unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_flow_with_converters_sends_each_good_line_once_over_a_restart() {
        let (folder, server) = (tempfile::tempdir().unwrap(), FakeKinesis::accepting().await);
        let mut settings = settings(folder.path(), &server);
        let options = r#", "dataProcessingOptions": [{"optionName": "LOGTOJSON", "logFormat": "SYSLOG", "onParseError":
            "deadletter", "matchPattern": "line (\\d*[02468])", "customFieldNames": ["n"]}]"#;
        settings.flows[0].transform = flow(folder.path(), "a.log", options).transform;
        let mut summary = Summary::default();
        for lines in [0_u32..600, 600..601, 601..1000] {
            let good = lines.end.div_ceil(2) as usize;
            append(folder.path(), lines);
            let stop = CancellationToken::new();
            let running = tokio::spawn(run(settings.clone(), stop.clone()));
            server.wait_for(good).await;
            stop.cancel();
            summary = running.await.unwrap().unwrap();
        }
        assert_eq!((summary.records_parsed, summary.records_transformed, summary.records_skipped), (399, 199, 200));
        let expected: Vec<Vec<u8>> = (0..1000).step_by(2).map(|line| format!("{{\"n\":\"{line:06}\"}}\n").into_bytes()).collect();
        assert_eq!(server.accepted_lines(), expected);
        let letters = fs::read_to_string(folder.path().join("state/dead-letter.jsonl")).unwrap();
        assert_eq!(letters.lines().count(), 500);
    }
}
