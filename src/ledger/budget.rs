//! The memory budget: one number of bytes for everything that grows with traffic.
//!
//! A [`Share`] is taken before bytes are read and given back when the last holder of the chunk
//! made from them lets go. When no share can be had, the reader waits: nobody is cut off.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A budget with less than this, or than a quarter of it, left is short.
const SHORT_BYTES: u64 = 256 * 1_024;

/// Bytes that may be held at once, handed out first come, first served.
#[derive(Clone, Debug)]
pub struct Budget {
    bytes: Arc<Semaphore>,
    bytes_max: u32,
}

/// Bytes of a [`Budget`]; given back on drop.
#[derive(Debug)]
#[must_use = "a dropped share goes back to the budget"]
pub struct Share {
    permit: Option<OwnedSemaphorePermit>,
    /// The one right to go over the budget, where this share stands for more than its bytes.
    turn: Option<OwnedSemaphorePermit>,
}

impl Budget {
    /// A budget of `bytes_max`, at most 4 GiB - 1.
    #[must_use]
    pub fn new(bytes_max: u64) -> Self {
        let bytes_max = u32::try_from(bytes_max).unwrap_or(u32::MAX);
        let semaphore = Semaphore::new(usize::try_from(bytes_max).unwrap_or(usize::MAX));
        Self { bytes: Arc::new(semaphore), bytes_max }
    }

    /// Waits until `bytes` are free and takes them. More than there can ever be is cut to all of
    /// the budget, so that nobody waits for ever.
    pub async fn take(&self, bytes: usize) -> Share {
        let bytes = self.clamp(bytes);
        // The semaphore is never closed, so the only error cannot come.
        Share { permit: Arc::clone(&self.bytes).acquire_many_owned(bytes).await.ok(), turn: None }
    }

    /// Takes `bytes` if they are free now and nobody waits before us.
    #[must_use]
    pub fn try_take(&self, bytes: usize) -> Option<Share> {
        let bytes = self.clamp(bytes);
        let permit = Arc::clone(&self.bytes).try_acquire_many_owned(bytes).ok()?;
        Some(Share { permit: Some(permit), turn: None })
    }

    /// Whether so much is in use that readers wait, or are about to.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.bytes_max() - self.used_bytes() < SHORT_BYTES.min(self.bytes_max() / 4)
    }

    /// Bytes in use.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        u64::from(self.bytes_max).saturating_sub(self.bytes.available_permits() as u64)
    }

    /// Bytes that may be in use at once.
    #[must_use]
    pub fn bytes_max(&self) -> u64 {
        u64::from(self.bytes_max)
    }

    fn clamp(&self, bytes: usize) -> u32 {
        u32::try_from(bytes).unwrap_or(u32::MAX).min(self.bytes_max)
    }
}

impl Share {
    /// A share of nothing.
    pub fn empty() -> Self {
        Self { permit: None, turn: None }
    }

    /// Bytes in this share.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
    }

    /// Moves `bytes`, or all there are, into a share of their own.
    pub fn split(&mut self, bytes: usize) -> Self {
        let bytes = bytes.min(self.bytes());
        Self { permit: self.permit.as_mut().and_then(|permit| permit.split(bytes)), turn: None }
    }

    /// Keeps the right to go over the budget until this share is dropped: what it was used for is
    /// in memory as long.
    pub fn keep_turn(&mut self, turn: Option<OwnedSemaphorePermit>) {
        self.turn = turn.or(self.turn.take());
    }

    /// Takes another share of the same budget in.
    pub fn join(&mut self, mut other: Self) {
        self.keep_turn(other.turn.take());
        let Some(theirs) = other.permit.take() else { return };
        match self.permit.as_mut() {
            Some(ours) => ours.merge(theirs),
            None => self.permit = Some(theirs),
        }
    }

    /// Gives back all but `bytes`.
    pub fn shrink_to(&mut self, bytes: usize) {
        let excess = self.bytes().saturating_sub(bytes);
        drop(self.split(excess));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_gives_out_exactly_its_bytes() {
        let budget = Budget::new(10);
        let all = budget.try_take(10).expect("an empty budget has its bytes");
        assert!(budget.try_take(1).is_none());
        drop(all);
        assert_eq!(budget.used_bytes(), 0);
    }

    #[test]
    fn shares_split_and_join_without_changing_the_sum() {
        let budget = Budget::new(100);
        let mut share = budget.try_take(60).expect("free");
        let part = share.split(20);
        assert_eq!((share.bytes(), part.bytes(), budget.used_bytes()), (40, 20, 60));
        share.join(part);
        share.shrink_to(5);
        assert_eq!((share.bytes(), budget.used_bytes()), (5, 5));
    }

    #[test]
    fn a_wish_beyond_the_budget_is_cut_to_all_of_it() {
        let budget = Budget::new(10);
        assert_eq!(budget.try_take(11).map(|share| share.bytes()), Some(10));
    }
}
