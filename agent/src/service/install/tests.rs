//! What a plan holds, for machines of every kind.

use std::path::PathBuf;

use super::{
    facts::Facts,
    names, plan,
    step::{Owner, Step},
};

fn machine() -> Facts {
    Facts {
        root: PathBuf::from("/"),
        program: PathBuf::from("/tmp/agent"),
        has_systemd: true,
        has_user: false,
        may_read_logs: false,
        has_sysconfig: false,
        is_packaged: false,
        java: Vec::new(),
        has_java_checkpoints: false,
    }
}

fn texts(steps: &[Step]) -> Vec<String> {
    steps.iter().map(ToString::to_string).collect()
}

#[test]
fn a_fresh_machine_gets_user_folders_program_unit_and_links() {
    let steps = texts(&plan::install(&machine(), false, false));
    let has = |text: &str| assert!(steps.iter().any(|step| step.contains(text)), "{text} is not in {steps:#?}");
    has("run useradd --system --user-group --no-create-home");
    has("run usermod --append --groups adm aws-kinesis-agent-user");
    has("make folder /var/lib/aws-kinesis-agent, mode 0750, owner aws-kinesis-agent-user");
    has("write /etc/aws-kinesis/agent.json unless it is there, mode 0640, owner root, group aws-kinesis-agent-user");
    has("write /etc/default/aws-kinesis-agent unless it is there");
    has("link /usr/bin/start-aws-kinesis-agent to weir-agent");
    has("write /etc/systemd/system/weir-agent.service, mode 0644");
    assert_eq!(steps.last().unwrap(), "run systemctl enable weir-agent.service");
}

#[test]
fn the_java_agent_is_stopped_first_and_its_checkpoints_are_kept_before_it_goes() {
    let java = vec!["/etc/init.d/aws-kinesis-agent", "/etc/cron.d/aws-kinesis-agent", "/usr/bin/start-aws-kinesis-agent"];
    let facts = Facts { java, has_java_checkpoints: true, has_sysconfig: true, ..machine() };
    let steps = texts(&plan::install(&facts, false, true));
    let place = |text: &str| steps.iter().position(|step| step.contains(text)).unwrap_or_else(|| panic!("no {text}"));
    assert_eq!(place("run /etc/init.d/aws-kinesis-agent stop"), 0);
    assert!(place("copy /var/run/aws-kinesis-agent/checkpoints to") < place("move the Java agent's /etc/init.d"));
    assert!(place("move the Java agent's /usr/bin/start-aws-kinesis-agent") < place("link /usr/bin/start-aws-kinesis-agent"));
    assert!(place("move the Java agent's /etc/cron.d") < place("run systemctl enable --now"));
    assert!(steps.iter().any(|step| step.contains("/etc/sysconfig/aws-kinesis-agent")));
    assert!(!steps.iter().any(|step| step.contains("remove /etc/aws-kinesis")));
}

#[test]
fn a_package_brings_program_and_unit_itself() {
    let steps = plan::install(&Facts { is_packaged: true, ..machine() }, false, false);
    assert!(!steps.iter().any(|step| matches!(step, Step::Program { .. } | Step::Link { .. })));
    let unit = format!("{}/{}", names::UNIT_FOLDER, names::UNIT);
    assert!(!steps.iter().any(|step| matches!(step, Step::File { path, .. } if *path == unit)));
}

#[test]
fn configuration_and_state_stay_unless_purged() {
    let facts = Facts { has_user: true, ..machine() };
    let steps = texts(&plan::uninstall(&facts, false));
    assert!(!steps.iter().any(|step| step.contains("/etc/aws-kinesis") || step.contains("/var/lib") || step.contains("userdel")));
    let purged = texts(&plan::uninstall(&facts, true));
    for path in [names::CONFIGURATION_FOLDER, names::STATE_FOLDER, names::LOG_FOLDER] {
        assert!(purged.contains(&format!("remove {path}")), "{path}");
    }
    assert_eq!(purged.last().unwrap(), "run userdel aws-kinesis-agent-user");
}

#[test]
fn another_tree_gets_files_and_neither_users_nor_services() {
    let facts = Facts { root: PathBuf::from("/tmp/tree"), has_systemd: false, ..machine() };
    let steps = plan::install(&facts, false, false);
    assert!(!steps.iter().any(|step| matches!(step, Step::Run { .. })));
    assert!(steps.contains(&Step::folder(names::STATE_FOLDER, 0o750, Owner::Service)));
}
