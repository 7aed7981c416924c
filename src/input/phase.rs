//! Step 1, input: how far the end of reading has come.

use tokio::sync::watch;

/// How far an end has come.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Phase {
    /// Peers are read.
    Reading,
    /// Nothing more is to be read.
    Ending,
    /// Everything has its outcome: what is not due by now never will be.
    Over,
}

/// Says that reading ends, or that all is over. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ReadingEnd(watch::Receiver<Phase>);

impl ReadingEnd {
    pub(super) fn new(phase: watch::Receiver<Phase>) -> Self {
        Self(phase)
    }

    /// Returns once nothing more is to be read.
    pub async fn ended(&mut self) {
        // The sender is the intake's, which outlives whoever reads.
        let _ = self.0.wait_for(|phase| *phase >= Phase::Ending).await;
    }

    /// Whether nothing more is to be read.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        *self.0.borrow() >= Phase::Ending
    }

    /// Returns once everything has its outcome.
    pub(super) async fn over(&mut self) {
        let _ = self.0.wait_for(|phase| *phase >= Phase::Over).await;
    }
}
