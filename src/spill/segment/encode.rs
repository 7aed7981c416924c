//! A block to bytes, in one pass and through a buffer of bounded length.

use std::io;

use crc32fast::Hasher;

use super::{BLOCK_BYTES_MAX, BlockHeader, PLACE_BYTES};
use crate::record::chunk::{Entries, Entry};
use crate::record::fields::SharedField;
use crate::spill::block::Block;

/// The sizes of what a block becomes, known before it is written.
#[derive(Clone, Copy, Debug)]
pub(in crate::spill) struct Sizes {
    header: BlockHeader,
}

/// Bytes on their way out, with their checksum.
struct Out<'a, F> {
    buffer: &'a mut Vec<u8>,
    buffer_bytes_max: usize,
    /// Up to here the buffer is in the checksum.
    hashed: usize,
    hasher: Hasher,
    full: F,
}

impl Sizes {
    /// The sizes of a block; `None`: it is longer than a block may be.
    pub(in crate::spill) fn of(block: &Block) -> Option<Self> {
        let shared = block.shared.as_slice().iter();
        let shared: u64 = shared.map(|field| field_bytes(field) as u64).sum();
        let data: u64 = block.entries.iter().map(|(_, record)| record.len() as u64).sum();
        let header = BlockHeader {
            number: block.number,
            lane: block.lane,
            arrived_nanos: u64::try_from(block.arrived_unix.as_nanos()).unwrap_or(u64::MAX),
            records: u32::try_from(block.entries.len()).ok()?,
            tag_bytes: u32::try_from(block.tag.as_bytes().len()).ok()?,
            shared_bytes: u32::try_from(shared).ok()?,
            data_bytes: u32::try_from(data).ok()?,
            input: block.input,
            rewrites: block.rewrites,
            checksum: 0,
        };
        (header.block_bytes() <= BLOCK_BYTES_MAX).then_some(Self { header })
    }

    /// Length of the block on disk.
    pub(in crate::spill) fn block_bytes(&self) -> u64 {
        self.header.block_bytes()
    }

    /// How many records it has.
    pub(in crate::spill) fn records(&self) -> u32 {
        self.header.records
    }
}

/// Appends a block to `buffer`, for the segment that begins with block `first`. As often as the
/// buffer reaches `buffer_bytes_max`, `full` takes what is in it.
///
/// # Errors
///
/// What `full` gives.
pub(in crate::spill) fn encode(
    block: &Block,
    sizes: &Sizes,
    first: u64,
    buffer: &mut Vec<u8>,
    buffer_bytes_max: usize,
    full: impl FnMut(&mut Vec<u8>) -> io::Result<()>,
) -> io::Result<()> {
    let checksum = sizes.header.write(first, buffer);
    let hashed = buffer.len();
    let hasher = Hasher::new_with_initial(checksum);
    let mut out = Out { buffer, buffer_bytes_max, hashed, hasher, full };
    out.put(block.tag.as_bytes())?;
    for field in block.shared.as_slice() {
        out.put_field(field)?;
    }
    for (time, record) in block.entries.iter() {
        let mut place = [0; PLACE_BYTES];
        let (at, length) = place.split_at_mut(8);
        at.copy_from_slice(&time.as_nanos().to_le_bytes());
        length.copy_from_slice(&length_of(record).to_le_bytes());
        out.put(&place)?;
    }
    for run in runs(&block.entries) {
        out.put(run)?;
    }
    out.hash();
    let checksum = out.hasher.clone().finalize();
    out.put(&checksum.to_le_bytes())
}

/// A record's length; all of them together fit in 32 bits, see [`Sizes::of`].
fn length_of(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

fn field_bytes(field: &SharedField) -> usize {
    9_usize.saturating_add(field.key.len()).saturating_add(field.value.len())
}

/// The bytes of the records in order. Records that follow one another come as one slice.
fn runs(entries: &Entries) -> impl Iterator<Item = &[u8]> {
    let is_there = |entry: &&Entry| {
        entry.start <= entry.end
            && usize::try_from(entry.end).is_ok_and(|end| end <= entries.data.len())
    };
    let mut rest = entries.entries.iter().filter(is_there).peekable();
    std::iter::from_fn(move || {
        let entry = rest.next()?;
        let mut end = entry.end;
        while let Some(next) = rest.next_if(|next| next.start == end) {
            end = next.end;
        }
        let (from, to) = (usize::try_from(entry.start).ok()?, usize::try_from(end).ok()?);
        entries.data.get(from..to)
    })
}

impl<F: FnMut(&mut Vec<u8>) -> io::Result<()>> Out<'_, F> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.buffer.len().saturating_add(bytes.len()) < self.buffer_bytes_max {
            self.buffer.extend_from_slice(bytes);
            return Ok(());
        }
        for piece in bytes.chunks(self.buffer_bytes_max.max(1)) {
            self.buffer.extend_from_slice(piece);
            if self.buffer.len() >= self.buffer_bytes_max {
                self.hash();
                (self.full)(self.buffer)?;
                self.hashed = self.buffer.len();
            }
        }
        Ok(())
    }

    fn put_field(&mut self, field: &SharedField) -> io::Result<()> {
        self.put(&[u8::from(field.yields)])?;
        self.put(&length_of(&field.key).to_le_bytes())?;
        self.put(&length_of(&field.value).to_le_bytes())?;
        self.put(&field.key)?;
        self.put(&field.value)
    }

    /// Takes into the checksum what is in the buffer, in one go: many small ones are slow.
    fn hash(&mut self) {
        self.hasher.update(self.buffer.get(self.hashed..).unwrap_or_default());
        self.hashed = self.buffer.len();
    }
}
