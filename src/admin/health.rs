//! Decides whether the outputs are healthy, as Fluent Bit's `Health_Check` does.
//!
//! Pure: somebody calls [`Health::sample`] once a second. Not known here: who counts, and how the
//! answer is served. Source: Fluent Bit manual, "Health Check for Fluent Bit",
//! <https://docs.fluentbit.io/manual/administration/monitoring>.

use std::collections::VecDeque;

/// Most samples kept: a day. A longer `HC_Period` is cut to it.
pub const PERIOD_SAMPLES_MAX: usize = 86_400;

/// When the outputs are no longer healthy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HealthLimits {
    /// `HC_Errors_Count`: this many errors within the period are still healthy.
    pub errors_max: u64,
    /// `HC_Retry_Failure_Count`: this many attempts beyond the retries are still healthy.
    pub retries_failed_max: u64,
    /// `HC_Period`: samples, one a second, that the window holds. At least 1 is kept.
    pub period_samples: usize,
}

/// Counters that only grow, as they were at one second.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Sample {
    errors: u64,
    retries_failed: u64,
}

/// What the outputs have counted within the period.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Verdict {
    /// What is still healthy.
    pub limits: HealthLimits,
    /// Errors.
    pub errors: u64,
    /// Attempts beyond the retries.
    pub retries_failed: u64,
}

impl Verdict {
    /// Whether it is within both limits.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        let Self { limits, errors, retries_failed } = self;
        *errors <= limits.errors_max && *retries_failed <= limits.retries_failed_max
    }
}

/// A sliding window over the sums of all outputs.
#[derive(Debug)]
pub struct Health {
    limits: HealthLimits,
    /// Oldest first; never empty after the first sample, never longer than the period.
    window: VecDeque<Sample>,
}

impl Health {
    /// Healthy until a sample says otherwise.
    #[must_use]
    pub fn new(limits: HealthLimits) -> Self {
        let period_samples = limits.period_samples.clamp(1, PERIOD_SAMPLES_MAX);
        Self { limits: HealthLimits { period_samples, ..limits }, window: VecDeque::new() }
    }

    /// Takes this second's sums over all outputs, counted since the start of the process.
    pub fn sample(&mut self, errors: u64, retries_failed: u64) {
        if self.window.len() == self.limits.period_samples {
            self.window.pop_front();
        }
        self.window.push_back(Sample { errors, retries_failed });
    }

    /// What happened within the window.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let limits = self.limits;
        let (Some(oldest), Some(newest)) = (self.window.front(), self.window.back()) else {
            return Verdict { limits, errors: 0, retries_failed: 0 };
        };
        let errors = newest.errors.saturating_sub(oldest.errors);
        let retries_failed = newest.retries_failed.saturating_sub(oldest.retries_failed);
        Verdict { limits, errors, retries_failed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HealthLimits =
        HealthLimits { errors_max: 5, retries_failed_max: 2, period_samples: 3 };

    fn after(samples: &[(u64, u64)]) -> bool {
        let mut health = Health::new(LIMITS);
        samples.iter().for_each(|(errors, failed)| health.sample(*errors, *failed));
        health.verdict().is_healthy()
    }

    #[test]
    fn without_a_sample_it_is_healthy() {
        assert!(after(&[]));
    }

    #[test]
    fn as_many_errors_as_the_limit_are_healthy_and_one_more_is_not() {
        assert!(after(&[(0, 0), (5, 0)]));
        assert!(!after(&[(0, 0), (6, 0)]));
    }

    #[test]
    fn as_many_chunks_given_up_as_the_limit_are_healthy_and_one_more_is_not() {
        assert!(after(&[(0, 0), (0, 2)]));
        assert!(!after(&[(0, 0), (0, 3)]));
    }

    #[test]
    fn what_was_counted_before_the_first_sample_does_not_count() {
        assert!(after(&[(1_000, 1_000)]));
    }

    #[test]
    fn it_recovers_when_the_window_has_slid_past() {
        assert!(!after(&[(0, 0), (6, 0), (6, 0)]));
        assert!(after(&[(0, 0), (6, 0), (6, 0), (6, 0)]));
    }

    #[test]
    fn a_period_of_zero_or_of_years_is_brought_into_bounds() {
        let mut health = Health::new(HealthLimits { period_samples: 0, ..LIMITS });
        health.sample(0, 0);
        health.sample(6, 0);
        assert!(health.verdict().is_healthy());
        let health = Health::new(HealthLimits { period_samples: usize::MAX, ..LIMITS });
        assert_eq!(health.limits.period_samples, PERIOD_SAMPLES_MAX);
    }

    #[test]
    fn counters_that_go_backwards_are_healthy() {
        assert!(after(&[(u64::MAX, u64::MAX), (0, 0)]));
    }
}
