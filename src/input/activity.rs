//! Step 1, input: whether peers are there and talk, by which reading ends.

use std::time::{Duration, Instant};

use crate::telemetry::counters::Counter;

/// How long all peers must be silent after a stop was asked for, until reading ends.
pub(super) const SILENCE: Duration = Duration::from_secs(1);

/// Whether peers are there and talk.
#[derive(Debug, Default)]
pub struct Activity {
    last_read: std::sync::Mutex<Option<Instant>>,
    connections: Counter,
    /// Readers that wait for room, or have more to read: reading does not end before they have.
    waiting: Counter,
    /// Connections that are not read any more, and wait to answer.
    owing: Counter,
}

/// A connection that waits to answer, until it is dropped.
#[derive(Debug)]
pub(super) struct Owing<'a>(&'a Counter);

impl Drop for Owing<'_> {
    fn drop(&mut self) {
        self.0.sub(1);
    }
}

/// A reader that waits for room or has more to read, until it is dropped.
#[derive(Debug)]
#[must_use = "it waits no longer than this is kept"]
pub struct Waiting<'a>(&'a Counter);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.sub(1);
    }
}

impl Activity {
    /// A peer has come.
    pub fn opened(&self) {
        self.connections.add(1);
    }

    /// A peer has gone.
    pub fn closed(&self) {
        self.connections.sub(1);
    }

    /// Bytes were read.
    pub fn read(&self, now: Instant) {
        if let Ok(mut last) = self.last_read.lock() {
            *last = Some(now);
        }
    }

    /// Whether no peer is there.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.connections.get() == 0
    }

    /// A reader waits for room, or has more to read, from now on.
    pub fn waits(&self) -> Waiting<'_> {
        self.waiting.add(1);
        Waiting(&self.waiting)
    }

    /// Whether peers are there that may be read, or a reader waits for room.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.connections.get() > self.owing.get() || self.waiting.get() > 0
    }

    /// A connection is not read any more, and waits to answer from now on.
    pub(super) fn owes(&self) -> Owing<'_> {
        self.owing.add(1);
        Owing(&self.owing)
    }

    /// Whether a connection waits to answer.
    pub(super) fn is_owing(&self) -> bool {
        self.owing.get() > 0
    }

    /// Whether reading may end after a stop was asked for: no peer is there, or none has said
    /// anything for [`SILENCE`] since then, and none waits to be read.
    #[must_use]
    pub fn is_silent(&self, since: Instant, now: Instant) -> bool {
        let last = self.last_read.lock().map_or(Some(now), |last| *last);
        let last = last.map_or(since, |last| last.max(since));
        let is_silent = now.saturating_duration_since(last) >= SILENCE;
        self.waiting.get() == 0 && (self.is_alone() || is_silent)
    }
}
