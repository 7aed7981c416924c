//! Appends to files, all of a flush or nothing of it.
//!
//! A file is opened for each flush, so that one that was moved away is opened anew, and no more than
//! one is open at a time. What was appended is taken back where not all of it could be: a flush that is
//! written again is neither doubled nor leaves half a line. Blocks; must not know records.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::config::Rotation;
use super::rotate::{self, Stamp};

/// The mode of folders that are made, before the umask.
const FOLDER_MODE: u32 = 0o755;
/// How long to wait for a file that somebody else holds, and how often.
const LOCK_PAUSE: Duration = Duration::from_millis(5);
const LOCK_TRIES: u32 = 200;
/// How often to open a file anew that is moved away meanwhile.
const OPEN_TRIES: u32 = 4;

/// What is appended to one file.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Sheet {
    /// The file.
    pub path: PathBuf,
    /// What it begins with, if it is empty.
    pub header: Vec<u8>,
    /// What is appended.
    pub lines: Vec<u8>,
}

/// How files are treated.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Manners {
    /// Whether folders are made that are not there.
    pub makes_folders: bool,
    /// When a file is full, and what becomes of it then.
    pub rotation: Option<Rotation>,
}

/// A file that could not be appended to.
#[derive(Debug, thiserror::Error)]
#[error("cannot append to '{}': {source}{}", path.display(), hint(*makes_folders, source))]
pub struct AppendError {
    path: PathBuf,
    makes_folders: bool,
    source: io::Error,
}

/// What was appended to a file, to be taken back.
#[derive(Debug)]
struct Appended<'a> {
    path: &'a Path,
    /// Which file it was.
    inode: (u64, u64),
    before: u64,
    after: u64,
}

impl AppendError {
    /// Whether it will be the same however often it is tried.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self.source.kind(), ErrorKind::InvalidFilename | ErrorKind::InvalidInput)
    }
}

fn hint(makes_folders: bool, source: &io::Error) -> &'static str {
    let needs_folder = source.kind() == ErrorKind::NotFound && !makes_folders;
    if needs_folder { "; make its folder, or set mkdir on" } else { "" }
}

/// Appends all sheets. Gives the bytes that were written.
///
/// # Errors
///
/// A file could not be appended to; nothing of any sheet stays, as far as that can be.
pub fn append_all(sheets: &[Sheet], manners: Manners, stamp: Stamp) -> Result<u64, AppendError> {
    let (mut done, mut bytes) = (Vec::with_capacity(sheets.len()), 0);
    for sheet in sheets {
        match append(sheet, manners, stamp) {
            Ok(appended) => {
                bytes += appended.after.saturating_sub(appended.before);
                done.push(appended);
            }
            Err(source) => {
                done.iter().rev().for_each(take_back);
                let Manners { makes_folders, .. } = manners;
                return Err(AppendError { path: sheet.path.clone(), makes_folders, source });
            }
        }
    }
    Ok(bytes)
}

fn append<'a>(sheet: &'a Sheet, manners: Manners, stamp: Stamp) -> io::Result<Appended<'a>> {
    let path = sheet.path.as_path();
    let (mut file, mut metadata) = open(path, manners.makes_folders)?;
    if let Some(rotation) = manners.rotation
        && metadata.is_file()
        && metadata.len() >= rotation.bytes_max
        && rotate::rotate(path, rotation, stamp)
    {
        (file, metadata) = open(path, manners.makes_folders)?;
    }
    let before = metadata.len();
    let header = if before == 0 { sheet.header.as_slice() } else { &[] };
    let written = file.write_all(header).and_then(|()| file.write_all(&sheet.lines));
    if let Err(error) = written {
        if metadata.is_file()
            && let Err(undone) = file.set_len(before)
        {
            tracing::error!(
                "cannot take back half of what was written to '{}': {undone}",
                path.display()
            );
        }
        return Err(error);
    }
    let after = before.saturating_add((header.len() + sheet.lines.len()) as u64);
    Ok(Appended { path, inode: inode(&metadata), before, after })
}

