//! The bytes of a segment: the header of the file and of each block. Drawn in [`crate::spill`].
//!
//! Pure: bytes in, values out. Must not know files, nor which blocks have ended.

mod decode;
mod encode;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub(super) use decode::{Invalid, SharedLists, decode};
pub(super) use encode::{Sizes, encode};

use super::block::Header;

/// The version of both formats. Another one is not read.
pub(super) const VERSION: u16 = 1;
/// Length of the header of a file.
pub(super) const FILE_HEADER_BYTES: usize = 20;
/// Length of the header of a block.
pub(super) const HEADER_BYTES: usize = 52;
/// Length of the checksum behind a block.
pub(super) const CHECKSUM_BYTES: usize = 4;
/// What a block has for each record: its time and its length.
pub(super) const PLACE_BYTES: usize = 12;
/// Longest block, inclusive: places in a chunk are 32 bits wide, and no input makes one near this.
pub(super) const BLOCK_BYTES_MAX: u64 = 1 << 30;

/// What a segment begins with.
const FILE_MAGIC: [u8; 4] = *b"FLSG";
/// What a block begins with.
const BLOCK_MAGIC: [u8; 4] = *b"FLBK";

/// The header of a block: all numbers of it, and the lengths of its parts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct BlockHeader {
    pub(super) number: u64,
    pub(super) lane: u64,
    /// Nanoseconds since 1970.
    pub(super) arrived_nanos: u64,
    pub(super) records: u32,
    pub(super) tag_bytes: u32,
    pub(super) shared_bytes: u32,
    pub(super) data_bytes: u32,
    pub(super) input: u16,
    pub(super) rewrites: u8,
    /// The checksum of the header itself: what the one behind the block begins with.
    pub(super) checksum: u32,
}

/// What the first bytes of a file say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum FileHeader {
    /// A segment as this version writes it.
    Ours,
    /// Whole, of another version.
    Foreign(u16),
    /// Not whole.
    Damaged,
}

impl BlockHeader {
    /// Bytes of the tag, the shared fields and the places of the records.
    pub(super) fn front_bytes(&self) -> u64 {
        let places = u64::from(self.records).saturating_mul(PLACE_BYTES as u64);
        u64::from(self.tag_bytes)
            .saturating_add(u64::from(self.shared_bytes))
            .saturating_add(places)
    }

    /// Bytes of the whole block, its header and checksum among them.
    pub(super) fn block_bytes(&self) -> u64 {
        let around = (HEADER_BYTES + CHECKSUM_BYTES) as u64;
        around.saturating_add(self.front_bytes()).saturating_add(u64::from(self.data_bytes))
    }

    /// What is told of the block before it is read.
    pub(super) fn told(&self) -> Header {
        let bytes = Header::memory_bytes(self.tag_bytes, self.data_bytes, self.records);
        Header { number: self.number, lane: self.lane, records: self.records, bytes }
    }

    /// Writes the header for the segment that begins with block `first`.
    pub(super) fn write(&self, first: u64, out: &mut Vec<u8>) -> u32 {
        let mut bytes = [0; HEADER_BYTES];
        let mut rest = bytes.as_mut_slice();
        put(&mut rest, &BLOCK_MAGIC);
        put(&mut rest, &[0; 4]);
        put(&mut rest, &self.number.to_le_bytes());
        put(&mut rest, &self.lane.to_le_bytes());
        put(&mut rest, &self.arrived_nanos.to_le_bytes());
        for length in [self.records, self.tag_bytes, self.shared_bytes, self.data_bytes] {
            put(&mut rest, &length.to_le_bytes());
        }
        put(&mut rest, &self.input.to_le_bytes());
        put(&mut rest, &[self.rewrites, 0]);
        let checksum = header_checksum(first, &bytes);
        if let Some(place) = bytes.get_mut(4..8) {
            place.copy_from_slice(&checksum.to_le_bytes());
        }
        out.extend_from_slice(&bytes);
        checksum
    }

