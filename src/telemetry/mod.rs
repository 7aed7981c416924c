//! Around the path: what is counted, and how it is told.
//!
//! [`counters`] are written by the parts of the pipeline, once a chunk or a request; [`metrics`] is
//! the one table of what `/metrics` shows; [`log`] writes the process's own log. Reads the ledger,
//! changes nothing.

pub mod counters;
pub mod log;
pub mod metrics;
pub mod odd;
pub mod sample;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use counters::{FilterCounters, InputCounters, InputMemory, OutputCounters, StorageCounters};

use crate::ledger::{Account, Budget};

/// Everything that is counted, by instance, in the order of the configuration.
#[derive(Debug)]
pub struct Telemetry {
    started: Instant,
    started_unix: Duration,
    /// The ingest's account: every record that was read.
    pub intake: Arc<Account>,
    /// The memory budget.
    pub budget: Budget,
    /// The inputs.
    pub inputs: Vec<Arc<InputCounters>>,
    /// The filters.
    pub filters: Vec<Arc<FilterCounters>>,
    /// The outputs.
    pub outputs: Vec<Arc<OutputCounters>>,
}

/// Counts of one input, as Fluent Bit's monitoring shows them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InputCount {
    /// The instance: its alias, or plugin and number.
    pub name: String,
    /// Records read.
    pub records: u64,
    /// Bytes of these records.
    pub bytes: u64,
}

/// Counts of one filter.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FilterCount {
    /// The instance.
    pub name: String,
    /// Records dropped.
    pub drop_records: u64,
    /// Records added.
    pub add_records: u64,
}

/// Counts of one output.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OutputCount {
    /// The instance.
    pub name: String,
    /// Records delivered.
    pub proc_records: u64,
    /// Bytes delivered.
    pub proc_bytes: u64,
    /// Batches refused for good.
    pub errors: u64,
    /// Attempts that are made again.
    pub retries: u64,
    /// Attempts that failed beyond `Retry_Limit`.
    pub retries_failed: u64,
    /// Records dropped.
    pub dropped_records: u64,
    /// Records in attempts that are made again.
    pub retried_records: u64,
}

impl Telemetry {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(budget: Budget, started: Instant, started_unix: Duration) -> Self {
        Self {
            started,
            started_unix,
            intake: Arc::default(),
            budget,
            inputs: Vec::new(),
            filters: Vec::new(),
            outputs: Vec::new(),
        }
    }

    /// Counts for one more output, which records of the intake reach.
    pub fn add_output(&mut self, name: &str) -> Arc<OutputCounters> {
        let counters = Arc::new(OutputCounters::beside(&self.intake, name));
        self.outputs.push(Arc::clone(&counters));
        counters
    }

    /// How long the process has been running.
    #[must_use]
    pub fn uptime(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.started)
    }

    /// When the process was started, in seconds since 1970.
    #[must_use]
    pub fn start_unix(&self) -> u64 {
        self.started_unix.as_secs()
    }

    /// The inputs' counts.
    #[must_use]
    pub fn inputs(&self) -> Vec<InputCount> {
        self.inputs.iter().map(|one| one.count()).collect()
    }

    /// The filters' counts.
    #[must_use]
    pub fn filters(&self) -> Vec<FilterCount> {
        self.filters.iter().map(|one| one.count()).collect()
    }

    /// The outputs' counts.
    #[must_use]
    pub fn outputs(&self) -> Vec<OutputCount> {
        self.outputs.iter().map(|one| one.count()).collect()
    }

    /// The text of `/metrics`.
    #[must_use]
    pub fn prometheus(&self) -> String {
        metrics::render(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::ledger::{Mark, Marked, Permit, Reason, Share};

    #[derive(Debug, Default)]
    struct Told(counters::Counter);

    impl Marked for Told {
        fn ended(&self, _: u64) {
            self.0.add(1);
        }
    }

    #[test]
    fn what_an_output_leaves_silences_the_marks_of_the_intake() {
        for (reason, times) in [(Reason::Refused, 1), (Reason::Stopped, 0)] {
            let mut telemetry = Telemetry::new(Budget::new(1), clock::now(), Duration::ZERO);
            let output = telemetry.add_output("stdout.0");
            assert!(Arc::ptr_eq(&output, telemetry.outputs.first().expect("it is in the list")));
            output.account.receive(1).dropped(1, reason);
            let (told, mut share) = (Arc::new(Told::default()), Share::empty());
            share.follow(Mark::new(Arc::clone(&told) as Arc<dyn Marked>, 0));
            Permit::new(telemetry.intake.receive(1), share).receipt.delivered(1);
            assert_eq!(told.0.get(), times);
        }
    }
}
