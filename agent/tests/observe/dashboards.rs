//! The shipped dashboard and alerts against the metrics of a running agent.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;
use tests::stream::{Options, TestStream};

use crate::rig::Rig;

fn shipped(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Everything in a text that looks like one of our metrics' names.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
    words.filter(|word| word.starts_with("weir_agent_") || word.starts_with("process_")).map(str::to_owned).collect()
}

#[tokio::test]
async fn every_metric_of_the_dashboard_and_the_alerts_exists_in_a_running_agent() {
    let stream = TestStream::start(Options::default()).await.unwrap();
    let rig = Rig::new(stream.endpoint());
    rig.write("one\n");
    let agent = rig.start().await;
    rig.wait_for_number("records_sent_total", 1).await;
    let (_, metrics) = rig.get("/metrics").await;
    let samples = metrics.lines().filter(|line| !line.starts_with('#'));
    let served: BTreeSet<String> = samples.filter_map(|line| Some(line.split(['{', ' ']).next()?.to_owned())).collect();
    for file in ["grafana/agent.json", "prometheus/agent.rules.yml"] {
        let used = names(&shipped(file));
        assert!(used.len() >= 5, "{file} uses {used:?}");
        let unknown: Vec<_> = used.difference(&served).collect();
        assert!(unknown.is_empty(), "{file} uses {unknown:?}; there are {served:?}");
    }
    drop(agent);
}

#[test]
fn the_dashboard_is_json_with_a_query_in_every_panel() {
    let dashboard: Value = serde_json::from_str(&shipped("grafana/agent.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() >= 8, "{}", panels.len());
    for panel in panels {
        let targets = panel["targets"].as_array().unwrap();
        assert!(targets.iter().all(|target| !target["expr"].as_str().unwrap().is_empty()), "{}", panel["title"]);
        assert!(!targets.is_empty() && panel["gridPos"]["w"].is_number(), "{}", panel["title"]);
    }
}
