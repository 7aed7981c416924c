//! The counters of one input, filter or output. Counted in records and bytes, never by tag.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::odd::OddReason;
use super::{FilterCount, InputCount, OutputCount};
use crate::ledger::{Account, Budget};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds to it.
    pub fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// Sets it: for those that say how things stand.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Takes from it: for the few that say how much there is now.
    pub fn sub(&self, amount: u64) {
        self.0.fetch_sub(amount, Ordering::Relaxed);
    }

    /// What it stands at.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What an input counts.
#[derive(Debug, Default)]
pub struct InputCounters {
    /// The instance.
    pub name: String,
    /// Records read.
    pub records: Counter,
    /// Bytes of these records, as they came.
    pub bytes: Counter,
    /// Connections that are open.
    pub connections: Counter,
    /// Connections ended because their bytes could not be followed.
    pub connection_errors: Counter,
    /// Times a reader had to wait for memory.
    pub waits: Counter,
    /// What was odd but whole, by [`OddReason`] as index.
    pub odd: [Counter; OddReason::COUNT],
    /// Its part of the memory budget, or all of it where it has none.
    pub budget: Option<Budget>,
    /// Its `Mem_Buf_Limit`, if it has one: what it has of it.
    pub bytes_max: Option<u64>,
}

/// What an input holds in memory.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct InputMemory {
    /// Bytes it holds of the budget; what all hold where it has no limit of its own.
    pub bytes: u64,
    /// Most bytes of them, if it has a limit of its own.
    pub bytes_max: Option<u64>,
    /// Whether its readers wait, or are about to.
    pub is_over: bool,
}

impl InputCounters {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Counts what cost only itself.
    pub fn odd(&self, reason: OddReason, amount: u64) {
        if let Some(counter) = self.odd.get(reason as usize) {
            counter.add(amount);
        }
    }

    /// What it holds in memory.
    #[must_use]
    pub fn memory(&self) -> InputMemory {
        let Some(budget) = &self.budget else { return InputMemory::default() };
        let (bytes, bytes_max) = (budget.held_bytes(), self.bytes_max);
        InputMemory { bytes, bytes_max, is_over: budget.is_used_up() }
    }

    pub(super) fn count(&self) -> InputCount {
        let (records, bytes) = (self.records.get(), self.bytes.get());
        InputCount { name: self.name.clone(), records, bytes }
    }
}

/// What a filter counts.
#[derive(Debug, Default)]
pub struct FilterCounters {
    /// The instance.
    pub name: String,
    /// Records that went on as they were because the filter failed.
    pub failed_records: Counter,
    drop_records: Counter,
    add_records: Counter,
}

impl FilterCounters {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Counts dropped records.
    pub fn dropped(&self, records: u64) {
        self.drop_records.add(records);
    }

    /// Counts records that the filter made of others.
    pub fn added(&self, records: u64) {
        self.add_records.add(records);
    }

    pub(super) fn count(&self) -> FilterCount {
        let (drop_records, add_records) = (self.drop_records.get(), self.add_records.get());
        FilterCount { name: self.name.clone(), drop_records, add_records }
    }
}

/// What waits for an output, and where. Written by its buffer and its store on disk.
#[derive(Debug, Default)]
pub struct StorageCounters {
    /// Chunks in memory that are not on disk.
    pub memory_chunks: Counter,
    /// Chunks on disk.
    pub chunks: Counter,
    /// Of these, chunks that are in memory, too.
    pub chunks_up: Counter,
    /// Bytes on disk.
    pub bytes: Counter,
    /// Most bytes that may be there.
    pub bytes_max: Counter,
    /// Files on disk.
    pub segments: Counter,
    /// Bytes on disk that could not be read back.
    pub damaged_bytes: Counter,
    /// 1 while nothing more can be written there, else 0.
    pub is_full: Counter,
}

/// What an output counts besides its account.
#[derive(Debug, Default)]
pub struct OutputCounters {
    /// The instance.
    pub name: String,
    /// The output's account in the ledger.
    pub account: Arc<Account>,
    /// What waits for it, and where.
    pub storage: Arc<StorageCounters>,
    /// Requests sent.
    pub requests: Counter,
    /// Bytes of request bodies that were accepted, as they were sent.
    pub bytes: Counter,
    /// Bytes that compressing these bodies saved; counted by outputs to CloudWatch Logs.
    pub saved_bytes: Counter,
    /// Batches refused for good.
    pub errors: Counter,
    /// Attempts that are made again.
    pub retries: Counter,
    /// Records in them.
    pub retried_records: Counter,
    /// Attempts that failed beyond `Retry_Limit`; the batch is given up, or kept while there is room.
    pub retries_failed: Counter,
    /// Attempts answered with throttling.
    pub throttled: Counter,
    /// Records in attempts whose fate is unknown: where these are made again, they may arrive twice.
    pub ambiguous_records: Counter,
    /// Records too large for one event: cut into parts, or their longest text shortened.
    pub oversized_records: Counter,
    /// Names that a template could not make of a record; the name beside it took its place.
    pub template_misses: Counter,
}

impl OutputCounters {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// The same for an output that records of `intake` reach.
    #[must_use]
    pub fn beside(intake: &Account, name: &str) -> Self {
        Self { account: Arc::new(intake.beside()), ..Self::new(name) }
    }

    pub(super) fn count(&self) -> OutputCount {
        let balance = self.account.balance();
        OutputCount {
            name: self.name.clone(),
            proc_records: balance.delivered,
            // As Fluent Bit counts: whether they were compressed makes no difference.
            proc_bytes: self.bytes.get().saturating_add(self.saved_bytes.get()),
            errors: self.errors.get(),
            retries: self.retries.get(),
            retries_failed: self.retries_failed.get(),
            dropped_records: balance.dropped.iter().sum(),
            retried_records: self.retried_records.get(),
        }
    }
}
