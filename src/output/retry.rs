//! When to try again. Pure: `now` and chance are arguments.

use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::option::RetryLimit;

/// First wait after a failure that the next attempt may not meet.
const BACKOFF_BASE: Duration = Duration::from_millis(250);
/// Longest wait between two attempts.
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// Longest wait while the process stops: there is not much time left.
pub const BACKOFF_STOPPING_MAX: Duration = Duration::from_secs(1);
/// First distance between requests after the service throttled one.
const PACE_FIRST: Duration = Duration::from_millis(200);
/// Longest distance between requests.
const PACE_MAX: Duration = Duration::from_secs(5);
/// Below this distance there is no need to keep one.
const PACE_MIN: Duration = Duration::from_millis(10);
/// A distance grows by this after a throttled request: numerator and denominator.
const PACE_GROWTH: (u32, u32) = (3, 2);
/// A distance shrinks by this after a request that passed.
const PACE_DECAY: (u32, u32) = (4, 5);
/// And by this where it comes near one that was too short not long ago. While many routers share less
/// than they want, a distance that shrank as fast as far from there had a third of all requests
/// throttled; `benches/fleet` shows it.
const PACE_DECAY_NEAR: (u32, u32) = (99, 100);
/// How long one that was too short is remembered: others may have stopped since.
const PACE_MEMORY: Duration = Duration::from_secs(120);

/// The waits between attempts at one thing: doubled each time, half of it chance, so that a fleet
/// does not come back in step.
#[derive(Clone, Copy, Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Attempts that failed since the last one that did not.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Counts a failure and says how long to wait.
    pub fn fail(&mut self, chance: &mut Rng) -> Duration {
        let doubled = BACKOFF_BASE.saturating_mul(1 << self.failures.min(16)).min(BACKOFF_MAX);
        self.failures = self.failures.saturating_add(1);
        half_jitter(doubled, chance)
    }

    /// An attempt succeeded.
    pub fn succeed(&mut self) {
        self.failures = 0;
    }
}

/// The distance between the requests of one output: throttling is a signal of the whole account,
/// so all streams slow down together and their batches grow instead.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    distance: Duration,
    next: Option<Instant>,
    /// When the distance grew last.
    grown: Option<Instant>,
    /// What it was then: too short.
    too_short: Duration,
}

impl Pace {
    /// When the next request may be sent; `None`: at once.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.next
    }

    /// A request is sent now.
    pub fn sent(&mut self, now: Instant) {
        self.next = (!self.distance.is_zero()).then(|| now.checked_add(self.distance)).flatten();
    }

    /// The service throttled one that was sent at `sent`. Requests that were on their way together
    /// are one signal, however many answers it has.
    pub fn throttled(
        &mut self,
        sent: Instant,
        now: Instant,
        asked: Option<Duration>,
        chance: &mut Rng,
    ) {
        if self.grown.is_none_or(|grown| sent >= grown) {
            self.too_short = self.distance;
            let grown = self.distance * PACE_GROWTH.0 / PACE_GROWTH.1;
            self.distance = grown.clamp(PACE_FIRST, PACE_MAX);
            self.grown = Some(now);
        }
        let wait = half_jitter(self.distance * 2, chance).max(asked.unwrap_or_default());
        self.next = now.checked_add(wait);
    }

    /// Keeps nothing back for longer than `wait` from now.
    pub fn limit(&mut self, now: Instant, wait: Duration) {
        self.distance = self.distance.min(wait);
        self.next = self.next.map(|next| next.min(now.checked_add(wait).unwrap_or(next)));
    }

    /// One passed.
    pub fn passed(&mut self, now: Instant) {
        let age = self.grown.map(|grown| now.saturating_duration_since(grown));
        let far = self.distance * PACE_DECAY.0 / PACE_DECAY.1;
        let is_near = far < self.too_short && age.is_some_and(|age| age < PACE_MEMORY);
        let shrunk = match is_near {
            true => self.distance * PACE_DECAY_NEAR.0 / PACE_DECAY_NEAR.1,
            false => far,
        };
        self.distance = if shrunk < PACE_MIN { Duration::ZERO } else { shrunk };
    }
}

