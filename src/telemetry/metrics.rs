//! The one table of what `/metrics` shows: name, help and where each number comes from.
//!
//! Names follow <https://prometheus.io/docs/practices/naming/>. Labels are instance names and
//! reasons: never a tag or a stream, of which there may be many.

use prometheus::core::Collector;
use prometheus::{Encoder, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};

use super::odd::OddReason;
use super::{FilterCounters, InputCounters, OutputCounters, Telemetry};
use crate::ledger::{Balance, Reason};

type OfInput = (&'static str, &'static str, fn(&InputCounters) -> u64);
type OfFilter = (&'static str, &'static str, fn(&FilterCounters) -> u64);
type OfOutput = (&'static str, &'static str, fn(&OutputCounters) -> u64);
type OfBalance = (&'static str, &'static str, fn(&Balance) -> u64);

/// Counters of an input, label `input`.
const INPUT_COUNTERS: [OfInput; 4] = [
    ("firelane_input_records_total", "Records read", |one| one.records.get()),
    ("firelane_input_bytes_total", "Bytes of these records", |one| one.bytes.get()),
    ("firelane_input_connection_errors_total", "Connections ended for their bytes", |one| {
        one.connection_errors.get()
    }),
    ("firelane_input_waits_total", "Times a reader waited for memory", |one| one.waits.get()),
];

/// Counters of a filter, label `filter`.
const FILTER_COUNTERS: [OfFilter; 1] = [(
    "firelane_filter_failed_records_total",
    "Records that went on as they were because the filter failed",
    |one| one.failed_records.get(),
)];

/// Counters of an output, label `output`.
const OUTPUT_COUNTERS: [OfOutput; 10] = [
    ("firelane_output_requests_total", "Requests sent", |one| one.requests.get()),
    ("firelane_output_bytes_total", "Bytes of accepted request bodies, as sent", |one| {
        one.bytes.get()
    }),
    (
        "firelane_output_saved_bytes_total",
        "Bytes that compressing them saved, of outputs to CloudWatch Logs",
        |one| one.saved_bytes.get(),
    ),
    ("firelane_output_errors_total", "Batches refused for good", |one| one.errors.get()),
    ("firelane_output_retries_total", "Attempts made again", |one| one.retries.get()),
    ("firelane_output_retries_failed_total", "Attempts that failed beyond Retry_Limit", |one| {
        one.retries_failed.get()
    }),
    ("firelane_output_throttled_total", "Attempts answered with throttling", |one| {
        one.throttled.get()
    }),
    ("firelane_output_ambiguous_records_total", "Records that may have arrived twice", |one| {
        one.ambiguous_records.get()
    }),
    ("firelane_output_oversized_records_total", "Records cut to the size of an event", |one| {
        one.oversized_records.get()
    }),
    ("firelane_output_template_misses_total", "Names a template had no value for", |one| {
        one.template_misses.get()
    }),
];

/// What waits on disk for an output, and how much may; label `output`.
const SPILL: [OfOutput; 7] = [
    ("firelane_spill_chunks", "Chunks on disk", |one| one.storage.chunks.get()),
    ("firelane_spill_chunks_up", "Chunks on disk that are in memory, too", |one| {
        one.storage.chunks_up.get()
    }),
    ("firelane_spill_bytes", "Bytes on disk", |one| one.storage.bytes.get()),
    ("firelane_spill_bytes_max", "Most bytes on disk", |one| one.storage.bytes_max.get()),
    ("firelane_spill_segments", "Files on disk", |one| one.storage.segments.get()),
    ("firelane_spill_full", "1 while nothing more can be written", |one| one.storage.is_full.get()),
    ("firelane_memory_chunks", "Chunks in memory that are not on disk", |one| {
        one.storage.memory_chunks.get()
    }),
];
/// The same, of what only grows.
const SPILL_COUNTERS: [OfOutput; 1] =
    [("firelane_spill_damaged_bytes_total", "Bytes on disk that could not be read back", |one| {
        one.storage.damaged_bytes.get()
    })];

/// The ledger, label `account`: `ingest`, and each output's name.
const LEDGER: [OfBalance; 4] = [
    ("firelane_received_records_total", "Records that came in", |one| one.received),
    ("firelane_made_records_total", "Records that filters made of others", |one| one.made),
    ("firelane_delivered_records_total", "Records that reached their end", |one| one.delivered),
    ("firelane_merged_records_total", "Parts that became one record", |one| one.merged),
];

/// All metrics in the Prometheus text format.
pub(super) fn render(telemetry: &Telemetry) -> String {
    let mut text = Vec::new();
    // Nothing here can fail but a name that is wrong, which the test below would show.
    let written = collect(telemetry)
        .and_then(|registry| TextEncoder::new().encode(&registry.gather(), &mut text));
    match written {
        Ok(()) => String::from_utf8(text).unwrap_or_default(),
        Err(error) => format!("# {error}\n"),
    }
}

