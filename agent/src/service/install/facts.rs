//! What is on the machine before an installation.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::names;

/// What is there.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// `/`, or the folder that stands for it.
    pub(super) root: PathBuf,
    /// This program.
    pub(super) program: PathBuf,
    /// systemd runs the machine.
    pub(super) has_systemd: bool,
    /// The user of the service exists.
    pub(super) has_user: bool,
    /// It is in the group that may read logs, or there is no such group.
    pub(super) may_read_logs: bool,
    /// Red Hat keeps environment files elsewhere than Debian.
    pub(super) has_sysconfig: bool,
    /// A package has brought the unit.
    pub(super) is_packaged: bool,
    /// Files of the Java agent.
    pub(super) java: Vec<&'static str>,
    /// The Java agent left checkpoints that are not kept yet.
    pub(super) has_java_checkpoints: bool,
}

impl Facts {
    /// Looks around.
    pub(super) fn gather(root: Option<&Path>) -> Self {
        let is_real = root.is_none();
        let root = root.unwrap_or(Path::new("/")).to_owned();
        // Without /proc, as in the tree of an image that is being made, nobody knows; a package has put it there then.
        let program = std::env::current_exe().unwrap_or_else(|_| names::PROGRAM.into());
        let mut facts = Self {
            program,
            has_systemd: is_real && Path::new("/run/systemd/system").is_dir(),
            has_user: uzers::get_user_by_name(names::USER).is_some(),
            may_read_logs: may_read_logs(),
            has_sysconfig: root.join("etc/sysconfig").is_dir(),
            is_packaged: false,
            java: Vec::new(),
            has_java_checkpoints: false,
            root,
        };
        facts.is_packaged = names::PACKAGE_UNITS.iter().any(|unit| facts.exists(unit));
        facts.java = names::JAVA.into_iter().filter(|path| facts.is_java(path)).collect();
        facts.has_java_checkpoints = facts.exists(names::JAVA_CHECKPOINTS);
        facts
    }

    /// Whether it is the system that runs, with its users and services.
    pub(super) fn is_running_system(&self) -> bool {
        self.root == Path::new("/")
    }

    /// Where a path of the system is.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// Whether something is there, a dangling link included.
    pub(super) fn exists(&self, path: &str) -> bool {
        fs::symlink_metadata(self.path(path)).is_ok()
    }

    /// Whether a file is the Java agent's: a link is ours.
    fn is_java(&self, path: &str) -> bool {
        let kind: io::Result<fs::Metadata> = fs::symlink_metadata(self.path(path));
        kind.is_ok_and(|kind| kind.is_file())
    }
}

fn may_read_logs() -> bool {
    let Some(group) = uzers::get_group_by_name(names::LOG_GROUP) else { return true };
    use uzers::os::unix::GroupExt as _;
    group.members().iter().any(|member| member == names::USER)
}
