//! One account of the ledger: the ingest has one, every output has one.
//!
//! Written once a chunk, never once a record.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::{Reason, Receipt};

/// Counts of records, from the start of the process.
#[derive(Debug, Default)]
pub struct Account {
    received: AtomicU64,
    replayed: AtomicU64,
    delivered: AtomicU64,
    stored: AtomicU64,
    made: AtomicU64,
    merged: AtomicU64,
    dropped: [AtomicU64; Reason::COUNT],
    left: Left,
}

/// Whether a record of the process was left without an outcome of its own: common to all accounts
/// that records of one pipeline pass through. Never unset.
#[derive(Clone, Debug, Default)]
pub(super) struct Left(Arc<AtomicBool>);

impl Left {
    /// Seen by whoever lets go of the memory after the record was counted.
    pub(super) fn is_any(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// An account at one moment.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Balance {
    /// Records that came in.
    pub received: u64,
    /// Records that an earlier process had left on disk.
    pub replayed: u64,
    /// Records that reached what the account leads to: an output, or the service.
    pub delivered: u64,
    /// Records that were left on disk for the next start.
    pub stored: u64,
    /// Records that filters made of others, such as copies under another tag.
    pub made: u64,
    /// Records that became part of another one, such as the parts of a line that Docker cut.
    pub merged: u64,
    /// Records dropped, by [`Reason`] as index.
    pub dropped: [u64; Reason::COUNT],
    /// Records that are still on their way.
    pub held: u64,
}

impl Account {
    /// An account that the records of this one pass on to: what is left in one of them silences
    /// the [marks](super::Mark) of both.
    #[must_use]
    pub fn beside(&self) -> Self {
        Self { left: self.left.clone(), ..Self::default() }
    }

    /// Enters `records` and gives the obligation to say what became of them.
    pub fn receive(self: &Arc<Self>, records: u64) -> Receipt {
        self.received.fetch_add(records, Ordering::Relaxed);
        Receipt::new(Arc::clone(self), records)
    }

    /// Enters `records` that an earlier process had left on disk.
    pub fn replay(self: &Arc<Self>, records: u64) -> Receipt {
        self.replayed.fetch_add(records, Ordering::Relaxed);
        Receipt::new(Arc::clone(self), records)
    }

    /// The account now. It balances at any instant: outcomes are read before the entries they
    /// belong to, so a record that moves meanwhile shows as held.
    #[must_use]
    pub fn balance(&self) -> Balance {
        let delivered = self.delivered.load(Ordering::Acquire);
        let stored = self.stored.load(Ordering::Acquire);
        let merged = self.merged.load(Ordering::Acquire);
        let dropped = self.dropped.each_ref().map(|count| count.load(Ordering::Acquire));
        let made = self.made.load(Ordering::Acquire);
        let replayed = self.replayed.load(Ordering::Acquire);
        let received = self.received.load(Ordering::Acquire);
        let ended = delivered + stored + merged + dropped.iter().sum::<u64>();
        let held = (received + replayed + made).saturating_sub(ended);
        Balance { received, replayed, made, delivered, stored, merged, dropped, held }
    }

    pub(super) fn add_delivered(&self, records: u64) {
        self.delivered.fetch_add(records, Ordering::Release);
    }

    pub(super) fn add_stored(&self, records: u64) {
        self.stored.fetch_add(records, Ordering::Release);
    }

    pub(super) fn add_made(&self, records: u64) {
        self.made.fetch_add(records, Ordering::Relaxed);
    }

    pub(super) fn add_merged(&self, records: u64) {
        self.merged.fetch_add(records, Ordering::Release);
    }

    pub(super) fn left(&self) -> &Left {
        &self.left
    }

    pub(super) fn add_dropped(&self, records: u64, reason: Reason) {
        if records > 0 && matches!(reason, Reason::Stopped | Reason::Lost) {
            self.left.0.store(true, Ordering::Release);
        }
        if let Some(count) = self.dropped.get(reason as usize) {
            count.fetch_add(records, Ordering::Release);
        }
    }
}

impl Balance {
    /// Records dropped for one reason.
    #[must_use]
    pub fn dropped_for(&self, reason: Reason) -> u64 {
        self.dropped.get(reason as usize).copied().unwrap_or(0)
    }

    /// Records that were wanted and are not delivered: dropped without being asked to, or left.
    #[must_use]
    pub fn lost(&self) -> u64 {
        let unintended = Reason::ALL.into_iter().filter(|reason| !reason.is_intended());
        self.held + unintended.map(|reason| self.dropped_for(reason)).sum::<u64>()
    }

    /// Records that nothing was decided about before the end.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.held + self.dropped_for(Reason::Stopped) + self.dropped_for(Reason::Lost)
    }
}

/// Accounts added up.
impl std::ops::AddAssign for Balance {
    fn add_assign(&mut self, other: Self) {
        self.received += other.received;
        self.replayed += other.replayed;
        self.delivered += other.delivered;
        self.stored += other.stored;
        self.made += other.made;
        self.merged += other.merged;
        self.held += other.held;
        for (ours, theirs) in self.dropped.iter_mut().zip(other.dropped) {
            *ours += theirs;
        }
    }
}

/// One line, for people: `received=5 delivered=3 dropped=1 dropped_empty=1 left=1`.
impl std::fmt::Display for Balance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "received={}", self.received)?;
        if self.replayed > 0 {
            write!(f, " replayed={}", self.replayed)?;
        }
        if self.made > 0 {
            write!(f, " made={}", self.made)?;
        }
        write!(f, " delivered={}", self.delivered)?;
        if self.merged > 0 {
            write!(f, " merged={}", self.merged)?;
        }
        if self.stored > 0 {
            write!(f, " stored={}", self.stored)?;
        }
        let dropped = self.dropped.iter().sum::<u64>() + self.held - self.left();
        write!(f, " dropped={dropped}")?;
        let decided = |reason: &Reason| !matches!(reason, Reason::Stopped | Reason::Lost);
        for reason in Reason::ALL.into_iter().filter(decided) {
            match self.dropped_for(reason) {
                0 => {}
                records => write!(f, " dropped_{}={records}", reason.as_str())?,
            }
        }
        write!(f, " left={}", self.left())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_is_one_line_whose_numbers_add_up() {
        let account = Arc::new(Account::default());
        let mut receipt = account.receive(10);
        receipt.delivered(5);
        receipt.dropped(2, Reason::TooOld);
        receipt.dropped(1, Reason::Stopped);
        let line = account.balance().to_string();
        assert_eq!(line, "received=10 delivered=5 dropped=2 dropped_too_old=2 left=3");
        assert_eq!((account.balance().lost(), account.balance().left()), (5, 3));
        receipt.stored(2);
        account.replay(1).delivered(1);
        let line = account.balance().to_string();
        let expected =
            "received=10 replayed=1 delivered=6 stored=2 dropped=2 dropped_too_old=2 left=1";
        assert_eq!(line, expected);
    }
}
