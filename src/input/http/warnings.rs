//! When a refused request is written to the log as a warning: now and then for a whole input, as
//! peers that are wrong are wrong often. Pure. Must not know why one was refused.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Time between two warnings.
const REST: Duration = Duration::from_secs(10);

/// The warnings of one input.
#[derive(Debug, Default)]
pub struct Warnings {
    last: Mutex<Option<Instant>>,
}

impl Warnings {
    /// Whether to warn now; if so, not again for a while.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let Ok(mut last) = self.last.lock() else { return true };
        let is_due = last.is_none_or(|last| now.saturating_duration_since(last) >= REST);
        if is_due {
            *last = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn one_warning_is_due_in_its_time_and_the_next_when_that_is_over() {
        let (warnings, start) = (Warnings::default(), clock::now());
        let due = |after: Duration| warnings.is_due(start + after);
        let just_before = REST - Duration::from_nanos(1);
        assert!(due(Duration::ZERO));
        assert!(!due(Duration::ZERO) && !due(just_before));
        assert!(due(REST) && !due(REST + just_before) && due(2 * REST));
    }
}
