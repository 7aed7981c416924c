//! Step 3, filter: `multiline`, which joins lines that belong together into one record.
//!
//! Meaning as in Fluent Bit (`plugins/filter_multiline`), with these differences: what becomes of
//! lines goes on behind this filter and not through the earlier ones again, lines of a container's
//! stdout and stderr are never mixed, and nothing is cut away. Must not know how lines are
//! recognised.

pub mod config;
mod going;
mod held;
mod lines;

use std::time::Instant;

pub use lines::{HOLD_MAX, Limits, Lines, STREAMS_MAX};

use crate::chunk::Chunk;
use crate::filter::partial_message::PartialMessage;
use crate::multiline::Chain;
use crate::record::tag_pattern::TagMatch;

use config::{Config, Mode};

/// The filter, ready to run.
#[derive(Debug)]
pub enum Multiline {
    /// Lines that multiline parsers find to belong together.
    Lines(Box<Lines>),
    /// Parts of lines that Docker cut. Those under `log` were joined before any filter, with the
    /// wait of this one, so that nothing is left to do here but for parts that filters made.
    Parts(Box<PartialMessage>),
}

impl Multiline {
    /// A filter that does what the configuration says.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let Config { key_content, mode, wait } = config;
        match mode {
            Mode::Parser { parsers, across_chunks, bytes_max } => {
                let chain = Chain::new(parsers, key_content.as_deref());
                let limits = Limits { across_chunks, wait, bytes_max };
                Self::Lines(Box::new(Lines::new(chain, limits)))
            }
            Mode::PartialMessage => {
                let key = key_content.unwrap_or_default();
                let waits = vec![(TagMatch::everything(), wait)];
                Self::Parts(Box::new(PartialMessage::new(&key, waits)))
            }
        }
    }

    /// Joins what belongs together and holds back what may go on. `None`: nothing goes on yet.
    #[must_use]
    pub fn apply(&mut self, chunk: Chunk, now: Instant) -> Option<Chunk> {
        match self {
            Self::Lines(lines) => lines.apply(chunk, now),
            Self::Parts(parts) => parts.join(chunk, now),
        }
    }

    /// When [`Self::expired`] is to be called.
    #[must_use]
    pub fn wakes_at(&self) -> Option<Instant> {
        match self {
            Self::Lines(lines) => lines.wakes_at(),
            Self::Parts(parts) => parts.wakes_at(),
        }
    }

    /// What has waited long enough; to be called until `None`.
    #[must_use]
    pub fn expired(&mut self, now: Instant) -> Option<Chunk> {
        match self {
            Self::Lines(lines) => lines.expired(now),
            Self::Parts(parts) => parts.expired(now),
        }
    }

    /// What waits at the end; to be called until `None`.
    #[must_use]
    pub fn pending(&mut self) -> Option<Chunk> {
        match self {
            Self::Lines(lines) => lines.pending(),
            Self::Parts(parts) => parts.pending(),
        }
    }
}

#[cfg(test)]
mod tests;
