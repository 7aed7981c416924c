//! Where the store lies: a folder that is writable, on a disk, and nobody else's.
//!
//! `storage.path` of the configuration, or else the first of [`SCRATCH`] that can be used. In it
//! each process holds a numbered slot, because containers may share a volume, and in the slot each
//! output has a folder. Blocks; must not know what the folders hold but for whether it is a log.
//!
//! A slot with logs and no process is taken before an empty one. In `storage.path` the start that takes
//! it goes on with what is there. In scratch it deletes that: the process that left it may have had
//! other destinations under the same names, and one that ends in order leaves nothing.
//!
//! ```text
//! <storage.path>/firelane/0/.lock            held while the process runs
//! <storage.path>/firelane/0/cloudwatch_logs.0/0000000000000001.log
//! <storage.path>/firelane/1/.lock            the next container on the same volume
//! ```

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::disk::{Disk, FILE_MODE, FOLDER_MODE};
use super::log::is_log;

/// Folders that are tried without `storage.path`, in this order: one that an image or a task may
/// mount a volume at; the one that the ECS agent mounts for the socket, which lies on a disk of the
/// host and is writable when the root file system is not; one that nearly every image has.
pub const SCRATCH: [&str; 3] = ["/var/lib/firelane", "/var/run/firelane", "/tmp/firelane"];

/// Most slots of a folder, inclusive: so many processes may share it.
const SLOTS_MAX: usize = 64;
/// The folder below `storage.path`: that may be one of Fluent Bit's own.
const FOLDER: &str = "firelane";
/// What a process holds its slot with. No output's folder begins with a dot.
const LOCK: &str = ".lock";
/// File systems that lie in memory, by their number in `statfs` (`linux/magic.h`): what is written
/// there counts as memory of this container.
const IN_MEMORY: [u64; 3] = [0x0102_1994, 0x8584_58f6, 0x9584_58f6];

/// A part of the free space is left to others in any case: a full disk stops the whole host.
const FLOOR_PART: u64 = 20;
/// The part of what is free that a configured folder takes without `storage.total_limit_size`: one
/// half, because a volume for logs is there for them, and its others grow as well.
const CONFIGURED_PART: u64 = 2;
/// The part that scratch takes: it lies on a disk that all tasks of the host share.
const SCRATCH_PART: u64 = 4;
/// Most that scratch takes without `storage.total_limit_size`. A host may run dozens of tasks, and
/// each reckons with the same free space.
const SCRATCH_BYTES_MAX: u64 = 4 << 30;
/// Longest name of an output's folder in bytes, but for the checksum that longer ones get.
const NAME_BYTES_MAX: usize = 200;

/// A folder for the stores of all outputs, held until it is dropped.
#[derive(Debug)]
pub struct Place {
    slot: PathBuf,
    survives: bool,
    is_in_memory: bool,
    orphans: usize,
    /// Locked; others see by it that the slot is taken.
    _lock: File,
}

/// What is free where a [`Place`] is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Space {
    /// Bytes that we may still write.
    pub free_bytes: u64,
    /// Bytes of the whole file system.
    pub total_bytes: u64,
}

/// Why there is no folder.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// A folder or a file in it cannot be made.
    #[error(
        "cannot write to the folder '{}': {source}; \
         let the user that this program runs as write there, or set storage.path to another folder",
        path.display()
    )]
    NotWritable {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its file system knows no locks.
    #[error(
        "cannot lock '{}': {source}; two programs could write to it at once: \
         set storage.path to a folder of another file system",
        path.display()
    )]
    NoLocks {
        /// The lock.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Other processes hold all slots.
    #[error(
        "all {SLOTS_MAX} slots of '{}' are held by other processes or users; \
         set storage.path to another folder",
        path.display()
    )]
    Taken {
        /// The folder.
        path: PathBuf,
    },
    /// None of [`SCRATCH`] can be used.
    #[error("no folder for a store on disk: {}; set storage.path to a volume", tried.join("; "))]
    NoScratch {
        /// Each with the reason.
        tried: Vec<String>,
    },
}

