//! Notes what has ended, and deletes segments of which all has.

use std::io;
use std::ops::Range;

use super::{FileError, Kind, Log, name_of};
use crate::spill::done::{DONE_BYTES_MAX, Note, write_done_header};

/// Up to this length of the file entries are noted. The rest is for blocks: one note for many of them.
const ENTRIES_BYTES_MAX: u64 = DONE_BYTES_MAX / 2;

impl Log {
    /// Writes notes of what has ended since the last call, and deletes segments of which all has.
    ///
    /// Notes for which there is no room are kept back; without them what has ended is delivered
    /// again after a crash.
    ///
    /// # Errors
    ///
    /// The first file that could not be written or deleted. It is tried again with the next call;
    /// the others are written all the same.
    pub fn write_ended(&mut self) -> Result<(), FileError> {
        let mut result = Ok(());
        let mut changed = std::mem::take(&mut self.changed);
        changed.extend(self.cursor.as_ref().map(|cursor| cursor.segment));
        // Deleting first makes room for notes.
        let over: Vec<u64> = changed.extract_if(.., |at| self.is_over(*at)).collect();
        for first in over {
            result = result.and(self.remove(first));
        }
        for first in changed.into_iter().filter(|first| self.has_unsaid(*first)).collect::<Vec<_>>()
        {
            result = result.and(self.cut(first)).and(self.write_notes(first));
            // Kept back, or the disk has refused it.
            if self.has_unsaid(first) {
                self.changed.insert(first);
            }
        }
        debug_assert!(self.misses_none(), "{:?} are looked at", self.changed);
        if self.segments.is_empty() {
            // Nothing is held for a log that is not used.
            (self.buffer, self.passed) = (Vec::new(), None);
        }
        result
    }

    /// Whether something is to be written for a segment.
    fn has_unsaid(&self, first: u64) -> bool {
        let Some(segment) = self.segments.get(&first) else {
            return false;
        };
        let is_noted = segment.ended.is_empty() && segment.told.is_empty();
        let entries = || self.live.unnoted(self.numbers_of(first)).next();
        !is_noted || segment.is_longer || entries().is_some()
    }

    /// Whether all segments will be looked at that have to be.
    fn misses_none(&self) -> bool {
        let cursor = self.cursor.as_ref().map(|cursor| cursor.segment);
        let is_looked_at = |first| self.changed.contains(&first) || cursor == Some(first);
        let mut all = self.segments.keys();
        all.all(|at| is_looked_at(*at) || !(self.is_over(*at) || self.has_unsaid(*at)))
    }

    /// Whether nothing of a segment is needed any more.
    fn is_over(&self, first: u64) -> bool {
        let Some(segment) = self.segments.get(&first) else {
            return false;
        };
        let is_read = match &self.cursor {
            Some(cursor) if first < cursor.segment => true,
            Some(cursor) => first == cursor.segment && !self.has_unread(),
            None => true,
        };
        segment.is_deleted || (is_read && segment.live == 0 && !segment.stays)
    }

    /// Deletes a segment with its notes.
    pub(super) fn remove(&mut self, first: u64) -> Result<(), FileError> {
        let Some(segment) = self.segments.get_mut(&first) else {
            return Ok(());
        };
        // Until all of it is gone.
        self.changed.insert(first);
        // In this order: notes without a segment are deleted by the next start, a segment without
        // notes would be delivered again.
        if !segment.is_deleted {
            let name = name_of(first, Kind::Log);
            let removed = self.disk.remove(&name);
            removed.map_err(|source| self.file_error("delete", &name, source))?;
            self.forget(first);
            if self.settings.syncs {
                let synced = self.disk.sync();
                synced.map_err(|source| self.file_error("delete", &name, source))?;
            }
        }
        let Some(segment) = self.segments.get(&first) else {
            return Ok(());
        };
        if segment.has_done {
            let name = name_of(first, Kind::Done);
            let removed = self.disk.remove(&name);
            removed.map_err(|source| self.file_error("delete", &name, source))?;
        }
        self.changed.remove(&first);
        if let Some(segment) = self.segments.remove(&first) {
            self.bytes = self.bytes.saturating_sub(segment.all_bytes());
        }
        Ok(())
    }