/// Opens a file to append to, and holds it against other outputs until it is closed.
fn open(path: &Path, makes_folders: bool) -> io::Result<(File, Metadata)> {
    for _ in 0..OPEN_TRIES {
        let file = match open_once(path) {
            Err(error) if error.kind() == ErrorKind::NotFound && makes_folders => {
                make_folder_of(path)?;
                open_once(path)?
            }
            opened => opened?,
        };
        if !file.metadata()?.is_file() {
            let metadata = file.metadata()?;
            return Ok((file, metadata));
        }
        lock(&file)?;
        let metadata = file.metadata()?;
        // Somebody may have moved it away between.
        if fs::metadata(path).is_ok_and(|there| inode(&there) == inode(&metadata)) {
            return Ok((file, metadata));
        }
    }
    Err(io::Error::other("it is moved away again and again"))
}

fn open_once(path: &Path) -> io::Result<File> {
    // A pipe that nobody reads would make the opening wait, unless it is opened for both.
    let is_pipe = fs::metadata(path).is_ok_and(|there| there.file_type().is_fifo());
    OpenOptions::new().create(true).append(true).read(is_pipe).open(path)
}

fn make_folder_of(path: &Path) -> io::Result<()> {
    let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) else {
        return Ok(());
    };
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder)
}

/// Two outputs may append to one file: neither takes back what the other wrote.
fn lock(file: &File) -> io::Result<()> {
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => thread::park_timeout(LOCK_PAUSE),
            // Some file systems know no locks.
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {
                return Ok(());
            }
            Err(TryLockError::Error(error)) => return Err(error),
            Ok(()) => return Ok(()),
        }
    }
    Err(io::Error::other("another process holds it locked"))
}

/// Takes back what was appended to a file before another one failed.
fn take_back(appended: &Appended<'_>) {
    let Appended { path, inode: expected, before, after } = *appended;
    let shorten = || {
        let file = OpenOptions::new().write(true).open(path)?;
        lock(&file)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() || inode(&metadata) != expected || metadata.len() != after {
            return Err(io::Error::other("somebody else has written to it or moved it"));
        }
        file.set_len(before)
    };
    if let Err(error) = shorten() {
        tracing::error!(
            "cannot take back what was written to '{}', it will be written again: {error}",
            path.display()
        );
    }
}

