//! What an operator sees: readiness, metrics, a stop that loses nothing, a second instance that takes over.

use std::path::Path;
use std::time::Duration;

use tests::process::{Process, command};
use tests::stream::{NAME, Options, TestStream};
use tests::wait;

use crate::arrival::{held, printed, put};

const DEADLINE: Duration = Duration::from_secs(60);

/// Starts an instance of the application. Gives where it listens, too.
async fn start(name: &str, stream: &TestStream, folder: &Path) -> (Process, String) {
    let mut analytics = command(env!("CARGO_BIN_EXE_analytics"));
    analytics.arg("run").arg(tests::data::repository("sql/requests_per_client.sql"));
    analytics.args(["--stream", NAME, "--endpoint", stream.endpoint(), "--start", "trim-horizon", "--format", "csv"]);
    analytics.args(["--listen", "127.0.0.1:0", "--checkpoint-interval", "300ms"]);
    analytics.arg("--checkpoint").arg(folder.join("checkpoint")).arg("--output").arg(folder.join("out"));
    let mut process = Process::start(name, analytics, folder).unwrap();
    let line = process.line_with("http://127.0.0.1:", DEADLINE).await.unwrap();
    let url = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap().trim_end_matches('/').to_owned();
    (process, url)
}

async fn get(url: &str, path: &str) -> (u16, String) {
    let answer = reqwest::get(format!("{url}{path}")).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn wait_until_ready(url: &str) {
    let is_ready = || async { (get(url, "/readyz").await.0 == 200).then_some(()) };
    wait::until("the instance to be ready", DEADLINE, is_ready).await.unwrap();
}

/// The value of a metric without labels.
async fn metric(url: &str, name: &str) -> Option<f64> {
    let (_, text) = get(url, "/metrics").await;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_instance_takes_over_where_the_first_one_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let stream = TestStream::start(Options::default()).await.unwrap();
    let (first, first_url) = start("first", &stream, folder.path()).await;
    wait_until_ready(&first_url).await;
    let (second, second_url) = start("second", &stream, folder.path()).await;
    assert_eq!(get(&second_url, "/livez").await.0, 200);
    // It listens before it knows that another one is there.
    let is_standing_by = || async {
        let (status, why) = get(&second_url, "/readyz").await;
        assert_eq!(status, 503, "{why}");
        why.contains("standing by").then_some(())
    };
    wait::until("the second instance to stand by", DEADLINE, is_standing_by).await.unwrap();

    put(stream.client(), 40).await;
    let counted = |url: String| async move { (metric(&url, "weir_analytics_rows_total").await == Some(40.0)).then_some(()) };
    wait::until("all rows to be counted", DEADLINE, || counted(first_url.clone())).await.unwrap();
    assert_eq!(metric(&first_url, "weir_analytics_active").await, Some(1.0));
    assert_eq!(metric(&second_url, "weir_analytics_active").await, Some(0.0));

    first.terminate(DEADLINE).await.unwrap().success().unwrap();
    wait_until_ready(&second_url).await;
    wait::until("the rows of the checkpoint", DEADLINE, || counted(second_url.clone())).await.unwrap();
    put(stream.client(), 30).await;
    // The clock closes the last window, which both instances have counted in.
    let expected = held(stream.client()).await;
    let all = || async {
        let csv = std::fs::read_to_string(folder.path().join("out/DESTINATION_SQL_STREAM.csv")).ok()?;
        (printed(&csv) == expected).then_some(())
    };
    wait::until("every window to be written once", DEADLINE, all).await.unwrap();
    second.terminate(DEADLINE).await.unwrap().success().unwrap();
}
