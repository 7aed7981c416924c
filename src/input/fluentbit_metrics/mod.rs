//! Step 1, input: `fluentbit_metrics` looks at our own counters and makes records of them.
//!
//! Fluent Bit has events of another kind for metrics, which no filter sees and which outputs write as
//! they like. Ours are records from the start, in the form in which `cloudwatch_logs` sends them
//! ([`emf`]); [`METRICS`] takes them past the filters.

pub mod config;
pub mod emf;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::item::CHUNK_ENTRIES_MAX;
use super::ticks::Ticks;
use super::{Intake, room};
use crate::chunk::{Chunk, METRICS};
use crate::clock;
use crate::lifecycle::StopReceiver;
use crate::record::chunk::TaggedEntries;
use crate::record::tag::Tag;
use crate::telemetry::sample::{MetricKind, Sample};
use crate::telemetry::{InputCounters, Telemetry};
use config::Config;

/// How long after the start there is one more look.
const EARLY: Duration = Duration::from_secs(5);
/// Up to this interval there is none: the first comes soon enough.
const INTERVAL_SHORT: Duration = Duration::from_secs(2);

/// A `fluentbit_metrics` input, ready to run.
#[derive(Debug)]
pub struct Metrics {
    config: Config,
    tag: Tag,
    counters: Arc<InputCounters>,
    /// What it looks at, once all of that is there.
    telemetry: Option<Arc<Telemetry>>,
}

/// When it looks.
#[derive(Debug)]
struct Looks {
    ticks: Ticks,
    early: Option<Instant>,
}

impl Metrics {
    /// An input for records of this tag.
    #[must_use]
    pub const fn new(config: Config, tag: Tag, counters: Arc<InputCounters>) -> Self {
        Self { config, tag, counters, telemetry: None }
    }

    /// Says what to look at.
    pub fn observe(&mut self, telemetry: &Arc<Telemetry>) {
        self.telemetry = Some(Arc::clone(telemetry));
    }

    /// Looks until the process stops.
    pub async fn run(self, intake: Intake, mut stop: StopReceiver) {
        let Some(telemetry) = &self.telemetry else { return };
        let intake = Intake { input: METRICS, ..intake };
        let mut looks = Looks::new(&self.config, clock::now());
        let mut looked = 0;
        loop {
            tokio::select! {
                biased;
                _ = stop.stopping() => return,
                () = tokio::time::sleep_until(looks.next().into()) => {}
            }
            let now = clock::now();
            looks.take(now);
            looked += 1;
            let mut samples = telemetry.samples(now);
            samples.push(Sample {
                metric: "fluentbit_input_metrics_scrapes_total",
                kind: MetricKind::Counter,
                instance: Some(self.counters.name.clone()),
                value: looked,
            });
            for samples in samples.chunks(CHUNK_ENTRIES_MAX) {
                let hostname = self.config.hostname.as_deref();
                // A few for each section: made before it is known what they cost.
                let entries = emf::records(samples, hostname, clock::event_now());
                let tagged = TaggedEntries { tag: self.tag.clone(), entries };
                let cost = Chunk::cost_bytes(&tagged.tag, &tagged.entries);
                let mut share = tokio::select! {
                    biased;
                    _ = stop.stopping() => return,
                    share = room::take(&intake, cost, &self.counters) => share,
                };
                if room::hand_on(&intake, tagged, &mut share, &self.counters).await.is_err() {
                    return;
                }
            }
        }
    }
}

impl Looks {
    fn new(config: &Config, now: Instant) -> Self {
        let has_early = config.is_early && config.interval > INTERVAL_SHORT;
        let early = if has_early { now.checked_add(EARLY) } else { None };
        Self { ticks: Ticks::every(config.interval, now), early }
    }

    fn next(&self) -> Instant {
        self.early.map_or(self.ticks.next(), |early| early.min(self.ticks.next()))
    }

    fn take(&mut self, now: Instant) {
        self.early = self.early.filter(|early| *early > now);
        self.ticks.take(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(interval: u64, is_early: bool, looks_wanted: usize) -> Vec<u64> {
        let config = Config { interval: Duration::from_secs(interval), is_early, hostname: None };
        let start = clock::now();
        let mut looks = Looks::new(&config, start);
        let mut seconds = Vec::new();
        for _ in 0..looks_wanted {
            let next = looks.next();
            seconds.push(next.duration_since(start).as_secs());
            looks.take(next);
        }
        seconds
    }

    #[test]
    fn an_early_look_comes_after_5_s_where_the_interval_is_over_2_s() {
        assert_eq!(seconds(60, true, 3), [5, 60, 120]);
        assert_eq!(seconds(3, true, 4), [3, 5, 6, 9]);
        assert_eq!(seconds(2, true, 3), [2, 4, 6]);
        assert_eq!(seconds(60, false, 2), [60, 120]);
        assert_eq!(seconds(5, true, 2), [5, 10], "one look, not two at once");
    }
}
