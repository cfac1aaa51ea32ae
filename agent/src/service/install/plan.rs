//! Which steps an installation has. Pure.

use super::{
    facts::Facts,
    names,
    step::{Owner, Step},
};

const UNIT: &str = include_str!("../../../../config/systemd/weir-agent.service");
const ENVIRONMENT: &str = include_str!("../../../../config/systemd/aws-kinesis-agent.env");
const LOGROTATE: &str = include_str!("../../../../config/logrotate/weir-agent");

/// What an operator finds when there was no agent before: no flow yet, and how one looks.
const CONFIGURATION: &str = r#"{
  // The agent's configuration: see weir-agent(1), and `agent schema` for all keys. Check it: agent check
  // Apply a change: systemctl reload weir-agent
  "flows": [
    // {
    //   "filePattern": "/var/log/apache2/access.log*",
    //   "kinesisStream": "web-access-log",
    //   "partitionKeyOption": "RANDOM"
    // }
  ]
}
"#;

/// The steps to install.
pub(super) fn install(facts: &Facts, is_packaged: bool, now: bool) -> Vec<Step> {
    let by_package = is_packaged; // its scripts tell systemd
    let is_packaged = is_packaged || facts.is_packaged;
    let mut steps = java(facts);
    if facts.is_running_system() {
        steps.extend(user(facts));
    }
    steps.extend(files(facts, is_packaged));
    if !is_packaged {
        steps.push(Step::Program { to: names::PROGRAM });
        steps.extend(names::LINKS.map(|path| Step::Link { path: path.to_owned(), target: "weir-agent".to_owned() }));
        let unit = format!("{}/{}", names::UNIT_FOLDER, names::UNIT);
        steps.push(Step::file(&unit, UNIT, 0o644, Owner::Root, false));
    }
    if by_package {
        return steps;
    }
    if facts.has_systemd {
        steps.push(Step::run("systemctl", &["daemon-reload"]));
        let verbs: &[&str] = if now { &["enable", "--now", names::UNIT] } else { &["enable", names::UNIT] };
        steps.push(Step::run("systemctl", verbs));
    } else if !is_packaged {
        let target = format!("{}/{}", names::UNIT_FOLDER, names::UNIT);
        steps.extend(names::ENABLED.map(|path| Step::Link { path: path.to_owned(), target: target.clone() }));
    }
    steps
}

/// The steps to uninstall.
pub(super) fn uninstall(facts: &Facts, purge: bool) -> Vec<Step> {
    let mut steps = Vec::new();
    if facts.has_systemd {
        steps.push(Step::try_run("systemctl", &["disable", "--now", names::UNIT]));
    }
    let unit = format!("{}/{}", names::UNIT_FOLDER, names::UNIT);
    let own = [unit.as_str(), names::PROGRAM, names::LOGROTATE].into_iter().chain(names::LINKS).chain(names::ENABLED);
    steps.extend(own.map(Step::remove));
    if facts.has_systemd {
        steps.push(Step::run("systemctl", &["daemon-reload"]));
    }
    if purge {
        let kept = [names::CONFIGURATION_FOLDER, names::STATE_FOLDER, names::LOG_FOLDER].into_iter().chain(names::ENVIRONMENT);
        steps.extend(kept.map(Step::remove));
        if facts.is_running_system() && facts.has_user {
            steps.push(Step::run("userdel", &[names::USER])); // takes its group along
        }
    }
    steps
}

/// The Java agent stops, stays stopped and loses nothing: its configuration stays, its checkpoints are kept.
fn java(facts: &Facts) -> Vec<Step> {
    let mut steps = Vec::new();
    for script in facts.java.iter().filter(|path| path.contains("init.d")) {
        if facts.is_running_system() {
            steps.push(Step::try_run(script, &["stop"]));
        }
    }
    if facts.has_java_checkpoints {
        let kept = format!("{}/java-agent-checkpoints", names::STATE_FOLDER);
        steps.push(Step::folder(names::STATE_FOLDER, 0o750, Owner::Service));
        steps.push(Step::Copy { from: names::JAVA_CHECKPOINTS.to_owned(), to: kept });
    }
    for path in &facts.java {
        let name = path.trim_start_matches('/').replace('/', "_");
        steps.push(Step::Aside { path: (*path).to_owned(), to: format!("/usr/share/aws-kinesis-agent/replaced-by-weir/{name}") });
    }
    if facts.is_running_system() && facts.java.iter().any(|path| path.contains("init.d")) {
        steps.push(Step::try_run("update-rc.d", &["aws-kinesis-agent", "remove"]));
        steps.push(Step::try_run("chkconfig", &["--del", "aws-kinesis-agent"]));
    }
    steps
}

fn user(facts: &Facts) -> Vec<Step> {
    let mut steps = Vec::new();
    if !facts.has_user {
        let home = names::STATE_FOLDER;
        let flags =
            ["--system", "--user-group", "--no-create-home", "--home-dir", home, "--shell", "/usr/sbin/nologin", names::USER];
        steps.push(Step::run("useradd", &flags)); // without a password: locked
    }
    if !facts.may_read_logs {
        steps.push(Step::run("usermod", &["--append", "--groups", names::LOG_GROUP, names::USER]));
    }
    steps
}

fn files(facts: &Facts, is_packaged: bool) -> Vec<Step> {
    let configuration = format!("{}/agent.json", names::CONFIGURATION_FOLDER);
    let flows = format!("{}/agent.d", names::CONFIGURATION_FOLDER);
    let [sysconfig, default] = names::ENVIRONMENT;
    let environment = if facts.has_sysconfig { sysconfig } else { default };
    let mut steps = vec![
        Step::folder(names::CONFIGURATION_FOLDER, 0o755, Owner::Root),
        Step::folder(&flows, 0o755, Owner::Root),
        Step::folder(names::STATE_FOLDER, 0o750, Owner::Service),
        Step::folder(names::LOG_FOLDER, 0o750, Owner::Service),
        // They may hold secret keys; the Java agent left its configuration readable by everybody.
        Step::file(&configuration, CONFIGURATION, 0o640, Owner::ServiceReads, true),
        Step::file(environment, ENVIRONMENT, 0o640, Owner::Root, true),
    ];
    if !is_packaged {
        steps.push(Step::file(names::LOGROTATE, LOGROTATE, 0o644, Owner::Root, true));
    }
    steps
}
