//! The unit that flows from an input to an output.
//!
//! Knows what a chunk costs in memory and how it is handed to several outputs; must not know what
//! filters or outputs do with it.

use std::sync::Arc;
use std::time::Instant;

use crate::ledger::{Account, Permit, Reason};
use crate::record::chunk::{Entries, Entry};
use crate::record::fields::SharedFields;
use crate::record::tag::Tag;

/// Bytes that a chunk costs of the memory budget besides its data: the structures around it. It
/// also bounds how many chunks a budget can hold.
pub const CHUNK_OVERHEAD_BYTES: usize = 512;

/// Records of one tag that arrived together, and the [`Permit`] that follows them.
#[derive(Debug)]
pub struct Chunk {
    /// The tag of them all.
    pub tag: Tag,
    /// The records as they came; shared by all outputs that hold the chunk.
    pub entries: Arc<Entries>,
    /// The fields that follow each record's own.
    pub shared: SharedFields,
    /// When it was read: flushing counts from here.
    pub arrived: Instant,
    /// What is owed for it. Its receipt counts the entries.
    pub permit: Permit,
}

impl Chunk {
    /// The bytes of the memory budget that `entries` cost.
    #[must_use]
    pub fn cost_bytes(entries: &Entries) -> usize {
        entries.data.len() + entries.entries.len() * size_of::<Entry>() + CHUNK_OVERHEAD_BYTES
    }

    /// How many records it holds.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.permit.receipt.records()
    }

    /// A copy for another account, over the same memory.
    #[must_use]
    pub fn receive_at(&self, account: &Arc<Account>) -> Self {
        Self {
            tag: self.tag.clone(),
            entries: Arc::clone(&self.entries),
            shared: self.shared.clone(),
            arrived: self.arrived,
            permit: self.permit.receive_at(account),
        }
    }

    /// Keeps the entries that pass the test and drops the others as filtered. `None`: none is left.
    #[must_use]
    pub fn retain(mut self, keep: impl FnMut(&[u8]) -> bool) -> Option<Self> {
        let before = self.entries.len();
        let kept: Vec<Entry> = {
            let keeps = self.entries.iter().map(|(_, record)| record).map(keep);
            let places = self.entries.entries.iter().zip(keeps);
            places.filter_map(|(entry, keeps)| keeps.then_some(*entry)).collect()
        };
        let gone = before.saturating_sub(kept.len());
        if gone > 0 {
            self.permit.receipt.dropped(gone as u64, Reason::Filtered);
            Arc::make_mut(&mut self.entries).entries = kept;
        }
        (!self.entries.is_empty()).then_some(self)
    }

    /// The whole chunk reached what its account leads to.
    pub fn delivered(mut self) {
        let records = self.records();
        self.permit.receipt.delivered(records);
    }

    /// Gives the whole chunk up.
    pub fn dropped(mut self, reason: Reason) {
        let records = self.records();
        self.permit.receipt.dropped(records, reason);
    }
}
