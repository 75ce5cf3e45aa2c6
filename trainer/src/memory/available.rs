//! How much memory a process may take here: what the machine has free, and what its control group allows.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where control groups are mounted.
const CONTROL_GROUPS: &str = "/sys/fs/cgroup";
/// What is assumed where the system tells nothing.
const UNKNOWN: u64 = 4 << 30;

/// In bytes.
pub(super) fn bytes() -> u64 {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limit = group_limit(Path::new(CONTROL_GROUPS), &groups);
    let free = fs::read_to_string("/proc/meminfo").ok();
    let free = free.and_then(|text| free_memory(&text));
    [limit, free].into_iter().flatten().min().unwrap_or(UNKNOWN)
}

/// What could be taken without swapping, as the kernel estimates it.
fn free_memory(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// The least limit of the control groups (version 1 or 2) that `groups`, as in `/proc/self/cgroup`, names below
/// `mounted`, and of those around them. In a container the groups' own folder may be all that is there.
fn group_limit(mounted: &Path, groups: &str) -> Option<u64> {
    groups
        .lines()
        .filter_map(|line| limit_of_line(mounted, line))
        .min()
}

/// A line is `NUMBER:CONTROLLERS:PATH`; in version 2 there are no controllers.
fn limit_of_line(mounted: &Path, line: &str) -> Option<u64> {
    let (_, rest) = line.split_once(':')?;
    let (controllers, path) = rest.split_once(':')?;
    let (root, file) = if controllers.is_empty() {
        (mounted.to_owned(), "memory.max")
    } else if controllers.split(',').any(|name| name == "memory") {
        (mounted.join("memory"), "memory.limit_in_bytes")
    } else {
        return None;
    };
    let group = root.join(path.trim_start_matches('/'));
    let folders = group.ancestors().take_while(|folder| folder.starts_with(&root));
    folders.filter_map(|folder| limit_in(folder.join(file))).min()
}

/// A file without a number, such as `max`, sets no limit.
fn limit_in(file: PathBuf) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, file: &str, content: &str) {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    #[test]
    fn free_memory_is_what_the_kernel_says() {
        let meminfo = "MemTotal:       24674180 kB\nMemFree:          500 kB\nMemAvailable:   19000000 kB\n";
        assert_eq!(free_memory(meminfo), Some(19_000_000 * 1024));
        assert_eq!(free_memory("MemTotal: 5 kB\n"), None);
    }

    #[test]
    fn the_least_limit_of_a_group_and_those_around_it_counts() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "services/memory.max", "700000000\n");
        write(root.path(), "services/trainer/memory.max", "max\n");
        assert_eq!(
            group_limit(root.path(), "0::/services/trainer\n"),
            Some(700_000_000)
        );
        write(root.path(), "services/trainer/memory.max", "500000000\n");
        assert_eq!(
            group_limit(root.path(), "0::/services/trainer\n"),
            Some(500_000_000)
        );
        assert_eq!(group_limit(root.path(), "0::/elsewhere\n"), None);
    }

    #[test]
    fn groups_of_version_1_have_their_limit_elsewhere() {
        let root = tempfile::tempdir().unwrap();
        write(
            root.path(),
            "memory/box/memory.limit_in_bytes",
            "9223372036854771712\n",
        );
        write(root.path(), "memory/memory.limit_in_bytes", "300000000\n");
        let groups = "5:cpu,cpuacct:/box\n4:hugetlb,memory:/box\n0::/\n";
        assert_eq!(group_limit(root.path(), groups), Some(300_000_000));
    }

    /// In a container the process sees its own group as the root, or its path outside, which is not there.
    #[test]
    fn the_folder_that_is_there_counts() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "memory.max", "600000000\n");
        assert_eq!(group_limit(root.path(), "0::/\n"), Some(600_000_000));
        assert_eq!(group_limit(root.path(), "0::/docker/abc\n"), Some(600_000_000));
    }

    #[test]
    fn this_machine_has_memory() {
        assert!(bytes() > 1 << 20);
    }
}
