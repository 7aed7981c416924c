//! How an output sends, and in what ways that can fail.

use std::time::Duration;

use super::PARCEL_BYTES_MAX;
use crate::option::RetryLimit;

/// Most parcels of one output on their way at once.
pub const IN_FLIGHT_MAX: usize = 4;
/// A parcel is at most this part of the memory budget, so that those on their way, which nobody can
/// give up, leave room for other outputs.
const BUDGET_SHARE: u64 = 16;
/// How an output sends.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long the oldest chunk of a lane waits for more.
    pub flush: Duration,
    /// When a parcel may be given up.
    pub retry_limit: RetryLimit,
    /// Most parcels on their way at once, at least 1.
    pub in_flight_max: usize,
    /// Most bytes of a parcel of more than one chunk.
    pub parcel_bytes_max: usize,
    /// Where chance begins: the same seed, the same waits.
    pub seed: u64,
}

impl Settings {
    /// The usual settings for an output beside others in a budget of so many bytes.
    #[must_use]
    pub fn new(flush: Duration, retry_limit: RetryLimit, budget_bytes: u64, seed: u64) -> Self {
        let parcel_bytes_max = parcel_bytes_max(budget_bytes);
        Self { flush, retry_limit, in_flight_max: IN_FLIGHT_MAX, parcel_bytes_max, seed }
    }
}

/// Most bytes of a parcel of more than one chunk beside a budget of so many bytes.
#[must_use]
pub fn parcel_bytes_max(budget_bytes: u64) -> usize {
    let share = usize::try_from(budget_bytes / BUDGET_SHARE).unwrap_or(usize::MAX);
    share.min(PARCEL_BYTES_MAX)
}

/// Why a parcel did not arrive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FailureKind {
    /// Another attempt may arrive; not before the wait that the peer asked for.
    Again {
        /// What the peer asked for.
        after: Option<Duration>,
        /// It may have arrived all the same.
        is_ambiguous: bool,
    },
    /// No attempt will ever arrive.
    Refused,
    /// What the output writes to takes nothing any more.
    Closed,
}
