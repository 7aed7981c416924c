//! A disk for tests: it is full, fails and crashes when it is told to.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard};

use super::Listed;

/// A folder in memory. Clones are the same folder.
#[derive(Clone, Debug, Default)]
pub struct SimulatedDisk(Arc<Mutex<State>>);

/// A file in memory. It stays readable when its name is gone.
#[derive(Debug)]
pub struct SimulatedFile {
    disk: SimulatedDisk,
    inode: u64,
}

/// What goes wrong with one operation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Failure {
    /// Nothing of it is done.
    Whole,
    /// A write is done up to this many bytes, then it fails; of others nothing is done.
    Behind(usize),
}

/// What a crash leaves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Crash {
    /// The machine goes down: only what was synced is left.
    Unsynced,
    /// The process goes down in its last write, of which this many bytes were done.
    Within(usize),
}

#[derive(Clone, Debug, Default)]
struct State {
    names: BTreeMap<String, u64>,
    names_synced: BTreeMap<String, u64>,
    files: BTreeMap<u64, Content>,
    inodes: u64,
    /// Operations that change something.
    changes: u64,
    /// Those of them that fail, by their number.
    failures: BTreeMap<u64, Failure>,
    /// All of them fail.
    is_dead: bool,
    /// A file that cannot be opened or read.
    refused: Option<String>,
    /// A page of 4,096 bytes that cannot be read, of any file.
    broken_page: Option<u64>,
    bytes_max: Option<u64>,
    last_write: Option<LastWrite>,
}

#[derive(Clone, Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    synced: Vec<u8>,
}

#[derive(Clone, Debug)]
struct LastWrite {
    inode: u64,
    offset: usize,
    before: Vec<u8>,
}

impl SimulatedDisk {
    /// From here on the folder holds no more than so many bytes.
    pub(crate) fn limit(&self, bytes_max: Option<u64>) {
        self.state().bytes_max = bytes_max;
    }

    /// Of the operations that change something the one after so many others fails.
    pub(crate) fn fail_after(&self, changes: u64, failure: Failure) {
        let mut state = self.state();
        let at = state.changes + changes;
        state.failures.insert(at, failure);
    }

    /// From here on a file can be neither opened nor read.
    pub(crate) fn refuse(&self, name: Option<&str>) {
        self.state().refused = name.map(str::to_owned);
    }

    /// From here on no file can be read from that place on for 4,096 bytes.
    pub(crate) fn break_page(&self, offset: Option<u64>) {
        self.state().broken_page = offset;
    }

    /// From here on all that changes something fails, or no longer does.
    pub(crate) fn die(&self, is_dead: bool) {
        self.state().is_dead = is_dead;
    }

    /// Forgets all that was to go wrong.
    pub(crate) fn heal(&self) {
        let mut state = self.state();
        state.failures.clear();
        (state.is_dead, state.bytes_max) = (false, None);
        (state.refused, state.broken_page) = (None, None);
    }

    /// How many operations changed something.
    pub(crate) fn changes(&self) -> u64 {
        self.state().changes
    }

    /// What is found after a crash: another disk, that whoever has this one open does not touch.
    pub(crate) fn crashed(&self, crash: Crash) -> Self {
        let mut state = self.state().clone();
        match crash {
            Crash::Unsynced => {
                state.names = state.names_synced.clone();
                state.files.values_mut().for_each(|file| file.bytes = file.synced.clone());
            }
            Crash::Within(bytes) => {
                if let Some(LastWrite { inode, offset, before }) = state.last_write.take()
                    && let Some(file) = state.files.get_mut(&inode)
                {
                    let done = file.bytes.get(offset..).unwrap_or_default().to_vec();
                    file.bytes = before;
                    let done = &done[..done.len().min(bytes)];
                    put(&mut file.bytes, offset, done);
                }
            }
        }
        let disk = Self(Arc::new(Mutex::new(state)));
        disk.heal();
        disk
    }

    /// Another disk with the same files.
    pub(crate) fn copied(&self) -> Self {
        let state = self.state().clone();
        Self(Arc::new(Mutex::new(state)))
    }

