//! Says what keeps the agent from reading a file: which directory or file, whose it is, and what would help.

use std::{
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use rustix::fs::{Access, AtFlags, CWD, accessat};

/// What cannot be read, and a sentence about it.
#[derive(Debug)]
pub(crate) struct Blocked {
    /// The first component of the path that may not be entered or read; the path itself for any other error.
    pub(crate) at: PathBuf,
    /// For the log: what is known and what to do.
    pub(crate) advice: String,
}

/// Who the agent runs as.
#[derive(Debug)]
struct Reader {
    user: String,
    is_root: bool,
}

/// Finds out why a path cannot be read.
pub(crate) fn explain(path: &Path, error: &io::Error) -> Blocked {
    if error.kind() != io::ErrorKind::PermissionDenied {
        return Blocked { at: path.to_owned(), advice: advice_without_permission(error).to_owned() };
    }
    match blocking(path) {
        Some((at, metadata)) => {
            let advice = describe(&at, &metadata, &Reader::current());
            Blocked { at, advice }
        }
        None => Blocked {
            at: path.to_owned(),
            advice: "the permissions allow it, so something else forbids it: look at AppArmor or SELinux messages \
                     (journalctl -k | grep -i denied) and at the unit's ProtectHome and InaccessiblePaths"
                .to_owned(),
        },
    }
}

/// Whether the agent may read a file, as far as the system tells.
pub(crate) fn may_read(path: &Path) -> bool {
    accessat(CWD, path, Access::READ_OK, AtFlags::EACCESS).is_ok()
}

fn advice_without_permission(error: &io::Error) -> &'static str {
    match error.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
        Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE) => "raise the limit of open files (LimitNOFILE of the unit)",
        Some(rustix::io::Errno::STALE) => "the network file system replaced it; it is opened again",
        Some(rustix::io::Errno::LOOP) => "its links lead in a circle; correct them",
        Some(rustix::io::Errno::IO) => "the disk or the network file system reports a fault; see the kernel's log",
        _ => "trying again",
    }
}

/// The first component that may not be entered, or the path itself when it may not be read.
fn blocking(path: &Path) -> Option<(PathBuf, Metadata)> {
    let parents: Vec<&Path> = path.ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty()).collect();
    let entered = parents.into_iter().rev().map(|parent| (parent, Access::EXEC_OK));
    // Entries can only be seen in a directory that may be read and entered.
    let last = if path.is_dir() { Access::READ_OK | Access::EXEC_OK } else { Access::READ_OK };
    let is_blocked = |&(at, access): &(&Path, Access)| accessat(CWD, at, access, AtFlags::EACCESS).is_err();
    let (at, _) = entered.chain([(path, last)]).find(is_blocked)?;
    Some((at.to_owned(), fs::metadata(at).ok()?))
}

impl Reader {
    fn current() -> Self {
        let id = rustix::process::geteuid();
        let name = uzers::get_user_by_uid(id.as_raw()).map(|user| user.name().to_string_lossy().into_owned());
        Self { user: name.unwrap_or_else(|| id.as_raw().to_string()), is_root: id.is_root() }
    }
}

fn describe(at: &Path, metadata: &Metadata, reader: &Reader) -> String {
    let owner = uzers::get_user_by_uid(metadata.uid()).map(|user| user.name().to_string_lossy().into_owned());
    let group = uzers::get_group_by_gid(metadata.gid()).map(|group| group.name().to_string_lossy().into_owned());
    let (owner, group) = (owner.unwrap_or(metadata.uid().to_string()), group.unwrap_or(metadata.gid().to_string()));
    let mode = metadata.mode() & 0o7777;
    let remedy = remedy(at, metadata.is_dir(), mode, &group, reader);
    let what = if metadata.is_dir() { "directory" } else { "file" };
    format!(
        "{what} {} belongs to {owner}:{group} with mode {mode:04o}, the agent runs as {}; {remedy}",
        at.display(),
        reader.user
    )
}

/// Pure: what an administrator should type.
fn remedy(at: &Path, is_directory: bool, mode: u32, group: &str, reader: &Reader) -> String {
    let (path, user) = (at.display(), &reader.user);
    let wanted = if is_directory { 0o050 } else { 0o040 };
    if reader.is_root {
        return "root may not read it, as happens on a network file system with root_squash or without CAP_DAC_OVERRIDE"
            .to_owned();
    }
    // The group of root opens far more than a log.
    if mode & wanted == wanted && group != "root" {
        return format!("add the user to the group and restart the agent: usermod -aG {group} {user}");
    }
    let rights = if is_directory { "rx" } else { "r" };
    format!("allow it: setfacl -m u:{user}:{rights} {path} (or chmod o+{rights} {path}, which allows it to everybody)")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn reader() -> Reader {
        Reader { user: "agent".to_owned(), is_root: false }
    }

    #[test]
    fn the_group_is_advised_when_it_has_access() {
        let advice = remedy(Path::new("/var/log/apache2"), true, 0o750, "adm", &reader());
        assert_eq!(advice, "add the user to the group and restart the agent: usermod -aG adm agent");
    }

    #[test]
    fn an_access_list_is_advised_when_the_group_has_none() {
        let advice = remedy(Path::new("/l/a.log"), false, 0o600, "adm", &reader());
        assert!(advice.starts_with("allow it: setfacl -m u:agent:r /l/a.log"), "{advice}");
        assert!(remedy(Path::new("/l"), true, 0o740, "adm", &reader()).contains("u:agent:rx /l"), "reading alone is no entry");
        assert!(remedy(Path::new("/l"), true, 0o750, "root", &reader()).contains("setfacl"), "never advise the group root");
    }

    #[test]
    fn the_description_names_owner_group_mode_and_user() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let text = describe(folder.path(), &fs::metadata(folder.path()).unwrap(), &reader());
        assert!(text.contains("with mode 0700, the agent runs as agent; allow it: setfacl"), "{text}");
    }

    #[test]
    fn other_errors_have_their_own_advice() {
        let error = io::Error::from_raw_os_error(rustix::io::Errno::MFILE.raw_os_error());
        assert!(explain(Path::new("/l/a.log"), &error).advice.contains("LimitNOFILE"));
    }
}
