//! Filter `lua`: a script says of each record whether it goes on, and how.
//!
//! Meaning as in Fluent Bit (`plugins/filter_lua`): the function gets tag, time and record and
//! returns a code, a time and a record, or several records. Whatever goes wrong in a script, its
//! record goes on as it is.

pub mod config;
mod failure;
mod machine;
mod moment;
mod number;
pub mod program;
mod shape;
mod to_record;
mod to_script;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::chunk::Chunk;
use crate::filter::Pass;
use crate::ledger::Reason;
use crate::record::chunk::Entries;
use crate::record::edit::EntriesWriter;
use crate::record::fields::SharedFields;
use crate::record::time::EventTime;

pub use failure::Failure;
pub use machine::{Clock, MEMORY_BYTES_MAX};

use config::Config;
use program::{Answer, Program};

/// How often is told that a script fails.
const REMIND_INTERVAL: Duration = Duration::from_secs(30);
/// Most bytes by which a script may make the records of one chunk grow: beyond it the others go on
/// as they are. What a filter makes is not in the memory budget.
const GROWTH_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The filter, ready to run.
#[derive(Debug)]
pub struct Lua {
    program: Program,
    failures: Failures,
}

/// Records that went on as they were because the script failed.
#[derive(Debug, Default)]
struct Failures {
    told: Option<Instant>,
    since_told: u64,
    uncounted: u64,
}

/// What comes of the records of a chunk: nothing is copied until one changes.
#[derive(Debug)]
struct Made<'s> {
    source: &'s Entries,
    /// The place of the next record in the source.
    place: usize,
    writer: Option<EntriesWriter>,
    dropped: u64,
    /// Records that are there beyond one for each.
    more: u64,
}

impl Lua {
    /// A filter of that script.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { program: config.program, failures: Failures::default() }
    }

    /// Asks the script about each record.
    #[must_use]
    pub fn apply(&mut self, mut chunk: Chunk, pass: &mut Pass) -> Option<Chunk> {
        let source = chunk.entries_with_shared();
        let mut made = Made { source: &source, place: 0, writer: None, dropped: 0, more: 0 };
        let mut is_stopped = false;
        for (time, record) in source.iter() {
            let answer = if is_stopped {
                self.failures.pass_by();
                Answer::Keep
            } else if made.growth_bytes() > GROWTH_BYTES_MAX {
                let failure = Failure::Grown { bytes_max: GROWTH_BYTES_MAX };
                self.failures.add(&failure, &self.program, pass.now);
                Answer::Keep
            } else {
                let answer = self.program.call(chunk.tag.as_bytes(), time, record);
                answer.unwrap_or_else(|failure| {
                    // One such wait a chunk is enough.
                    is_stopped = matches!(failure, Failure::Time { .. });
                    self.failures.add(&failure, &self.program, pass.now);
                    Answer::Keep
                })
            };
            if matches!(answer, Answer::Records { time: None, .. }) {
                self.failures.add(&Failure::NoTime, &self.program, pass.now);
            }
            made.put(time, record, &answer);
        }
        pass.printed.append(&mut self.program.take_printed());
        let Made { writer: Some(writer), dropped, more, .. } = made else { return Some(chunk) };
        chunk.permit.receipt.made(more);
        chunk.permit.receipt.dropped(dropped, Reason::Filtered);
        chunk.entries = Arc::new(writer.finish());
        chunk.shared = SharedFields::default();
        (!chunk.entries.is_empty()).then_some(chunk)
    }

    /// How many records went on as they were because the script failed, since this was last asked.
    #[must_use]
    pub fn take_failures(&mut self) -> u64 {
        std::mem::take(&mut self.failures.uncounted)
    }
}

impl Made<'_> {
    /// What the script said of the next record.
    fn put(&mut self, time: EventTime, record: &[u8], answer: &Answer) {
        match answer {
            Answer::Keep => {
                if let Some(writer) = &mut self.writer {
                    writer.copy(time, record);
                }
            }
            Answer::Drop => {
                self.writer();
                self.dropped += 1;
            }
            Answer::Records { time: new_time, records } => {
                let writer = self.writer();
                records.iter().for_each(|record| writer.copy(new_time.unwrap_or(time), record));
                match (records.len() as u64).checked_sub(1) {
                    Some(more) => self.more += more,
                    None => self.dropped += 1,
                }
            }
        }
        self.place += 1;
    }

    /// The records so far: before the first that changed all as they are.
    fn writer(&mut self) -> &mut EntriesWriter {
        self.writer.get_or_insert_with(|| {
            let mut writer = EntriesWriter::like(self.source);
            let before = self.source.iter().take(self.place);
            before.for_each(|(time, record)| writer.copy(time, record));
            writer
        })
    }

    /// By how much the records have grown.
    fn growth_bytes(&self) -> usize {
        let bytes = self.writer.as_ref().map_or(0, EntriesWriter::data_bytes);
        bytes.saturating_sub(self.source.data.len())
    }
}

impl Failures {
    /// A record about which the script was not asked.
    fn pass_by(&mut self) {
        self.uncounted += 1;
        self.since_told += 1;
    }

    fn add(&mut self, failure: &Failure, program: &Program, now: Instant) {
        self.pass_by();
        if self.told.is_some_and(|told| now.saturating_duration_since(told) < REMIND_INTERVAL) {
            return;
        }
        self.told = Some(now);
        let (script, call) = program.names();
        let records = std::mem::take(&mut self.since_told);
        tracing::error!(
            "lua: function {call} of {script}: {failure}; {} ({records} records since last told)",
            failure.consequence()
        );
    }
}

#[cfg(test)]
mod tests;
