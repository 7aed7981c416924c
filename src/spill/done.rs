//! The notes beside a segment: which of its blocks, and which entries of them, have ended.
//!
//! Pure: bytes in, values out. The file is drawn in [`crate::spill`].

use std::collections::HashMap;
use std::ops::Range;

use super::ranges::Ranges;
use super::segment::{FILE_HEADER_BYTES, FileHeader, read_header_of, take, write_header_of};

/// Length of a note.
pub(super) const NOTE_BYTES: usize = 24;
/// Longest file of notes, inclusive: it is held in memory while its segment is read. What is noted
/// beyond it is delivered again after a crash.
pub(super) const DONE_BYTES_MAX: u64 = 1 << 20;

/// What a file of notes begins with.
const FILE_MAGIC: [u8; 4] = *b"FLDN";

/// One note.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Note {
    /// Entries of a block have ended.
    Entries {
        /// The number of the block.
        number: u64,
        /// The places of the entries.
        entries: Range<u32>,
    },
    /// Blocks have ended, with all their entries.
    Blocks {
        /// The number of the first.
        number: u64,
        /// How many numbers from there on, those that no block has among them.
        count: u32,
    },
    /// It was told that bytes from this place of the segment on could not be read.
    Damage {
        /// The place.
        offset: u64,
    },
}

/// All that is noted of a segment.
#[derive(Debug, Default)]
pub(super) struct Done {
    blocks: Ranges<u64>,
    entries: HashMap<u64, Ranges<u32>>,
    damage: Vec<u64>,
}

impl Note {
    /// Appends the note, for the segment that begins with block `first`.
    pub(super) fn write(&self, first: u64, out: &mut Vec<u8>) {
        let (kind, number, from, to) = match self {
            Self::Entries { number, entries } => (1_u32, *number, entries.start, entries.end),
            Self::Blocks { number, count } => (2, *number, *count, 0),
            Self::Damage { offset } => (3, *offset, 0, 0),
        };
        let start = out.len();
        out.extend_from_slice(&number.to_le_bytes());
        for part in [from, to, kind] {
            out.extend_from_slice(&part.to_le_bytes());
        }
        let checksum = checksum(first, out.get(start..).unwrap_or_default());
        out.extend_from_slice(&checksum.to_le_bytes());
    }

    /// Reads a note; `None`: it is not whole, or of a kind that is not known.
    fn read(bytes: &[u8], first: u64) -> Option<Self> {
        let (told, sum) = bytes.split_last_chunk::<4>()?;
        if checksum(first, told) != u32::from_le_bytes(*sum) {
            return None;
        }
        let mut rest = told;
        let number = u64::from_le_bytes(take(&mut rest)?);
        let from = u32::from_le_bytes(take(&mut rest)?);
        let to = u32::from_le_bytes(take(&mut rest)?);
        match u32::from_le_bytes(take(&mut rest)?) {
            1 => Some(Self::Entries { number, entries: from..to }),
            2 => Some(Self::Blocks { number, count: from }),
            3 => Some(Self::Damage { offset: number }),
            _unknown => None,
        }
    }
}

impl Done {
    /// Reads a file of notes. Notes that are not whole are passed over: what they noted is
    /// delivered again.
    pub(super) fn read(bytes: &[u8], first: u64) -> Self {
        let mut done = Self::default();
        if matches!(read_header_of(FILE_MAGIC, bytes, first), FileHeader::Foreign(_)) {
            return done;
        }
        let notes = bytes.get(FILE_HEADER_BYTES..).unwrap_or_default().chunks_exact(NOTE_BYTES);
        for note in notes.filter_map(|bytes| Note::read(bytes, first)) {
            match note {
                Note::Entries { number, entries } => {
                    done.entries.entry(number).or_default().insert(entries);
                }
                Note::Blocks { number, count } => {
                    done.blocks.insert(number..number.saturating_add(u64::from(count)));
                }
                Note::Damage { offset } => done.damage.push(offset),
            }
        }
        done
    }

    /// Whether all of a block's records have ended.
    pub(super) fn is_ended(&self, number: u64, records: u32) -> bool {
        let by_entries = || {
            let ended = self.entries.get(&number);
            ended.is_some_and(|ended| ended.count() >= u64::from(records))
        };
        records == 0 || self.blocks.contains(number) || by_entries()
    }

    /// Takes out which entries of a block have ended.
    pub(super) fn take_entries(&mut self, number: u64) -> Ranges<u32> {
        self.entries.remove(&number).unwrap_or_default()
    }

    /// Whether the damage at that place was told of.
    pub(super) fn is_told(&self, offset: u64) -> bool {
        self.damage.contains(&offset)
    }
}

/// Writes the header of the file of notes.
pub(super) fn write_done_header(first: u64, out: &mut Vec<u8>) {
    write_header_of(FILE_MAGIC, first, out);
}

/// The end of the last note that is there in full, in a file of this length.
pub(super) fn whole_bytes(bytes: u64) -> u64 {
    match bytes.checked_sub(FILE_HEADER_BYTES as u64) {
        Some(notes) => bytes.saturating_sub(notes % NOTE_BYTES as u64),
        None => 0,
    }
}

/// The number of the segment goes in: notes of another one count for nothing.
fn checksum(first: u64, note: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&first.to_le_bytes());
    hasher.update(note);
    hasher.finalize()
}
