//! Reads the blocks back, first in, first out.

use std::io::ErrorKind;

use super::{Kind, Log, Position, ReadBlock, name_of};
use crate::spill::block::{Block, Header};
use crate::spill::damage::{Damage, Why};
use crate::spill::done::{DONE_BYTES_MAX, Done};
use crate::spill::segment::{
    BlockHeader, FILE_HEADER_BYTES, FileHeader, Invalid, read_file_header,
};

use super::segment_reader::{AHEAD_BYTES, Found, ReadError, SegmentReader};

/// What comes next.
#[derive(Debug)]
pub enum Peeked<'a> {
    /// A block.
    Header(Header),
    /// Bytes that are none; [`Log::read`] gives the damage and goes on behind it.
    Damaged(&'a Damage),
}

/// What the reader stands before.
#[derive(Debug)]
pub(super) struct Cursor {
    pub(super) segment: u64,
    pub(super) offset: u64,
    open: Option<Open>,
}

/// The segment under the cursor.
#[derive(Debug)]
struct Open {
    reader: SegmentReader,
    done: Done,
}

/// What was found under the cursor.
#[derive(Debug)]
pub(super) enum Seen {
    Block(BlockHeader),
    /// Where it ends.
    Damage(Damage, u64),
}

impl Cursor {
    /// At the beginning of a segment.
    pub(super) fn at(segment: u64) -> Self {
        Self { segment, offset: 0, open: None }
    }

    /// Goes on to a place that lies further on.
    pub(super) fn pass(&mut self, segment: u64, offset: u64) {
        if self.segment != segment {
            *self = Self::at(segment);
        }
        self.offset = offset;
    }
}

impl Log {
    /// Whether there is anything that was not read, passed over or kept.
    #[must_use]
    pub fn has_unread(&self) -> bool {
        let Some(cursor) = &self.cursor else {
            return false;
        };
        let mut from = self.segments.range(cursor.segment..);
        from.any(|(first, segment)| {
            let read_bytes = if *first == cursor.segment { cursor.offset } else { 0 };
            read_bytes < segment.bytes
        })
    }

