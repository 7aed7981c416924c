//! Output `stdout`: prints records, gathered by tag for a flush interval.
//!
//! What is printed and flushed is delivered. A reader that is slow makes this output wait, and no
//! other; one that is gone drops its records, which are counted as such.

pub mod config;

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use super::counter;
use super::deadline::{deadline, reserve, until};
use super::format::json::{JsonFormat, Layout};
use super::group::{Group, Groups};
use crate::buffer::Buffer;
use crate::chunk::Chunk;
use crate::clock;
use crate::console::{Closed, Console};
use crate::ledger::Reason;
use crate::lifecycle::StopReceiver;
use crate::record::text_out;
use crate::telemetry::OutputCounters;

use config::{Config, Format};

/// The output, ready to run.
#[derive(Debug)]
pub struct Stdout {
    printer: Printer,
    groups: Groups,
    around: Surroundings,
}

/// What an output needs of its surroundings.
#[derive(Debug)]
pub struct Surroundings {
    /// The counters of this output.
    pub counters: Arc<OutputCounters>,
    /// `[SERVICE] Flush`
    pub flush: Duration,
    /// `[SERVICE] json.escape_unicode`
    pub escape_unicode: bool,
    /// Where it prints to.
    pub console: Console,
}

/// Groups → text.
#[derive(Debug)]
enum Printer {
    Text,
    Json(JsonFormat),
    /// How many there are, for the output `counter`.
    Count,
}

impl Stdout {
    /// An output that does what the configuration says.
    #[must_use]
    pub fn new(config: Config, around: Surroundings) -> Self {
        let printer = match config.format {
            Format::Text => Printer::Text,
            Format::Json { layout, date } => {
                let escape_unicode = around.escape_unicode;
                Printer::Json(JsonFormat { layout, date, escape_unicode })
            }
        };
        Self { printer, groups: Groups::new(around.flush), around }
    }

    /// The output `counter`: prints how many records there are.
    #[must_use]
    pub fn counting(around: Surroundings) -> Self {
        Self { printer: Printer::Count, groups: Groups::new(around.flush), around }
    }

    /// Prints until the buffer is closed and everything has its outcome, or until shortly before the
    /// deadline of a stop.
    pub async fn run(mut self, buffer: Arc<Buffer>, stop: StopReceiver) {
        let (mut is_open, mut is_in_time) = (true, true);
        let reserve = reserve(&buffer);
        // Taken out when the time to stop was up.
        let mut late = Vec::new();
        while is_in_time && (is_open || !self.groups.is_empty()) {
            tokio::select! {
                biased;
                () = deadline(stop.clone(), reserve) => is_in_time = false,
                () = until(self.groups.due_at()) => {
                    late = self.print_all(&stop, reserve).await;
                    is_in_time = late.is_empty();
                }
                chunk = buffer.pop(), if is_open => {
                    match chunk {
                        Some(chunk) => self.groups.push(chunk),
                        None => is_open = false,
                    }
                    if !is_open || buffer.is_crowded() {
                        late = self.print_all(&stop, reserve).await;
                        is_in_time = late.is_empty();
                    }
                }
            }
        }
        late.extend(self.groups.take());
        buffer.leave(late.into_iter().flat_map(|group| group.chunks)).await;
    }

    /// Prints what was gathered. Gives what was not printed when the time to stop was up.
    async fn print_all(&mut self, stop: &StopReceiver, reserve: Duration) -> Vec<Group> {
        let mut late = Vec::new();
        for group in self.groups.take() {
            if !late.is_empty() {
                late.push(group);
                continue;
            }
            let text = self.printer.print(&group);
            let bytes = text.len() as u64;
            let outcome = tokio::select! {
                written = self.around.console.write(text) => Some(written),
                () = deadline(stop.clone(), reserve) => None,
            };
            match outcome {
                Some(Ok(())) => {
                    self.around.counters.bytes.add(bytes);
                    group.chunks.into_iter().for_each(Chunk::delivered);
                }
                Some(Err(Closed)) => {
                    self.around.counters.errors.add(1);
                    group.chunks.into_iter().for_each(|chunk| chunk.dropped(Reason::Closed));
                }
                None => late.push(group),
            }
        }
        late
    }
}

impl Printer {
    fn print(&self, group: &Group) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Text => print_text(group, &mut out),
            Self::Count => {
                let records = group.chunks.iter().map(Chunk::records).sum();
                counter::write(records, clock::unix_now(), &mut out);
            }
            Self::Json(format) => {
                format.write(&group.chunks, &mut out);
                if format.layout != Layout::Lines {
                    out.push(b'\n');
                }
            }
        }
        out
    }
}

/// `[0] tag: [[1700000000.250000000, {}], {"log"=>"x"}]`, counted up within the group.
fn print_text(group: &Group, out: &mut Vec<u8>) {
    let records = |chunk: &Chunk| chunk.entries.len();
    let mut place = 0;
    let mut whole = Vec::with_capacity(group.chunks.iter().map(records).sum());
    for chunk in &group.chunks {
        for (time, mut record) in chunk.entries.iter() {
            if !chunk.shared.is_empty() {
                whole.clear();
                chunk.write_whole(record, &mut whole);
                record = &whole;
            }
            // Writing to a `Vec` cannot fail.
            let _ = write!(out, "[{place}] ");
            out.extend_from_slice(group.tag.as_bytes());
            out.extend_from_slice(b": [[");
            text_out::write_time(time, out);
            out.extend_from_slice(b", {}], ");
            text_out::write(record, out);
            out.extend_from_slice(b"]\n");
            place += 1;
        }
    }
}

#[cfg(test)]
mod tests;