    /// The names, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        self.state().names.keys().cloned().collect()
    }

    /// What a file holds.
    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        let state = self.state();
        state.names.get(name).map(|inode| state.files[inode].bytes.clone()).unwrap_or_default()
    }

    /// Puts other bytes into a file, made if it is not there.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        let mut state = self.state();
        let inode = state.names.get(name).copied().unwrap_or_else(|| state.add(name));
        let content = Content { bytes: bytes.to_vec(), synced: bytes.to_vec() };
        state.files.insert(inode, content);
    }

    /// Bytes that a machine that goes down takes along.
    pub(crate) fn unsynced_bytes(&self) -> usize {
        let state = self.state();
        state.files.values().map(|file| file.bytes.len().saturating_sub(file.synced.len())).sum()
    }

    /// Bytes of all files that have a name.
    pub(crate) fn bytes(&self) -> u64 {
        self.state().bytes()
    }

    pub(super) fn list(&self) -> io::Result<Vec<Listed>> {
        let state = self.state();
        let length = |inode| state.files[inode].bytes.len() as u64;
        let names = state.names.iter();
        Ok(names.map(|(name, i)| Listed { name: name.clone(), bytes: length(i) }).collect())
    }

    pub(super) fn create(&self, name: &str) -> io::Result<SimulatedFile> {
        let mut state = self.state();
        state.next()?;
        if state.names.contains_key(name) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let inode = state.add(name);
        Ok(SimulatedFile { disk: self.clone(), inode })
    }

    pub(super) fn open(&self, name: &str) -> io::Result<SimulatedFile> {
        let state = self.state();
        let inode = *state.names.get(name).ok_or(ErrorKind::NotFound)?;
        state.check(inode)?;
        Ok(SimulatedFile { disk: self.clone(), inode })
    }

    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        state.next()?;
        state.names.remove(name).map(drop).ok_or_else(|| ErrorKind::NotFound.into())
    }

    pub(super) fn sync_names(&self) -> io::Result<()> {
        let mut state = self.state();
        state.next()?;
        state.names_synced = state.names.clone();
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics in here")
    }
}

impl SimulatedFile {
    pub(super) fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.disk.state();
        state.check(self.inode)?;
        let end = offset + bytes.len() as u64;
        if state.broken_page.is_some_and(|page| offset < page + 4_096 && page < end) {
            return Err(failed());
        }
        let content = &state.files[&self.inode].bytes;
        let from = usize::try_from(offset).expect("small").min(content.len());
        let count = bytes.len().min(content.len() - from);
        bytes[..count].copy_from_slice(&content[from..from + count]);
        Ok(count)
    }

    pub(super) fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.state();
        let failure = state.next_failure();
        let offset = usize::try_from(offset).expect("small");
        let room = |max: u64| max.saturating_sub(state.bytes());
        let room = state.bytes_max.map_or(u64::MAX, room);
        let file = state.files.get_mut(&self.inode).expect("an open file");
        let inside = file.bytes.len().saturating_sub(offset);
        let room = usize::try_from(room).unwrap_or(usize::MAX).saturating_add(inside);
        let count = match failure {
            None => bytes.len().min(room),
            Some(Failure::Whole) => 0,
            Some(Failure::Behind(done)) => bytes.len().min(done).min(room),
        };
        if count > 0 {
            let before = file.bytes.clone();
            put(&mut file.bytes, offset, &bytes[..count]);
            state.last_write = Some(LastWrite { inode: self.inode, offset, before });
        }
        match failure {
            Some(_) => Err(failed()),
            None if count == 0 && !bytes.is_empty() => Err(ErrorKind::StorageFull.into()),
            None => Ok(count),
        }
    }

    pub(super) fn set_len(&self, bytes: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.next()?;
        let file = state.files.get_mut(&self.inode).expect("an open file");
        file.bytes.resize(usize::try_from(bytes).expect("small"), 0);
        state.last_write = None;
        Ok(())
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        state.next()?;
        let file = state.files.get_mut(&self.inode).expect("an open file");
        file.synced = file.bytes.clone();
        Ok(())
    }
}

impl State {
    fn check(&self, inode: u64) -> io::Result<()> {
        let refused = self.refused.as_ref().and_then(|name| self.names.get(name));
        if refused == Some(&inode) { Err(failed()) } else { Ok(()) }
    }

    /// Counts a change; gives the error if it is one that fails.
    fn next(&mut self) -> io::Result<()> {
        match self.next_failure() {
            None => Ok(()),
            Some(_) => Err(failed()),
        }
    }

    fn next_failure(&mut self) -> Option<Failure> {
        let failure = self.failures.remove(&self.changes);
        self.changes += 1;
        failure.or(self.is_dead.then_some(Failure::Whole))
    }

    fn add(&mut self, name: &str) -> u64 {
        self.inodes += 1;
        self.names.insert(name.to_owned(), self.inodes);
        self.files.insert(self.inodes, Content::default());
        self.inodes
    }

    fn bytes(&self) -> u64 {
        self.names.values().map(|inode| self.files[inode].bytes.len() as u64).sum()
    }
}

fn failed() -> io::Error {
    io::Error::other("input/output error")
}

fn put(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    if content.len() < offset + bytes.len() && !bytes.is_empty() {
        content.resize(offset + bytes.len(), 0);
    }
    content[offset..offset + bytes.len()].copy_from_slice(bytes);
}