/// Whether a stream that failed so often in a row has used its retries up.
#[must_use]
pub fn is_exhausted(limit: RetryLimit, failures: u32) -> bool {
    match limit {
        RetryLimit::NoRetries => true,
        RetryLimit::Retries(retries) => failures > retries,
        RetryLimit::Unlimited => false,
    }
}

/// Whether a batch whose stream failed so often in a row is given up.
///
/// A limit says when a batch may go to make room, not when it must: as long as there is room, it is
/// kept. `no_retries` is meant literally.
#[must_use]
pub fn gives_up(limit: RetryLimit, failures: u32, needs_room: bool) -> bool {
    match limit {
        RetryLimit::NoRetries => true,
        RetryLimit::Retries(_) => needs_room && is_exhausted(limit, failures),
        RetryLimit::Unlimited => false,
    }
}

fn half_jitter(wait: Duration, chance: &mut Rng) -> Duration {
    let half = wait / 2;
    half + half.mul_f64(chance.f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_their_most_and_are_at_least_half_of_it() {
        let (mut backoff, mut chance) = (Backoff::default(), Rng::with_seed(7));
        for doublings in 0..20 {
            let full = BACKOFF_BASE.saturating_mul(1 << doublings.min(16)).min(BACKOFF_MAX);
            let wait = backoff.fail(&mut chance);
            assert!(full / 2 <= wait && wait <= full, "{wait:?} of {full:?}");
        }
        backoff.succeed();
        assert!(backoff.fail(&mut chance) <= BACKOFF_BASE);
    }

    #[test]
    fn a_throttled_output_keeps_a_distance_and_comes_back_to_none() {
        let now = crate::clock::now();
        let (mut pace, mut chance) = (Pace::default(), Rng::with_seed(7));
        pace.sent(now);
        assert_eq!(pace.next(), None, "no distance without a reason");
        pace.throttled(now, now, None, &mut chance);
        assert!(pace.next().is_some_and(|next| next >= now + PACE_FIRST));
        for _ in 0..60 {
            pace.passed(now);
        }
        pace.sent(now);
        assert_eq!(pace.next(), None);
    }

    #[test]
    fn a_distance_that_was_too_short_is_approached_slowly_for_as_long_as_that_is_remembered() {
        let (mut pace, mut chance) = (Pace::default(), Rng::with_seed(7));
        let now = crate::clock::now();
        pace.throttled(now, now, None, &mut chance);
        pace.throttled(now, now, None, &mut chance);
        assert_eq!(pace.distance, PACE_FIRST * 3 / 2);
        let before = now + PACE_MEMORY - Duration::from_nanos(1);
        let passes = (0..).find(|_| {
            pace.passed(before);
            pace.distance < PACE_FIRST
        });
        assert!(passes > Some(10), "{passes:?}");
        let near = pace.distance;
        pace.passed(now + PACE_MEMORY);
        assert_eq!(pace.distance, near * 4 / 5);
    }

    #[test]
    fn a_batch_is_given_up_only_beyond_its_limit_and_for_room() {
        let limit = RetryLimit::Retries(2);
        assert!(
            !gives_up(limit, 2, true) && gives_up(limit, 3, true) && !gives_up(limit, 3, false)
        );
        assert!(gives_up(RetryLimit::NoRetries, 1, false));
        assert!(!gives_up(RetryLimit::Unlimited, u32::MAX, true));
    }

    #[test]
    fn a_wait_that_the_service_asks_for_is_kept() {
        let (now, asked) = (crate::clock::now(), Duration::from_secs(60));
        let mut pace = Pace::default();
        pace.throttled(now, now, Some(asked), &mut Rng::with_seed(7));
        assert_eq!(pace.next(), Some(now + asked));
        pace.limit(now, BACKOFF_STOPPING_MAX);
        assert_eq!(pace.next(), Some(now + BACKOFF_STOPPING_MAX));
    }

    #[test]
    fn answers_to_requests_that_were_on_their_way_together_are_one_signal() {
        let (mut pace, mut chance) = (Pace::default(), Rng::with_seed(7));
        let sent = crate::clock::now();
        let now = sent + Duration::from_millis(50);
        for _ in 0..8 {
            pace.throttled(sent, now, None, &mut chance);
        }
        assert_eq!(pace.distance, PACE_FIRST);
        pace.throttled(now, now, None, &mut chance);
        assert!(pace.distance > PACE_FIRST);
    }
}
