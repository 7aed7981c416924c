//! Around the path, config: which files a path means, and reading them.
//!
//! Relative paths are tried against the current folder, then against that of the main file. A
//! path with `*` stands for all files that match, sorted by name. Not known here: what is in them.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::option::Fault;
use crate::record::tag_pattern::TagPattern;

/// Most files of one configuration, inclusive; also most that one wildcard stands for.
pub const FILES_MAX: usize = 1_000;

/// Most names of one folder that are looked at.
const NAMES_MAX: usize = 100_000;

/// The files that a configuration can name.
pub trait Files {
    /// The content of a regular file.
    ///
    /// # Errors
    ///
    /// Whatever the system says; `FileTooLarge` above `bytes_max`.
    fn read(&self, path: &Path, bytes_max: usize) -> io::Result<Vec<u8>>;

    /// The one path of a file, whatever links lead to it.
    ///
    /// # Errors
    ///
    /// There is no such file.
    fn identity(&self, path: &Path) -> io::Result<PathBuf>;

    /// The names in a folder, in any order.
    ///
    /// # Errors
    ///
    /// There is no such folder.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;

    /// Whether they are another machine's, which has more of them than is known here.
    fn is_elsewhere(&self) -> bool {
        false
    }
}

/// The files of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
        // Opening a pipe would wait for a writer, perhaps for ever.
        if !std::fs::metadata(path)?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX);
        let mut bytes = Vec::new();
        std::fs::File::open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() > bytes_max { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
    }

    fn identity(&self, path: &Path) -> io::Result<PathBuf> {
        std::fs::canonicalize(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder)?.take(NAMES_MAX) {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        Ok(names)
    }
}

/// Files in memory, by path; the current folder is `""`.
impl Files for BTreeMap<PathBuf, Vec<u8>> {
    fn read(&self, path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
        let bytes = self.get(&plain(path)).ok_or(io::ErrorKind::NotFound)?;
        if bytes.len() > bytes_max {
            Err(io::ErrorKind::FileTooLarge.into())
        } else {
            Ok(bytes.clone())
        }
    }

    fn identity(&self, path: &Path) -> io::Result<PathBuf> {
        let path = plain(path);
        if self.contains_key(&path) { Ok(path) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let folder = plain(folder);
        let inside = self.keys().filter_map(|path| path.strip_prefix(&folder).ok());
        let names = inside.filter_map(|path| path.components().next());
        let mut names: Vec<_> =
            names.map(|name| name.as_os_str().to_string_lossy().into_owned()).collect();
        names.dedup();
        Ok(names)
    }
}

/// The path without `.`.
fn plain(path: &Path) -> PathBuf {
    path.components().filter(|part| *part != Component::CurDir).collect()
}

/// The files that `text` stands for: sought here, then beside the main file.
pub(super) fn resolve(text: &str, main: &Path, files: &dyn Files) -> Result<Vec<PathBuf>, Fault> {
    let path = Path::new(text);
    let beside_main = main.parent().map(|folder| folder.join(path));
    seek(text, std::iter::once(path.to_owned()).chain(beside_main), files)
}

/// The files that `text` stands for in `file`: sought beside that only.
pub(super) fn beside(text: &str, file: &Path, files: &dyn Files) -> Result<Vec<PathBuf>, Fault> {
    seek(text, std::iter::once(file.with_file_name("").join(text)), files)
}

/// The first of `candidates` that is there, or all files that match it.
fn seek(
    text: &str,
    candidates: impl Iterator<Item = PathBuf>,
    files: &dyn Files,
) -> Result<Vec<PathBuf>, Fault> {
    if text.contains('*') {
        let mut found = candidates.map(|path| matching(&path, files));
        let found = found.find(|found| !found.is_empty());
        return found.ok_or_else(|| Fault::NothingMatches { pattern: text.to_owned() });
    }
    let mut first_error = None;
    for candidate in candidates {
        match files.identity(&candidate) {
            Ok(_) => return Ok(vec![candidate]),
            Err(error) => _ = first_error.get_or_insert(error),
        }
    }
    let error = first_error.unwrap_or_else(|| io::ErrorKind::NotFound.into());
    Err(unreadable(Path::new(text), error))
}

pub(super) fn unreadable(path: &Path, error: io::Error) -> Fault {
    Fault::Unreadable { path: path.display().to_string(), error: Arc::new(error) }
}

/// The files that match a path with `*` in any of its parts. Names that start with a dot match
/// only a pattern that does.
fn matching(path: &Path, files: &dyn Files) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for part in path.components() {
        let part = part.as_os_str();
        let Some(pattern) = part.to_str().filter(|part| part.contains('*')) else {
            found.iter_mut().for_each(|path| path.push(part));
            continue;
        };
        let wild = TagPattern::new(pattern);
        let is_wanted = |name: &String| {
            wild.matches(name.as_bytes()) && (pattern.starts_with('.') || !name.starts_with('.'))
        };
        let mut next = Vec::new();
        for folder in &found {
            let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            let names = files.list(listed).unwrap_or_default();
            next.extend(names.iter().filter(|name| is_wanted(name)).map(|name| folder.join(name)));
            next.truncate(FILES_MAX);
        }
        found = next;
    }
    found.retain(|path| files.identity(path).is_ok());
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(paths: &[&str]) -> BTreeMap<PathBuf, Vec<u8>> {
        paths.iter().map(|path| (PathBuf::from(path), Vec::new())).collect()
    }

