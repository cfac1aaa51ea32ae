//! Names that other software depends on: the Java agent's, and ours.

/// The user, and its group; the Java agent's.
pub(super) const USER: &str = "aws-kinesis-agent-user";

/// The group that may read the logs of most distributions.
pub(super) const LOG_GROUP: &str = "adm";

/// The program.
pub(super) const PROGRAM: &str = "/usr/bin/weir-agent";

/// Other names of it: the Java agent's launcher, and its service.
pub(super) const LINKS: [&str; 2] = ["/usr/bin/aws-kinesis-agent", "/usr/bin/start-aws-kinesis-agent"];

/// The unit.
pub(super) const UNIT: &str = "weir-agent.service";

/// Where an administrator's units are.
pub(super) const UNIT_FOLDER: &str = "/etc/systemd/system";

/// Where the units of packages are.
pub(super) const PACKAGE_UNITS: [&str; 2] =
    ["/lib/systemd/system/weir-agent.service", "/usr/lib/systemd/system/weir-agent.service"];

/// Links that enabling the unit makes.
pub(super) const ENABLED: [&str; 2] =
    ["/etc/systemd/system/multi-user.target.wants/weir-agent.service", "/etc/systemd/system/aws-kinesis-agent.service"];

/// The configuration.
pub(super) const CONFIGURATION_FOLDER: &str = "/etc/aws-kinesis";

/// Checkpoints, and what was put aside.
pub(super) const STATE_FOLDER: &str = "/var/lib/aws-kinesis-agent";

/// Logs, where they go to files.
pub(super) const LOG_FOLDER: &str = "/var/log/aws-kinesis-agent";

/// The environment of the service, on Red Hat and on Debian.
pub(super) const ENVIRONMENT: [&str; 2] = ["/etc/sysconfig/aws-kinesis-agent", "/etc/default/aws-kinesis-agent"];

/// Rotation of the log.
pub(super) const LOGROTATE: &str = "/etc/logrotate.d/weir-agent";

/// What the Java agent installs and would start it again, or is in our way.
pub(super) const JAVA: [&str; 5] = [
    "/etc/init.d/aws-kinesis-agent",
    "/etc/rc.d/init.d/aws-kinesis-agent",
    "/etc/cron.d/aws-kinesis-agent",
    "/usr/bin/aws-kinesis-agent-babysit",
    "/usr/bin/start-aws-kinesis-agent",
];

/// The Java agent's checkpoints; gone with the next boot on most machines.
pub(super) const JAVA_CHECKPOINTS: &str = "/var/run/aws-kinesis-agent/checkpoints";
