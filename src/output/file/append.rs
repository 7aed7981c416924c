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

use rustix::io::Errno;

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
    /// How many records that are.
    pub records: u64,
    /// Whether records name the file: what stands in the way of it is their fault then.
    pub is_named: bool,
}

/// What became of sheets.
#[derive(Debug, Default)]
pub struct Written {
    /// Bytes that were written.
    pub bytes: u64,
    /// Records of sheets that never can be written.
    pub refused: u64,
    /// Why, for the first of them.
    pub why: Option<AppendError>,
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
    is_named: bool,
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
        let kind = self.source.kind();
        matches!(kind, ErrorKind::InvalidFilename | ErrorKind::InvalidInput)
            // A path of the configuration can be put right; the names of records stay.
            || (self.is_named && matches!(kind, ErrorKind::IsADirectory | ErrorKind::NotADirectory))
    }
}

fn hint(makes_folders: bool, source: &io::Error) -> &'static str {
    let needs_folder = source.kind() == ErrorKind::NotFound && !makes_folders;
    if needs_folder { "; make its folder, or set mkdir on" } else { "" }
}

/// Appends all sheets, but for those that never can be: these cost only their own records.
///
/// # Errors
///
/// A file could not be appended to now; nothing of any sheet stays, as far as that can be.
pub fn append_all(
    sheets: &[Sheet],
    manners: Manners,
    stamp: Stamp,
) -> Result<Written, AppendError> {
    let (mut done, mut written) = (Vec::with_capacity(sheets.len()), Written::default());
    for sheet in sheets {
        match append(sheet, manners, stamp) {
            Ok(appended) => {
                written.bytes += appended.after.saturating_sub(appended.before);
                done.push(appended);
            }
            Err(source) => {
                let Manners { makes_folders, .. } = manners;
                let Sheet { path, is_named, records, .. } = sheet;
                let (path, is_named) = (path.clone(), *is_named);
                let error = AppendError { path, is_named, makes_folders, source };
                if !error.is_final() {
                    done.iter().rev().for_each(take_back);
                    return Err(error);
                }
                written.refused = written.refused.saturating_add(*records);
                written.why.get_or_insert(error);
            }
        }
    }
    Ok(written)
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
    let mut written = 0;
    let whole = write(&mut file, header, &mut written)
        .and_then(|()| write(&mut file, &sheet.lines, &mut written));
    if let Err(error) = whole {
        if metadata.is_file()
            && let Err(undone) = shorten(&file, before, before.saturating_add(written))
        {
            tracing::error!(
                "cannot take back half of what was written to '{}': {undone}",
                path.display()
            );
        }
        return Err(error);
    }
    let after = before.saturating_add(written);
    Ok(Appended { path, inode: inode(&metadata), before, after })
}

/// Writes all, and counts what was written even where that is not all.
fn write(file: &mut File, mut bytes: &[u8], written: &mut u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => {
                *written = written.saturating_add(count as u64);
                bytes = bytes.get(count..).unwrap_or_default();
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Cuts a file back, unless others that know no locks have appended to it since.
fn shorten(file: &File, before: u64, after: u64) -> io::Result<()> {
    if before == after {
        return Ok(());
    }
    if file.metadata()?.len() != after {
        return Err(io::Error::other("somebody else has written to it"));
    }
    file.set_len(before)
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
            Err(TryLockError::Error(error)) if knows_no_locks(&error) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
            Ok(()) => return Ok(()),
        }
    }
    Err(io::Error::other("another process holds it locked"))
}

/// Some file systems know no locks; `ENOLCK` is how NFS without its lock service says so.
fn knows_no_locks(error: &io::Error) -> bool {
    error.kind() == ErrorKind::Unsupported
        || Errno::from_io_error(error).is_some_and(|errno| errno == Errno::NOLCK)
}

/// Takes back what was appended to a file before another one failed.
fn take_back(appended: &Appended<'_>) {
    let Appended { path, inode: expected, before, after } = *appended;
    let shortened = || {
        let file = OpenOptions::new().write(true).open(path)?;
        lock(&file)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() || inode(&metadata) != expected {
            return Err(io::Error::other("somebody else has moved it"));
        }
        shorten(&file, before, after)
    };
    if let Err(error) = shortened() {
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
        let (header, lines) = (header.into(), lines.into());
        Sheet { path: path.into(), header, lines, records: 1, is_named: false }
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
            assert_eq!(written.expect("written").bytes, bytes);
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
    fn half_of_what_was_written_is_taken_back_unless_others_have_appended_since() {
        let folder = folder();
        let path = folder.path().join("a");
        for (found, left) in [("0\nha", "0\n"), ("0\nhaother\n", "0\nhaother\n")] {
            fs::write(&path, found).expect("written");
            let file = OpenOptions::new().append(true).open(&path).expect("a file");
            assert_eq!(shorten(&file, 2, 4).is_ok(), left == "0\n");
            assert_eq!(text(&path), left);
        }
    }

    #[test]
    fn a_file_system_without_locks_is_written_to() {
        let is = |errno: Errno| knows_no_locks(&io::Error::from(errno));
        assert!(is(Errno::NOLCK) && is(Errno::NOTSUP) && !is(Errno::IO));
    }

    #[test]
    fn a_name_that_no_file_can_have_costs_only_its_own_records() {
        let folder = folder();
        let [first, last] = ["a", "c"].map(|name| folder.path().join(name));
        let long = folder.path().join("x".repeat(256));
        let named = |path: PathBuf| Sheet { is_named: true, ..sheet(path, "", "3\n") };
        for bad in [sheet(long, "", "3\n"), named(folder.path().into()), named(first.join("x"))] {
            let _ = fs::remove_file(&last);
            let bad = Sheet { records: 3, ..bad };
            let sheets = [sheet(&first, "", "1\n"), bad, sheet(&last, "", "2\n")];
            let written = append_all(&sheets, PLAIN, STAMP).expect("written");
            assert_eq!((written.bytes, written.refused), (4, 3));
            assert!(written.why.is_some_and(|error| error.is_final()));
            assert_eq!(text(&last), "2\n");
        }
    }

    #[test]
    fn a_folder_in_place_of_a_file_of_the_configuration_can_be_put_right() {
        let folder = folder();
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
