//! The memory budget: one number of bytes for everything that grows with traffic.
//!
//! A [`Share`] is taken before bytes are read and given back when the last holder of the chunk
//! made from them lets go. When no share can be had, the reader waits: nobody is cut off.
//!
//! A part of a budget ([`Budget::within`]) bounds what one input holds of it. Its bytes are taken
//! first and then those of the budget, each first come, first served. Who waits for the part holds
//! nothing of the budget, and a part is nobody else's: so no two wait for each other.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::account::Left;
use super::waits::Waits;
use super::{Mark, Marks, Shortage};

/// A budget with less than a quarter left is short, within these bounds: less than the lower one
/// makes readers wait, and more than the upper one is plenty.
const SHORT_BYTES: std::ops::RangeInclusive<u64> = 64 * 1_024..=256 * 1_024;

/// Bytes that may be held at once, handed out first come, first served.
#[derive(Clone, Debug)]
pub struct Budget {
    bytes: Arc<Semaphore>,
    bytes_max: u32,
    is_reserve: bool,
    /// What may be held of it here, if that is not all.
    part: Option<Part>,
    /// Its parts: closed with it.
    parts: Arc<Mutex<Vec<Part>>>,
    /// Who waits for bytes of it or of a part.
    waits: Arc<Waits>,
}

/// A part of a budget.
#[derive(Clone, Debug)]
struct Part {
    /// Whose it is.
    owner: u16,
    bytes: Arc<Semaphore>,
    bytes_max: u32,
}

/// Bytes of a [`Budget`], of its reserve, or of both; given back on drop.
#[derive(Debug)]
#[must_use = "a dropped share goes back to the budget"]
pub struct Share {
    permit: Option<OwnedSemaphorePermit>,
    /// As many bytes of a part, where the budget is one.
    part: Option<OwnedSemaphorePermit>,
    /// Bytes of the reserve.
    reserved: Option<OwnedSemaphorePermit>,
    /// The one right to go over the budget, where this share stands for more than its bytes.
    turn: Option<OwnedSemaphorePermit>,
    /// The right to a large frame, where this share stands for some of its records.
    large: Option<Arc<OwnedSemaphorePermit>>,
    /// Told when this share is let go, or the permit they go over to. An input that follows no marks
    /// allocates nothing here.
    marks: Marks,
}

impl Budget {
    /// A budget of `bytes_max`, at most 4 GiB - 1.
    #[must_use]
    pub fn new(bytes_max: u64) -> Self {
        let (bytes, bytes_max) = semaphore(bytes_max);
        Self {
            bytes,
            bytes_max,
            is_reserve: false,
            part: None,
            parts: Arc::default(),
            waits: Arc::default(),
        }
    }

    /// A part of the budget, of an input by its place: at most `bytes_max` of its bytes are held here.
    #[must_use]
    pub fn within(&self, owner: u16, bytes_max: u64) -> Self {
        let (bytes, bytes_max) = semaphore(bytes_max.min(self.bytes_max()));
        let part = Part { owner, bytes, bytes_max };
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).push(part.clone());
        Self { part: Some(part), ..self.clone() }
    }

    /// A reserve beside a budget. Shares of both may be joined, but not of two reserves.
    #[must_use]
    pub fn reserve(bytes_max: u64) -> Self {
        Self { is_reserve: true, ..Self::new(bytes_max) }
    }

    /// Waits until `bytes` are free and takes them. More than there can ever be is cut to all of
    /// the budget, so that nobody waits for ever. Of a closed budget it takes nothing, at once.
    pub async fn take(&self, bytes: usize) -> Share {
        if let Some(share) = self.try_take(bytes) {
            return share;
        }
        let _wait = self.waits.begin();
        let bytes = self.clamp(bytes);
        let part = match &self.part {
            Some(part) => Arc::clone(&part.bytes).acquire_many_owned(bytes).await.ok(),
            None => None,
        };
        let permit = Arc::clone(&self.bytes).acquire_many_owned(bytes).await.ok();
        self.share(permit, part)
    }

    /// Returns once somebody has waited for so long, of it or of a part.
    pub async fn is_waited_for(&self, time: Duration) {
        self.waits.last(time).await;
    }

    /// Takes `bytes` if they are free now and nobody waits before us.
    #[must_use]
    pub fn try_take(&self, bytes: usize) -> Option<Share> {
        let bytes = self.clamp(bytes);
        let part = match &self.part {
            Some(part) => Some(Arc::clone(&part.bytes).try_acquire_many_owned(bytes).ok()?),
            None => None,
        };
        let permit = Arc::clone(&self.bytes).try_acquire_many_owned(bytes).ok()?;
        Some(self.share(Some(permit), part))
    }

    fn share(
        &self,
        permit: Option<OwnedSemaphorePermit>,
        part: Option<OwnedSemaphorePermit>,
    ) -> Share {
        match self.is_reserve {
            true => Share { reserved: permit, ..Share::empty() },
            // A closed budget gives nothing, though its part may have.
            false => Share { part: part.filter(|_| permit.is_some()), permit, ..Share::empty() },
        }
    }

    /// Gives out nothing more, nor do its parts; whoever waits goes on with nothing.
    pub fn close(&self) {
        self.bytes.close();
        let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.iter().for_each(|part| part.bytes.close());
    }

    /// Of what so much is in use that readers wait or are about to.
    #[must_use]
    pub fn shortage(&self) -> Shortage {
        if is_short(&self.bytes, self.bytes_max) {
            return Shortage::Whole;
        }
        let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let short = parts.iter().filter(|part| is_short(&part.bytes, part.bytes_max));
        let owners: Vec<_> = short.map(|part| part.owner).collect();
        if owners.is_empty() { Shortage::None } else { Shortage::Of(owners) }
    }

    /// Whether more than half is in use, of all or of a part.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        is_crowded(&self.bytes, self.bytes_max)
            || parts.iter().any(|part| is_crowded(&part.bytes, part.bytes_max))
    }

    /// Bytes of all of it in use.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        u64::from(self.bytes_max).saturating_sub(self.bytes.available_permits() as u64)
    }

    /// Bytes in use of the part, or of all where it is none.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        let Some(part) = &self.part else { return self.used_bytes() };
        u64::from(part.bytes_max).saturating_sub(part.bytes.available_permits() as u64)
    }

    /// Whether so much of the part is in use, or of all where it is none, that readers wait.
    #[must_use]
    pub fn is_used_up(&self) -> bool {
        self.bytes_max().saturating_sub(self.held_bytes()) < *SHORT_BYTES.start()
    }

    /// Bytes that may be in use here at once.
    #[must_use]
    pub fn bytes_max(&self) -> u64 {
        u64::from(self.clamp(usize::MAX))
    }

    fn clamp(&self, bytes: usize) -> u32 {
        let most = self.part.as_ref().map_or(u32::MAX, |part| part.bytes_max).min(self.bytes_max);
        u32::try_from(bytes).unwrap_or(u32::MAX).min(most)
    }
}

