//! Step 3, filter `aws`: appends what EC2 knows of the instance to every record.
//!
//! Meaning as in Fluent Bit (`plugins/filter_aws`), which asks before it starts and lets everything
//! wait. Here the question is asked beside the way; only chunks for this filter wait for the first
//! answer, in their order and for a short while, and then go on with what is known. Appended fields
//! are stored once a chunk. Must not know how the question is asked.

pub mod config;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::chunk::Chunk;
use crate::ec2::{Latest, Metadata};
use crate::record::fields::{Appended, SharedField, SharedFields};

use config::KEYS;

/// How long chunks wait for the first answer, from the start of the process on. The service answers
/// within milliseconds, or not at all: twice what one question may take.
pub const WAIT_MAX: Duration = Duration::from_secs(2);
/// Most chunks that wait: as many as may be between the inputs and the ingest.
pub const CHUNKS_MAX: usize = 1_024;

/// The filter, ready to run.
#[derive(Debug)]
pub struct Aws {
    latest: Latest,
    appended: Appended,
    /// Chunks that wait for the first answer, or to go on after it.
    held: VecDeque<Chunk>,
    /// From when on no chunk waits.
    until: Instant,
}

impl Aws {
    /// A filter that appends what `latest` has learnt. Chunks wait for [`WAIT_MAX`] from `started`
    /// on.
    #[must_use]
    pub fn new(latest: Latest, started: Instant) -> Self {
        let until = started + WAIT_MAX;
        Self { latest, appended: Appended::default(), held: VecDeque::new(), until }
    }

    /// Appends what is known, or keeps the chunk until something is.
    #[must_use]
    pub fn apply(&mut self, chunk: Chunk, now: Instant) -> Option<Chunk> {
        self.look(now);
        if now >= self.until && self.held.is_empty() {
            return Some(self.append(chunk));
        }
        self.held.push_back(chunk);
        if self.held.len() >= CHUNKS_MAX {
            self.until = self.until.min(now);
        }
        None
    }

    /// When the chunks that wait go on, whatever is known.
    #[must_use]
    pub fn wakes_at(&self) -> Option<Instant> {
        (!self.held.is_empty()).then_some(self.until)
    }

    /// A chunk that has waited long enough.
    #[must_use]
    pub fn expired(&mut self, now: Instant) -> Option<Chunk> {
        self.look(now);
        if now >= self.until { self.release() } else { None }
    }

    /// Any chunk that waits, the oldest first.
    #[must_use]
    pub fn pending(&mut self) -> Option<Chunk> {
        self.learn();
        self.release()
    }

    /// From the first answer on, whatever it is, no chunk waits.
    fn look(&mut self, now: Instant) {
        if self.learn() {
            self.until = self.until.min(now);
        }
    }

    /// Takes the newest answer in, if there is a new one.
    fn learn(&mut self) -> bool {
        let Some(metadata) = self.latest.news() else { return false };
        self.appended = Appended::new(fields(&metadata));
        true
    }

    fn release(&mut self) -> Option<Chunk> {
        let chunk = self.held.pop_front()?;
        Some(self.append(chunk))
    }

    fn append(&mut self, mut chunk: Chunk) -> Chunk {
        chunk.shared = self.appended.after(&chunk.shared);
        chunk
    }
}

/// What is known, under Fluent Bit's keys and in its order; the tags under their own.
fn fields(metadata: &Metadata) -> SharedFields {
    let items = KEYS.iter().filter_map(|(key, item)| Some((*key, metadata.get(*item)?)));
    let all = items.chain(metadata.tags());
    let all = all.map(|(key, value)| SharedField::text(key.as_bytes(), value.as_bytes()));
    SharedFields::new(all.collect())
}

#[cfg(test)]
mod tests;