impl Place {
    /// A slot in the configured folder, whose logs survive, or else in the first scratch folder that
    /// can be used.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn find(configured: Option<&Path>) -> Result<Self, PlaceError> {
        match configured {
            Some(path) => Self::configured(path),
            None => Self::scratch(&SCRATCH.map(Path::new), is_in_memory),
        }
    }

    /// Whether logs are to be kept when the process ends.
    #[must_use]
    pub fn survives(&self) -> bool {
        self.survives
    }

    /// Whether what is written counts as memory. That is so only where it was configured.
    #[must_use]
    pub fn is_in_memory(&self) -> bool {
        self.is_in_memory
    }

    /// How many other slots hold logs and no process: each start takes one, see above.
    #[must_use]
    pub fn orphans(&self) -> usize {
        self.orphans
    }

    /// The folder of the slot.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.slot
    }

    /// The folder of an output, made if it is not there.
    ///
    /// # Errors
    ///
    /// It cannot be made.
    pub fn disk(&self, output: &str) -> Result<Disk, PlaceError> {
        let path = self.slot.join(folder_name(output));
        Disk::folder(&path).map_err(|source| PlaceError::NotWritable { path, source })
    }

    /// Folders with logs of outputs that are not among these, in order: nobody delivers them.
    #[must_use]
    pub fn forgotten<'a>(&self, outputs: impl IntoIterator<Item = &'a str>) -> Vec<PathBuf> {
        let known: BTreeSet<String> = outputs.into_iter().map(folder_name).collect();
        let is_forgotten = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str());
            !name.is_some_and(|name| known.contains(name)) && has_log(path)
        };
        let mut folders = folders_of(&self.slot);
        folders.retain(is_forgotten);
        folders.sort();
        folders
    }

    /// Deletes one of these folders, with all that is in it.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub fn delete(&self, forgotten: &Path) -> io::Result<()> {
        // A name, so that nothing outside of the slot is meant.
        match forgotten.file_name() {
            Some(name) => fs::remove_dir_all(self.slot.join(name)),
            None => Ok(()),
        }
    }

    /// Bytes of the logs that are there already.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        let files = folders_of(&self.slot).into_iter().flat_map(|output| fs::read_dir(output).ok());
        let lengths =
            files.flatten().flatten().filter_map(|file| Some(file.metadata().ok()?.len()));
        lengths.fold(0, u64::saturating_add)
    }

    /// What is free on its file system.
    ///
    /// # Errors
    ///
    /// The file system does not say.
    pub fn space(&self) -> io::Result<Space> {
        let found = rustix::fs::statvfs(&self.slot)?;
        Ok(Space {
            free_bytes: found.f_bavail.saturating_mul(found.f_frsize),
            total_bytes: found.f_blocks.saturating_mul(found.f_frsize),
        })
    }

    /// Most bytes that all outputs together may use: `limit_bytes` as configured, or a share of what
    /// is free. `used_bytes` are those of logs that are there already.
    #[must_use]
    pub fn bytes_max(&self, space: Space, used_bytes: u64, limit_bytes: Option<u64>) -> u64 {
        let floor = space.total_bytes / FLOOR_PART;
        let free = space.free_bytes.saturating_sub(floor).saturating_add(used_bytes);
        let share = match self.survives {
            true => free / CONFIGURED_PART,
            false => (free / SCRATCH_PART).min(SCRATCH_BYTES_MAX),
        };
        limit_bytes.map_or(share, |limit| limit.min(free))
    }

    fn configured(path: &Path) -> Result<Self, PlaceError> {
        let folder = path.join(FOLDER);
        make(&folder, true).map_err(|source| not_writable(&folder, source))?;
        Self::slot_of(&folder, true)
    }

    fn scratch(
        folders: &[&Path],
        is_in_memory: impl Fn(&Path) -> bool,
    ) -> Result<Self, PlaceError> {
        let mut tried = Vec::new();
        for folder in folders {
            let found = make(folder, false).map_err(|source| not_writable(folder, source));
            match found.and_then(|()| Self::slot_of(folder, false)) {
                Ok(place) if is_in_memory(&place.slot) => {
                    tried.push(format!("'{}' lies in memory", folder.display()));
                    place.give_back();
                }
                Ok(place) => return Ok(place),
                Err(
                    PlaceError::NotWritable { path, source } | PlaceError::NoLocks { path, source },
                ) => {
                    tried.push(format!("'{}': {source}", path.display()));
                }
                Err(error) => tried.push(error.to_string()),
            }
        }
        Err(PlaceError::NoScratch { tried })
    }

    /// A slot that no process holds: the first with logs, or else the first.
    fn slot_of(folder: &Path, survives: bool) -> Result<Self, PlaceError> {
        let (mut empty, mut with_logs, mut orphans) = (None, None, 0_usize);
        for number in 0..SLOTS_MAX {
            let slot = folder.join(number.to_string());
            let has_logs = folders_of(&slot).iter().any(|output| has_log(output));
            if !has_logs && empty.is_some() {
                continue;
            }
            // Held until it is decided, so that no other process takes it meanwhile.
            let Some(lock) = hold(&slot)? else { continue };
            match has_logs {
                true if with_logs.is_none() => with_logs = Some((slot, lock)),
                true => orphans = orphans.saturating_add(1),
                false => empty = Some((slot, lock)),
            }
        }
        let (slot, lock) =
            with_logs.or(empty).ok_or_else(|| PlaceError::Taken { path: folder.to_owned() })?;
        let is_in_memory = is_in_memory(&slot);
        Ok(Self { slot, survives, is_in_memory, orphans, _lock: lock })
    }

    /// Deletes what was made for a slot that is not used after all.
    fn give_back(self) {
        // The folders stay if anything else is in them.
        let _may_fail = fs::remove_file(self.slot.join(LOCK));
        let _may_fail = fs::remove_dir(&self.slot);
        let _may_fail = self.slot.parent().map(fs::remove_dir);
    }
}

