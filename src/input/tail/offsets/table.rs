//! What is known of every file: the newest offset of each, and which of them are to be written.
//!
//! Pure. One value a file, however often it changes: what waits to be written cannot grow.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::head::{Head, Sight};
use super::prefix::Prefix;

/// A file as the database knows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Row {
    pub(super) id: i64,
    pub(super) name: PathBuf,
    pub(super) inode: u64,
    pub(super) offset: u64,
    /// Not known of files that Fluent Bit entered.
    pub(super) device: Option<u64>,
    pub(super) head: Head,
}

/// What is to be done in the database.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) key: u64,
    /// How often the file had started anew when this was taken.
    starts: u64,
    pub(super) id: Option<i64>,
    /// `None`: the row goes.
    pub(super) to: Option<Content>,
}

/// What a row is to hold.
#[derive(Clone, Debug)]
pub(super) struct Content {
    pub(super) name: PathBuf,
    pub(super) inode: u64,
    pub(super) offset: u64,
    pub(super) device: Option<u64>,
    pub(super) head: Head,
    pub(super) is_renamed: bool,
}

/// What is known of a file that was found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Known {
    /// It was read up to here.
    At(u64),
    /// A file of its inode was read, and what it held is not there: it was cut or written anew, so
    /// that all in it is new.
    Anew,
    /// Nothing.
    Unknown,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// From the database, not met yet.
    Known,
    /// Met and not followed any more.
    Left,
    Followed,
    Removed,
}

#[derive(Debug)]
struct Entry {
    id: Option<i64>,
    name: PathBuf,
    inode: u64,
    device: Option<u64>,
    head: Head,
    prefix: Prefix,
    state: State,
    is_renamed: bool,
    is_dirty: bool,
    starts: u64,
}

/// All files.
#[derive(Debug, Default)]
pub(super) struct Table {
    entries: HashMap<u64, Entry>,
    by_inode: HashMap<u64, Vec<u64>>,
    next: u64,
    dirty: Vec<u64>,
    compare_filename: bool,
}

impl Table {
    pub(super) fn new(rows: Vec<Row>, compare_filename: bool) -> Self {
        let mut table = Self { compare_filename, ..Self::default() };
        for row in rows {
            table.insert(Entry {
                id: Some(row.id),
                name: row.name,
                inode: row.inode,
                device: row.device,
                head: row.head,
                prefix: Prefix::at(row.offset),
                state: State::Known,
                is_renamed: false,
                is_dirty: false,
                starts: 0,
            });
        }
        table
    }

    /// What is known of the file.
    pub(super) fn find(&self, name: &Path, sight: &Sight) -> Known {
        let Some(key) = self.pick(name, sight) else {
            // Devices may have other numbers after a restart, and the file may have been cut.
            return if self.is_unmet_name(name, sight) { Known::Anew } else { Known::Unknown };
        };
        let Some(entry) = self.entries.get(&key) else { return Known::Unknown };
        let offset = entry.prefix.read();
        let is_it = sight.bytes >= offset && entry.head.fits(&sight.start);
        if is_it { Known::At(offset) } else { Known::Anew }
    }

    /// Whether a file of this inode is known under exactly this path and nobody has met it.
    fn is_unmet_name(&self, name: &Path, sight: &Sight) -> bool {
        let keys = self.by_inode.get(&sight.inode).into_iter().flatten();
        let mut entries = keys.filter_map(|key| self.entries.get(key));
        entries.any(|entry| entry.state == State::Known && entry.name == name)
    }

    /// Follows a file from `offset` on. Gives its key.
    pub(super) fn track(&mut self, name: &Path, sight: &Sight, offset: u64) -> u64 {
        let key = self.pick(name, sight).unwrap_or_else(|| {
            // A row of the same inode under another name is a file that is gone.
            self.forget_namesakes(sight);
            self.insert(Entry {
                id: None,
                name: name.to_owned(),
                inode: sight.inode,
                device: Some(sight.device),
                head: Head::default(),
                prefix: Prefix::at(offset),
                state: State::Followed,
                is_renamed: false,
                is_dirty: false,
                starts: 0,
            })
        });
        if let Some(entry) = self.entries.get_mut(&key) {
            if entry.prefix.read() != offset {
                entry.prefix.restart(offset);
                entry.starts += 1;
            }
            entry.state = State::Followed;
            entry.device = Some(sight.device);
            entry.head = Head::of(&sight.start);
            entry.is_renamed |= entry.name != name;
            entry.name = name.to_owned();
        }
        self.touch(key);
        key
    }

    pub(super) fn mark(&mut self, key: u64, end: u64) -> u64 {
        self.entries.get_mut(&key).map_or(0, |entry| entry.prefix.mark(end))
    }

    pub(super) fn passed(&mut self, key: u64, end: u64) -> bool {
        self.change(key, |entry| entry.prefix.passed(end))
    }

    pub(super) fn ended(&mut self, key: u64, number: u64) -> bool {
        self.change(key, |entry| entry.prefix.ended(number))
    }

    pub(super) fn renamed(&mut self, key: u64, name: &Path) -> bool {
        self.change(key, |entry| {
            entry.is_renamed = true;
            entry.name = name.to_owned();
            true
        })
    }

