//! The memory of one request: taken as it is needed, given back when the request ends without
//! having been taken in. Must not know what it is needed for.

use std::time::Duration;

use super::answer::Refusal;
use crate::clock;
use crate::input::Intake;
use crate::ledger::Share;
use crate::telemetry::InputCounters;

/// How often is asked again for memory. Not a place in the budget's queue, which is served in its
/// order: a request that wants megabytes would have the lines of a `forward` input wait behind it.
const LOOK: Duration = Duration::from_millis(10);
/// How often at least, once it has waited for a while: each time twice as long as the last.
const LOOK_MAX: Duration = Duration::from_millis(200);

/// What a request has taken.
#[derive(Debug)]
pub(super) struct Paid<'a> {
    intake: &'a Intake,
    counters: &'a InputCounters,
    share: Share,
    /// How long it may wait yet.
    patience: Duration,
}

impl<'a> Paid<'a> {
    pub(super) fn new(intake: &'a Intake, counters: &'a InputCounters, patience: Duration) -> Self {
        Self { intake, counters, share: Share::empty(), patience }
    }

    /// Most bytes there can ever be.
    pub(super) fn bytes_max(&self) -> u64 {
        self.intake.budget.bytes_max()
    }

    /// Takes what is missing to so many bytes; waits while there is not as much, for a bounded time.
    pub(super) async fn raise_to(&mut self, bytes: usize) -> Result<(), Refusal> {
        let missing = bytes.saturating_sub(self.share.bytes());
        if missing == 0 {
            return Ok(());
        }
        let bytes_max = self.bytes_max();
        if bytes as u64 > bytes_max {
            return Err(Refusal::BeyondMemory { bytes_max });
        }
        let more = match self.intake.try_take(missing) {
            Some(more) => more,
            None => self.wait_for(missing).await?,
        };
        self.share.join(more);
        Ok(())
    }

    /// Gives back all but so many bytes.
    pub(super) fn shrink_to(&mut self, bytes: usize) {
        self.share.shrink_to(bytes);
    }

    /// Moves so many bytes into a share of their own.
    pub(super) fn split(&mut self, bytes: usize) -> Share {
        self.share.split(bytes)
    }

    async fn wait_for(&mut self, bytes: usize) -> Result<Share, Refusal> {
        self.counters.waits.add(1);
        let _waits = self.intake.activity.waits();
        let mut ending = self.intake.ending();
        let (since, mut look) = (clock::now(), LOOK);
        loop {
            let waited = clock::now().saturating_duration_since(since);
            let Some(left) = self.patience.checked_sub(waited).filter(|left| !left.is_zero())
            else {
                return Err(Refusal::Busy);
            };
            tokio::select! {
                biased;
                () = ending.ended() => return Err(Refusal::Ending),
                () = tokio::time::sleep(look.min(left)) => {}
            }
            look = (2 * look).min(LOOK_MAX);
            if let Some(share) = self.intake.try_take(bytes) {
                let waited = clock::now().saturating_duration_since(since);
                self.patience = self.patience.saturating_sub(waited);
                return Ok(share);
            }
        }
    }
}
