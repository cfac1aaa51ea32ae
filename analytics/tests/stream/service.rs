//! What systemd is told.

use tests::process::{Process, command};
use tests::stream::{NAME, Options, TestStream};
use tokio::net::UnixDatagram;

const DEADLINE: std::time::Duration = std::time::Duration::from_secs(60);

/// Waits until a message has this line.
async fn told(socket: &UnixDatagram, line: &str) -> String {
    let mut buffer = vec![0; 4096];
    let wait = async {
        loop {
            let length = socket.recv(&mut buffer).await.unwrap();
            let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if message.lines().any(|told| told == line) {
                return message;
            }
        }
    };
    tokio::time::timeout(DEADLINE, wait).await.unwrap_or_else(|_| panic!("systemd was not told {line}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_is_told_of_readiness_of_progress_and_of_the_stop() {
    let folder = tempfile::tempdir().unwrap();
    let stream = TestStream::start(Options::default()).await.unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let mut analytics = command(env!("CARGO_BIN_EXE_analytics"));
    analytics.arg("run").arg(tests::data::repository("sql/requests_per_client.sql"));
    analytics.args(["--stream", NAME, "--endpoint", stream.endpoint(), "--format", "csv"]);
    analytics.arg("--output").arg(folder.path().join("out"));
    analytics.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "1500000");
    let process = Process::start("analytics", analytics, folder.path()).unwrap();
    let ready = told(&socket, "READY=1").await;
    assert!(ready.contains("STATUS=0 rows, 0 results, 0 open windows"), "{ready}");
    for _ in 0..2 {
        told(&socket, "WATCHDOG=1").await;
    }
    process.terminate(DEADLINE).await.unwrap().success().unwrap();
    told(&socket, "STOPPING=1").await;
}
