//! Step 1, input: one file that is followed.
//!
//! It stays open as long as it is followed, so that its inode is no other file's, whatever name
//! leads to it or none. Reads a bounded number of bytes a turn. Must not know of other files.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::cursor::{Cursor, Step};
use super::lines::{Lines, Now, Out};
use super::offsets::{Offsets, Tracked};
use crate::ledger::Mark;
use crate::record::chunk::TaggedEntries;
use crate::record::tag::Tag;

/// What a file is, whatever its name.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Id {
    /// Its device.
    pub device: u64,
    /// Of the file on its device.
    pub inode: u64,
}

/// A file that is followed.
#[derive(Debug)]
pub struct Followed {
    /// What it is.
    pub id: Id,
    file: File,
    /// Where it was found last.
    path: PathBuf,
    tag: Tag,
    cursor: Cursor,
    lines: Lines,
    tracked: Tracked,
    offsets: Offsets,
    /// It was cut or empty, and what it begins with now is not known to the offsets.
    is_cut: bool,
    /// Up to here nothing is to be read again once what was read has its outcome.
    marked: u64,
    /// Since when its path leads to another file or to none.
    rotated: Option<Instant>,
    /// When it was written last, since 1970.
    modified: Duration,
    /// It was rotated and not read to its end since: what follows it waits.
    goes_first: bool,
    /// It was said that a line was left out.
    is_told: bool,
}

/// Records of one file, on their way.
#[derive(Debug)]
pub struct Batch {
    /// The records.
    pub tagged: TaggedEntries,
    /// Says when they have their outcome.
    pub mark: Mark,
}

/// Where the path of a file leads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Leads {
    /// To the file, or that cannot be told.
    There,
    /// To nothing.
    Nowhere,
    /// To another file.
    Elsewhere,
}

impl Id {
    /// Of the file that this was asked of.
    #[must_use]
    pub fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// When the file was written last, since 1970.
#[must_use]
pub fn modified(metadata: &Metadata) -> Duration {
    let seconds = Duration::from_secs(u64::try_from(metadata.mtime()).unwrap_or_default());
    seconds + Duration::from_nanos(u64::try_from(metadata.mtime_nsec()).unwrap_or_default())
}

impl Followed {
    /// Follows a file from where its cursor stands.
    #[must_use]
    pub fn new(
        (path, file, metadata): (PathBuf, File, &Metadata),
        tag: Tag,
        lines: Lines,
        cursor: Cursor,
        (tracked, offsets): (Tracked, Offsets),
    ) -> Self {
        let (id, modified, marked) = (Id::of(metadata), modified(metadata), cursor.position());
        let (rotated, goes_first, is_told) = (None, false, false);
        Self {
            id,
            file,
            path,
            tag,
            cursor,
            lines,
            tracked,
            offsets,
            // With the first lines it gets a beginning by which it is known again.
            is_cut: metadata.len() == 0,
            marked,
            rotated,
            modified,
            goes_first,
            is_told,
        }
    }

    /// Where it was found last.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How far it was read.
    #[must_use]
    pub fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    /// When it was written last, since 1970.
    #[must_use]
    pub fn modified(&self) -> Duration {
        self.modified
    }

    /// Since when its path leads elsewhere.
    #[must_use]
    pub fn rotated(&self) -> Option<Instant> {
        self.rotated
    }

    /// Whether there is something to read.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.cursor.is_behind()
    }

    /// Notes its size. Where it was cut, gives out the lines that wait for the next one.
    pub fn sized(&mut self, size: u64, out: &mut Out) {
        if self.cursor.sized(size) {
            self.restarted(out);
        }
    }