fn collect(telemetry: &Telemetry) -> prometheus::Result<Registry> {
    let registry = Registry::new();
    inputs(telemetry, &registry)?;
    filters(telemetry, &registry)?;
    outputs(telemetry, &registry)?;
    ledger(telemetry, &registry)?;
    gauge(&registry, "firelane_budget_bytes", "Bytes of the memory budget", {
        telemetry.budget.bytes_max()
    })?;
    gauge(&registry, "firelane_budget_used_bytes", "Bytes of it in use", {
        telemetry.budget.used_bytes()
    })?;
    gauge(&registry, "firelane_start_time_seconds", "When the process was started", {
        telemetry.start_unix()
    })?;
    Ok(registry)
}

fn inputs(telemetry: &Telemetry, registry: &Registry) -> prometheus::Result<()> {
    for (name, help, value) in INPUT_COUNTERS {
        let family = counters(registry, name, help, &["input"])?;
        for input in &telemetry.inputs {
            family.with_label_values(&[&input.name]).inc_by(value(input));
        }
    }
    let open = IntGaugeVec::new(
        Opts::new("firelane_input_connections", "Connections that are open"),
        &["input"],
    )?;
    let odd = counters(
        registry,
        "firelane_input_odd_total",
        "Records or frames that were whole but odd",
        &["input", "reason"],
    )?;
    let held = IntGaugeVec::new(
        Opts::new(
            "firelane_input_held_bytes",
            "Bytes held of its part of the budget, or of all where it has none",
        ),
        &["input"],
    )?;
    for input in &telemetry.inputs {
        held.with_label_values(&[&input.name]).set(signed(input.memory().bytes));
        open.with_label_values(&[&input.name]).set(signed(input.connections.get()));
        for (reason, counter) in OddReason::ALL.iter().zip(&input.odd) {
            odd.with_label_values(&[&input.name, reason.as_str()]).inc_by(counter.get());
        }
    }
    register(registry, held)?;
    register(registry, open)
}

fn filters(telemetry: &Telemetry, registry: &Registry) -> prometheus::Result<()> {
    for (name, help, value) in FILTER_COUNTERS {
        let family = counters(registry, name, help, &["filter"])?;
        for filter in &telemetry.filters {
            family.with_label_values(&[&filter.name]).inc_by(value(filter));
        }
    }
    Ok(())
}

fn outputs(telemetry: &Telemetry, registry: &Registry) -> prometheus::Result<()> {
    for (name, help, value) in OUTPUT_COUNTERS.into_iter().chain(SPILL_COUNTERS) {
        let family = counters(registry, name, help, &["output"])?;
        for output in &telemetry.outputs {
            family.with_label_values(&[&output.name]).inc_by(value(output));
        }
    }
    for (name, help, value) in SPILL {
        let family = IntGaugeVec::new(Opts::new(name, help), &["output"])?;
        for output in &telemetry.outputs {
            family.with_label_values(&[&output.name]).set(signed(value(output)));
        }
        register(registry, family)?;
    }
    Ok(())
}

/// One balance an account, so that the numbers of a scrape add up.
fn ledger(telemetry: &Telemetry, registry: &Registry) -> prometheus::Result<()> {
    let mut balances = vec![("ingest", telemetry.intake.balance())];
    let outputs = telemetry.outputs.iter();
    balances.extend(outputs.map(|one| (one.name.as_str(), one.account.balance())));
    for (name, help, value) in LEDGER {
        let family = counters(registry, name, help, &["account"])?;
        for (account, balance) in &balances {
            family.with_label_values(&[*account]).inc_by(value(balance));
        }
    }
    let help = "Records dropped";
    let dropped =
        counters(registry, "firelane_dropped_records_total", help, &["account", "reason"])?;
    let held = IntGaugeVec::new(
        Opts::new("firelane_held_records", "Records that are on their way"),
        &["account"],
    )?;
    for (account, balance) in &balances {
        held.with_label_values(&[*account]).set(signed(balance.held));
        for reason in Reason::ALL {
            let family = dropped.with_label_values(&[*account, reason.as_str()]);
            family.inc_by(balance.dropped_for(reason));
        }
    }
    register(registry, held)
}

fn counters(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> prometheus::Result<IntCounterVec> {
    let family = IntCounterVec::new(Opts::new(name, help), labels)?;
    register(registry, family.clone())?;
    Ok(family)
}

fn gauge(registry: &Registry, name: &str, help: &str, value: u64) -> prometheus::Result<()> {
    let gauge = IntGauge::new(name, help)?;
    gauge.set(signed(value));
    register(registry, gauge)
}

fn register(registry: &Registry, family: impl Collector + 'static) -> prometheus::Result<()> {
    registry.register(Box::new(family))
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
