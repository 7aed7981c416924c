//! What became of the answer to a batch that was taken: for whoever wants to know which batches a
//! sender may send again. Must not know events.

use std::time::Duration;

use serde::Serialize;

use super::faults::{Decision, Fault};

/// Whether the sender was to hear that its batch was taken.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PutAnswer {
    /// The answer was written, after the delay.
    #[default]
    Sent,
    /// The connection was reset instead.
    Reset,
    /// There was no answer.
    Never,
}

/// What is to happen to the answer, known before the batch is taken.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Fate {
    pub(super) answer: PutAnswer,
    pub(super) delay: Duration,
}

/// A batch of which events were taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct PutNote {
    /// When, milliseconds since 1970.
    pub at_ms: i64,
    /// Events that were taken: the next so many of the stream's events.
    pub events: u64,
    /// Whether the sender was to hear of it.
    pub answer: PutAnswer,
    /// Milliseconds that the answer was held back.
    pub delay_ms: u64,
}

impl From<Decision> for Fate {
    fn from(decision: Decision) -> Self {
        let answer = match decision.fault {
            Some(Fault::ResetAfter) => PutAnswer::Reset,
            Some(Fault::NeverAnswerAfter) => PutAnswer::Never,
            _ => PutAnswer::Sent,
        };
        Self { answer, delay: decision.delay }
    }
}

impl Fate {
    /// The note of a batch.
    pub(super) fn note(self, at_ms: i64, events: usize) -> PutNote {
        let delay_ms = u64::try_from(self.delay.as_millis()).unwrap_or(u64::MAX);
        PutNote { at_ms, events: events as u64, answer: self.answer, delay_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_batch_that_was_taken_without_an_answer_is_in_doubt() {
        let answer = |fault| Fate::from(Decision { fault, ..Decision::default() }).answer;
        assert_eq!(answer(None), PutAnswer::Sent);
        assert_eq!(answer(Some(Fault::StreamVanishes)), PutAnswer::Sent);
        assert_eq!(answer(Some(Fault::ResetAfter)), PutAnswer::Reset);
        assert_eq!(answer(Some(Fault::NeverAnswerAfter)), PutAnswer::Never);
    }
}