    fn found(text: &str, paths: &[&str]) -> String {
        match resolve(text, Path::new("/etc/main.conf"), &files(paths)) {
            Ok(found) => {
                found.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ")
            }
            Err(fault) => fault.to_string(),
        }
    }

    #[test]
    fn a_path_is_sought_here_then_beside_the_main_file() {
        assert_eq!(found("a.conf", &["a.conf", "/etc/a.conf"]), "a.conf");
        assert_eq!(found("a.conf", &["/etc/a.conf"]), "/etc/a.conf");
        assert_eq!(found("/x/a.conf", &["/x/a.conf"]), "/x/a.conf");
        assert_eq!(found("a.conf", &[]), "cannot read \"a.conf\": entity not found");
    }

    #[test]
    fn a_star_takes_what_matches_in_the_order_of_names() {
        let paths =
            ["/etc/d/b.conf", "/etc/d/a.conf", "/etc/d/c.txt", "/etc/d/.x.conf", "/etc/e/z.conf"];
        assert_eq!(found("d/*.conf", &paths), "/etc/d/a.conf /etc/d/b.conf");
        assert_eq!(found("*/*.conf", &paths), "/etc/d/a.conf /etc/d/b.conf /etc/e/z.conf");
        assert_eq!(found("d/.*", &paths), "/etc/d/.x.conf");
        assert_eq!(found("n/*.conf", &paths), "no file matches \"n/*.conf\"");
    }

    /// Lists names last to first, as a disk may.
    struct Backwards(BTreeMap<PathBuf, Vec<u8>>);

    impl Files for Backwards {
        fn read(&self, path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
            self.0.read(path, bytes_max)
        }

        fn identity(&self, path: &Path) -> io::Result<PathBuf> {
            self.0.identity(path)
        }

        fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
            self.0.list(folder).map(|names| names.into_iter().rev().collect())
        }
    }

    #[test]
    fn the_order_of_a_folder_does_not_matter() {
        let files = Backwards(files(&["d/a", "d/b", "d/c"]));
        let found = resolve("d/*", Path::new("main.conf"), &files).unwrap();
        assert_eq!(found, ["d/a", "d/b", "d/c"].map(PathBuf::from));
    }

    #[test]
    fn the_disk_gives_regular_files_up_to_a_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.conf");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(Disk.read(&path, 5).unwrap(), b"12345");
        assert_eq!(Disk.read(&path, 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(Disk.read(folder.path(), 9).unwrap_err().to_string(), "not a regular file");
        assert_eq!(Disk.list(folder.path()).unwrap(), ["a.conf"]);
        let dotted = folder.path().join("./a.conf");
        assert_eq!(Disk.identity(&dotted).unwrap(), Disk.identity(&path).unwrap());
    }
}
