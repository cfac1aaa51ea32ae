//! May the agent's user read the access log? The most common reason for "no records arrive".
//!
//! The rules of Unix, in the order the kernel has them: the owner's bits if it is the owner, else the group's if it is a
//! member, else the others'. A file can be read if its own bits say `r` and those of every folder above say `x`.

use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::Finding;

const WHAT: &str = "access log";

/// Somebody who wants to read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Reader {
    user: u32,
    groups: Vec<u32>,
}

/// What a file or folder allows.
#[derive(Debug, Clone, Copy)]
struct Rights {
    user: u32,
    group: u32,
    mode: u32,
}

const READ: u32 = 4;
const ENTER: u32 = 1;

/// Looks at the file, or at its folder if it is not there yet.
pub(super) fn access_log(file: &Path, reader: &str) -> Finding {
    let Ok(file) = std::path::absolute(file) else {
        return Finding::bad(WHAT, "the path is empty", "give one with --access-log");
    };
    let shown = file.display();
    let (users, groups) = (text("/etc/passwd"), text("/etc/group"));
    let Some(somebody) = find_reader(reader, &users, &groups) else {
        return Finding::warning(
            WHAT,
            format!("there is no user {reader} on this machine"),
            "install the agent, or name the user who ships the log with --reader",
        );
    };
    for folder in folders_above(&file) {
        match rights(&folder) {
            Ok(rights) if rights.allow(&somebody, ENTER) => {}
            Ok(rights) => {
                let next = format!("let others pass: chmod o+x {}; or put the log elsewhere with --access-log", folder.display());
                let found = format!("{reader} may not pass through {} ({:03o})", folder.display(), rights.mode & 0o777);
                return Finding::bad(WHAT, found, next);
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Finding::good(WHAT, format!("{} is not there yet and will be made", folder.display()));
            }
            Err(error) => {
                return Finding::warning(WHAT, format!("cannot look at {}: {error}", folder.display()), "run this as root");
            }
        }
    }
    match rights(&file) {
        Ok(rights) if rights.allow(&somebody, READ) => Finding::good(WHAT, format!("{reader} may read {shown}")),
        Ok(rights) => {
            let found = format!(
                "{reader} may not read {shown} ({:03o}, user {}, group {})",
                rights.mode & 0o777,
                rights.user,
                rights.group
            );
            Finding::bad(
                WHAT,
                found,
                format!(
                    "give it to a group of the agent: chgrp adm {shown} && chmod g+r {shown}; the folder with chmod g+s, so that new files get the group too"
                ),
            )
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Finding::good(WHAT, format!("{shown} is not there yet; look again when it is"))
        }
        Err(error) => Finding::warning(WHAT, format!("cannot look at {shown}: {error}"), "run this as root"),
    }
}

impl Rights {
    fn allow(self, reader: &Reader, wanted: u32) -> bool {
        let shift = if reader.user == 0 {
            return true;
        } else if reader.user == self.user {
            6
        } else if reader.groups.contains(&self.group) {
            3
        } else {
            0
        };
        (self.mode >> shift) & wanted != 0
    }
}

fn rights(path: &Path) -> std::io::Result<Rights> {
    let metadata = fs::metadata(path)?;
    Ok(Rights { user: metadata.uid(), group: metadata.gid(), mode: metadata.mode() })
}

/// From the root down, without the file itself.
fn folders_above(file: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = file.ancestors().skip(1).map(Path::to_owned).collect();
    folders.reverse();
    folders
}

fn text(file: &str) -> String {
    fs::read_to_string(file).unwrap_or_default()
}

/// `users` and `groups`: the texts of `/etc/passwd` and `/etc/group`.
fn find_reader(name: &str, users: &str, groups: &str) -> Option<Reader> {
    let user = users.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields.first() == Some(&name))?;
    let own_group: u32 = user.get(3)?.parse().ok()?;
    let is_member = |fields: &Vec<&str>| fields.get(3).is_some_and(|members| members.split(',').any(|member| member == name));
    let others = groups.lines().map(|line| line.split(':').collect::<Vec<_>>()).filter(is_member);
    let groups = others.filter_map(|fields| fields.get(2)?.parse().ok()).chain([own_group]).collect();
    Some(Reader { user: user.get(2)?.parse().ok()?, groups })
}

#[cfg(test)]
mod tests {
    use super::{super::Grade, *};

    #[test]
    fn the_first_class_that_fits_decides() {
        let reader = Reader { user: 7, groups: vec![4] };
        let rights = |user, group, mode| Rights { user, group, mode };
        assert!(rights(7, 0, 0o400).allow(&reader, READ));
        assert!(!rights(7, 4, 0o044).allow(&reader, READ), "the owner's bits, although the group could");
        assert!(rights(0, 4, 0o640).allow(&reader, READ));
        assert!(!rights(0, 0, 0o640).allow(&reader, READ));
        assert!(rights(0, 0, 0o644).allow(&reader, READ));
        assert!(!rights(0, 0, 0o644).allow(&reader, ENTER));
    }

    #[test]
    fn a_user_has_its_own_group_and_those_it_is_a_member_of() {
        let users = "root:x:0:0::/:/bin/sh\nagent:x:998:997::/:/bin/false\n";
        let groups = "root:x:0:\nadm:x:4:syslog,agent\nagent:x:997:\nagents:x:5:agent2\n";
        assert_eq!(find_reader("agent", users, groups), Some(Reader { user: 998, groups: vec![4, 997] }));
        assert_eq!(find_reader("nobody", users, groups), None);
    }

    #[test]
    fn a_log_in_a_closed_folder_names_the_folder() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let file = folder.path().join("access.log");
        fs::write(&file, "").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let found = access_log(&file, "nobody");
        assert_eq!(found.grade, Grade::Bad, "{found}");
        assert!(found.found.contains(&format!("may not pass through {}", folder.path().display())), "{found}");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(access_log(&file, "nobody").grade, Grade::Good);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(access_log(&file, "nobody").next.contains("chgrp adm"));
    }
}
