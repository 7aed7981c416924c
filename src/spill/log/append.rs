//! Appends blocks: many with one write, all of it or nothing.

use std::io;
use std::path::PathBuf;

use super::cursor::Cursor;
use super::{Kind, Log, SEGMENTS_MAX, Segment, name_of};
use crate::spill::block::Block;
use crate::spill::disk::DiskFile;
use crate::spill::ranges::Ranges;
use crate::spill::segment::{BLOCK_BYTES_MAX, FILE_HEADER_BYTES, Sizes, encode, write_file_header};

/// What is written at once: enough that a call costs little beside its bytes.
pub(super) const BUFFER_BYTES: usize = 256 * 1_024;

/// What became of blocks that were to be appended.
#[derive(Debug)]
pub struct Appended {
    /// So many of the first blocks are written.
    pub written: usize,
    /// Why that is not all of them.
    pub end: Option<AppendError>,
}

/// Why a block was not appended. The log is as it was before it.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// No room until something is deleted.
    #[error("{bytes} of {bytes_max} bytes are used")]
    Full {
        /// Bytes of all files.
        bytes: u64,
        /// Most that they may be.
        bytes_max: u64,
    },
    /// It would not be taken if the log were empty.
    #[error("a chunk of {bytes} bytes is longer than what there is room for, {bytes_max} bytes")]
    TooLong {
        /// Its length on disk.
        bytes: u64,
        /// The longest that would be taken.
        bytes_max: u64,
    },
    /// The disk refused it.
    #[error("cannot write to '{}' at byte {offset}: {source}", file.display())]
    Failed {
        /// The segment.
        file: PathBuf,
        /// Where it was to lie.
        offset: u64,
        /// Why.
        source: io::Error,
    },
}

/// Most bytes that wait in the kernel to be written, also where nobody asks for more than that: a small
/// container's memory holds them, and only what was written can be taken back from there when it is short.
pub(super) const DIRTY_BYTES_MAX: u64 = 2 * 1_024 * 1_024;

/// The segment that is written to. It is also the newest.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) first: u64,
    file: DiskFile,
    /// Up to here bytes were handed to the file. Behind the segment's end only within a call.
    tail: u64,
    /// Up to here the kernel has written them to the disk.
    clean: u64,
    /// Whether its name is where it survives the machine.
    is_named: bool,
}

/// A block in the buffer.
#[derive(Clone, Copy, Debug)]
struct Pending {
    number: u64,
    records: u32,
    end: u64,
    is_kept: bool,
}

/// A call of [`Log::append`] under way.
struct Batch {
    pending: Vec<Pending>,
    written: usize,
}

/// Bytes that a block takes on disk. `None`: it is longer than a block may be.
#[must_use]
pub fn disk_bytes(block: &Block) -> Option<u64> {
    Sizes::of(block).map(|sizes| sizes.block_bytes())
}

