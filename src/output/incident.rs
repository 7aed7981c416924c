//! Step 6, output: one log line when deliveries begin to fail, one now and then while they do, one when it
//! is over.
//!
//! Pure: says what to log and when; never a line a batch.

use std::fmt::Display;
use std::time::{Duration, Instant};

/// How often a failure that goes on is told again.
const REMIND_INTERVAL: Duration = Duration::from_secs(30);

/// A run of failures, if there is one.
#[derive(Debug)]
pub struct Incident {
    output: String,
    since: Option<Instant>,
    told: Option<Instant>,
    failures: u64,
}

impl Incident {
    /// Nothing has failed yet.
    #[must_use]
    pub fn new(output: &str) -> Self {
        Self { output: output.to_owned(), since: None, told: None, failures: 0 }
    }

    /// A batch failed.
    pub fn begin(&mut self, now: Instant) {
        self.since.get_or_insert(now);
        self.failures += 1;
    }

    /// Since when they do.
    #[must_use]
    pub fn since(&self) -> Option<Instant> {
        self.since
    }

    /// The batch that failed is kept.
    pub fn goes_on(
        &mut self,
        target: &impl Display,
        error: &impl Display,
        records: u64,
        now: Instant,
    ) -> Option<String> {
        let since = *self.since.get_or_insert(now);
        if self.told.is_some_and(|told| now.saturating_duration_since(told) < REMIND_INTERVAL) {
            return None;
        }
        self.told = Some(now);
        let for_seconds = now.saturating_duration_since(since).as_secs();
        Some(format!(
            "{}: cannot deliver to {target}: {error}; {records} records kept and tried again \
             ({} failures in {for_seconds} s)",
            self.output, self.failures
        ))
    }

    /// A batch was accepted.
    pub fn over(&mut self, now: Instant) -> Option<String> {
        let since = self.since.take()?;
        self.told = None;
        let failures = std::mem::take(&mut self.failures);
        let for_seconds = now.saturating_duration_since(since).as_secs();
        Some(format!(
            "{}: delivers again after {failures} failures in {for_seconds} s",
            self.output
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_of_failures_is_told_when_it_begins_now_and_then_and_when_it_ends() {
        let (mut incident, now) = (Incident::new("out"), crate::clock::now());
        let mut fail = |at| {
            incident.begin(at);
            incident.goes_on(&"here", &"Code: text", 5, at)
        };
        let first = fail(now).expect("the first is told");
        assert!(first.contains("Code: text") && first.contains("5 records"), "{first}");
        assert_eq!(fail(now + REMIND_INTERVAL / 2), None);
        assert!(fail(now + REMIND_INTERVAL).is_some());
        let over = incident.over(now + Duration::from_secs(40)).expect("told");
        assert_eq!(over, "out: delivers again after 3 failures in 40 s");
        assert_eq!(incident.over(now), None);
    }
}
