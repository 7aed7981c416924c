//! Bytes back to a block. No length in them is believed before it was held against what is there.

use std::sync::Arc;

use bytes::Bytes;
use crc32fast::Hasher;

use super::{BlockHeader, take};
use crate::record::chunk::{Entries, Entry};
use crate::record::fields::{SharedField, SharedFields};
use crate::record::tag::Tag;
use crate::record::time::EventTime;
use crate::spill::block::Block;

/// Most lists of shared fields that are remembered: a task has a handful of containers.
const LISTS_MAX: usize = 16;
/// Longest list that is remembered, in bytes.
const LIST_BYTES_MAX: usize = 16 * 1_024;

/// Why bytes are no block although the header was whole.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::spill) enum Invalid {
    /// The checksum is that of other bytes.
    Checksum,
    /// The checksum is right, the parts do not fit together.
    Parts,
}

/// Shared fields that were read lately: blocks that came alike get the same list, which outputs
/// compare by identity.
#[derive(Debug, Default)]
pub(in crate::spill) struct SharedLists {
    lists: Vec<(Box<[u8]>, SharedFields)>,
    /// Which is replaced next.
    oldest: usize,
}

/// The block of `header` out of the bytes in front of its records, those of its records, and the
/// checksum behind them.
pub(in crate::spill) fn decode(
    header: &BlockHeader,
    front: &[u8],
    data: Bytes,
    checksum: [u8; 4],
    lists: &mut SharedLists,
) -> Result<Block, Invalid> {
    let mut hasher = Hasher::new_with_initial(header.checksum);
    hasher.update(front);
    hasher.update(&data);
    if hasher.finalize() != u32::from_le_bytes(checksum) {
        return Err(Invalid::Checksum);
    }
    block(header, front, data, lists).ok_or(Invalid::Parts)
}

fn block(
    header: &BlockHeader,
    front: &[u8],
    data: Bytes,
    lists: &mut SharedLists,
) -> Option<Block> {
    let (tag, rest) = front.split_at_checked(usize::try_from(header.tag_bytes).ok()?)?;
    let (shared, places) = rest.split_at_checked(usize::try_from(header.shared_bytes).ok()?)?;
    let entries = entries(header.records, places, data.len())?;
    Some(Block {
        number: header.number,
        lane: header.lane,
        input: header.input,
        rewrites: header.rewrites,
        arrived_unix: header.arrived_unix(),
        tag: Tag::from(tag),
        shared: lists.get(shared)?,
        entries: Arc::new(Entries { data, entries }),
    })
}

fn entries(records: u32, mut places: &[u8], data_bytes: usize) -> Option<Vec<Entry>> {
    // What is there bounds what is asked for.
    let mut entries = Vec::with_capacity(places.len() / super::PLACE_BYTES);
    let mut start = 0_u32;
    for _ in 0..records {
        let time = EventTime::from_nanos(i64::from_le_bytes(take(&mut places)?));
        let end = start.checked_add(u32::from_le_bytes(take(&mut places)?))?;
        entries.push(Entry { time, start, end });
        start = end;
    }
    (places.is_empty() && usize::try_from(start).ok()? == data_bytes).then_some(entries)
}

impl SharedLists {
    /// The list that these bytes are; `None`: they are none.
    fn get(&mut self, bytes: &[u8]) -> Option<SharedFields> {
        if bytes.is_empty() {
            return Some(SharedFields::default());
        }
        if let Some((_, known)) = self.lists.iter().find(|(known, _)| **known == *bytes) {
            return Some(known.clone());
        }
        let mut rest = bytes;
        let mut fields = Vec::new();
        while !rest.is_empty() {
            fields.push(field(&mut rest)?);
        }
        let list = SharedFields::new(fields);
        if bytes.len() <= LIST_BYTES_MAX {
            self.remember(bytes, &list);
        }
        Some(list)
    }

    fn remember(&mut self, bytes: &[u8], list: &SharedFields) {
        let pair = (bytes.into(), list.clone());
        if self.lists.len() < LISTS_MAX {
            self.lists.push(pair);
        } else if let Some(place) = self.lists.get_mut(self.oldest) {
            *place = pair;
            self.oldest = (self.oldest + 1) % LISTS_MAX;
        }
    }
}

fn field(rest: &mut &[u8]) -> Option<SharedField> {
    let [yields] = take(rest)?;
    let key_bytes = usize::try_from(u32::from_le_bytes(take(rest)?)).ok()?;
    let value_bytes = usize::try_from(u32::from_le_bytes(take(rest)?)).ok()?;
    let (key, behind) = rest.split_at_checked(key_bytes)?;
    let (value, behind) = behind.split_at_checked(value_bytes)?;
    *rest = behind;
    Some(SharedField { key: key.into(), value: value.into(), yields: yields != 0 })
}