fn is_short(bytes: &Semaphore, bytes_max: u32) -> bool {
    let short = (u64::from(bytes_max) / 4).clamp(*SHORT_BYTES.start(), *SHORT_BYTES.end());
    (bytes.available_permits() as u64) < short
}

fn is_crowded(bytes: &Semaphore, bytes_max: u32) -> bool {
    (bytes.available_permits() as u64) < u64::from(bytes_max).div_ceil(2)
}

fn semaphore(bytes_max: u64) -> (Arc<Semaphore>, u32) {
    let bytes_max = u32::try_from(bytes_max).unwrap_or(u32::MAX);
    (Arc::new(Semaphore::new(usize::try_from(bytes_max).unwrap_or(usize::MAX))), bytes_max)
}

impl Share {
    /// A share of nothing.
    pub fn empty() -> Self {
        Self {
            permit: None,
            part: None,
            reserved: None,
            turn: None,
            large: None,
            marks: Vec::new(),
        }
    }

    /// Bytes in this share.
    #[must_use]
    pub fn bytes(&self) -> usize {
        bytes(&self.permit) + bytes(&self.reserved)
    }

    /// Moves `bytes`, or all there are, into a share of their own; those of the reserve last.
    pub fn split(&mut self, bytes: usize) -> Self {
        let permit = split(&mut self.permit, bytes);
        let part = split(&mut self.part, self::bytes(&permit));
        let left = bytes - self::bytes(&permit);
        Self { permit, part, reserved: split(&mut self.reserved, left), ..Self::empty() }
    }

    /// Keeps the right to go over the budget until this share is dropped: what it was used for is
    /// in memory as long.
    pub fn keep_turn(&mut self, turn: Option<OwnedSemaphorePermit>) {
        self.turn = turn.or(self.turn.take());
    }

    /// Keeps the right to a large frame likewise, in common with the frame's other records.
    pub fn keep_large(&mut self, large: Option<Arc<OwnedSemaphorePermit>>) {
        self.large = large.or(self.large.take());
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

    /// Its records were entered into the ledger: the marks speak for these from now on, and go with
    /// the permit.
    pub(super) fn enter(&mut self, left: &Left) -> Marks {
        self.marks.iter_mut().for_each(|mark| mark.enter(left));
        std::mem::take(&mut self.marks)
    }

    /// Takes another share in, of the same budget, part and reserve.
    pub fn join(&mut self, mut other: Self) {
        self.keep_turn(other.turn.take());
        self.keep_large(other.large.take());
        self.marks.append(&mut other.marks);
        join(&mut self.permit, other.permit.take());
        join(&mut self.part, other.part.take());
        join(&mut self.reserved, other.reserved.take());
    }

    /// Gives back all but `bytes`; those of the reserve first.
    pub fn shrink_to(&mut self, bytes: usize) {
        let excess = self.bytes().saturating_sub(bytes);
        let reserved = split(&mut self.reserved, excess);
        let left = excess - self::bytes(&reserved);
        let permit = split(&mut self.permit, left);
        drop((split(&mut self.part, self::bytes(&permit)), permit, reserved));
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
            assert_eq!(budget.shortage() == Shortage::Whole, is_short, "{used} of {bytes_max}");
        }
    }

