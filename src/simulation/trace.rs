//! What happened, line by line: always as a hash, to see that two runs are the same, and printed if
//! somebody wants to read it.

use std::fmt::Arguments;
use std::hash::{DefaultHasher, Hasher};

use tokio::time::Instant;

/// The lines of one run.
#[derive(Debug)]
pub(super) struct Trace {
    start: Instant,
    hasher: DefaultHasher,
    is_shown: bool,
}

impl Trace {
    /// Nothing has happened yet.
    pub(super) fn new(is_shown: bool) -> Self {
        Self { start: Instant::now(), hasher: DefaultHasher::new(), is_shown }
    }

    /// When the run began.
    pub(super) fn start(&self) -> Instant {
        self.start
    }

    /// Something happened now.
    pub(super) fn say(&mut self, what: Arguments<'_>) {
        let line = format!("{:>12.3?} {what}", self.start.elapsed());
        self.hasher.write(line.as_bytes());
        if self.is_shown {
            println!("{line}");
        }
    }

    /// The same for two runs of which each line is the same.
    pub(super) fn hash(&self) -> u64 {
        self.hasher.finish()
    }
}