fn inode(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use tempfile::TempDir;

    use super::*;

    const PLAIN: Manners = Manners { makes_folders: false, rotation: None };
    const STAMP: Stamp = Stamp { unix: Duration::from_secs(1_700_000_000), chance: 7 };

    fn folder() -> TempDir {
        tempfile::tempdir().expect("a folder")
    }

    fn sheet(path: impl Into<PathBuf>, header: &str, lines: &str) -> Sheet {
        Sheet { path: path.into(), header: header.into(), lines: lines.into() }
    }

    fn text(path: &Path) -> String {
        fs::read_to_string(path).expect("text")
    }

    #[test]
    fn lines_are_appended_and_an_empty_file_begins_with_its_header() {
        let folder = folder();
        let path = folder.path().join("a");
        for (lines, bytes) in [("1\n", 4), ("2\n", 2)] {
            let written = append_all(&[sheet(&path, "h\n", lines)], PLAIN, STAMP);
            assert_eq!(written.expect("written"), bytes);
        }
        assert_eq!(text(&path), "h\n1\n2\n");
    }

    #[test]
    fn a_file_that_was_moved_away_is_made_anew() {
        let folder = folder();
        let [path, moved] = ["a", "a.1"].map(|name| folder.path().join(name));
        append_all(&[sheet(&path, "", "1\n")], PLAIN, STAMP).expect("written");
        fs::rename(&path, &moved).expect("moved");
        append_all(&[sheet(&path, "", "2\n")], PLAIN, STAMP).expect("written");
        assert_eq!((text(&moved).as_str(), text(&path).as_str()), ("1\n", "2\n"));
    }

    #[test]
    fn a_folder_is_made_only_if_that_is_wanted_and_the_error_says_so() {
        let folder = folder();
        let path = folder.path().join("x/y/a");
        let sheets = [sheet(&path, "", "1\n")];
        let error = append_all(&sheets, PLAIN, STAMP).expect_err("no folder");
        assert!(error.to_string().ends_with("; make its folder, or set mkdir on"), "{error}");
        assert!(!error.is_final());
        let makes = Manners { makes_folders: true, ..PLAIN };
        append_all(&sheets, makes, STAMP).expect("written");
        assert_eq!(text(&path), "1\n");
        let mode = fs::metadata(folder.path().join("x/y")).expect("a folder").permissions().mode();
        assert_eq!(mode & 0o022, 0, "only its owner writes there: {mode:o}");
    }

    #[test]
    fn what_cannot_be_written_whole_is_not_written_at_all() {
        let folder = folder();
        let [first, second] = ["a", "b"].map(|name| folder.path().join(name));
        fs::write(&first, "0\n").expect("written");
        let sheets =
            [sheet(&first, "", "1\n"), sheet(&second, "h\n", "2\n"), sheet("/dev/full", "", "3\n")];
        let error = append_all(&sheets, PLAIN, STAMP).expect_err("a device that is full");
        assert!(
            error.to_string().starts_with("cannot append to '/dev/full': No space left"),
            "{error}"
        );
        assert_eq!((text(&first).as_str(), text(&second).as_str()), ("0\n", ""));
    }

    #[test]
    fn what_others_have_appended_since_is_not_taken_back() {
        let folder = folder();
        let path = folder.path().join("a");
        let sheets = [sheet(&path, "", "1\n")];
        let appended = append(&sheets[0], PLAIN, STAMP).expect("written");
        fs::write(&path, "1\nother\n").expect("written");
        take_back(&appended);
        assert_eq!(text(&path), "1\nother\n");
    }

    #[test]
    fn a_name_that_no_file_can_have_is_final() {
        let folder = folder();
        let path = folder.path().join("x".repeat(256));
        let error = append_all(&[sheet(path, "", "1")], PLAIN, STAMP).expect_err("too long");
        assert!(error.is_final(), "{error}");
        let error =
            append_all(&[sheet(folder.path(), "", "1")], PLAIN, STAMP).expect_err("a folder");
        assert!(!error.is_final(), "{error}");
    }

    #[test]
    fn a_file_that_another_holds_is_left_alone_until_it_is_free() {
        let folder = folder();
        let path = folder.path().join("a");
        let held = File::create(&path).expect("a file");
        held.lock().expect("locked");
        let writer = {
            let path = path.clone();
            thread::spawn(move || append_all(&[sheet(path, "", "1\n")], PLAIN, STAMP).is_ok())
        };
        drop(held);
        assert!(writer.join().expect("no panic"));
        assert_eq!(text(&path), "1\n");
    }

    #[test]
    fn a_full_file_is_put_aside_before_the_next_lines() {
        let folder = folder();
        let path = folder.path().join("a");
        let rotation = Rotation { bytes_max: 4, files_max: 1, gzip: false };
        let manners = Manners { rotation: Some(rotation), ..PLAIN };
        for lines in ["12\n", "4\n", "5\n"] {
            append_all(&[sheet(&path, "", lines)], manners, STAMP).expect("written");
        }
        assert_eq!(text(&path), "5\n");
        let names = fs::read_dir(folder.path()).expect("a folder").flatten();
        let aside = names.map(|one| one.path()).find(|one| *one != path).expect("a second file");
        assert_eq!(text(&aside), "12\n4\n");
    }
}
