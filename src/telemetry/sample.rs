//! Our counters under the names that Fluent Bit gives its own of the same meaning.
//!
//! Reference: Fluent Bit's manual, "Monitoring", metrics v2. What we do not count is not among them.

use std::time::Instant;

use super::{FilterCount, InputCount, OutputCount, Telemetry};

/// One number at one moment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sample {
    /// The name of the metric.
    pub metric: &'static str,
    /// How it may change.
    pub kind: MetricKind,
    /// The input, filter or output that it is of; `None`: the process.
    pub instance: Option<String>,
    /// The number.
    pub value: u64,
}

/// How a metric may change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MetricKind {
    /// It only grows.
    Counter,
    /// It says how things stand.
    Gauge,
}

type Of<T> = (&'static str, fn(&T) -> u64);

const INPUT: [Of<InputCount>; 2] = [
    ("fluentbit_input_bytes_total", |one| one.bytes),
    ("fluentbit_input_records_total", |one| one.records),
];
const FILTER: [Of<FilterCount>; 2] = [
    ("fluentbit_filter_drop_records_total", |one| one.drop_records),
    ("fluentbit_filter_add_records_total", |one| one.add_records),
];
const OUTPUT: [Of<OutputCount>; 7] = [
    ("fluentbit_output_proc_records_total", |one| one.proc_records),
    ("fluentbit_output_proc_bytes_total", |one| one.proc_bytes),
    ("fluentbit_output_errors_total", |one| one.errors),
    ("fluentbit_output_retries_total", |one| one.retries),
    ("fluentbit_output_retries_failed_total", |one| one.retries_failed),
    ("fluentbit_output_dropped_records_total", |one| one.dropped_records),
    ("fluentbit_output_retried_records_total", |one| one.retried_records),
];

impl Telemetry {
    /// All of them now: counters first, each metric's instances in the order of the configuration.
    #[must_use]
    pub fn samples(&self, now: Instant) -> Vec<Sample> {
        let of_process = |metric, kind, value| Sample { metric, kind, instance: None, value };
        let uptime = self.uptime(now).as_secs();
        let mut samples = vec![of_process("fluentbit_uptime", MetricKind::Counter, uptime)];
        each(&INPUT, &self.inputs(), |one| &one.name, &mut samples);
        each(&FILTER, &self.filters(), |one| &one.name, &mut samples);
        each(&OUTPUT, &self.outputs(), |one| &one.name, &mut samples);
        let (metric, start) = ("fluentbit_process_start_time_seconds", self.start_unix());
        samples.push(of_process(metric, MetricKind::Gauge, start));
        samples
    }
}

fn each<T>(metrics: &[Of<T>], counts: &[T], name: fn(&T) -> &String, samples: &mut Vec<Sample>) {
    let kind = MetricKind::Counter;
    for (metric, value) in metrics {
        samples.extend(counts.iter().map(|count| {
            let instance = Some(name(count).clone());
            Sample { metric, kind, instance, value: value(count) }
        }));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::clock;
    use crate::ledger::Budget;
    use crate::telemetry::{FilterCounters, InputCounters, OutputCounters};

    #[test]
    fn every_counter_has_fluent_bits_name_and_its_own_value() {
        let started = clock::now();
        let mut telemetry = Telemetry::new(Budget::new(1), started, Duration::from_secs(1_000));
        let input = InputCounters::new("in");
        input.records.add(1);
        input.bytes.add(2);
        let filter = FilterCounters::new("f");
        filter.dropped(3);
        filter.added(4);
        let output = OutputCounters::new("out");
        output.bytes.add(6);
        output.errors.add(7);
        output.retries.add(8);
        output.retries_failed.add(9);
        output.retried_records.add(11);
        telemetry.inputs.push(Arc::new(input));
        telemetry.filters.push(Arc::new(filter));
        telemetry.outputs.push(Arc::new(output));
        let samples = telemetry.samples(started + Duration::from_secs(5));
        let found: Vec<_> = samples
            .iter()
            .map(|one| (one.metric, one.instance.as_deref().unwrap_or("-"), one.value))
            .collect();
        let expected = [
            ("fluentbit_uptime", "-", 5),
            ("fluentbit_input_bytes_total", "in", 2),
            ("fluentbit_input_records_total", "in", 1),
            ("fluentbit_filter_drop_records_total", "f", 3),
            ("fluentbit_filter_add_records_total", "f", 4),
            ("fluentbit_output_proc_records_total", "out", 0),
            ("fluentbit_output_proc_bytes_total", "out", 6),
            ("fluentbit_output_errors_total", "out", 7),
            ("fluentbit_output_retries_total", "out", 8),
            ("fluentbit_output_retries_failed_total", "out", 9),
            ("fluentbit_output_dropped_records_total", "out", 0),
            ("fluentbit_output_retried_records_total", "out", 11),
            ("fluentbit_process_start_time_seconds", "-", 1_000),
        ];
        assert_eq!(found, expected);
    }
}