    /// Whether no name leads to it any more.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| metadata.nlink() == 0)
    }

    /// Whether it is to be read before the others: lines of the file that took its place are newer.
    #[must_use]
    pub fn goes_first(&self) -> bool {
        self.goes_first && self.cursor.is_behind()
    }

    /// Looks at its size and at its path. Where it was cut, gives out the lines that wait.
    ///
    /// # Errors
    ///
    /// The file cannot be asked for its size: it is of no use any more.
    pub fn look(&mut self, now: Instant, out: &mut Out) -> io::Result<Leads> {
        let metadata = self.file.metadata()?;
        let written = modified(&metadata);
        let is_written = std::mem::replace(&mut self.modified, written) != written;
        self.sized(metadata.len(), out);
        if is_written {
            self.cursor.written();
        }
        let leads = match std::fs::metadata(&self.path) {
            Ok(found) if Id::of(&found) == self.id => Leads::There,
            Ok(_) => Leads::Elsewhere,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Leads::Nowhere,
            Err(_) => Leads::There,
        };
        if leads == Leads::There {
            self.rotated = None;
        } else {
            self.goes_first |= self.rotated.is_none();
            self.rotated.get_or_insert(now);
        }
        Ok(leads)
    }

    /// It is found at another path now.
    pub fn renamed(&mut self, path: &Path) {
        self.tracked.renamed(path);
        path.clone_into(&mut self.path);
        self.rotated = None;
    }

    /// No more bytes are waited for: what is not ended is a line, too. Fluent Bit drops it.
    pub fn close_line(&mut self) {
        self.cursor.close_line();
    }

    /// Bytes of memory that the next turn takes, in pieces of `piece` bytes.
    #[must_use]
    pub fn needs(&self, piece: usize, line_bytes_max: u64) -> Option<usize> {
        Some(match self.cursor.step(piece)? {
            Step::Lines { bytes, .. } | Step::Search { bytes, .. } => bytes,
            // What was read and the record of it are there at once.
            Step::Line { bytes, .. } => {
                usize::try_from(bytes.min(line_bytes_max).saturating_mul(2)).unwrap_or(usize::MAX)
            }
        })
    }

    /// Reads the next piece.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn turn(
        &mut self,
        piece: usize,
        line_bytes_max: u64,
        buffer: &mut Vec<u8>,
        now: Now,
        out: &mut Out,
    ) -> io::Result<()> {
        let done = self.read_piece(piece, line_bytes_max, buffer, now, out);
        self.goes_first = self.goes_first();
        done
    }

    fn read_piece(
        &mut self,
        piece: usize,
        line_bytes_max: u64,
        buffer: &mut Vec<u8>,
        now: Now,
        out: &mut Out,
    ) -> io::Result<()> {
        match self.cursor.step(piece) {
            None => {}
            Some(Step::Lines { at, bytes, marker }) => {
                let read = read(&self.file, at, bytes, buffer)?;
                if read.len() < bytes {
                    self.cursor.ends_at(at + read.len() as u64);
                }
                match read.split_at_checked(marker) {
                    Some((before, block)) if self.cursor.is_same(before) => {
                        let position = self.cursor.position();
                        let whole = self.lines.take(block, position, now, out);
                        self.cursor.took(block, whole.bytes, whole.has_more);
                    }
                    Some(_) | None => {
                        self.cursor.restart();
                        self.restarted(out);
                    }
                }
            }
            Some(Step::Search { at, bytes }) => {
                let block = read(&self.file, at, bytes, buffer)?;
                if block.len() < bytes {
                    self.cursor.ends_at(at + block.len() as u64);
                }
                self.cursor.found(block, memchr::memchr(b'\n', block));
            }
            Some(Step::Line { at, bytes }) => {
                // One byte more shows that it is longer, and where a letter ends.
                let most = bytes.min(line_bytes_max.saturating_add(1));
                let most = usize::try_from(most).unwrap_or(usize::MAX);
                let marker = self.cursor.marker().len();
                let from = at.saturating_sub(marker as u64);
                let read_bytes = read(&self.file, from, marker.saturating_add(most), buffer)?;
                if let Some((before, text)) = read_bytes.split_at_checked(marker)
                    && self.cursor.is_same(before)
                    && text.len() == most
                    && let Some((end, bytes_of_end)) = self.cursor.end_of_line()
                {
                    // Before the line is given out: if this fails, it is read again.
                    let mut last = Vec::new();
                    let last = read(&self.file, end, bytes_of_end, &mut last)?;
                    self.lines.line(text, bytes, at, now, out);
                    self.cursor.took_line(last);
                } else {
                    // It was cut or written anew since it was searched.
                    self.cursor.restart();
                    self.restarted(out);
                }
            }
        }
        Ok(())
    }

    /// Gives out lines that have waited long enough.
    pub fn expired(&mut self, now: Instant, out: &mut Out) {
        self.lines.expired(now, out);
    }

    /// Gives out all lines that wait for the next one.
    pub fn end(&mut self, out: &mut Out) {
        self.lines.end(out);
    }

    /// When [`Self::expired`] is to be called.
    #[must_use]
    pub fn wakes_at(&self) -> Option<Instant> {
        self.lines.waiting()?.wakes_at()
    }

    /// Bytes of lines that wait for the next one.
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        self.lines.waiting().map_or(0, super::joined::Joined::bytes)
    }

    /// What came out of a turn, ready to go on. What becomes of a line that waits is known with its
    /// group, so that the file counts as read up to the first of these only.
    pub fn batch(&mut self, out: &mut Out) -> Option<Batch> {
        let waiting = self.lines.waiting().and_then(super::joined::Joined::start);
        let position = self.cursor.position();
        let end = waiting.map_or(position, |start| start.min(position)).max(self.marked);
        let has_moved = end > self.marked;
        if self.is_cut && position > 0 {
            self.is_cut = false;
            // The old one has to go before the new one comes.
            self.tracked = Offsets::none().track(&self.path, self.id.inode, &self.file, 0);
            self.tracked = self.offsets.track(&self.path, self.id.inode, &self.file, 0);
        }
        self.marked = end;
        if out.records.is_empty() {
            if has_moved {
                self.tracked.passed(end);
            }
            return None;
        }
        let entries = std::mem::take(&mut out.records).finish();
        let tagged = TaggedEntries { tag: self.tag.clone(), entries };
        Some(Batch { tagged, mark: self.tracked.mark(end) })
    }

    /// Whether it is the first time that a line is left out.
    pub fn tells(&mut self) -> bool {
        !std::mem::replace(&mut self.is_told, true)
    }

    /// It is not followed any more, and its offset is forgotten if its name is gone.
    pub fn close(self) {
        if self.rotated.is_some() {
            self.tracked.removed();
        }
    }

    fn restarted(&mut self, out: &mut Out) {
        // They are not in the file any more.
        self.lines.end(out);
        self.tracked.truncated();
        self.is_cut = true;
        self.marked = 0;
        tracing::debug!(
            "{} is read from its start: it was cut or written anew",
            self.path.display()
        );
    }
}

/// Reads so many bytes, or as many as there are.
///
/// # Errors
///
/// The operating system's.
pub fn read<'a>(
    file: &File,
    at: u64,
    bytes: usize,
    buffer: &'a mut Vec<u8>,
) -> io::Result<&'a [u8]> {
    buffer.resize(bytes, 0);
    let mut read = 0;
    while let Some(rest) = buffer.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, at + read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(buffer.get(..read).unwrap_or_default())
}
