//! The log: blocks in segments, first in, first out.
//!
//! Decides what is written where and what comes next; all of it happens in the calls, one after
//! the other. Knows no thread, no clock and no ledger.

mod append;
mod cursor;
mod live;
mod notes;
mod segment_reader;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::path::PathBuf;

pub use append::{AppendError, Appended, disk_bytes};
pub use cursor::Peeked;

use super::block::{Position, ReadBlock};
use super::disk::Disk;
use super::done;
use super::ranges::Ranges;
use super::segment::{FILE_HEADER_BYTES, SharedLists};
use append::Writer;
use cursor::{Cursor, Seen};
use live::Live;
use segment_reader::{AHEAD_BYTES, Found, SegmentReader};

/// Most segments, inclusive: what is known of each is held in memory. A start that writes anything
/// begins one.
const SEGMENTS_MAX: usize = 16_384;
/// The part of the room that only notes may take.
const NOTES_SHARE: u64 = 16;
/// What is read at once while only headers are looked for.
const HEADERS_AHEAD_BYTES: usize = 4 * 1_024;
/// So many numbers are left out for a segment that cannot be read: more than any has blocks.
const UNREAD_NUMBERS: u64 = 1 << 40;
/// Memory that a log takes at most besides what is known of blocks in somebody's hands: what is
/// read ahead, for the next blocks and for those that were passed over, and what is written at
/// once.
pub const MEMORY_BYTES: usize = 2 * AHEAD_BYTES + 2 * append::BUFFER_BYTES;

/// How a log is kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Settings {
    /// Most bytes of all files, inclusive.
    pub bytes_max: u64,
    /// A segment takes blocks up to this length. A block that is longer has one of its own.
    pub segment_bytes_max: u64,
    /// Whether what was written waits until the disk has it. Without, it survives the process but
    /// not the machine.
    pub syncs: bool,
}

/// Why a log could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the folder '{}': {source}", folder.display())]
pub struct OpenError {
    folder: PathBuf,
    source: io::Error,
}

/// Why a file could not be written or deleted.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} '{}': {source}", file.display())]
pub struct FileError {
    /// `write to` or `delete`.
    pub action: &'static str,
    /// The file.
    pub file: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// The blocks of one output on disk.
#[derive(Debug)]
pub struct Log {
    disk: Disk,
    settings: Settings,
    /// By the number of their first block.
    segments: BTreeMap<u64, Segment>,
    /// Those of which something is to be noted, or that may be over: all that [`Self::write_ended`] looks
    /// at, beside the one under the cursor.
    changed: BTreeSet<u64>,
    /// Bytes of them all.
    bytes: u64,
    next_number: u64,
    /// The segment that is written to.
    writer: Option<Writer>,
    /// What is written next; empty between calls.
    buffer: Vec<u8>,
    /// What is read next. `None`: nothing was written since all was read and deleted.
    cursor: Option<Cursor>,
    /// What is there, once it was looked at.
    seen: Option<Seen>,
    /// For blocks that were passed over.
    passed: Option<(u64, SegmentReader)>,
    live: Live,
    lists: SharedLists,
}

/// One segment, and its notes.
#[derive(Debug, Default)]
struct Segment {
    /// Where its last block ends.
    bytes: u64,
    /// Where its last note ends.
    done_bytes: u64,
    /// There may be a file of notes, if only an empty one.
    has_done: bool,
    /// Blocks of it in somebody's hands.
    live: usize,
    /// Blocks that are kept in memory behind some that are unread: the cursor passes over them.
    kept: Ranges<u64>,
    /// Blocks that have ended without a note.
    ended: Ranges<u64>,
    /// Damage that was told of without a note.
    told: Vec<u64>,
    /// It stays for the next start.
    stays: bool,
    /// Blocks of which the writing failed may lie behind its end.
    is_longer: bool,
    /// It was deleted, its notes were not.
    is_deleted: bool,
}

impl Log {
    /// Opens the log in a folder. What an earlier process left is unread, from its beginning.
    ///
    /// # Errors
    ///
    /// The folder cannot be read. What is in the files is no reason: see [`Self::peek`].
    pub fn open(disk: Disk, settings: Settings) -> Result<Self, OpenError> {
        let listed = disk.list();
        let listed = listed.map_err(|source| OpenError { folder: disk.path(), source })?;
        let (mut segments, mut notes) = (BTreeMap::new(), BTreeMap::new());
        for file in listed {
            match kind_of(&file.name) {
                Some((first, Kind::Log)) => {
                    segments.insert(first, Segment { bytes: file.bytes, ..Segment::default() });
                }
                Some((first, Kind::Done)) => drop(notes.insert(first, file.bytes)),
                None => {}
            }
        }
        let mut next_number = 1;
        for (first, bytes) in notes {
            // Notes without a segment are what a crash left in the middle of deleting both.
            let segment = segments
                .entry(first)
                .or_insert_with(|| Segment { is_deleted: true, ..Segment::default() });
            (segment.done_bytes, segment.has_done) = (done::whole_bytes(bytes), true);
            next_number = next_number.max(first.saturating_add(1));
        }
        let bytes = segments.values().map(Segment::all_bytes).sum();
        let oldest = segments.iter().find(|(_, segment)| !segment.is_deleted);
        let cursor = oldest.map(|(first, _)| Cursor::at(*first));
        let mut log = Self {
            disk,
            settings,
            changed: segments.keys().copied().collect(),
            segments,
            bytes,
            next_number,
            writer: None,
            buffer: Vec::new(),
            cursor,
            seen: None,
            passed: None,
            live: Live::default(),
            lists: SharedLists::default(),
        };
        log.next_number = log.next_number.max(log.number_behind());
        Ok(log)
    }