    pub(super) fn truncated(&mut self, key: u64) -> bool {
        self.change(key, |entry| {
            entry.prefix.restart(0);
            entry.head = Head::default();
            entry.starts += 1;
            true
        })
    }

    pub(super) fn removed(&mut self, key: u64) -> bool {
        self.change(key, |entry| {
            entry.state = State::Removed;
            true
        })
    }

    /// Its row stays, and marks that have not ended still count.
    pub(super) fn left(&mut self, key: u64) {
        if let Some(entry) = self.entries.get_mut(&key)
            && entry.state == State::Followed
        {
            entry.state = State::Left;
        }
    }

    /// Files of the database that nobody has met.
    pub(super) fn unmet(&self) -> Vec<(u64, PathBuf, u64)> {
        let unmet = self.entries.iter().filter(|(_, entry)| entry.state == State::Known);
        unmet.map(|(key, entry)| (*key, entry.name.clone(), entry.inode)).collect()
    }

    /// Removes one that is still unmet.
    pub(super) fn forget_unmet(&mut self, key: u64) {
        if self.entries.get(&key).is_some_and(|entry| entry.state == State::Known) {
            self.removed(key);
        }
    }

    pub(super) fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Takes out what is to be written.
    pub(super) fn take(&mut self) -> Vec<Change> {
        let mut changes = Vec::with_capacity(self.dirty.len());
        for key in std::mem::take(&mut self.dirty) {
            let Some(entry) = self.entries.get_mut(&key) else { continue };
            entry.is_dirty = false;
            let to = (entry.state != State::Removed).then(|| Content {
                name: entry.name.clone(),
                inode: entry.inode,
                offset: entry.prefix.committed(),
                device: entry.device,
                head: entry.head,
                is_renamed: entry.is_renamed,
            });
            changes.push(Change { key, starts: entry.starts, id: entry.id, to });
        }
        changes
    }

    /// A change was written; its row has this number now.
    pub(super) fn written(&mut self, change: &Change, id: Option<i64>) {
        let Some(content) = &change.to else {
            self.drop_entry(change.key);
            return;
        };
        let Some(entry) = self.entries.get_mut(&change.key) else { return };
        entry.id = id;
        if entry.starts == change.starts {
            entry.head = content.head;
        }
    }

    /// A change was not written: it is to be tried again, as it will be then.
    pub(super) fn failed(&mut self, change: &Change) {
        self.touch(change.key);
    }

    /// The entry of a file: of its inode, on its device or on one that is not known, under its name
    /// where names count. Devices may have other numbers after a restart, so another one is taken if
    /// the file begins as it should.
    fn pick(&self, name: &Path, sight: &Sight) -> Option<u64> {
        let keys = self.by_inode.get(&sight.inode)?;
        let ours = |key: &&u64| {
            self.entries.get(key).filter(|entry| {
                let is_named = !self.compare_filename
                    || matches!(entry.state, State::Followed | State::Left)
                    || entry.name.file_name() == name.file_name();
                entry.state != State::Removed && is_named
            })
        };
        let newest_first = || keys.iter().rev();
        let on = |wanted: fn(&Entry, &Sight) -> bool| {
            newest_first().find(|key| ours(key).is_some_and(|entry| wanted(entry, sight))).copied()
        };
        on(|entry, sight| entry.device == Some(sight.device))
            .or_else(|| on(|entry, _| entry.device.is_none()))
            .or_else(|| {
                on(|entry, sight| {
                    let is_free = entry.state == State::Known;
                    is_free && entry.head.bytes > 0 && entry.head.fits(&sight.start)
                })
            })
    }

    /// Removes what the database knows of another file of this inode.
    fn forget_namesakes(&mut self, sight: &Sight) {
        let keys = self.by_inode.get(&sight.inode).cloned().unwrap_or_default();
        for key in keys {
            let is_same = |entry: &Entry| entry.device.is_none_or(|device| device == sight.device);
            if self.entries.get(&key).is_some_and(is_same) {
                self.removed(key);
            }
        }
    }

    fn insert(&mut self, entry: Entry) -> u64 {
        let key = self.next;
        self.next += 1;
        self.by_inode.entry(entry.inode).or_default().push(key);
        self.entries.insert(key, entry);
        key
    }

    fn drop_entry(&mut self, key: u64) {
        let Some(entry) = self.entries.remove(&key) else { return };
        if let Some(keys) = self.by_inode.get_mut(&entry.inode) {
            keys.retain(|other| *other != key);
            if keys.is_empty() {
                self.by_inode.remove(&entry.inode);
            }
        }
    }

    /// Does something to an entry that is not removed. Says whether somebody must write now who did
    /// not have to before.
    fn change(&mut self, key: u64, what: impl FnOnce(&mut Entry) -> bool) -> bool {
        let entry = self.entries.get_mut(&key).filter(|entry| entry.state != State::Removed);
        entry.is_some_and(what) && self.touch(key)
    }

    fn touch(&mut self, key: u64) -> bool {
        let is_first = self.dirty.is_empty();
        let Some(entry) = self.entries.get_mut(&key) else { return false };
        if !std::mem::replace(&mut entry.is_dirty, true) {
            self.dirty.push(key);
        }
        is_first
    }
}
