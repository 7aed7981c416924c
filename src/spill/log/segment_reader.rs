//! Reads one segment: finds blocks in it, and what is none.

use std::io;

use bytes::Bytes;

use crate::spill::block::Block;
use crate::spill::disk::DiskFile;
use crate::spill::segment::{
    BlockHeader, CHECKSUM_BYTES, HEADER_BYTES, Invalid, SharedLists, decode, find_header,
};

/// What is read of a segment at once: small blocks in a row cost one call for many.
pub(super) const AHEAD_BYTES: usize = 128 * 1_024;
/// Most places of a segment that the disk may refuse to read, inclusive, before the rest of it is
/// given up: each may take a broken disk seconds.
const UNREADABLE_MAX: usize = 16;
/// What a disk refuses to read is at least this long, and begins where a multiple of it does.
const PAGE_BYTES: u64 = 4_096;

/// What comes next in a segment.
#[derive(Debug)]
pub(super) enum Found {
    /// The header of a block. The block itself may go beyond the end of the file.
    Block(BlockHeader),
    /// No block up to here. The error: the disk refused to read some of it.
    Gap { end: u64, error: Option<io::Error> },
}

/// Why a block with a whole header cannot be read.
#[derive(Debug)]
pub(super) enum ReadError {
    /// The header is no longer whole.
    NoBlock,
    Invalid(Invalid),
    /// The file ends before the block does.
    Cut,
    Disk(io::Error),
}

/// An open segment, and the part of it that was read ahead.
#[derive(Debug)]
pub(super) struct SegmentReader {
    file: DiskFile,
    /// Its number.
    first: u64,
    ahead: Vec<u8>,
    /// Where `ahead` lies in the file.
    ahead_from: u64,
    /// How much is read at least.
    ahead_bytes: usize,
}

impl SegmentReader {
    /// A reader of the segment that begins with block `first`.
    pub(super) fn new(file: DiskFile, first: u64, ahead_bytes: usize) -> Self {
        Self { file, first, ahead: Vec::new(), ahead_from: 0, ahead_bytes }
    }

    /// The bytes at `offset`, as many as there are up to `length` and before `end`.
    pub(super) fn bytes(&mut self, offset: u64, length: usize, end: u64) -> io::Result<&[u8]> {
        let length = fit(length, end.saturating_sub(offset));
        if !self.holds(offset, length) {
            let ahead = fit(length.max(self.ahead_bytes), end.saturating_sub(offset));
            if self.fill(offset, ahead).is_err() {
                // Not all of it may be broken.
                self.fill(offset, length)?;
            }
        }
        let from = usize::try_from(offset.saturating_sub(self.ahead_from)).unwrap_or(usize::MAX);
        let rest = self.ahead.get(from..).unwrap_or_default();
        Ok(rest.get(..length).unwrap_or(rest))
    }

    /// What is at `offset` of a segment that ends at `end`.
    pub(super) fn find(&mut self, offset: u64, end: u64) -> Found {
        let first = self.first;
        match self.bytes(offset, HEADER_BYTES, end) {
            Ok(bytes) => match BlockHeader::read(bytes, first) {
                Some(header) => Found::Block(header),
                None => self.find_next(offset.saturating_add(1), end),
            },
            Err(_) => self.find_next(offset, end),
        }
    }

    /// Reads the block of a header that was found.
    pub(super) fn read(
        &mut self,
        header: &BlockHeader,
        offset: u64,
        end: u64,
        lists: &mut SharedLists,
    ) -> Result<Block, ReadError> {
        if offset.saturating_add(header.block_bytes()) > end {
            return Err(ReadError::Cut);
        }
        let block = match usize::try_from(header.block_bytes()) {
            Ok(length) if length <= self.ahead_bytes => {
                let bytes = self.bytes(offset, length, end).map_err(ReadError::Disk)?;
                let (front, data, checksum) = parts(bytes, header).ok_or(ReadError::Cut)?;
                decode(header, front, Bytes::copy_from_slice(data), checksum, lists)
            }
            Ok(_) | Err(_) => self.read_long(header, offset, end, lists)?,
        };
        block.map_err(ReadError::Invalid)
    }

