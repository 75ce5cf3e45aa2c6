//! How much memory there is here: what the machine has, what of it is free, and what the control group allows.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where control groups are mounted.
const CONTROL_GROUPS: &str = "/sys/fs/cgroup";
/// What is assumed where the system tells nothing.
const UNKNOWN: u64 = 4 << 30;

/// The most that a process can ever have here, in bytes: the memory of the machine, or the limit of the control group
/// where that is smaller.
pub(super) fn in_all() -> u64 {
    least(own_group_limit(), field_of("/proc/meminfo", "MemTotal:"))
}

/// What this process could have now without swapping, in bytes: what the kernel says is available, with what this process
/// has already.
pub(super) fn now() -> u64 {
    let available = field_of("/proc/meminfo", "MemAvailable:");
    let own = field_of("/proc/self/status", "VmRSS:").unwrap_or(0);
    least(
        own_group_limit(),
        available.map(|available| available.saturating_add(own)),
    )
}

fn least(limit: Option<u64>, memory: Option<u64>) -> u64 {
    [limit, memory].into_iter().flatten().min().unwrap_or(UNKNOWN)
}

fn own_group_limit() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    group_limit(Path::new(CONTROL_GROUPS), &groups)
}

fn field_of(file: &str, name: &str) -> Option<u64> {
    field(&fs::read_to_string(file).ok()?, name)
}

/// A line of `/proc` such as `MemTotal: 24674180 kB`, in bytes.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
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
    fn memory_is_what_the_kernel_says() {
        let meminfo = "MemTotal:       24674180 kB\nMemFree:          500 kB\nMemAvailable:   19000000 kB\n";
        assert_eq!(field(meminfo, "MemTotal:"), Some(24_674_180 * 1024));
        assert_eq!(field(meminfo, "MemAvailable:"), Some(19_000_000 * 1024));
        assert_eq!(field("MemTotal: 5 kB\n", "MemAvailable:"), None);
        assert_eq!(field("VmRSS:\t    7 kB\n", "VmRSS:"), Some(7 * 1024));
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
        assert!(in_all() > 1 << 20 && now() > 1 << 20);
    }
}
