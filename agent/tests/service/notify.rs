//! What systemd hears, on a real socket.

use std::{
    os::unix::net::UnixDatagram,
    time::{Duration, Instant},
};

use tests::process::Process;

use crate::rig::{DEADLINE, Rig, hang_up};

/// The service manager's end of the socket.
struct Manager(UnixDatagram);

impl Manager {
    /// The next message that has a line with this beginning; others are passed over.
    fn message(&self, wanted: &str) -> String {
        let started = Instant::now();
        let mut buffer = [0; 4096];
        loop {
            let length = self.0.recv(&mut buffer).unwrap_or_else(|error| panic!("no {wanted}: {error}"));
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if text.lines().any(|line| line.starts_with(wanted)) {
                return text;
            }
            assert!(started.elapsed() < DEADLINE, "only other messages, the last: {text}");
        }
    }
}

async fn start(rig: &Rig) -> (Process, Manager) {
    let path = rig.path("notify.sock");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    rig.configure(&rig.settings(&[rig.flow("a")]));
    let variables = [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "300000")];
    (rig.start_with(&["-c", "agent.json"], &variables).await, Manager(socket))
}

#[tokio::test(flavor = "multi_thread")]
async fn ready_keep_alives_reload_and_stop_are_told_in_this_order() {
    let rig = Rig::new().await;
    rig.write("a", 0..5);
    let (agent, manager) = start(&rig).await;
    assert!(manager.message("READY=1").contains("STATUS=1 flow(s)"));
    for _ in 0..3 {
        manager.message("WATCHDOG=1");
    }
    rig.wait_for(5).await;
    hang_up(&agent);
    let reloading = manager.message("RELOADING=1");
    let stamp = reloading.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).unwrap();
    assert!(stamp.parse::<u64>().unwrap() > 0);
    assert!(manager.message("READY=1").contains("0 changed, 1 unchanged"));
    manager.message("WATCHDOG=1");
    let stopping = std::thread::spawn(move || manager.message("STOPPING=1"));
    assert!(agent.terminate(DEADLINE).await.unwrap().status.success());
    assert!(stopping.join().unwrap().contains("EXTEND_TIMEOUT_USEC=30000000"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_reload_is_ready_again_and_says_so() {
    let rig = Rig::new().await;
    let (agent, manager) = start(&rig).await;
    manager.message("READY=1");
    std::fs::write(rig.path("agent.json"), "{").unwrap();
    hang_up(&agent);
    manager.message("RELOADING=1");
    assert!(manager.message("READY=1").contains("the old configuration runs"));
    agent.terminate(DEADLINE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_is_down_stops_no_keep_alive() {
    let rig = Rig::new().await;
    let mut settings = rig.settings(&[rig.flow("a")]);
    settings["kinesis.endpoint"] = serde_json::json!("http://127.0.0.1:1"); // nobody listens there
    let (agent, manager) = {
        let (agent, manager) = start(&rig).await;
        manager.message("READY=1");
        agent.terminate(DEADLINE).await.unwrap();
        rig.configure(&settings);
        rig.write("a", 0..2000);
        let path = rig.path("notify.sock");
        let variables = [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "300000")];
        (rig.start_with(&["-c", "agent.json"], &variables).await, manager)
    };
    let failing = manager.message("STATUS=1 flow(s), 0 records sent; kinesis:");
    assert!(failing.contains("WATCHDOG=1"), "{failing}");
    manager.0.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    for _ in 0..5 {
        manager.message("WATCHDOG=1");
    }
    agent.kill().await.unwrap();
}
