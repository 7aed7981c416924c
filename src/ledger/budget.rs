//! The memory budget: one number of bytes for everything that grows with traffic.
//!
//! A [`Share`] is taken before bytes are read and given back when the last holder of the chunk
//! made from them lets go. When no share can be had, the reader waits: nobody is cut off.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Mark;
use super::account::Left;

/// A budget with less than a quarter left is short, within these bounds: less than the lower one
/// makes readers wait, and more than the upper one is plenty.
const SHORT_BYTES: std::ops::RangeInclusive<u64> = 64 * 1_024..=256 * 1_024;

/// Bytes that may be held at once, handed out first come, first served.
#[derive(Clone, Debug)]
pub struct Budget {
    bytes: Arc<Semaphore>,
    bytes_max: u32,
    is_reserve: bool,
}

/// Bytes of a [`Budget`], of its reserve, or of both; given back on drop.
#[derive(Debug)]
#[must_use = "a dropped share goes back to the budget"]
pub struct Share {
    permit: Option<OwnedSemaphorePermit>,
    /// Bytes of the reserve.
    reserved: Option<OwnedSemaphorePermit>,
    /// The one right to go over the budget, where this share stands for more than its bytes.
    turn: Option<OwnedSemaphorePermit>,
    /// Told when this share is let go. An input that follows no marks allocates nothing here.
    marks: Vec<Mark>,
}

impl Budget {
    /// A budget of `bytes_max`, at most 4 GiB - 1.
    #[must_use]
    pub fn new(bytes_max: u64) -> Self {
        let bytes_max = u32::try_from(bytes_max).unwrap_or(u32::MAX);
        let semaphore = Semaphore::new(usize::try_from(bytes_max).unwrap_or(usize::MAX));
        Self { bytes: Arc::new(semaphore), bytes_max, is_reserve: false }
    }

    /// A reserve beside a budget. Shares of both may be joined, but not of two reserves.
    #[must_use]
    pub fn reserve(bytes_max: u64) -> Self {
        Self { is_reserve: true, ..Self::new(bytes_max) }
    }

    /// Waits until `bytes` are free and takes them. More than there can ever be is cut to all of
    /// the budget, so that nobody waits for ever. Of a closed budget it takes nothing, at once.
    pub async fn take(&self, bytes: usize) -> Share {
        let bytes = self.clamp(bytes);
        self.share(Arc::clone(&self.bytes).acquire_many_owned(bytes).await.ok())
    }

    /// Takes `bytes` if they are free now and nobody waits before us.
    #[must_use]
    pub fn try_take(&self, bytes: usize) -> Option<Share> {
        let bytes = self.clamp(bytes);
        let permit = Arc::clone(&self.bytes).try_acquire_many_owned(bytes).ok()?;
        Some(self.share(Some(permit)))
    }

    fn share(&self, permit: Option<OwnedSemaphorePermit>) -> Share {
        match self.is_reserve {
            true => Share { reserved: permit, ..Share::empty() },
            false => Share { permit, ..Share::empty() },
        }
    }

    /// Gives out nothing more; whoever waits goes on with nothing.
    pub fn close(&self) {
        self.bytes.close();
    }

    /// Whether so much is in use that readers wait, or are about to.
    #[must_use]
    pub fn is_short(&self) -> bool {
        let short = (self.bytes_max() / 4).clamp(*SHORT_BYTES.start(), *SHORT_BYTES.end());
        self.bytes_max() - self.used_bytes() < short
    }