    #[test]
    fn a_part_holds_no_more_than_it_may_and_leaves_the_rest() {
        let budget = Budget::new(100);
        let (part, other) = (budget.within(0, 40), budget.within(0, 90));
        let mut share = part.try_take(40).expect("free");
        assert!(part.try_take(1).is_none(), "its own is used up");
        let rest = other.try_take(60).expect("free");
        assert!(other.try_take(1).is_none(), "the budget is used up");
        assert_eq!(budget.used_bytes(), 100);
        let some = share.split(30);
        share.shrink_to(4);
        assert_eq!(part.try_take(6).map(|taken| taken.bytes()), Some(6));
        share.join(some);
        share.shrink_to(0);
        assert_eq!(part.try_take(40).map(|taken| taken.bytes()), Some(40));
        drop(rest);
        assert_eq!((budget.used_bytes(), part.bytes_max(), other.bytes_max()), (0, 40, 90));
        assert_eq!(budget.within(0, 101).bytes_max(), 100);
    }

    #[test]
    fn what_the_budget_does_not_have_is_not_taken_of_the_part() {
        let budget = Budget::new(100);
        let part = budget.within(0, 40);
        let most = budget.try_take(90).expect("free");
        assert!(part.try_take(20).is_none());
        drop(most);
        assert_eq!(part.try_take(40).map(|taken| taken.bytes()), Some(40));
    }

    #[tokio::test]
    async fn a_part_is_short_while_somebody_waits_for_it_and_the_rest_is_not() {
        let budget = Budget::new(10_000_000);
        let part = budget.within(3, 1_000_000);
        let held = part.take(300_000).await;
        assert!(budget.shortage().is_none() && !budget.is_crowded());
        let waiting = tokio::spawn({
            let part = part.clone();
            async move { part.take(800_000).await.bytes() }
        });
        tokio::task::yield_now().await;
        assert!(budget.is_crowded(), "700,000 are free, which is not enough");
        let shortage = budget.shortage();
        assert_eq!(shortage, Shortage::Of(vec![3]));
        assert!(
            shortage.is_eased_by(3) && !shortage.is_eased_by(0),
            "another's records give no room"
        );
        drop(held);
        assert_eq!(waiting.await.expect("no panic"), 800_000);
        assert!(budget.shortage().is_none());
    }

    #[tokio::test]
    async fn who_waits_for_a_part_holds_nothing_and_goes_on_when_the_budget_is_closed() {
        let budget = Budget::new(100);
        let part = budget.within(0, 40);
        let all = part.take(40).await;
        let waiting = tokio::spawn({
            let part = part.clone();
            async move { part.take(10).await.bytes() }
        });
        tokio::task::yield_now().await;
        assert_eq!(budget.try_take(60).map(|taken| taken.bytes()), Some(60));
        budget.close();
        assert_eq!((waiting.await.expect("no panic"), all.bytes()), (0, 40));
    }

    proptest::proptest! {
        /// However shares of several parts are taken, split, joined and let go: of each part and of
        /// the budget as much is free as nobody holds.
        #[test]
        fn parts_and_budget_get_back_what_was_taken(
            steps in proptest::collection::vec((0..5_u8, 0..2_usize, 0..9_usize, 0..60_usize), 0..60),
        ) {
            let budget = Budget::new(100);
            let parts = [budget.within(0, 70), budget.within(0, 50)];
            let mut held: [Vec<Share>; 2] = [Vec::new(), Vec::new()];
            for (action, of, which, bytes) in steps {
                let shares = &mut held[of];
                match action {
                    0 => shares.extend(parts[of].try_take(bytes)),
                    1 if which < shares.len() => {
                        let part = shares[which].split(bytes);
                        shares.push(part);
                    }
                    2 if which + 1 < shares.len() => {
                        let other = shares.pop().expect("two");
                        shares[which].join(other);
                    }
                    3 if which < shares.len() => shares[which].shrink_to(bytes),
                    4 if which < shares.len() => drop(shares.remove(which)),
                    _ => {}
                }
                let used = held.each_ref().map(|all| all.iter().map(Share::bytes).sum::<usize>());
                proptest::prop_assert_eq!(budget.used_bytes(), (used[0] + used[1]) as u64);
                for (part, used) in parts.iter().zip(used) {
                    let part = part.part.as_ref().expect("a part");
                    let free = part.bytes.available_permits();
                    proptest::prop_assert_eq!(free + used, part.bytes_max as usize);
                }
            }
        }
    }

    #[test]
    fn a_wish_beyond_the_budget_is_cut_to_all_of_it() {
        let budget = Budget::new(10);
        assert_eq!(budget.try_take(11).map(|share| share.bytes()), Some(10));
    }
}
