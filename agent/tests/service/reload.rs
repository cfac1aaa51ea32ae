//! SIGHUP: flows come, go and change while the others run on, and a mistake changes nothing.

use std::fs;

use serde_json::json;
use tests::{process::Process, wait};

use crate::rig::{DEADLINE, Rig, hang_up, once};

/// Waits for the `count`-th line with a text.
async fn line(agent: &Process, text: &str, count: usize) {
    let probe = async || (agent.output().matches(text).count() >= count).then_some(());
    wait::until(text, DEADLINE, probe).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn flows_are_added_changed_and_removed_and_no_line_is_lost_or_repeated() {
    let rig = Rig::new().await;
    rig.configure(&rig.settings(&[rig.flow("kept"), rig.flow("changed"), rig.flow("removed")]));
    for log in ["kept", "changed", "removed", "added"] {
        rig.write(log, 0..100);
    }
    let agent = rig.start().await;
    rig.wait_for(300).await;
    // Read, and not yet sent, when the reload comes.
    for log in ["kept", "changed", "removed"] {
        rig.write(log, 100..200);
    }
    let mut changed = rig.flow("changed");
    changed["maxBufferSizeRecords"] = json!(7);
    rig.configure(&rig.settings(&[rig.flow("kept"), changed, rig.flow("added")]));
    hang_up(&agent);
    line(&agent, "reloaded: 1 flow(s) added, 1 removed, 1 changed, 1 unchanged", 1).await;
    for log in ["kept", "changed", "added"] {
        rig.write(log, if log == "added" { 100..300 } else { 200..300 });
    }
    rig.wait_for(1100).await;
    rig.write("removed", 200..300); // nobody reads it any more
    let finished = agent.terminate(DEADLINE).await.unwrap();
    assert!(finished.status.success(), "{}", finished.output);
    let expected = once(&[("kept", 300), ("changed", 300), ("removed", 200), ("added", 300)]);
    assert_eq!(rig.arrived().await, expected);
    assert_eq!(
        finished
            .output
            .matches(&format!("Starting tailer for file kinesis:web-access-log:{}", rig.path("kept").display()))
            .count(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_keeps_the_old_configuration_and_names_every_problem() {
    let rig = Rig::new().await;
    rig.configure(&rig.settings(&[rig.flow("a")]));
    rig.write("a", 0..10);
    let mut agent = rig.start().await;
    rig.wait_for(10).await;
    let (mut one, mut other) = (rig.flow("a"), rig.flow("b"));
    one["maxBufferAgeMillis"] = json!("soon");
    other["partitionKeyOption"] = json!("random");
    rig.configure(&rig.settings(&[one, other]));
    hang_up(&agent);
    agent.line_with("cannot reload, the old configuration stays", DEADLINE).await.unwrap();
    agent.line_with("flows[0].maxBufferAgeMillis is \"soon\"", DEADLINE).await.unwrap();
    agent.line_with("flows[1].partitionKeyOption is \"random\"", DEADLINE).await.unwrap();
    rig.write("a", 10..20);
    rig.wait_for(20).await;

    // Right again, and a key of the whole agent is another.
    let mut settings = rig.settings(&[rig.flow("a"), rig.flow("b")]);
    settings["shutdownTimeoutMillis"] = json!(20_000);
    rig.configure(&settings);
    rig.write("b", 0..10);
    hang_up(&agent);
    agent.line_with("shutdownTimeoutMillis changed: a restart is needed", DEADLINE).await.unwrap();
    rig.wait_for(30).await;
    agent.terminate(DEADLINE).await.unwrap();
    assert_eq!(rig.arrived().await, once(&[("a", 20), ("b", 10)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_the_folder_that_breaks_ends_no_flow() {
    let rig = Rig::new().await;
    fs::create_dir(rig.path("agent.d")).unwrap();
    rig.configure(&rig.settings(&[]));
    fs::write(rig.path("agent.d/a.json"), json!({"flows": [rig.flow("a")]}).to_string()).unwrap();
    rig.write("a", 0..10);
    let mut agent = rig.start().await;
    rig.wait_for(10).await;
    fs::write(rig.path("agent.d/a.json"), "{\"flows\": [").unwrap();
    hang_up(&agent);
    agent.line_with("ignoring - ", DEADLINE).await.unwrap();
    rig.write("a", 10..20);
    rig.wait_for(20).await;
    fs::write(rig.path("agent.d/b.json"), json!({"flows": [rig.flow("b")]}).to_string()).unwrap();
    fs::write(rig.path("agent.d/a.json"), json!({"flows": [rig.flow("a")]}).to_string()).unwrap();
    rig.write("b", 0..10);
    hang_up(&agent);
    agent.line_with("reloaded: 1 flow(s) added, 0 removed, 0 changed, 1 unchanged", DEADLINE).await.unwrap();
    rig.wait_for(30).await;
    agent.terminate(DEADLINE).await.unwrap();
    assert_eq!(rig.arrived().await, once(&[("a", 20), ("b", 10)]));
}
