//! The closed list of reasons for which a record ends anywhere but at its destination.

/// Why a record was dropped. The label of `firelane_dropped_records_total`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(usize)]
pub enum Reason {
    /// A filter was configured to drop it.
    Filtered,
    /// No output's `Match` takes its tag.
    Unmatched,
    /// The message is empty, which CloudWatch Logs does not take.
    Empty,
    /// The record lacks the key that `log_key` names.
    LogKeyMissing,
    /// Rejected by CloudWatch Logs: more than 14 days in the past.
    TooOld,
    /// Rejected by CloudWatch Logs: more than 2 hours in the future.
    TooNew,
    /// Rejected by CloudWatch Logs: older than the log group's retention.
    Expired,
    /// Refused for good by the service, alone in its batch.
    Refused,
    /// What the output writes to takes nothing any more.
    Closed,
    /// `Retry_Limit` was used up and the room was needed, or `no_retries` was asked for.
    RetriesExhausted,
    /// It lay on disk and cannot be read back.
    Damaged,
    /// Still held when the time to stop was up.
    Stopped,
    /// Let go without an outcome: a defect of Firelane.
    Lost,
}

impl Reason {
    /// How many reasons there are.
    pub const COUNT: usize = Self::ALL.len();

    /// Every reason, in the order of its number.
    pub const ALL: [Self; 13] = [
        Self::Filtered,
        Self::Unmatched,
        Self::Empty,
        Self::LogKeyMissing,
        Self::TooOld,
        Self::TooNew,
        Self::Expired,
        Self::Refused,
        Self::Closed,
        Self::RetriesExhausted,
        Self::Damaged,
        Self::Stopped,
        Self::Lost,
    ];

    /// The reason as metrics and log lines spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Filtered => "filtered",
            Self::Unmatched => "unmatched",
            Self::Empty => "empty",
            Self::LogKeyMissing => "log_key_missing",
            Self::TooOld => "too_old",
            Self::TooNew => "too_new",
            Self::Expired => "expired",
            Self::Refused => "refused",
            Self::Closed => "closed",
            Self::RetriesExhausted => "retries_exhausted",
            Self::Damaged => "damaged",
            Self::Stopped => "stopped",
            Self::Lost => "lost",
        }
    }

    /// `true` where the configuration asked for the drop: no data that the user wanted is gone.
    #[must_use]
    pub fn is_intended(self) -> bool {
        matches!(self, Self::Filtered | Self::Unmatched | Self::Empty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reasons_number_is_its_place_in_the_list() {
        for (number, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, number, "{}", reason.as_str());
        }
    }
}
