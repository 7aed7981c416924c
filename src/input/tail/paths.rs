//! Step 1, input: which paths `Path` and `Exclude_Path` mean.
//!
//! As the shell's patterns that Fluent Bit hands to glob(3) and fnmatch(3): `*`, `?` and `[...]`
//! within a name; a name that begins with a dot is only found where the pattern has the dot; what
//! is excluded is compared as a whole, and `*` goes over slashes there. Not known here: what kind
//! of thing is at a path.

use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern, PatternError};
use rustix::process::{Resource, getrlimit};

/// Most paths that all patterns of an input may mean at once, inclusive. Each is looked at several
/// times a second.
pub const PATHS_MAX: usize = 10_000;
/// Most names that are looked at in one walk, inclusive.
pub const NAMES_MAX: usize = 200_000;

/// Descriptors that are left to connections and the rest of the process.
const DESCRIPTORS_LEFT: u64 = 256;

/// Most files that an input may have open at once, by the limit of the process.
#[must_use]
pub fn files_max() -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    let most = limit.map_or(PATHS_MAX as u64, |limit| limit.saturating_sub(DESCRIPTORS_LEFT));
    usize::try_from(most).unwrap_or(PATHS_MAX).clamp(1, PATHS_MAX)
}

/// Within a name.
const NAME: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// A pattern of `Path`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Walk(Vec<Part>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    /// Names without a sign, with the slashes between them.
    Literal(PathBuf),
    /// A name with one.
    Pattern(Pattern),
}

/// Patterns of `Exclude_Path`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Excluded(Vec<Pattern>);

/// What a walk has found.
#[derive(Debug, Default)]
pub struct Found {
    /// The paths, in order.
    pub paths: Vec<PathBuf>,
    /// Names looked at.
    names: usize,
    /// There are more, beyond [`PATHS_MAX`] or [`NAMES_MAX`].
    pub is_cut: bool,
}

impl Walk {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// A `[` without its end.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        let mut parts = Vec::new();
        for component in Path::new(text).components() {
            let name = component.as_os_str();
            let name = name.to_string_lossy();
            if name.contains(['*', '?', '[']) {
                parts.push(Part::Pattern(pattern(&name)?));
            } else if let Some(Part::Literal(path)) = parts.last_mut() {
                path.push(component);
            } else {
                parts.push(Part::Literal(component.as_os_str().into()));
            }
        }
        Ok(Self(parts))
    }

    /// Adds the paths that there are now.
    pub fn walk(&self, found: &mut Found) {
        let mut folders = vec![PathBuf::new()];
        for part in &self.0 {
            folders = match part {
                Part::Literal(path) => {
                    folders.into_iter().map(|folder| folder.join(path)).collect()
                }
                Part::Pattern(pattern) => {
                    let names = folders.iter().flat_map(|folder| found.list(folder, pattern));
                    names.collect()
                }
            };
        }
        let room = PATHS_MAX.saturating_sub(found.paths.len());
        found.is_cut |= folders.len() > room;
        found.paths.extend(folders.into_iter().take(room));
    }
}

impl Found {
    /// The paths in a folder whose names match, sorted. A folder that cannot be read has none.
    fn list(&mut self, folder: &Path, pattern: &Pattern) -> Vec<PathBuf> {
        let at = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(at).into_iter().flatten().flatten() {
            if self.names >= NAMES_MAX {
                self.is_cut = true;
                break;
            }
            self.names += 1;
            let name = entry.file_name();
            if pattern.matches_with(&name.to_string_lossy(), NAME) {
                paths.push(folder.join(name));
            }
        }
        paths.sort_unstable();
        paths
    }
}

impl Excluded {
    /// Adds a pattern.
    ///
    /// # Errors
    ///
    /// A `[` without its end.
    pub fn add(&mut self, text: &str) -> Result<(), PatternError> {
        self.0.push(pattern(text)?);
        Ok(())
    }

    /// Whether the path is excluded.
    #[must_use]
    pub fn holds(&self, path: &Path) -> bool {
        self.0.iter().any(|pattern| pattern.matches(&path.to_string_lossy()))
    }
}

/// Several `*` are one, as for glob(3); alone between slashes they mean something else to the crate.
fn pattern(text: &str) -> Result<Pattern, PatternError> {
    let mut single = String::with_capacity(text.len());
    for c in text.chars() {
        if !(c == '*' && single.ends_with('*')) {
            single.push(c);
        }
    }
    Pattern::new(&single)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(text: &str) -> Vec<String> {
        let mut found = Found::default();
        Walk::new(text).unwrap().walk(&mut found);
        assert!(!found.is_cut);
        found.paths.iter().map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn signs_stand_for_names_in_every_folder_of_the_path() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["a/x.log", "b/y.log", "b/y.txt", "b/.z.log", ".c/x.log", "b/[.log"] {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let root = dir.path().display().to_string();
        let found = |pattern: &str| -> Vec<String> {
            let found = walk(&format!("{root}/{pattern}"));
            found.into_iter().map(|path| path.replace(&format!("{root}/"), "")).collect()
        };
        assert_eq!(found("*/*.log"), ["a/x.log", "b/[.log", "b/y.log"]);
        assert_eq!(found("**/?.log"), ["a/x.log", "b/[.log", "b/y.log"]);
        assert_eq!(found("[!a]/[xy].*"), ["b/y.log", "b/y.txt"]);
        assert_eq!(found("b/.*"), ["b/.z.log"]);
        assert_eq!(found("*/x.log"), ["a/x.log", "b/x.log"], "whether it exists is seen later");
        assert_eq!(found("none/*"), Vec::<String>::new());
        assert!(Walk::new("/a/[").is_err());
    }

    #[test]
    fn what_is_excluded_is_compared_as_a_whole_and_over_slashes() {
        let mut excluded = Excluded::default();
        excluded.add("*.gz").unwrap();
        excluded.add("/var/log/old/*").unwrap();
        for (path, holds) in [
            ("/var/log/a.gz", true),
            ("/var/log/old/x/y", true),
            ("/var/log/a.gz.log", false),
            ("var/log/old/x", false),
        ] {
            assert_eq!(excluded.holds(Path::new(path)), holds, "{path}");
        }
    }
}