    /// Whether more than half is in use.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        self.used_bytes() > self.bytes_max() / 2
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
        Self { permit: None, reserved: None, turn: None, marks: Vec::new() }
    }

    /// Bytes in this share.
    #[must_use]
    pub fn bytes(&self) -> usize {
        bytes(&self.permit) + bytes(&self.reserved)
    }

    /// Moves `bytes`, or all there are, into a share of their own; those of the reserve last.
    pub fn split(&mut self, bytes: usize) -> Self {
        let permit = split(&mut self.permit, bytes);
        let left = bytes - self::bytes(&permit);
        Self { permit, reserved: split(&mut self.reserved, left), ..Self::empty() }
    }

    /// Keeps the right to go over the budget until this share is dropped: what it was used for is
    /// in memory as long.
    pub fn keep_turn(&mut self, turn: Option<OwnedSemaphorePermit>) {
        self.turn = turn.or(self.turn.take());
    }

    /// The right to go over the budget, if this share keeps it: for what goes on first.
    pub fn take_turn(&mut self) -> Option<OwnedSemaphorePermit> {
        self.turn.take()
    }

    /// Keeps a mark until this share is dropped: it tells its maker then that the records that
    /// were read with it have their outcome.
    pub fn follow(&mut self, mark: Mark) {
        if !mark.is_none() {
            self.marks.push(mark);
        }
    }

    /// Its records were entered into the ledger: the marks speak for these from now on.
    pub(super) fn enter(&mut self, left: &Left) {
        self.marks.iter_mut().for_each(|mark| mark.enter(left));
    }

    /// Takes another share in, of the same budget and reserve.
    pub fn join(&mut self, mut other: Self) {
        self.keep_turn(other.turn.take());
        self.marks.append(&mut other.marks);
        join(&mut self.permit, other.permit.take());
        join(&mut self.reserved, other.reserved.take());
    }

    /// Gives back all but `bytes`; those of the reserve first.
    pub fn shrink_to(&mut self, bytes: usize) {
        let excess = self.bytes().saturating_sub(bytes);
        let reserved = split(&mut self.reserved, excess);
        let left = excess - self::bytes(&reserved);
        drop((reserved, split(&mut self.permit, left)));
    }
}

fn bytes(permit: &Option<OwnedSemaphorePermit>) -> usize {
    permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
}

fn split(permit: &mut Option<OwnedSemaphorePermit>, most: usize) -> Option<OwnedSemaphorePermit> {
    let bytes = most.min(bytes(permit));
    permit.as_mut().and_then(|permit| permit.split(bytes))
}

fn join(ours: &mut Option<OwnedSemaphorePermit>, theirs: Option<OwnedSemaphorePermit>) {
    match (ours.as_mut(), theirs) {
        (Some(ours), Some(theirs)) => ours.merge(theirs),
        (None, theirs) => *ours = theirs,
        (Some(_), None) => {}
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

    #[tokio::test]
    async fn a_closed_budget_makes_nobody_wait() {
        let budget = Budget::new(10);
        let all = budget.take(10).await;
        budget.close();
        assert_eq!((budget.take(1).await.bytes(), all.bytes()), (0, 10));
    }

    #[test]
    fn a_share_of_budget_and_reserve_gives_the_reserve_back_first() {
        let (budget, reserve) = (Budget::new(100), Budget::reserve(100));
        let mut share = budget.try_take(60).expect("free");
        share.join(reserve.try_take(30).expect("free"));
        let part = share.split(70);
        assert_eq!((part.bytes(), share.bytes()), (70, 20));
        share.join(part);
        share.shrink_to(65);
        assert_eq!((budget.used_bytes(), reserve.used_bytes()), (60, 5));
        share.shrink_to(10);
        assert_eq!((budget.used_bytes(), reserve.used_bytes()), (10, 0));
    }

    #[test]
    fn a_budget_is_short_before_a_reader_has_to_wait() {
        for (bytes_max, used, is_short) in [
            (100_000, 34_464, false),
            (100_000, 34_465, true),
            (400_000, 300_000, false),
            (400_000, 300_001, true),
            (9_000_000, 8_737_856, false),
            (9_000_000, 8_737_857, true),
        ] {
            let budget = Budget::new(bytes_max);
            let _share = budget.try_take(used).expect("free");
            assert_eq!(budget.is_short(), is_short, "{used} of {bytes_max}");
        }
    }

    #[test]
    fn a_wish_beyond_the_budget_is_cut_to_all_of_it() {
        let budget = Budget::new(10);
        assert_eq!(budget.try_take(11).map(|share| share.bytes()), Some(10));
    }
}
