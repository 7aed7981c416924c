//! Around the path, memory: how much memory the container may use, as the kernel's control groups
//! say. Reading texts is pure; only [`limit`] looks at files.
//!
//! Source: the kernel's `Documentation/admin-guide/cgroup-v2.rst` ("memory.max") and
//! `cgroup-v1/memory.rst` ("memory.limit_in_bytes").

use std::fs;
use std::path::{Path, PathBuf};

/// Where the kernel shows control groups.
const ROOT: &str = "/sys/fs/cgroup";
/// Where it says to which ones a process belongs.
const OF_THIS_PROCESS: &str = "/proc/self/cgroup";
/// A limit of so many bytes or more is none: version 1 writes the largest number of whole pages
/// where nothing is set, and no machine has as much.
const NO_LIMIT_BYTES: u64 = 1 << 60;
/// Most groups within each other that are looked at.
const DEPTH_MAX: usize = 32;

/// The least limit of the groups that this process is in; `None` where there is none.
#[must_use]
pub fn limit() -> Option<u64> {
    let groups = fs::read_to_string(OF_THIS_PROCESS).unwrap_or_default();
    let limits = files(&groups).into_iter().filter_map(|path| fs::read_to_string(path).ok());
    limits.filter_map(|text| parse(&text)).min()
}

/// The files that may hold a limit, by what `/proc/self/cgroup` says: of each group and of those
/// around it. In a container the path is often the host's, and only the root is there.
fn files(groups: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(number), Some(controllers), Some(path)) =
            (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let is_memory = controllers.split(',').any(|one| one == "memory");
        let (root, file) = match (number, is_memory) {
            ("0", false) if controllers.is_empty() => (PathBuf::from(ROOT), "memory.max"),
            (_, true) => (Path::new(ROOT).join("memory"), "memory.limit_in_bytes"),
            _ => continue,
        };
        let path = Path::new(path.trim_start_matches('/'));
        // No way up: `..` stands there for groups that are out of sight.
        let is_within =
            path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
        let path = if is_within { path } else { Path::new("") };
        files.extend(path.ancestors().take(DEPTH_MAX).map(|group| root.join(group).join(file)));
    }
    files
}

/// The bytes that a file says; `None` where it is `max`, or so much that it is none.
fn parse(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|bytes| *bytes < NO_LIMIT_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(groups: &str) -> Vec<String> {
        files(groups).iter().map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn a_group_of_version_2_is_looked_at_with_those_around_it() {
        assert_eq!(shown("0::/\n"), ["/sys/fs/cgroup/memory.max"]);
        let expected = [
            "/sys/fs/cgroup/ecs/task/memory.max",
            "/sys/fs/cgroup/ecs/memory.max",
            "/sys/fs/cgroup/memory.max",
        ];
        assert_eq!(shown("0::/ecs/task\n"), expected);
    }

    #[test]
    fn of_version_1_only_the_group_of_memory_counts() {
        let groups = "12:cpu,cpuacct:/ecs/a\n4:memory:/ecs/a\n1:name=systemd:/ecs/a\n";
        let expected = [
            "/sys/fs/cgroup/memory/ecs/a/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/ecs/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        ];
        assert_eq!(shown(groups), expected);
    }

    #[test]
    fn a_path_out_of_sight_leaves_the_root() {
        assert_eq!(shown("0::/../../other\n"), ["/sys/fs/cgroup/memory.max"]);
        assert_eq!(shown("nonsense\n0:\n\n"), Vec::<String>::new());
    }

    #[test]
    fn a_limit_is_a_number_of_bytes_that_a_machine_can_have() {
        assert_eq!(parse("33554432\n"), Some(33_554_432));
        for none in ["max\n", "9223372036854771712\n", "", "-1", "1.5"] {
            assert_eq!(parse(none), None, "{none}");
        }
        assert_eq!(parse("1152921504606846975"), Some(NO_LIMIT_BYTES - 1));
        assert_eq!(parse("1152921504606846976"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_text_leads_out_of_the_groups(groups in "([0-9]{1,2}:(memory|cpu,memory|)?:[a-z/.]{0,20}\n){0,4}") {
            for path in files(&groups) {
                proptest::prop_assert!(path.starts_with(ROOT), "{path:?}");
                let shown = path.display().to_string();
                proptest::prop_assert!(!shown.contains("/../"), "{shown}");
            }
        }
    }
}
