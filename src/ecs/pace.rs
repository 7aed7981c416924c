//! How long to wait between attempts to ask for metadata. Pure. Not known here: what is asked.

use std::time::Duration;

/// Attempts that follow each other quickly; the endpoint may start after the container.
pub(super) const ATTEMPTS_QUICK: u32 = 5;

/// How long to wait between attempts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Before the second attempt; doubles each time.
    first: Duration,
    /// Most between quick attempts.
    quick_max: Duration,
    /// Between attempts after [`ATTEMPTS_QUICK`].
    slow: Duration,
    /// Between two askings for an unknown container.
    pub(super) ask_again_after: Duration,
}

impl Pace {
    pub(super) const DEFAULT: Self = Self {
        first: Duration::from_millis(100),
        quick_max: Duration::from_secs(2),
        slow: Duration::from_secs(30),
        ask_again_after: Duration::from_secs(5),
    };

    /// For tests that wait for answers only.
    #[cfg(test)]
    pub(super) const NO_WAIT: Self = Self {
        first: Duration::ZERO,
        quick_max: Duration::ZERO,
        slow: Duration::ZERO,
        ask_again_after: Duration::ZERO,
    };

    /// Half of the wait is fixed, half random: the containers of a deployment start together.
    pub(super) fn retry_after(&self, attempt: u32, random: u64) -> Duration {
        let whole = if attempt < ATTEMPTS_QUICK {
            self.first.saturating_mul(1 << attempt).min(self.quick_max)
        } else {
            self.slow
        };
        let half = whole / 2;
        let half_ms = u64::try_from(half.as_millis()).unwrap_or(u64::MAX);
        half + Duration::from_millis(random % half_ms.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_from_100_ms_to_2_s_then_stay_at_30_s() {
        let waits = |random| (0..7).map(move |attempt| Pace::DEFAULT.retry_after(attempt, random));
        let shortest: Vec<u128> = waits(0).map(|wait| wait.as_millis()).collect();
        assert_eq!(shortest, [50, 100, 200, 400, 800, 15_000, 15_000]);
        assert_eq!(Pace::DEFAULT.retry_after(0, 50), Duration::from_millis(100));
        assert_eq!(Pace::DEFAULT.retry_after(0, 51), Duration::from_millis(50));
        assert_eq!(Pace::DEFAULT.retry_after(u32::MAX, u64::MAX).as_secs() / 31, 0);
    }
}