    /// The log of a segment was deleted: nothing leads to it any more.
    fn forget(&mut self, first: u64) {
        if let Some(segment) = self.segments.get_mut(&first) {
            self.bytes = self.bytes.saturating_sub(segment.bytes);
            segment.bytes = 0;
            segment.is_deleted = true;
        }
        if self.writer.as_ref().is_some_and(|writer| writer.first == first) {
            self.writer = None;
        }
        if self.cursor.as_ref().is_some_and(|cursor| cursor.segment == first) {
            (self.cursor, self.seen) = (None, None);
            // Nothing is unread: others may be over by that.
            self.changed.extend(self.segments.keys());
        }
        if self.passed.as_ref().is_some_and(|(segment, _)| *segment == first) {
            self.passed = None;
        }
    }

    /// The numbers that blocks of a segment may have.
    fn numbers_of(&self, first: u64) -> Range<u64> {
        first..self.first_behind(first)
    }

    /// Cuts off what a failed write left, if that was not possible then.
    fn cut(&mut self, first: u64) -> Result<(), FileError> {
        let Some(segment) = self.segments.get_mut(&first) else {
            return Ok(());
        };
        if segment.is_longer {
            let name = name_of(first, Kind::Log);
            let cut = self.disk.open(&name).and_then(|file| file.set_len(segment.bytes));
            cut.map_err(|source| self.file_error("write to", &name, source))?;
            if let Some(segment) = self.segments.get_mut(&first) {
                segment.is_longer = false;
            }
        }
        Ok(())
    }

    fn write_notes(&mut self, first: u64) -> Result<(), FileError> {
        let Some(segment) = self.segments.get(&first) else {
            return Ok(());
        };
        let mut notes = Vec::new();
        if segment.done_bytes == 0 {
            write_done_header(first, &mut notes);
        }
        let header_bytes = notes.len();
        for offset in &segment.told {
            Note::Damage { offset: *offset }.write(first, &mut notes);
        }
        for run in segment.ended.as_slice() {
            let count = u32::try_from(run.end.saturating_sub(run.start)).unwrap_or(u32::MAX);
            Note::Blocks { number: run.start, count }.write(first, &mut notes);
        }
        let numbers = self.numbers_of(first);
        let mut of_entries = Vec::new();
        for (number, entries) in self.live.unnoted(numbers.clone()) {
            Note::Entries { number, entries: entries.clone() }.write(first, &mut of_entries);
        }
        let with_entries =
            segment.done_bytes.saturating_add((notes.len() + of_entries.len()) as u64);
        if with_entries <= ENTRIES_BYTES_MAX {
            notes.append(&mut of_entries);
        } else {
            self.live.noted(numbers.clone());
        }
        let after = segment.done_bytes.saturating_add(notes.len() as u64);
        let is_room = self.bytes.saturating_add(notes.len() as u64) <= self.settings.bytes_max;
        if notes.len() == header_bytes || !is_room || after > DONE_BYTES_MAX {
            return Ok(());
        }
        let begins = segment.done_bytes;
        if let Some(segment) = self.segments.get_mut(&first) {
            segment.has_done = true;
        }
        let name = name_of(first, Kind::Done);
        let written = self.write_at(&name, &notes, begins);
        written.map_err(|source| self.file_error("write to", &name, source))?;
        self.bytes = self.bytes.saturating_add(notes.len() as u64);
        if let Some(segment) = self.segments.get_mut(&first) {
            segment.done_bytes = after;
            segment.ended.clear();
            segment.told.clear();
        }
        self.live.noted(numbers);
        Ok(())
    }

    fn write_at(&self, name: &str, notes: &[u8], offset: u64) -> io::Result<()> {
        let file = self.disk.open_or_create(name)?;
        file.write_all_at(notes, offset).inspect_err(|_| {
            // What stays of them is written over: notes have one length.
            let _may_fail = file.set_len(offset);
        })?;
        if self.settings.syncs {
            file.sync()?;
            if offset == 0 {
                self.disk.sync()?;
            }
        }
        Ok(())
    }

    fn file_error(&self, action: &'static str, name: &str, source: io::Error) -> FileError {
        FileError { action, file: self.disk.path_of(name), source }
    }
}