impl Log {
    /// Appends blocks, as many from the first on as there is room for. The flag beside a block says
    /// that it is kept in memory as well: it counts as read, and [`Self::ended`] is to be told of
    /// it.
    pub fn append<'a>(&mut self, blocks: impl IntoIterator<Item = (&'a Block, bool)>) -> Appended {
        let mut batch = Batch { pending: Vec::new(), written: 0 };
        let end = self.append_all(blocks, &mut batch).err();
        if self.buffer.capacity() > 2 * BUFFER_BYTES {
            self.buffer = Vec::new();
        }
        Appended { written: batch.written, end }
    }

    fn append_all<'a>(
        &mut self,
        blocks: impl IntoIterator<Item = (&'a Block, bool)>,
        batch: &mut Batch,
    ) -> Result<(), AppendError> {
        for (block, is_kept) in blocks {
            self.put(block, is_kept, batch).map_err(|error| match self.commit(batch) {
                // What came before it is an earlier error.
                Err(earlier) => earlier,
                Ok(()) => error,
            })?;
        }
        self.commit(batch)
    }

    /// Puts a block behind those in the buffer.
    fn put(&mut self, block: &Block, is_kept: bool, batch: &mut Batch) -> Result<(), AppendError> {
        let sizes = Sizes::of(block);
        let bytes = sizes.map_or(u64::MAX, |sizes| sizes.block_bytes());
        let bytes_max = self.blocks_bytes_max().saturating_sub(FILE_HEADER_BYTES as u64);
        let bytes_max = bytes_max.min(BLOCK_BYTES_MAX);
        let Some(sizes) = sizes.filter(|_| bytes <= bytes_max) else {
            return Err(AppendError::TooLong { bytes, bytes_max });
        };
        let length = usize::try_from(bytes).unwrap_or(usize::MAX);
        if self.buffer.len().saturating_add(length) > BUFFER_BYTES {
            self.commit(batch)?;
        }
        if self.needs_segment(bytes) {
            self.commit(batch)?;
            self.check_room(bytes.saturating_add(FILE_HEADER_BYTES as u64))?;
            self.begin_segment(block.number)?;
        } else {
            self.check_room(bytes)?;
        }
        self.write_block(block, &sizes, batch)?;
        batch.pending.push(Pending {
            number: block.number,
            records: sizes.records(),
            end: self.buffer_end(),
            is_kept,
        });
        Ok(())
    }

    fn write_block(
        &mut self,
        block: &Block,
        sizes: &Sizes,
        batch: &mut Batch,
    ) -> Result<(), AppendError> {
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        let Writer { first, file, tail, .. } = writer;
        if *tail == 0 && self.buffer.is_empty() {
            write_file_header(*first, &mut self.buffer);
        }
        // Called for blocks longer than the buffer alone.
        let full = |buffer: &mut Vec<u8>| {
            file.write_all_at(buffer, *tail)?;
            *tail = tail.saturating_add(buffer.len() as u64);
            buffer.clear();
            Ok(())
        };
        let encoded = encode(block, sizes, *first, &mut self.buffer, BUFFER_BYTES, full);
        encoded.map_err(|source| self.undo(source, batch))
    }

    /// Writes what is in the buffer. What it says is then true for all blocks in it, or none is
    /// there.
    fn commit(&mut self, batch: &mut Batch) -> Result<(), AppendError> {
        if batch.pending.is_empty() {
            return Ok(());
        }
        if let Err(source) = self.write_buffer() {
            return Err(self.undo(source, batch));
        }
        let was_read = !self.has_unread();
        let Some(writer) = &self.writer else {
            return Ok(());
        };
        let (first, tail) = (writer.first, writer.tail);
        let Some(segment) = self.segments.get_mut(&first) else {
            return Ok(());
        };
        self.bytes = self.bytes.saturating_add(tail.saturating_sub(segment.bytes));
        segment.bytes = tail;
        let mut is_read = was_read;
        batch.written = batch.written.saturating_add(batch.pending.len());
        for pending in batch.pending.drain(..) {
            let Pending { number, records, end, is_kept } = pending;
            self.next_number = self.next_number.max(number.saturating_add(1));
            is_read &= is_kept;
            if is_read {
                let cursor = self.cursor.get_or_insert_with(|| Cursor::at(first));
                self.changed.insert(cursor.segment);
                cursor.pass(first, end);
            } else if is_kept {
                segment.kept.insert(number..number.saturating_add(1));
            }
            if is_kept && records > 0 {
                self.live.begin(number, first, records, Ranges::default());
                segment.live = segment.live.saturating_add(1);
            }
        }
        Ok(())
    }

    fn write_buffer(&mut self) -> io::Result<()> {
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        writer.file.write_all_at(&self.buffer, writer.tail)?;
        writer.tail = writer.tail.saturating_add(self.buffer.len() as u64);
        self.buffer.clear();
        if self.settings.syncs {
            writer.file.sync()?;
            if !writer.is_named {
                self.disk.sync()?;
                writer.is_named = true;
            }
        } else if writer.tail.saturating_sub(writer.clean) >= DIRTY_BYTES_MAX {
            writer.file.sync()?;
            writer.clean = writer.tail;
        }
        Ok(())
    }

    /// Takes back what was written of the batch.
    fn undo(&mut self, source: io::Error, batch: &mut Batch) -> AppendError {
        self.buffer.clear();
        batch.pending.clear();
        let Some(writer) = self.writer.take() else {
            return AppendError::Failed { file: self.disk.path(), offset: 0, source };
        };
        let file = self.disk.path_of(&name_of(writer.first, Kind::Log));
        let Some(segment) = self.segments.get_mut(&writer.first) else {
            return AppendError::Failed { file, offset: 0, source };
        };
        let offset = segment.bytes;
        // A file that could not be synced is not trusted again.
        let is_cut = writer.file.set_len(offset).is_ok();
        segment.is_longer = !is_cut;
        self.changed.insert(writer.first);
        if is_cut && !self.settings.syncs {
            self.writer = Some(Writer { tail: offset, clean: writer.clean.min(offset), ..writer });
        }
        AppendError::Failed { file, offset, source }
    }

    fn failed(&self, name: &str, source: io::Error) -> AppendError {
        AppendError::Failed { file: self.disk.path_of(name), offset: 0, source }
    }

    /// Whether the block goes to a new segment.
    fn needs_segment(&self, block_bytes: u64) -> bool {
        if self.writer.is_none() {
            return true;
        }
        let end = self.buffer_end();
        // An empty one takes a block of any length.
        end > 0 && end.saturating_add(block_bytes) > self.settings.segment_bytes_max
    }

    /// Where the next block of the buffer would lie.
    fn buffer_end(&self) -> u64 {
        let tail = self.writer.as_ref().map_or(0, |writer| writer.tail);
        tail.saturating_add(self.buffer.len() as u64)
    }

    fn check_room(&self, more: u64) -> Result<(), AppendError> {
        let newest = self.writer.as_ref().and_then(|writer| self.segments.get(&writer.first));
        let pending = self.buffer_end().saturating_sub(newest.map_or(0, |segment| segment.bytes));
        let after = self.bytes.saturating_add(pending).saturating_add(more);
        if after > self.blocks_bytes_max() || self.segments.len() >= SEGMENTS_MAX {
            let bytes_max = self.settings.bytes_max;
            return Err(AppendError::Full { bytes: self.bytes, bytes_max });
        }
        Ok(())
    }

    /// Begins a segment whose first block has that number.
    fn begin_segment(&mut self, first: u64) -> Result<(), AppendError> {
        let name = name_of(first, Kind::Log);
        // A segment whose first write failed and could not be taken back.
        if self.segments.get(&first).is_some_and(|segment| segment.bytes == 0) {
            self.remove(first).map_err(|error| self.failed(&name, error.source))?;
        }
        // Small segments are those of a small store, which is not much altogether.
        if let Some(before) = &self.writer
            && self.settings.segment_bytes_max > DIRTY_BYTES_MAX / 2
            && before.tail > before.clean
            && !self.settings.syncs
        {
            let synced = before.file.sync();
            synced.map_err(|source| self.failed(&name_of(before.first, Kind::Log), source))?;
        }
        let file = self.disk.create(&name).map_err(|source| self.failed(&name, source))?;
        self.segments.insert(first, Segment::default());
        self.changed.insert(first);
        self.writer = Some(Writer { first, file, tail: 0, clean: 0, is_named: false });
        self.cursor.get_or_insert_with(|| Cursor::at(first));
        Ok(())
    }
}
