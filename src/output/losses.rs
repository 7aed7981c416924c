//! Step 6, output: one log line now and then about records that are dropped, however often it happens.
//!
//! Pure: says how many to tell of, and when.

use std::time::{Duration, Instant};

/// How often what goes on is told again.
const REMIND_INTERVAL: Duration = Duration::from_secs(30);

/// Records dropped for one kind of reason.
#[derive(Clone, Copy, Debug, Default)]
pub struct Losses {
    told: Option<Instant>,
    untold: u64,
}

impl Losses {
    /// Counts records; gives the number to tell of, if it is time: all since the last line.
    pub fn add(&mut self, records: u64, now: Instant) -> Option<u64> {
        self.untold += records;
        if self.told.is_some_and(|told| now.saturating_duration_since(told) < REMIND_INTERVAL) {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_loss_is_told_at_once_and_those_that_follow_together() {
        let (mut losses, now) = (Losses::default(), crate::clock::now());
        assert_eq!(losses.add(3, now), Some(3));
        assert_eq!(losses.add(1, now + REMIND_INTERVAL - Duration::from_nanos(1)), None);
        assert_eq!(losses.add(2, now + REMIND_INTERVAL), Some(3));
    }
}
