//! When something that is done again and again is due. Pure: the present is an argument.
//!
//! Must not know what is done, nor the clock.

use std::time::{Duration, Instant};

/// The shortest time between two ticks: no timer of the runtime is finer than a millisecond, and what
/// is due in between is made up for.
const PERIOD_MIN: Duration = Duration::from_micros(1);

/// Moments at one distance from each other.
#[derive(Clone, Copy, Debug)]
pub struct Ticks {
    next: Instant,
    period: Duration,
}

impl Ticks {
    /// The first comes one period from now.
    #[must_use]
    pub fn every(period: Duration, now: Instant) -> Self {
        let period = period.max(PERIOD_MIN);
        // A time beyond what the clock can say never comes; a period is far shorter.
        Self { next: now.checked_add(period).unwrap_or(now), period }
    }

    /// When the next one is due; a moment in the past if nobody has asked for it in time.
    #[must_use]
    pub const fn next(&self) -> Instant {
        self.next
    }

    /// How many are due by now. The next one comes after now.
    pub fn take(&mut self, now: Instant) -> u64 {
        let Some(late) = now.checked_duration_since(self.next) else { return 0 };
        let due = late.as_nanos() / self.period.as_nanos().max(1) + 1;
        let due = u64::try_from(due).unwrap_or(u64::MAX);
        let step = self.period.as_nanos().saturating_mul(u128::from(due));
        let step = Duration::from_nanos(u64::try_from(step).unwrap_or(u64::MAX));
        self.next = self.next.checked_add(step).unwrap_or(now);
        due
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock;

    #[test]
    fn the_first_tick_comes_a_period_from_the_start_and_not_before() {
        let start = clock::now();
        let period = Duration::from_secs(2);
        let mut ticks = Ticks::every(period, start);
        assert_eq!(ticks.take(start + period - Duration::from_nanos(1)), 0);
        assert_eq!(ticks.take(start + period), 1);
        assert_eq!((ticks.take(start + period), ticks.next()), (0, start + 2 * period));
    }

    proptest! {
        #[test]
        fn as_many_are_due_as_periods_have_passed_however_often_it_is_asked(
            period_us in 0_u64..5_000,
            looks_us in prop::collection::vec(0_u64..50_000, 1..20),
        ) {
            let start = clock::now();
            let mut ticks = Ticks::every(Duration::from_micros(period_us), start);
            let (mut now_us, mut due) = (0, 0);
            for look in looks_us {
                now_us += look;
                let now = start + Duration::from_micros(now_us);
                due += ticks.take(now);
                prop_assert!(ticks.next() > now);
            }
            prop_assert_eq!(due, now_us / period_us.max(1));
        }
    }
}
