//! The permit of a chunk: what it owes the ledger and what it holds of the memory budget.

use std::sync::Arc;

use super::{Account, Reason, Share};

/// The obligation to say what became of a number of records.
///
/// Dropping one before every record has an outcome is a defect: the ledger counts the rest as
/// [`Reason::Lost`], and a debug build panics.
#[derive(Debug)]
#[must_use = "every record needs an outcome"]
pub struct Receipt {
    account: Arc<Account>,
    records: u64,
}

impl Receipt {
    pub(super) fn new(account: Arc<Account>, records: u64) -> Self {
        Self { account, records }
    }

    /// Records that have no outcome yet.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records
    }

    /// `records` of them reached what the account leads to.
    pub fn delivered(&mut self, records: u64) {
        let records = self.take(records);
        self.account.add_delivered(records);
    }

    /// `records` of them became part of another record.
    pub fn merged(&mut self, records: u64) {
        let records = self.take(records);
        self.account.add_merged(records);
    }

    /// `records` of them are given up.
    pub fn dropped(&mut self, records: u64, reason: Reason) {
        let records = self.take(records);
        self.account.add_dropped(records, reason);
    }

    /// A filter made this many records more of those held: each needs an outcome too.
    pub fn made(&mut self, records: u64) {
        self.account.add_made(records);
        self.records += records;
    }

    /// Moves the obligation for `records` of them into a receipt of their own.
    pub fn split(&mut self, records: u64) -> Self {
        let records = self.take(records);
        Self { account: Arc::clone(&self.account), records }
    }

    /// Takes another receipt of the same account in.
    pub fn join(&mut self, mut other: Self) {
        debug_assert!(Arc::ptr_eq(&self.account, &other.account), "receipts of one account");
        self.records += std::mem::take(&mut other.records);
    }

    /// Never more than there are: a wrong count must not make the ledger invent records.
    fn take(&mut self, records: u64) -> u64 {
        debug_assert!(records <= self.records, "{records} settled, {} held", self.records);
        let taken = records.min(self.records);
        self.records -= taken;
        taken
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if self.records > 0 {
            self.account.add_dropped(self.records, Reason::Lost);
            debug_assert!(std::thread::panicking(), "{} records without an outcome", self.records);
        }
    }
}

/// What a chunk carries: its [`Receipt`], and its [`Share`] of the memory budget.
///
/// The share is common to all outputs that hold the chunk: memory is counted once, and comes free
/// with the last of them.
#[derive(Debug)]
#[must_use = "every record needs an outcome"]
pub struct Permit {
    /// The records' obligation. First of the fields, so that what is lost is counted before the
    /// marks of the shares are told.
    pub receipt: Receipt,
    share: Arc<Share>,
    /// Shares of chunks whose records were joined into this one's; nearly always none.
    absorbed: Vec<Arc<Share>>,
}

impl Permit {
    /// Joins the two halves.
    pub fn new(receipt: Receipt, mut share: Share) -> Self {
        share.enter(receipt.account.left());
        Self { receipt, share: Arc::new(share), absorbed: Vec::new() }
    }

    /// A permit for the same memory, owed to another account.
    pub fn receive_at(&self, account: &Arc<Account>) -> Self {
        self.over_same_memory(account.receive(self.receipt.records()))
    }

    /// Moves the obligation for `records` into a permit of their own, over the same memory.
    pub fn split(&mut self, records: u64) -> Self {
        let receipt = self.receipt.split(records);
        self.over_same_memory(receipt)
    }

    /// Moves the obligation for one record that came with the chunk itself, not with what it
    /// absorbed: only the chunk's own memory stands behind it.
    pub fn split_own(&mut self) -> Self {
        let share = Arc::clone(&self.share);
        Self { receipt: self.receipt.split(1), share, absorbed: Vec::new() }
    }

    /// Takes another permit of the same account in: its records, and the memory behind them.
    pub fn absorb(&mut self, other: Self) {
        self.receipt.join(other.receipt);
        for share in std::iter::once(other.share).chain(other.absorbed) {
            // Parts of one chunk come one after the other: looking at the newest is enough.
            let newest = self.absorbed.last().unwrap_or(&self.share);
            if !Arc::ptr_eq(newest, &share) && !Arc::ptr_eq(&self.share, &share) {
                self.absorbed.push(share);
            }
        }
    }

    /// Whether its memory stays taken after it: another output or another part of the chunk has it.
    #[must_use]
    pub fn is_held_elsewhere(&self) -> bool {
        Arc::strong_count(&self.share) > 1
    }

    /// How many shares stand behind it besides its own.
    #[cfg(test)]
    pub(crate) fn absorbed(&self) -> usize {
        self.absorbed.len()
    }

    fn over_same_memory(&self, receipt: Receipt) -> Self {
        Self { receipt, share: Arc::clone(&self.share), absorbed: self.absorbed.clone() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ledger::Balance;

    #[test]
    fn a_record_without_an_outcome_is_counted_as_lost() {
        let account = Arc::new(Account::default());
        let receipt = account.receive(3);
        let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(receipt)));
        assert!(dropped.is_err(), "a debug build says so at once");
        assert_eq!(account.balance().dropped_for(Reason::Lost), 3);
    }

    proptest! {
        /// The ledger against its definition: whatever is done, in whatever order, the outcomes and
        /// what is held add up to what was received.
        #[test]
        fn received_and_made_is_delivered_and_merged_and_dropped_and_held(
            steps in proptest::collection::vec((0..6_u8, 0..9_usize, 0..50_u64), 0..60),
        ) {
            let account = Arc::new(Account::default());
            let mut receipts: Vec<Receipt> = Vec::new();
            let mut expected = Balance::default();
            for (action, which, records) in steps {
                let place = (!receipts.is_empty()).then(|| which % receipts.len().max(1));
                let held = place.and_then(|at| receipts.get(at)).map_or(0, Receipt::records);
                let records = if action == 0 { records } else { records.min(held) };
                match (action, place) {
                    (0, _) | (_, None) => {
                        receipts.push(account.receive(records));
                        expected.received += records;
                        expected.held += records;
                        continue;
                    }
                    (1, Some(at)) => {
                        receipts[at].delivered(records);
                        expected.delivered += records;
                    }
                    (2, Some(at)) => {
                        receipts[at].merged(records);
                        expected.merged += records;
                    }
                    (3, Some(at)) => {
                        receipts[at].dropped(records, Reason::TooOld);
                        expected.dropped[Reason::TooOld as usize] += records;
                    }
                    (4, Some(at)) => {
                        receipts[at].made(records);
                        expected.made += records;
                        expected.held += 2 * records;
                    }
                    (_, Some(at)) => {
                        let part = receipts[at].split(records);
                        receipts.push(part);
                        continue;
                    }
                }
                expected.held -= records;
                prop_assert_eq!(account.balance(), expected);
            }
            prop_assert_eq!(account.balance(), expected);
            for mut receipt in receipts {
                let records = receipt.records();
                receipt.dropped(records, Reason::Stopped);
            }
            prop_assert_eq!(account.balance().held, 0);
        }
    }
}
