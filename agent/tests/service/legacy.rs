//! The Java agent's flags, variables and log keys.

use std::fs;

use serde_json::json;

use crate::rig::{DEADLINE, Rig, hang_up};

#[tokio::test(flavor = "multi_thread")]
async fn the_words_of_agent_args_and_args_are_flags_of_the_service() {
    let rig = Rig::new().await;
    rig.configure(&rig.settings(&[rig.flow("a")]));
    fs::create_dir(rig.path("none.d")).unwrap();
    rig.write("a", 0..10);
    let variables = [("AGENT_ARGS", "-c agent.json -L ERROR"), ("ARGS", "-L INFO --flows-dir 'none.d'"), ("JVM_ARGS", "-Xmx1g")];
    let mut agent = rig.start_with(&["run", "--service"], &variables).await;
    agent.line_with("Startup completed", DEADLINE).await.unwrap();
    agent.line_with("JVM_ARGS has no effect", DEADLINE).await.unwrap();
    rig.wait_for(10).await;
    assert!(agent.terminate(DEADLINE).await.unwrap().status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_words_are_wrong_usage_and_say_where_to_look() {
    let rig = Rig::new().await;
    let agent = rig.start_with(&["run", "--service"], &[("AGENT_ARGS", "--colour"), ("ARGS", "")]).await;
    let finished = agent.wait(DEADLINE).await.unwrap();
    assert_eq!(finished.status.code(), Some(2));
    assert!(
        finished.output.contains("--colour") && finished.output.contains("/etc/default/aws-kinesis-agent"),
        "{}",
        finished.output
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_goes_to_its_file_which_may_be_rotated() {
    let rig = Rig::new().await;
    let mut settings = rig.settings(&[rig.flow("a")]);
    settings["log.level"] = json!("WARN"); // the flag is stronger
    settings["log.file"] = json!(rig.path("unused.log"));
    rig.configure(&settings);
    let agent = rig.start_with(&["-c", "agent.json", "-l", "agent-own.log", "-L", "INFO"], &[]).await;
    let log = rig.path("agent-own.log");
    let has = async |text: &str| {
        let probe = async || fs::read_to_string(&log).ok().filter(|log| log.contains(text));
        tests::wait::until(text, DEADLINE, probe).await.unwrap()
    };
    has("Startup completed").await;
    fs::rename(&log, rig.path("agent-own.log.1")).unwrap();
    hang_up(&agent);
    let after = has("reloaded: 0 flow(s) added, 0 removed, 0 changed, 1 unchanged").await;
    assert!(!after.contains("Startup completed"));
    assert!(agent.terminate(DEADLINE).await.unwrap().output.is_empty());
    assert!(!rig.path("unused.log").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_level_is_refused() {
    let rig = Rig::new().await;
    rig.configure(&rig.settings(&[rig.flow("a")]));
    let finished = rig.start_with(&["-c", "agent.json", "-L", "LOUD"], &[]).await.wait(DEADLINE).await.unwrap();
    assert_eq!(finished.status.code(), Some(2));
    assert!(finished.output.contains("TRACE, DEBUG, INFO"), "{}", finished.output);
}
