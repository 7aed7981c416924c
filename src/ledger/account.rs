//! One account of the ledger: the ingest has one, every output has one.
//!
//! Written once a chunk, never once a record.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Reason, Receipt};

/// Counts of records, from the start of the process.
#[derive(Debug, Default)]
pub struct Account {
    received: AtomicU64,
    delivered: AtomicU64,
    merged: AtomicU64,
    dropped: [AtomicU64; Reason::COUNT],
}

/// An account at one moment.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Balance {
    /// Records that came in.
    pub received: u64,
    /// Records that reached what the account leads to: an output, or the service.
    pub delivered: u64,
    /// Records that became part of another one, such as the parts of a line that Docker cut.
    pub merged: u64,
    /// Records dropped, by [`Reason`] as index.
    pub dropped: [u64; Reason::COUNT],
    /// Records that are still on their way.
    pub held: u64,
}

impl Account {
    /// Enters `records` and gives the obligation to say what became of them.
    pub fn receive(self: &Arc<Self>, records: u64) -> Receipt {
        self.received.fetch_add(records, Ordering::Relaxed);
        Receipt::new(Arc::clone(self), records)
    }

    /// The account now. It balances at any instant: outcomes are read before the entries they
    /// belong to, so a record that moves meanwhile shows as held.
    #[must_use]
    pub fn balance(&self) -> Balance {
        let delivered = self.delivered.load(Ordering::Acquire);
        let merged = self.merged.load(Ordering::Acquire);
        let dropped = self.dropped.each_ref().map(|count| count.load(Ordering::Acquire));
        let received = self.received.load(Ordering::Acquire);
        let ended = delivered + merged + dropped.iter().sum::<u64>();
        Balance { received, delivered, merged, dropped, held: received.saturating_sub(ended) }
    }

    pub(super) fn add_delivered(&self, records: u64) {
        self.delivered.fetch_add(records, Ordering::Release);
    }

    pub(super) fn add_merged(&self, records: u64) {
        self.merged.fetch_add(records, Ordering::Release);
    }

    pub(super) fn add_dropped(&self, records: u64, reason: Reason) {
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

    /// Records dropped that the configuration did not ask to drop.
    #[must_use]
    pub fn lost(&self) -> u64 {
        let unintended = Reason::ALL.into_iter().filter(|reason| !reason.is_intended());
        unintended.map(|reason| self.dropped_for(reason)).sum()
    }
}

/// Accounts added up.
impl std::ops::AddAssign for Balance {
    fn add_assign(&mut self, other: Self) {
        self.received += other.received;
        self.delivered += other.delivered;
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
        write!(f, "received={} delivered={}", self.received, self.delivered)?;
        if self.merged > 0 {
            write!(f, " merged={}", self.merged)?;
        }
        // What was held when the time to stop was up was not dropped for anything about it.
        let left = self.dropped_for(Reason::Stopped);
        write!(f, " dropped={}", self.dropped.iter().sum::<u64>() - left)?;
        for reason in Reason::ALL.into_iter().filter(|reason| *reason != Reason::Stopped) {
            match self.dropped_for(reason) {
                0 => {}
                records => write!(f, " dropped_{}={records}", reason.as_str())?,
            }
        }
        write!(f, " left={}", self.held + left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_what_was_dropped_from_what_was_left() {
        let account = Arc::new(Account::default());
        account.receive(3).delivered(3);
        account.receive(1).dropped(1, Reason::Empty);
        account.receive(4).dropped(4, Reason::Stopped);
        let _held = std::mem::ManuallyDrop::new(account.receive(2));
        let line = "received=10 delivered=3 dropped=1 dropped_empty=1 left=6";
        assert_eq!(account.balance().to_string(), line);
    }
}
