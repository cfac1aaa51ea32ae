//! One step of an installation: what it says, whether it is done, and how it is done.

use std::{
    fmt, fs, io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink},
    path::Path,
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use super::{facts::Facts, names};

/// Whose a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// root's.
    Root,
    /// The service's user's.
    Service,
    /// root's, and the service's group may read it.
    ServiceReads,
}

/// One step. Paths are those of the system, without the folder that may stand for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Runs a program of the system.
    Run { program: String, arguments: Vec<String>, may_fail: bool },
    /// Makes a folder.
    Folder { path: String, mode: u32, owner: Owner },
    /// Writes a file. One that is kept gets its mode and owner only.
    File { path: String, content: &'static str, mode: u32, owner: Owner, is_kept: bool },
    /// Copies this program.
    Program { to: &'static str },
    /// Makes a symbolic link.
    Link { path: String, target: String },
    /// Copies a file that is not there yet, for the service's user.
    Copy { from: String, to: String },
    /// Moves a file out of the way.
    Aside { path: String, to: String },
    /// Removes a file or a folder with all that is in it.
    Remove { path: String },
}

impl Step {
    pub(super) fn run(program: &str, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Self::Run { program: program.to_owned(), arguments, may_fail: false }
    }

    /// A program that need not be there, or may have nothing to do.
    pub(super) fn try_run(program: &str, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Self::Run { program: program.to_owned(), arguments, may_fail: true }
    }

    pub(super) fn folder(path: &str, mode: u32, owner: Owner) -> Self {
        Self::Folder { path: path.to_owned(), mode, owner }
    }

    pub(super) fn file(path: &str, content: &'static str, mode: u32, owner: Owner, is_kept: bool) -> Self {
        Self::File { path: path.to_owned(), content, mode, owner, is_kept }
    }

    pub(super) fn remove(path: &str) -> Self {
        Self::Remove { path: path.to_owned() }
    }

    /// Whether there is nothing to do. Programs are asked only once they are run.
    pub(super) fn is_done(&self, facts: &Facts) -> bool {
        match self {
            Self::Run { program, arguments, .. } => is_enabled(facts, program, arguments),
            Self::Folder { path, mode, owner } => has(facts, path, *mode, *owner),
            Self::File { path, content, mode, owner, is_kept } => {
                let is_same = *is_kept || fs::read(facts.path(path)).is_ok_and(|found| found == content.as_bytes());
                is_same && has(facts, path, *mode, *owner)
            }
            Self::Program { to } => same_file(&facts.program, &facts.path(to)),
            Self::Link { path, target } => fs::read_link(facts.path(path)).is_ok_and(|found| found == Path::new(target)),
            Self::Copy { to, .. } => facts.exists(to),
            Self::Aside { path, .. } | Self::Remove { path } => !facts.exists(path),
        }
    }

    /// Does it.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn perform(&self, facts: &Facts) -> Result<()> {
        match self {
            Self::Run { program, arguments, may_fail } => return run(program, arguments, *may_fail),
            Self::Folder { path, mode, owner } => {
                fs::create_dir_all(facts.path(path))?;
                own(facts, path, *mode, *owner)?;
            }
            Self::File { path, content, mode, owner, is_kept } => {
                if !(*is_kept && facts.exists(path)) {
                    replace(&facts.path(path), content.as_bytes(), *mode)?;
                }
                own(facts, path, *mode, *owner)?;
            }
            Self::Program { to } => {
                let program = fs::read(&facts.program).context("cannot read this program")?;
                replace(&facts.path(to), &program, 0o755)?;
            }
            Self::Link { path, target } => {
                let path = facts.path(path);
                make_parent(&path)?;
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                    _ => symlink(target, path)?,
                }
            }
            Self::Copy { from, to } => {
                fs::copy(facts.path(from), facts.path(to))?;
                own(facts, to, 0o640, Owner::Service)?;
            }
            Self::Aside { path, to } => {
                let (from, to) = (facts.path(path), facts.path(to));
                make_parent(&to)?;
                // Not renamed: the two may be on different file systems.
                fs::copy(&from, to)?;
                fs::remove_file(from)?;
            }
            Self::Remove { path } => {
                let path = facts.path(path);
                if fs::symlink_metadata(&path)?.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
            }
        }
        Ok(())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run { program, arguments, .. } => write!(out, "run {program} {}", arguments.join(" ")),
            Self::Folder { path, mode, owner } => write!(out, "make folder {path}, mode {mode:04o}, {owner}"),
            Self::File { path, mode, owner, is_kept: true, .. } => {
                write!(out, "write {path} unless it is there, mode {mode:04o}, {owner}")
            }
            Self::File { path, mode, owner, .. } => write!(out, "write {path}, mode {mode:04o}, {owner}"),
            Self::Program { to } => write!(out, "copy this program to {to}"),
            Self::Link { path, target } => write!(out, "link {path} to {target}"),
            Self::Copy { from, to } => write!(out, "copy {from} to {to}"),
            Self::Aside { path, to } => write!(out, "move the Java agent's {path} to {to}"),
            Self::Remove { path } => write!(out, "remove {path}"),
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => out.write_str("owner root"),
            Self::Service => write!(out, "owner {}", names::USER),
            Self::ServiceReads => write!(out, "owner root, group {}", names::USER),
        }
    }
}