    /// Reads a header of the segment that begins with block `first`. `None`: there is no whole one.
    pub(super) fn read(bytes: &[u8], first: u64) -> Option<Self> {
        let bytes: &[u8; HEADER_BYTES] = bytes.first_chunk()?;
        let mut rest = bytes.as_slice();
        if take::<4>(&mut rest)? != BLOCK_MAGIC {
            return None;
        }
        let checksum = u32::from_le_bytes(take(&mut rest)?);
        if header_checksum(first, bytes) != checksum {
            return None;
        }
        let header = Self {
            number: u64::from_le_bytes(take(&mut rest)?),
            lane: u64::from_le_bytes(take(&mut rest)?),
            arrived_nanos: u64::from_le_bytes(take(&mut rest)?),
            records: u32::from_le_bytes(take(&mut rest)?),
            tag_bytes: u32::from_le_bytes(take(&mut rest)?),
            shared_bytes: u32::from_le_bytes(take(&mut rest)?),
            data_bytes: u32::from_le_bytes(take(&mut rest)?),
            input: u16::from_le_bytes(take(&mut rest)?),
            rewrites: u8::from_le_bytes(take(&mut rest)?),
            checksum,
        };
        (header.block_bytes() <= BLOCK_BYTES_MAX).then_some(header)
    }

    /// When the chunk was read.
    pub(super) fn arrived_unix(&self) -> Duration {
        Duration::from_nanos(self.arrived_nanos)
    }
}

/// The place in `bytes` of what may be the next header, from `from` on. What is found may also be
/// the beginning of one at the end of `bytes`.
pub(super) fn find_header(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    let whole = memchr::memmem::find(rest, &BLOCK_MAGIC);
    let cut = || {
        let tail = rest.len().saturating_sub(BLOCK_MAGIC.len() - 1);
        let begins = |at: &usize| rest.get(*at..).is_some_and(|end| BLOCK_MAGIC.starts_with(end));
        (tail..rest.len()).find(begins)
    };
    whole.or_else(cut).and_then(|at| at.checked_add(from))
}

/// Writes the header of the file whose first block is `first`.
pub(super) fn write_file_header(first: u64, out: &mut Vec<u8>) {
    write_header_of(FILE_MAGIC, first, out);
}

/// Reads the header of the file that is named after `first`.
pub(super) fn read_file_header(bytes: &[u8], first: u64) -> FileHeader {
    read_header_of(FILE_MAGIC, bytes, first)
}

/// Writes the header of a file of this kind.
pub(super) fn write_header_of(magic: [u8; 4], first: u64, out: &mut Vec<u8>) {
    let from = out.len();
    out.extend_from_slice(&magic);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&[0; 2]);
    out.extend_from_slice(&first.to_le_bytes());
    let checksum = crc32fast::hash(out.get(from..).unwrap_or_default());
    out.extend_from_slice(&checksum.to_le_bytes());
}

/// Reads the header of a file of this kind.
pub(super) fn read_header_of(magic: [u8; 4], bytes: &[u8], first: u64) -> FileHeader {
    let read = || {
        let bytes: &[u8; FILE_HEADER_BYTES] = bytes.first_chunk()?;
        let (told, checksum) = bytes.split_last_chunk::<4>()?;
        if crc32fast::hash(told) != u32::from_le_bytes(*checksum) {
            return None;
        }
        let mut rest = told;
        let is_kind = take::<4>(&mut rest)? == magic;
        let version = u16::from_le_bytes(take(&mut rest)?);
        let _zero: [u8; 2] = take(&mut rest)?;
        let is_named = u64::from_le_bytes(take(&mut rest)?) == first;
        (is_kind && is_named).then_some(version)
    };
    match read() {
        Some(VERSION) => FileHeader::Ours,
        Some(version) => FileHeader::Foreign(version),
        None => FileHeader::Damaged,
    }
}

/// The number of the segment goes in, so that what an older file left on the same disk is no block
/// of this one. The checksum's own place counts as zero.
fn header_checksum(first: u64, bytes: &[u8; HEADER_BYTES]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&first.to_le_bytes());
    hasher.update(bytes.get(8..).unwrap_or_default());
    hasher.finalize()
}

/// Puts bytes to where `rest` begins.
fn put(rest: &mut &mut [u8], bytes: &[u8]) {
    if let Some((place, behind)) = std::mem::take(rest).split_at_mut_checked(bytes.len()) {
        place.copy_from_slice(bytes);
        *rest = behind;
    }
}

/// Takes the first bytes off.
pub(super) fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*taken)
}
