//! The permit of a chunk: what it owes the ledger and what it holds of the memory budget.

use std::sync::Arc;

use super::{Account, Marks, Reason, Share, Ticket};

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

    /// `records` of them stay on disk for the next start.
    pub fn stored(&mut self, records: u64) {
        let records = self.take(records);
        self.account.add_stored(records);
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

    /// Whose they are.
    #[must_use]
    pub fn account(&self) -> &Arc<Account> {
        &self.account
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
    /// marks are told.
    pub receipt: Receipt,
    memory: Memory,
    /// Memory of chunks whose records were joined into this one's; nearly always none.
    absorbed: Vec<Memory>,
    /// What a buffer knows of the chunk.
    held: Option<Arc<Held>>,
    /// There where the chunk also lies on disk. Last of the fields: told when the memory is free.
    ticket: Option<Ticket>,
}

/// What an output counts of its own for a chunk, and the chunk's place among all of the output.
#[derive(Debug)]
struct Held {
    _shares: [Share; 2],
    number: u64,
}

/// The memory of a chunk, and the marks in what was read into it.
#[derive(Clone, Debug)]
struct Memory {
    share: Arc<Share>,
    marks: Option<Arc<Marks>>,
}

impl Permit {
    /// Joins the two halves.
    pub fn new(receipt: Receipt, mut share: Share) -> Self {
        let marks = share.enter(receipt.account.left());
        let marks = (!marks.is_empty()).then(|| Arc::new(marks));
        let memory = Memory { share: Arc::new(share), marks };
        Self { receipt, memory, absorbed: Vec::new(), held: None, ticket: None }
    }

    /// A permit for what was read back from disk, with the marks that were kept for it.
    pub fn read_back(
        receipt: Receipt,
        share: Share,
        marks: impl IntoIterator<Item = Arc<Marks>>,
        ticket: Ticket,
    ) -> Self {
        let mut permit = Self { ticket: Some(ticket), ..Self::new(receipt, share) };
        permit.absorb_marks(marks);
        permit
    }

    /// Takes marks in that stand behind no memory of its own.
    fn absorb_marks(&mut self, marks: impl IntoIterator<Item = Arc<Marks>>) {
        let none = || Arc::new(Share::empty());
        let memory = |marks| Memory { share: none(), marks: Some(marks) };
        self.absorbed.extend(marks.into_iter().map(memory));
    }

    /// A permit for the same memory, owed to another account.
    pub fn receive_at(&self, account: &Arc<Account>) -> Self {
        let receipt = account.receive(self.receipt.records());
        Self { held: None, ticket: None, ..self.over_same_memory(receipt) }
    }

    /// Moves the obligation for `records` into a permit of their own, over the same memory.
    pub fn split(&mut self, records: u64) -> Self {
        let receipt = self.receipt.split(records);
        self.over_same_memory(receipt)
    }

    /// Moves the obligation for one record that came with the chunk itself, not with what it
    /// absorbed: only the chunk's own memory stands behind it.
    pub fn split_own(&mut self) -> Self {
        let receipt = self.receipt.split(1);
        Self { absorbed: Vec::new(), ..self.over_same_memory(receipt) }
    }

    /// Takes another permit of the same account in: its records, and the memory behind them.
    pub fn absorb(&mut self, other: Self) {
        self.receipt.join(other.receipt);
        for memory in std::iter::once(other.memory).chain(other.absorbed) {
            // Parts of one chunk come one after the other: looking at the newest is enough.
            let newest = self.absorbed.last().unwrap_or(&self.memory);
            let is_same = |known: &Memory| Arc::ptr_eq(&known.share, &memory.share);
            if !is_same(newest) && !is_same(&self.memory) {
                self.absorbed.push(memory);
            }
        }
    }

    /// Keeps what an output counts for the chunk until the permit and all its parts are gone, and the
    /// chunk's place among all of the output.
    pub fn hold(&mut self, shares: [Share; 2], number: u64) {
        self.held = Some(Arc::new(Held { _shares: shares, number }));
    }

    /// The chunk's place among all of the output.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        self.held.as_ref().map(|held| held.number)
    }

    /// The chunk is written to disk, while it is in memory: the marks go to the store, which says
    /// when they may speak, and a hold on the memory, which is taken until the disk has the chunk.
    pub fn keep(&mut self, ticket: Ticket) -> (Vec<Arc<Share>>, Vec<Arc<Marks>>) {
        self.ticket = Some(ticket);
        let all = std::iter::once(&mut self.memory).chain(&mut self.absorbed);
        let (mut memory, mut marks) = (Vec::with_capacity(1), Vec::new());
        for one in all {
            memory.push(Arc::clone(&one.share));
            marks.extend(one.marks.take());
        }
        (memory, marks)
    }

    /// Nobody is there to write the chunk to disk: it does not lie there, and has its marks again.
    pub fn not_kept(&mut self, marks: impl IntoIterator<Item = Arc<Marks>>) {
        self.ticket = None;
        self.absorb_marks(marks);
    }

    /// The chunk goes to disk: its obligation, what is to be kept until it is there, and the marks.
    pub fn store(mut self) -> (Receipt, Vec<Arc<Share>>, Vec<Arc<Marks>>) {
        let records = self.receipt.records();
        let receipt = self.receipt.split(records);
        let mut memory = Vec::with_capacity(1);
        let mut marks = Vec::new();
        for one in std::iter::once(self.memory.clone()).chain(std::mem::take(&mut self.absorbed)) {
            memory.push(one.share);
            marks.extend(one.marks);
        }
        (receipt, memory, marks)
    }

    /// How many marks stand behind it.
    #[must_use]
    pub fn marks(&self) -> usize {
        let all = std::iter::once(&self.memory).chain(&self.absorbed);
        all.filter_map(|memory| memory.marks.as_ref()).map(|marks| marks.len()).sum()
    }

    /// Whether the chunk also lies on disk, or is about to.
    #[must_use]
    pub fn is_on_disk(&self) -> bool {
        self.ticket.is_some()
    }

    /// The number by which the store knows it.
    #[must_use]
    pub fn number_on_disk(&self) -> Option<u64> {
        self.ticket.as_ref().map(Ticket::number)
    }

    /// The entries that begin there have their outcome: they need not be on disk any more.
    pub fn ended(&self, starts: impl Iterator<Item = u32>) {
        if let Some(ticket) = &self.ticket {
            ticket.ended(starts);
        }
    }

    /// The time to stop is up: what lies on disk stays there if that survives, the rest is left.
    pub fn left(&mut self) {
        let records = self.receipt.records();
        if self.ticket.as_ref().is_some_and(Ticket::survives) {
            self.receipt.stored(records);
        } else {
            self.receipt.dropped(records, Reason::Stopped);
        }
    }

    /// Whether its memory stays taken after it: another output or another part of the chunk has it.
    #[must_use]
    pub fn is_held_elsewhere(&self) -> bool {
        Arc::strong_count(&self.memory.share) > 1
    }

    /// How many shares stand behind it besides its own.
    #[cfg(test)]
    pub(crate) fn absorbed(&self) -> usize {
        self.absorbed.len()
    }

    fn over_same_memory(&self, receipt: Receipt) -> Self {
        Self {
            receipt,
            memory: self.memory.clone(),
            absorbed: self.absorbed.clone(),
            held: self.held.clone(),
            ticket: self.ticket.clone(),
        }
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
