//! Step 6, output: until when an output goes on after a stop was asked for.

use std::future;
use std::time::{Duration, Instant};

use tokio::time::sleep_until;

use crate::buffer::Buffer;
use crate::lifecycle::{Stop, StopReceiver};

/// Kept of the time to stop, so that what was on its way can be told before the process ends.
const STOP_RESERVE: Duration = Duration::from_millis(200);
/// And more where what is left is to be written to disk.
const STORE_RESERVE: Duration = Duration::from_secs(1);

/// Returns at that time.
pub(super) async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant.into()).await,
        None => future::pending().await,
    }
}

/// Kept of the time to stop for what comes after the last answer.
pub(super) fn reserve(buffer: &Buffer) -> Duration {
    if buffer.survives() { STOP_RESERVE + STORE_RESERVE } else { STOP_RESERVE }
}

/// Returns so long before the deadline of a stop, at the latest after half of the time.
pub(super) async fn deadline(mut stop: StopReceiver, reserve: Duration) {
    let Stop { since, deadline } = stop.stopping().await;
    until(deadline.map(|deadline| {
        let half = since.checked_add(deadline.saturating_duration_since(since) / 2);
        deadline.checked_sub(reserve).max(half).unwrap_or(deadline)
    }))
    .await;
}