/// Takes the lock of a slot; `None`: another process has it.
fn hold(slot: &Path) -> Result<Option<File>, PlaceError> {
    make(slot, false).map_err(|source| not_writable(slot, source))?;
    let path = slot.join(LOCK);
    let mut options = OpenOptions::new();
    let opened = options.read(true).write(true).create(true).truncate(false).mode(FILE_MODE);
    let file = match opened.open(&path) {
        // Another user's slot, in a folder of all.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(None),
        opened => opened.map_err(|source| not_writable(slot, source))?,
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(source)) => Err(PlaceError::NoLocks { path, source }),
    }
}

/// Makes a folder; that it is there is no error.
fn make(folder: &Path, is_recursive: bool) -> io::Result<()> {
    let made = DirBuilder::new().recursive(is_recursive).mode(FOLDER_MODE).create(folder);
    match made {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        made => made,
    }
}

fn not_writable(path: &Path, source: io::Error) -> PlaceError {
    PlaceError::NotWritable { path: path.to_owned(), source }
}

fn is_in_memory(path: &Path) -> bool {
    let kind = rustix::fs::statfs(path).ok().and_then(|found| u64::try_from(found.f_type).ok());
    kind.is_some_and(|kind| IN_MEMORY.contains(&kind))
}

/// The folders in a folder; none if it cannot be read.
fn folders_of(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

/// Whether there is a segment in a folder.
fn has_log(folder: &Path) -> bool {
    let mut entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.any(|entry| entry.file_name().to_str().is_some_and(is_log))
}

/// The folder of an output: its name, with `%` and two hex digits for each byte that is no letter,
/// digit, `.`, `-` or `_`, and for a dot at the beginning. The end of a long one is its checksum.
fn folder_name(output: &str) -> String {
    let mut name = String::with_capacity(output.len());
    for (at, byte) in output.bytes().enumerate() {
        match byte {
            b'.' if at == 0 => name.push_str("%2e"),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => {
                name.push(char::from(byte));
            }
            byte => name.push_str(&format!("%{byte:02x}")),
        }
    }
    if name.is_empty() {
        name.push('%');
    }
    if name.len() > NAME_BYTES_MAX {
        // All of it is ASCII.
        name.truncate(NAME_BYTES_MAX);
        name.push_str(&format!("%{:08x}", crc32fast::hash(output.as_bytes())));
    }
    name
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const SPACE: Space = Space { free_bytes: 100 << 30, total_bytes: 200 << 30 };

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a folder")
    }

    fn put_log(place: &Place, output: &str) {
        let disk = place.disk(output).expect("a folder");
        drop(disk.create("0000000000000001.log").expect("made"));
    }

    fn slot(place: &Place) -> &str {
        place.path().file_name().and_then(|name| name.to_str()).expect("a number")
    }

    #[test]
    fn processes_in_one_folder_have_slots_of_their_own() {
        let folder = folder();
        let places = [0, 1, 2].map(|_| Place::find(Some(folder.path())).expect("a slot"));
        assert_eq!(places.each_ref().map(slot), ["0", "1", "2"]);
        assert!(places.iter().all(Place::survives));
        assert_eq!(places[0].path(), folder.path().join("firelane/0"));
        let mode = fs::metadata(places[0].path()).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn a_slot_with_logs_of_a_process_that_is_gone_is_adopted_first() {
        let folder = folder();
        let mut places: Vec<Place> =
            (0..4).map(|_| Place::find(Some(folder.path())).expect("a slot")).collect();
        [0, 2, 3].into_iter().for_each(|at| put_log(&places[at], "a"));
        // 0 goes on with its logs; 1 is gone without, 2 and 3 are gone with some.
        places.truncate(1);
        let adopted = Place::find(Some(folder.path())).expect("a slot");
        assert_eq!((slot(&adopted), adopted.orphans()), ("2", 1));
        let next = Place::find(Some(folder.path())).expect("a slot");
        assert_eq!((slot(&next), next.orphans()), ("3", 0));
        let last = Place::find(Some(folder.path())).expect("a slot");
        assert_eq!(slot(&last), "1");
    }

    #[test]
    fn a_folder_whose_slots_are_all_taken_is_an_error_that_says_so() {
        let folder = folder();
        let places: Vec<Place> =
            (0..SLOTS_MAX).map(|_| Place::find(Some(folder.path())).expect("a slot")).collect();
        let error = Place::find(Some(folder.path())).expect_err("none is left").to_string();
        assert!(error.starts_with("all 64 slots of '"), "{error}");
        drop(places);
        assert_eq!(slot(&Place::find(Some(folder.path())).expect("a slot")), "0");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_error_that_names_it() {
        let error = Place::find(Some(Path::new("/dev/null/x"))).expect_err("no folder").to_string();
        assert!(
            error.starts_with("cannot write to the folder '/dev/null/x/firelane': "),
            "{error}"
        );
        assert!(error.ends_with("set storage.path to another folder"), "{error}");
    }

    #[test]
    fn scratch_is_the_first_folder_on_a_disk_and_goes_with_its_process() {
        let folder = folder();
        let [memory, disk] = ["memory", "disk"].map(|name| folder.path().join(name));
        let none = Path::new("/dev/null/x");
        let in_memory = |path: &Path| path.starts_with(&memory);
        let place = Place::scratch(&[none, &memory, &disk], in_memory).expect("a folder on a disk");
        assert_eq!((place.path(), place.survives()), (disk.join("0").as_path(), false));
        assert!(!memory.exists(), "nothing is left there");
        let error = Place::scratch(&[none, &memory], in_memory).expect_err("none").to_string();
        assert!(error.starts_with("no folder for a store on disk: '/dev/null/x': "), "{error}");
        assert!(error.ends_with("memory' lies in memory; set storage.path to a volume"), "{error}");
    }

    #[test]
    fn file_systems_in_memory_are_known_from_those_on_disks() {
        let mounts = fs::read_to_string("/proc/mounts").expect("mounts");
        for (path, kind) in mounts.lines().filter_map(|line| {
            let mut words = line.split(' ').skip(1);
            words.next().zip(words.next())
        }) {
            match kind {
                "tmpfs" | "ramfs" => assert!(is_in_memory(Path::new(path)), "{path}"),
                "ext4" | "xfs" | "overlay" => assert!(!is_in_memory(Path::new(path)), "{path}"),
                _ => {}
            }
        }
    }

    #[test]
    fn the_room_is_a_share_of_what_is_free_beside_what_stays_free() {
        let folder = folder();
        let configured = Place::find(Some(folder.path())).expect("a slot");
        let scratch = Place::scratch(&[&folder.path().join("x")], |_| false).expect("a slot");
        let gib = |place: &Place, used: u64, limit: Option<u64>| {
            place.bytes_max(SPACE, used << 30, limit.map(|limit| limit << 30)) >> 30
        };
        assert_eq!((gib(&configured, 0, None), gib(&scratch, 0, None)), (45, 4));
        // What is used already is not taken from the share.
        assert_eq!((gib(&configured, 10, None), gib(&scratch, 10, None)), (50, 4));
        assert_eq!((gib(&configured, 0, Some(60)), gib(&scratch, 0, Some(60))), (60, 60));
        assert_eq!((gib(&configured, 0, Some(91)), gib(&scratch, 0, Some(0))), (90, 0));
        let full = Space { free_bytes: 10 << 30, ..SPACE };
        assert_eq!(configured.bytes_max(full, 0, None), 0);
        let little = Space { free_bytes: 18 << 30, ..SPACE };
        assert_eq!(scratch.bytes_max(little, 0, None), 2 << 30);
        assert!(configured.space().expect("known").total_bytes > 0);
    }

    #[test]
    fn names_of_outputs_become_names_of_folders_that_differ() {
        let long = "x".repeat(300);
        let other = format!("{long}y");
        for (output, name) in [
            ("cloudwatch_logs.0", "cloudwatch_logs.0"),
            ("", "%"),
            ("..", "%2e."),
            (".lock", "%2elock"),
            ("a/b ü%", "a%2fb%20%c3%bc%25"),
        ] {
            assert_eq!(folder_name(output), name);
        }
        assert!(folder_name(&long).len() < 255 && folder_name(&long) != folder_name(&other));
    }

    #[test]
    fn logs_of_outputs_that_are_no_more_are_listed() {
        let folder = folder();
        let place = Place::find(Some(folder.path())).expect("a slot");
        ["b/1", "a", "c"].into_iter().for_each(|output| put_log(&place, output));
        drop(place.disk("without").expect("a folder"));
        let found = place.forgotten(["a", "other"]);
        assert_eq!(place.used_bytes(), 0);
        fs::write(place.path().join("a/0000000000000001.log"), "12345").expect("written");
        assert_eq!(place.used_bytes(), 5);
        assert_eq!(found, ["b%2f1", "c"].map(|name| place.path().join(name)));
        place.delete(&found[0]).expect("deleted");
        assert_eq!(place.forgotten(["a"]), found[1..]);
    }
}