    /// What comes next; blocks that have ended are passed over. `None`: nothing is unread.
    pub fn peek(&mut self) -> Option<Peeked<'_>> {
        while self.seen.is_none() {
            if !self.look() {
                return None;
            }
        }
        self.seen.as_ref().map(|seen| match seen {
            Seen::Block(header) => Peeked::Header(header.told()),
            Seen::Damage(damage, _) => Peeked::Damaged(damage),
        })
    }

    /// Reads what [`Self::peek`] gives, and goes on behind it. The block is in the caller's hands
    /// until [`Self::ended`] was told of all its entries.
    pub fn read(&mut self) -> Option<Result<ReadBlock, Damage>> {
        self.peek()?;
        let header = match self.seen.take()? {
            Seen::Block(header) => header,
            Seen::Damage(damage, end) => {
                self.tell(&damage);
                self.go_on(end);
                return Some(Err(damage));
            }
        };
        let position = self.begin(&header)?;
        let Position { segment, offset, bytes, .. } = position;
        let end = self.segments.get(&segment)?.bytes;
        let open = self.cursor.as_mut()?.open.as_mut()?;
        let block = open.reader.read(&header, offset, end, &mut self.lists);
        self.go_on(offset.saturating_add(bytes).min(end));
        Some(match block {
            Ok(block) => Ok(ReadBlock { block, ended: self.live.ended_of(header.number) }),
            Err(error) => Err(self.give_up(position, error)),
        })
    }

    /// Passes over the block that [`Self::peek`] gives: it is read later with [`Self::read_at`].
    /// `None`: what comes next is damage, or nothing.
    pub fn skip(&mut self) -> Option<Position> {
        self.peek()?;
        let Some(Seen::Block(header)) = self.seen else {
            return None;
        };
        let position = self.begin(&header)?;
        let there = self.segments.get(&position.segment)?.bytes;
        self.go_on(position.offset.saturating_add(position.bytes).min(there));
        Some(position)
    }

    /// Reads a block that was passed over.
    ///
    /// # Errors
    ///
    /// It cannot be read back, and counts as ended.
    pub fn read_at(&mut self, position: Position) -> Result<ReadBlock, Damage> {
        let block = self.read_passed(position);
        match block {
            Ok(block) => Ok(ReadBlock { block, ended: self.live.ended_of(position.number) }),
            Err(error) => Err(self.give_up(position, error)),
        }
    }

    fn read_passed(&mut self, position: Position) -> Result<Block, ReadError> {
        let Position { segment, offset, bytes, .. } = position;
        let end = offset.saturating_add(bytes);
        let mut reader = match self.passed.take() {
            Some((first, reader)) if first == segment => reader,
            Some(_) | None => {
                let file = self.disk.open(&name_of(segment, Kind::Log));
                // `end` bounds what is read ahead: those of one lane seldom lie side by side.
                SegmentReader::new(file.map_err(ReadError::Disk)?, segment, AHEAD_BYTES)
            }
        };
        let block = match reader.find(offset, end) {
            Found::Block(header) => reader.read(&header, offset, end, &mut self.lists),
            Found::Gap { error: Some(error), .. } => Err(ReadError::Disk(error)),
            Found::Gap { error: None, .. } => Err(ReadError::NoBlock),
        };
        self.passed = Some((segment, reader));
        block
    }

    /// One step towards what comes next. `false`: nothing does.
    fn look(&mut self) -> bool {
        let Some(cursor) = &mut self.cursor else {
            return false;
        };
        let (first, offset) = (cursor.segment, cursor.offset);
        let bytes = self.segments.get(&first).map_or(0, |segment| segment.bytes);
        if offset >= bytes {
            return self.go_to_next(first);
        }
        let Some(open) = &mut cursor.open else {
            return self.enter(first, bytes);
        };
        let header = match open.reader.find(offset, bytes) {
            Found::Block(header) => header,
            Found::Gap { end, error } => {
                if open.done.is_told(offset) {
                    self.go_on(end);
                    return true;
                }
                if error.is_some() {
                    self.stay(first);
                }
                let why = error.map_or(Why::NoBlock, Why::Disk);
                self.seen = Some(Seen::Damage(self.damage(first, offset, end, why), end));
                return true;
            }
        };
        let end = offset.saturating_add(header.block_bytes());
        let is_ended = open.done.is_ended(header.number, header.records);
        let is_left_behind = header.number >= self.first_behind(first);
        let segment = self.segments.get(&first);
        let is_kept = segment.is_some_and(|segment| segment.kept.contains(header.number));
        if is_ended || is_left_behind || is_kept {
            self.go_on(end.min(bytes));
        } else {
            self.seen = Some(Seen::Block(header));
        }
        true
    }

    /// Goes to the segment behind. `false`: there is none.
    fn go_to_next(&mut self, first: u64) -> bool {
        match self.first_behind(first) {
            u64::MAX => {
                // Nothing is unread: no memory is held for it.
                if let Some(open) = self.cursor.as_mut().and_then(|cursor| cursor.open.as_mut()) {
                    open.reader.rest();
                }
                false
            }
            next => {
                self.changed.insert(first);
                self.cursor = Some(Cursor::at(next));
                true
            }
        }
    }

    /// Opens the segment under the cursor, with its notes.
    fn enter(&mut self, first: u64, bytes: u64) -> bool {
        let file = match self.disk.open(&name_of(first, Kind::Log)) {
            Ok(file) => file,
            Err(error) => {
                if error.kind() != ErrorKind::NotFound {
                    self.stay(first);
                }
                let damage = self.damage(first, 0, bytes, Why::Disk(error));
                self.seen = Some(Seen::Damage(damage, bytes));
                return true;
            }
        };
        let done = self.read_done(first);
        let mut reader = SegmentReader::new(file, first, AHEAD_BYTES);
        let header = match reader.bytes(0, FILE_HEADER_BYTES, bytes) {
            Ok(bytes) => read_file_header(bytes, first),
            Err(_) => FileHeader::Damaged,
        };
        let is_told = done.is_told(0);
        let Some(cursor) = &mut self.cursor else {
            return false;
        };
        cursor.open = Some(Open { reader, done });
        let begins = (FILE_HEADER_BYTES as u64).min(bytes);
        // Kept blocks may have moved it on already.
        let is_new = cursor.offset == 0;
        cursor.offset = cursor.offset.max(begins);
        match header {
            FileHeader::Ours => {}
            FileHeader::Damaged if is_told || !is_new => {}
            FileHeader::Damaged => {
                let mut damage = self.damage(first, 0, begins, Why::FileHeader);
                damage.records = (begins < bytes).then_some(0);
                self.seen = Some(Seen::Damage(damage, begins));
            }
            FileHeader::Foreign(version) => {
                self.stay(first);
                let damage = self.damage(first, 0, bytes, Why::Version(version));
                self.seen = Some(Seen::Damage(damage, bytes));
            }
        }
        true
    }

    /// The notes of a segment; without what cannot be read of them.
    fn read_done(&self, first: u64) -> Done {
        let bytes = self.segments.get(&first).map_or(0, |segment| segment.done_bytes);
        let mut notes = vec![0; usize::try_from(bytes.min(DONE_BYTES_MAX)).unwrap_or_default()];
        if notes.is_empty() {
            return Done::default();
        }
        let file = self.disk.open(&name_of(first, Kind::Done));
        let read = file.and_then(|file| file.read_at(&mut notes, 0)).unwrap_or_default();
        notes.truncate(read);
        Done::read(&notes, first)
    }

    /// Puts the block under the cursor into the caller's hands; gives where it lies.
    fn begin(&mut self, header: &BlockHeader) -> Option<Position> {
        let number = header.number;
        let cursor = self.cursor.as_mut()?;
        let (first, offset) = (cursor.segment, cursor.offset);
        let ended = cursor.open.as_mut()?.done.take_entries(number);
        let segment = self.segments.get_mut(&first)?;
        segment.live = segment.live.saturating_add(1);
        self.live.begin(number, first, header.records, ended);
        Some(Position { segment: first, offset, bytes: header.block_bytes(), number })
    }

    fn go_on(&mut self, offset: u64) {
        self.seen = None;
        if let Some(cursor) = &mut self.cursor {
            cursor.offset = offset;
        }
    }

    /// A block in the caller's hands cannot be read: it has ended, unless the disk may give it
    /// another time.
    fn give_up(&mut self, position: Position, error: ReadError) -> Damage {
        let Position { segment, offset, bytes, number } = position;
        let why = match error {
            ReadError::NoBlock => Why::NoBlock,
            ReadError::Invalid(Invalid::Checksum) => Why::Checksum,
            ReadError::Invalid(Invalid::Parts) => Why::Parts,
            ReadError::Cut => Why::Cut,
            ReadError::Disk(error) => Why::Disk(error),
        };
        let may_come = matches!(why, Why::Disk(_));
        let there = self.segments.get(&segment).map_or(0, |segment| segment.bytes);
        let end = offset.saturating_add(bytes).min(there);
        let mut damage = self.damage(segment, offset, end, why);
        damage.number = Some(number);
        damage.records = self.live.end(number).map(|ended| ended.left);
        if may_come {
            self.stay(segment);
        } else {
            self.has_ended(segment, number);
        }
        damage
    }

    fn damage(&self, segment: u64, offset: u64, end: u64, why: Why) -> Damage {
        let file = self.disk.path_of(&name_of(segment, Kind::Log));
        let bytes = end.saturating_sub(offset);
        Damage { file, offset, bytes, number: None, records: None, why }
    }

    /// The segment is not deleted by this process.
    fn stay(&mut self, segment: u64) {
        if let Some(segment) = self.segments.get_mut(&segment) {
            segment.stays = true;
        }
    }

    /// Damage is told of once, unless the segment stays for another try.
    fn tell(&mut self, damage: &Damage) {
        let first = self.cursor.as_ref().map(|cursor| cursor.segment);
        if let Some(segment) = first.and_then(|first| self.segments.get_mut(&first))
            && !segment.stays
        {
            segment.told.push(damage.offset);
        }
        self.changed.extend(first);
    }
}
