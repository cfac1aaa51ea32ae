//! Which symbolic links may be followed.

use std::{
    collections::HashSet,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use tracing::warn;

use crate::settings::{FilePattern, FollowLinks, Tracking};

/// Refused links that are remembered, so that each is told once.
const MAX_TOLD: usize = 1000;

/// Decides about links, and says once of each that is refused what would allow it.
#[derive(Debug)]
pub(super) struct Links {
    policy: FollowLinks,
    /// The flow's directories as they are written; links in them are the operator's own.
    roots: Vec<PathBuf>,
    told: HashSet<PathBuf>,
}

impl Links {
    pub(super) fn new(pattern: &FilePattern, tracking: &Tracking) -> Self {
        let roots = [pattern.directory().to_owned()].into_iter().chain(tracking.rotated_directories.iter().cloned());
        Self { policy: tracking.follow_links, roots: roots.collect(), told: HashSet::new() }
    }

    /// Whether a link may be followed. `is_named` when the pattern spells its name out.
    pub(super) fn may_follow(&mut self, link: &Path, is_named: bool) -> bool {
        if is_named || self.policy == FollowLinks::Always {
            return true;
        }
        let Ok(target) = fs::canonicalize(link) else { return false }; // it leads nowhere
        let is_inside = |root: &PathBuf| fs::canonicalize(root).is_ok_and(|root| target.starts_with(root));
        if self.roots.iter().any(is_inside) || (self.policy == FollowLinks::Trusted && is_trusted(link, &target)) {
            return true;
        }
        if self.told.len() < MAX_TOLD && self.told.insert(link.to_owned()) {
            warn!(
                link = %link.display(), target = %target.display(),
                "not followed: the link leads out of the flow's directories and was made by neither root, the agent's user \
                 nor the target's owner; set \"followLinks\": true in the flow to allow it"
            );
        }
        false
    }
}

/// Whether the maker of a link gains nothing by it. As the kernel's `protected_symlinks` and Apache's
/// `SymLinksIfOwnerMatch`.
fn is_trusted(link: &Path, target: &Path) -> bool {
    let (Ok(link), Ok(target)) = (fs::symlink_metadata(link), fs::metadata(target)) else { return false };
    let agent = rustix::process::geteuid().as_raw();
    link.uid() == 0 || link.uid() == agent || link.uid() == target.uid()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn links(folder: &Path, policy: FollowLinks) -> Links {
        let pattern = FilePattern::parse(&format!("{}/logs/*.log", folder.display())).unwrap();
        Links::new(&pattern, &Tracking { follow_links: policy, ..Tracking::default() })
    }

    #[test]
    fn only_links_that_stay_inside_are_followed_when_the_operator_says_so() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("logs")).unwrap();
        fs::write(folder.path().join("logs/a.log"), "").unwrap();
        fs::write(folder.path().join("secret"), "").unwrap();
        let (inside, outside) = (folder.path().join("logs/in.log"), folder.path().join("logs/out.log"));
        symlink("a.log", &inside).unwrap();
        symlink("../secret", &outside).unwrap();
        let mut strict = links(folder.path(), FollowLinks::Inside);
        assert!(strict.may_follow(&inside, false) && !strict.may_follow(&outside, false));
        assert!(strict.may_follow(&outside, true), "its name is in the pattern");
        assert!(links(folder.path(), FollowLinks::Always).may_follow(&outside, false));
        assert!(links(folder.path(), FollowLinks::Trusted).may_follow(&outside, false), "the agent's own user made it");
    }

    #[test]
    fn a_link_that_a_stranger_made_to_another_s_file_is_refused() {
        if !rustix::process::geteuid().is_root() {
            return; // only root can make links of other users
        }
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("logs")).unwrap();
        fs::write(folder.path().join("secret"), "").unwrap();
        let link = folder.path().join("logs/out.log");
        symlink("../secret", &link).unwrap();
        std::os::unix::fs::lchown(&link, Some(12_345), Some(12_345)).unwrap();
        assert!(!links(folder.path(), FollowLinks::Trusted).may_follow(&link, false));
        std::os::unix::fs::chown(folder.path().join("secret"), Some(12_345), Some(12_345)).unwrap();
        assert!(links(folder.path(), FollowLinks::Trusted).may_follow(&link, false));
    }
}
