//! What a run came to, as rows of a table. Must not know how it was measured.

use std::fmt;

/// One run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Row {
    /// Bytes of a line.
    pub(crate) line_bytes: usize,
    /// Accepted events a second, from the first byte sent to the last event accepted.
    pub(crate) events_per_second: f64,
    /// CPU seconds per million events.
    pub(crate) cpu: f64,
    /// Of them in the kernel.
    pub(crate) cpu_system: f64,
    /// Most resident memory.
    pub(crate) peak_mb: f64,
    /// Resident memory before the load.
    pub(crate) idle_mb: f64,
    /// From exec to the first accepted connection.
    pub(crate) listening_ms: f64,
    /// Bytes of request bodies per event, as they were sent.
    pub(crate) wire_bytes: f64,
    /// How many times as long they would have been without compression.
    pub(crate) smaller: f64,
    /// Events per request.
    pub(crate) events_per_request: f64,
    /// Events accepted twice.
    pub(crate) duplicates: u64,
    /// Events accepted after a later one of their sender.
    pub(crate) inversions: u64,
    /// Events that were not accepted.
    pub(crate) missing: u64,
    /// Requests that broke a rule of the service.
    pub(crate) violations: u64,
}

/// The head of the table.
pub(crate) const HEAD: &str = "\
|  line B | events/s | CPU s/M | of it kernel | peak MB | idle MB | listening ms | wire B/event | \
times smaller | events/request | duplicates | inversions | missing | violations |
|--------:|---------:|--------:|-------------:|--------:|--------:|-------------:|-------------:|\
--------------:|---------------:|-----------:|-----------:|--------:|-----------:|";

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "| {:>7} | {:>8.0} | {:>7.2} | {:>12.2} | {:>7.1} | {:>7.1} | {:>12.1} | {:>12.0} | \
             {:>13.2} | {:>14.0} | {:>10} | {:>10} | {:>7} | {:>10} |",
            self.line_bytes,
            self.events_per_second,
            self.cpu,
            self.cpu_system,
            self.peak_mb,
            self.idle_mb,
            self.listening_ms,
            self.wire_bytes,
            self.smaller,
            self.events_per_request,
            self.duplicates,
            self.inversions,
            self.missing,
            self.violations,
        )
    }
}

/// The median of each measure, the worst of each fault.
#[must_use]
pub(crate) fn median(rows: &[Row]) -> Row {
    let middle = |measure: fn(&Row) -> f64| {
        let mut all: Vec<f64> = rows.iter().map(measure).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or_default()
    };
    let worst = |count: fn(&Row) -> u64| rows.iter().map(count).max().unwrap_or_default();
    Row {
        line_bytes: rows.first().map_or(0, |row| row.line_bytes),
        events_per_second: middle(|row| row.events_per_second),
        cpu: middle(|row| row.cpu),
        cpu_system: middle(|row| row.cpu_system),
        peak_mb: middle(|row| row.peak_mb),
        idle_mb: middle(|row| row.idle_mb),
        listening_ms: middle(|row| row.listening_ms),
        wire_bytes: middle(|row| row.wire_bytes),
        smaller: middle(|row| row.smaller),
        events_per_request: middle(|row| row.events_per_request),
        duplicates: worst(|row| row.duplicates),
        inversions: worst(|row| row.inversions),
        missing: worst(|row| row.missing),
        violations: worst(|row| row.violations),
    }
}