    /// Reads a block that is longer than what is read ahead: its records go straight to where they
    /// stay.
    fn read_long(
        &mut self,
        header: &BlockHeader,
        offset: u64,
        end: u64,
        lists: &mut SharedLists,
    ) -> Result<Result<Block, Invalid>, ReadError> {
        let front_from = offset.saturating_add(HEADER_BYTES as u64);
        let data_from = front_from.saturating_add(header.front_bytes());
        let data_bytes = usize::try_from(header.data_bytes).map_err(|_| ReadError::Cut)?;
        let mut data = vec![0; data_bytes.saturating_add(CHECKSUM_BYTES)];
        let read = self.file.read_at(&mut data, data_from).map_err(ReadError::Disk)?;
        let checksum = match data.split_last_chunk::<CHECKSUM_BYTES>() {
            Some((_, checksum)) if read == data.len() => *checksum,
            Some(_) | None => return Err(ReadError::Cut),
        };
        let data = Bytes::from(data).slice(..data_bytes);
        let front_bytes = usize::try_from(header.front_bytes()).map_err(|_| ReadError::Cut)?;
        let front = self.bytes(front_from, front_bytes, end).map_err(ReadError::Disk)?;
        if front.len() < front_bytes {
            return Err(ReadError::Cut);
        }
        let block = decode(header, front, data, checksum, lists);
        if self.ahead.capacity() > self.ahead_bytes {
            self.rest();
        }
        Ok(block)
    }

    /// Gives the memory of what was read ahead back.
    pub(super) fn rest(&mut self) {
        self.ahead = Vec::new();
    }

    /// Looks for the next header from a place on, and past what the disk refuses to read.
    fn find_next(&mut self, mut from: u64, end: u64) -> Found {
        let (mut error, mut refused) = (None, 0_usize);
        while from < end && refused <= UNREADABLE_MAX {
            match self.look(from, end) {
                Ok((to, true)) => return Found::Gap { end: to, error },
                Ok((to, false)) => from = to,
                Err(found) => {
                    error.get_or_insert(found);
                    refused = refused.saturating_add(1);
                    from = (from / PAGE_BYTES).saturating_add(1).saturating_mul(PAGE_BYTES);
                }
            }
        }
        Found::Gap { end, error }
    }

    /// Looks for a header in what is read at once. Gives where one begins, or up to where there is
    /// none.
    fn look(&mut self, from: u64, end: u64) -> io::Result<(u64, bool)> {
        let first = self.first;
        let bytes = self.bytes(from, HEADER_BYTES, end)?;
        if bytes.len() < HEADER_BYTES {
            return Ok((end, false));
        }
        // All of what is there, not only what was asked for.
        let at = usize::try_from(from.saturating_sub(self.ahead_from)).unwrap_or(usize::MAX);
        let bytes = self.ahead.get(at..).unwrap_or_default();
        let mut place = 0;
        while let Some(found) = find_header(bytes, place) {
            let to = from.saturating_add(found as u64);
            let rest = bytes.get(found..).unwrap_or_default();
            if BlockHeader::read(rest, first).is_some() {
                return Ok((to, true));
            }
            if rest.len() < HEADER_BYTES && found > 0 {
                // The rest of it lies in what is read next.
                return Ok((to, false));
            }
            place = found.saturating_add(1);
        }
        Ok((from.saturating_add(bytes.len() as u64), false))
    }

    fn holds(&self, offset: u64, length: usize) -> bool {
        let to = self.ahead_from.saturating_add(self.ahead.len() as u64);
        self.ahead_from <= offset && offset.saturating_add(length as u64) <= to
    }

    fn fill(&mut self, offset: u64, length: usize) -> io::Result<()> {
        // Nothing of what was there is held, should the reading fail.
        self.ahead.clear();
        self.ahead.resize(length, 0);
        self.ahead_from = offset;
        let read = self.file.read_at(&mut self.ahead, offset);
        self.ahead.truncate(*read.as_ref().unwrap_or(&0));
        read.map(drop)
    }
}

/// The parts of a block: in front of the records, the records, the checksum behind them.
fn parts<'a>(bytes: &'a [u8], header: &BlockHeader) -> Option<(&'a [u8], &'a [u8], [u8; 4])> {
    let bytes = bytes.get(HEADER_BYTES..)?;
    let (front, rest) = bytes.split_at_checked(usize::try_from(header.front_bytes()).ok()?)?;
    let (data, checksum) = rest.split_last_chunk::<CHECKSUM_BYTES>()?;
    (data.len() as u64 == u64::from(header.data_bytes)).then_some((front, data, *checksum))
}

/// A length, or what there is if that is less.
fn fit(length: usize, there: u64) -> usize {
    usize::try_from(there).map_or(length, |there| there.min(length))
}