    /// The number that the next block is to have, or any above it.
    #[must_use]
    pub fn next_number(&self) -> u64 {
        self.next_number
    }

    /// Bytes of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many segments there are.
    #[must_use]
    pub fn segments(&self) -> usize {
        self.segments.len()
    }

    /// Whether a block of so many bytes on disk would not be taken now: see [`disk_bytes`].
    #[must_use]
    pub fn is_full_for(&self, block_bytes: u64) -> bool {
        let begins = FILE_HEADER_BYTES as u64;
        let after = self.bytes.saturating_add(block_bytes).saturating_add(begins);
        after > self.blocks_bytes_max() || self.segments.len() >= SEGMENTS_MAX
    }

    /// Entries of a block that was read, passed over or kept have ended. They may come in any order
    /// and more than once.
    pub fn ended(&mut self, number: u64, entries: Range<u32>) {
        match self.live.ended(number, entries) {
            Some((segment, 0)) => self.has_ended(segment, number),
            Some((segment, _)) => drop(self.changed.insert(segment)),
            None => {}
        }
    }

    /// Whether a block is in somebody's hands, and not all of it has ended.
    #[must_use]
    pub fn holds(&self, number: u64) -> bool {
        self.live.holds(number)
    }

    /// How many blocks are in somebody's hands.
    #[must_use]
    pub fn live(&self) -> usize {
        self.live.len()
    }

    /// Deletes all files, and the folder if nothing else is in it.
    ///
    /// # Errors
    ///
    /// The first of the files that cannot be deleted; the others are all the same.
    pub fn remove_all(mut self) -> Result<(), FileError> {
        let firsts: Vec<u64> = self.segments.keys().copied().collect();
        let mut result = Ok(());
        for first in firsts {
            result = result.and(self.remove(first));
        }
        self.disk.remove_folder();
        result
    }

    /// All of a block has ended.
    fn has_ended(&mut self, segment: u64, number: u64) {
        self.changed.insert(segment);
        if let Some(segment) = self.segments.get_mut(&segment) {
            segment.live = segment.live.saturating_sub(1);
            segment.ended.insert(number..number.saturating_add(1));
        }
    }

    /// The bytes that blocks may take: the rest is for notes.
    fn blocks_bytes_max(&self) -> u64 {
        self.settings.bytes_max - self.settings.bytes_max / NOTES_SHARE
    }

    /// The first number of the segment behind that one, `u64::MAX` if there is none. Numbers of a
    /// segment's blocks are below it: others are what a failed write left behind.
    fn first_behind(&self, segment: u64) -> u64 {
        let behind = self.segments.range(segment.saturating_add(1)..);
        let mut behind = behind.filter(|(_, segment)| !segment.is_deleted);
        behind.next().map_or(u64::MAX, |(first, _)| *first)
    }

    /// The first number above those of the newest segment.
    fn number_behind(&self) -> u64 {
        let newest = self.segments.iter().rev().find(|(_, segment)| !segment.is_deleted);
        let Some((&first, segment)) = newest else {
            return self.next_number;
        };
        let name = name_of(first, Kind::Log);
        let highest = self.disk.open(&name).ok().and_then(|file| {
            // Only headers are read.
            let mut reader = SegmentReader::new(file, first, HEADERS_AHEAD_BYTES);
            let (mut offset, mut highest) = (FILE_HEADER_BYTES as u64, first);
            while offset < segment.bytes {
                offset = match reader.find(offset, segment.bytes) {
                    Found::Block(header) => {
                        highest = highest.max(header.number);
                        offset.saturating_add(header.block_bytes())
                    }
                    Found::Gap { end, error: None } => end,
                    Found::Gap { error: Some(_), .. } => return None,
                };
            }
            Some(highest)
        });
        highest.unwrap_or(first.saturating_add(UNREAD_NUMBERS)).saturating_add(1)
    }
}

impl Segment {
    fn all_bytes(&self) -> u64 {
        self.bytes.saturating_add(self.done_bytes)
    }
}

/// The two files of a segment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Log,
    Done,
}

impl Kind {
    fn extension(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Done => "done",
        }
    }
}

/// Whether that is the name of a segment.
pub(super) fn is_log(name: &str) -> bool {
    kind_of(name).is_some_and(|(_, kind)| kind == Kind::Log)
}

fn name_of(first: u64, kind: Kind) -> String {
    format!("{first:016x}.{}", kind.extension())
}

/// What a file is by its name; `None`: none of ours.
fn kind_of(name: &str) -> Option<(u64, Kind)> {
    let (first, extension) = name.split_once('.')?;
    let kind = [Kind::Log, Kind::Done].into_iter().find(|kind| kind.extension() == extension)?;
    let first = u64::from_str_radix(first, 16).ok()?;
    (name == name_of(first, kind)).then_some((first, kind))
}
