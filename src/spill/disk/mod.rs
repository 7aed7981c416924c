//! One folder on a disk, and files in it that are read and written at places.
//!
//! All that the store does with files goes through here, so that tests can give it a disk that is
//! full, fails or loses what was not synced. Blocks; must not know what the files hold.

#[cfg(test)]
mod simulated;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

#[cfg(test)]
pub use simulated::{Crash, Failure, SimulatedDisk, SimulatedFile};

/// The modes of what is made: logs are nobody else's business.
pub(super) const FILE_MODE: u32 = 0o600;
pub(super) const FOLDER_MODE: u32 = 0o700;

/// A folder. Clones are the same folder.
#[derive(Clone, Debug)]
pub enum Disk {
    /// A folder of the file system.
    Folder(PathBuf),
    /// One of a test.
    #[cfg(test)]
    Simulated(SimulatedDisk),
}

/// A file of a [`Disk`], open to read and to write.
#[derive(Debug)]
pub enum DiskFile {
    /// A file of the file system.
    File(File),
    /// One of a test.
    #[cfg(test)]
    Simulated(SimulatedFile),
}

/// A name in a folder.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listed {
    /// The name.
    pub name: String,
    /// Length of the file.
    pub bytes: u64,
}

impl Disk {
    /// A folder of the file system, made if it is not there, with those above it.
    ///
    /// # Errors
    ///
    /// It can neither be made nor is it there.
    pub fn folder(path: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path)?;
        Ok(Self::Folder(path.to_owned()))
    }

    /// Where the folder is, for people.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        match self {
            Self::Folder(path) => path.clone(),
            #[cfg(test)]
            Self::Simulated(_) => PathBuf::from("simulated"),
        }
    }

    /// Where a file of this name is, for people.
    #[must_use]
    pub fn path_of(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// The plain files of the folder, in no order. Names that are no UTF-8 are not ours.
    pub(super) fn list(&self) -> io::Result<Vec<Listed>> {
        match self {
            Self::Folder(path) => list(path),
            #[cfg(test)]
            Self::Simulated(disk) => disk.list(),
        }
    }

    /// Makes a file that must not be there yet.
    pub(super) fn create(&self, name: &str) -> io::Result<DiskFile> {
        match self {
            Self::Folder(path) => {
                let mut options = OpenOptions::new();
                options.read(true).write(true).create_new(true).mode(FILE_MODE);
                options.open(path.join(name)).map(DiskFile::File)
            }
            #[cfg(test)]
            Self::Simulated(disk) => disk.create(name).map(DiskFile::Simulated),
        }
    }

    /// Opens a file that is there.
    pub(super) fn open(&self, name: &str) -> io::Result<DiskFile> {
        match self {
            Self::Folder(path) => {
                let mut options = OpenOptions::new();
                options.read(true).write(true).open(path.join(name)).map(DiskFile::File)
            }
            #[cfg(test)]
            Self::Simulated(disk) => disk.open(name).map(DiskFile::Simulated),
        }
    }

    /// Opens a file, made if it is not there.
    pub(super) fn open_or_create(&self, name: &str) -> io::Result<DiskFile> {
        match self.open(name) {
            Err(error) if error.kind() == ErrorKind::NotFound => self.create(name),
            opened => opened,
        }
    }

    /// Deletes a file. That it is not there is no error.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        let removed = match self {
            Self::Folder(path) => fs::remove_file(path.join(name)),
            #[cfg(test)]
            Self::Simulated(disk) => disk.remove(name),
        };
        match removed {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    /// Waits until the names of the folder are where they survive the machine.
    pub(super) fn sync(&self) -> io::Result<()> {
        match self {
            Self::Folder(path) => File::open(path)?.sync_all(),
            #[cfg(test)]
            Self::Simulated(disk) => disk.sync_names(),
        }
    }

    /// Deletes the folder if nothing is in it.
    pub(super) fn remove_folder(&self) {
        match self {
            // Files of others may be in it: then it stays.
            Self::Folder(path) => drop(fs::remove_dir(path)),
            #[cfg(test)]
            Self::Simulated(_) => {}
        }
    }
}

impl DiskFile {
    /// Fills `bytes` from `offset` on, as far as the file goes; gives how many that are.
    pub(super) fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0_usize;
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let from = offset.saturating_add(filled as u64);
            let read = match self {
                Self::File(file) => file.read_at(rest, from),
                #[cfg(test)]
                Self::Simulated(file) => file.read_at(rest, from),
            };
            match read {
                Ok(0) => break,
                Ok(count) => filled = filled.saturating_add(count),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    /// Writes all of `bytes` at `offset`. After an error any part of them may have been written.
    pub(super) fn write_all_at(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = match self {
                Self::File(file) => file.write_at(bytes, offset),
                #[cfg(test)]
                Self::Simulated(file) => file.write_at(bytes, offset),
            };
            match written {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    bytes = bytes.get(count..).unwrap_or_default();
                    offset = offset.saturating_add(count as u64);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Cuts the file back.
    pub(super) fn set_len(&self, bytes: u64) -> io::Result<()> {
        match self {
            Self::File(file) => file.set_len(bytes),
            #[cfg(test)]
            Self::Simulated(file) => file.set_len(bytes),
        }
    }

    /// Waits until what was written is where it survives the machine.
    pub(super) fn sync(&self) -> io::Result<()> {
        match self {
            Self::File(file) => file.sync_data(),
            #[cfg(test)]
            Self::Simulated(file) => file.sync(),
        }
    }
}

fn list(path: &Path) -> io::Result<Vec<Listed>> {
    let mut listed = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let metadata = match entry.metadata() {
            // Somebody deleted it meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            metadata => metadata?,
        };
        if let (true, Ok(name)) = (metadata.is_file(), entry.file_name().into_string()) {
            listed.push(Listed { name, bytes: metadata.len() });
        }
    }
    Ok(listed)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("there").permissions().mode() & 0o777
    }

    #[test]
    fn files_and_folders_are_for_their_owner_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a/b");
        let disk = Disk::folder(&path).expect("made");
        drop(disk.create("x").expect("made"));
        assert_eq!((mode(&path), mode(&folder.path().join("a"))), (0o700, 0o700));
        assert_eq!(mode(&path.join("x")), 0o600);
    }

    #[test]
    fn a_folder_does_what_a_simulated_one_does() {
        let folder = tempfile::tempdir().expect("a folder");
        let real = Disk::folder(folder.path()).expect("made");
        for disk in [real, Disk::Simulated(SimulatedDisk::default())] {
            let file = disk.create("x").expect("made");
            assert_eq!(disk.create("x").expect_err("there").kind(), ErrorKind::AlreadyExists);
            assert_eq!(disk.open("y").expect_err("not there").kind(), ErrorKind::NotFound);
            file.write_all_at(b"abcdef", 2).expect("written");
            file.set_len(5).expect("cut");
            let mut bytes = [9; 8];
            assert_eq!(file.read_at(&mut bytes, 0).expect("read"), 5);
            assert_eq!(bytes, *b"\0\0abc\x09\x09\x09");
            assert_eq!(file.read_at(&mut bytes, 5).expect("read"), 0);
            file.sync().and_then(|()| disk.sync()).expect("synced");
            assert_eq!(disk.list().expect("names"), [Listed { name: "x".to_owned(), bytes: 5 }]);
            disk.remove("x").and_then(|()| disk.remove("x")).expect("gone");
            assert_eq!(file.read_at(&mut bytes, 4).expect("still open"), 1);
            assert_eq!(disk.list().expect("names"), []);
        }
    }
}