/// systemd need not be told what it knows already.
fn is_enabled(facts: &Facts, program: &str, arguments: &[String]) -> bool {
    let is_enable = program == "systemctl" && arguments.first().is_some_and(|verb| verb == "enable" || verb == "daemon-reload");
    let starts = arguments.iter().any(|argument| argument == "--now");
    is_enable && !starts && names::ENABLED.iter().all(|link| facts.exists(link))
}

fn run(program: &str, arguments: &[String], may_fail: bool) -> Result<()> {
    match Command::new(program).args(arguments).status() {
        Ok(status) if status.success() || may_fail => Ok(()),
        Ok(status) => bail!("{program} ended with {status}"),
        Err(error) if may_fail && error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot start {program}")),
    }
}

/// Whether a path has its mode and owner.
fn has(facts: &Facts, path: &str, mode: u32, owner: Owner) -> bool {
    let Ok(found) = fs::symlink_metadata(facts.path(path)) else { return false };
    let is_owned = ids(facts, owner).is_none_or(|(user, group)| found.uid() == user && found.gid() == group);
    found.mode() & 0o7777 == mode && is_owned
}

fn own(facts: &Facts, path: &str, mode: u32, owner: Owner) -> Result<()> {
    let path = facts.path(path);
    if let Some((user, group)) = ids(facts, owner) {
        chown(&path, Some(user), Some(group))?;
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
    Ok(())
}

/// User and group; none when they do not matter, in another tree, or are not there yet.
fn ids(facts: &Facts, owner: Owner) -> Option<(u32, u32)> {
    if !facts.is_running_system() {
        return None;
    }
    let service = || uzers::get_user_by_name(names::USER).map(|user| (user.uid(), user.primary_group_id()));
    match owner {
        Owner::Root => Some((0, 0)),
        Owner::Service => service(),
        Owner::ServiceReads => service().map(|(_, group)| (0, group)),
    }
}

/// Whether two paths are one file or have one content.
fn same_file(one: &Path, other: &Path) -> bool {
    let node = |path: &Path| fs::metadata(path).map(|found| (found.dev(), found.ino(), found.len())).ok();
    match (node(one), node(other)) {
        (Some(one_node), Some(other_node)) if one_node == other_node => true,
        (Some(one_node), Some(other_node)) if one_node.2 == other_node.2 => {
            fs::read(one).ok().is_some_and(|content| fs::read(other).is_ok_and(|found| found == content))
        }
        _ => false,
    }
}

/// Writes a file beside its place and moves it there, so that a program that runs is not written to.
fn replace(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    make_parent(path)?;
    let temporary = path.with_extension("weir-new");
    fs::write(&temporary, content)?;
    fs::set_permissions(&temporary, fs::Permissions::from_mode(mode))?;
    fs::rename(temporary, path)?;
    Ok(())
}

fn make_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}
