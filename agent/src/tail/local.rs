//! Tells whether only this host can write to a directory's file system: then the kernel hears of every write.

use std::path::Path;

use rustix::fs::statfs;

/// Kinds of file systems on disks and in memory of this host, by the number that `statfs` tells (`linux/magic.h`). What is not
/// listed may be a network's, or pass on another one's changes, as FUSE and overlays do.
const LOCAL: [u64; 7] = [
    0xEF53,      // ext2, ext3, ext4
    0x5846_5342, // XFS
    0x9123_683E, // Btrfs
    0x0102_1994, // tmpfs
    0xF2F5_2010, // F2FS
    0x2FC1_2FC1, // ZFS
    0xCA45_1A4E, // bcachefs
];

/// Whether all changes in a directory are made through this host's kernel. No for one that cannot be asked.
pub(super) fn is_local(directory: &Path) -> bool {
    // The width of the number differs between platforms; its low 32 bits are the kind.
    statfs(directory).is_ok_and(|found| LOCAL.contains(&(found.f_type as u64 & 0xFFFF_FFFF)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_local_and_what_the_kernel_makes_up_is_not() {
        assert!(is_local(Path::new("/dev/shm")), "tmpfs");
        assert!(!is_local(Path::new("/proc")));
        assert!(!is_local(Path::new("/nowhere")));
    }
}
