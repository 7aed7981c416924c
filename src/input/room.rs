//! Memory for sources that are no connections: taken before something is read or made.
//!
//! Must not know what for.

use std::sync::Arc;

use super::Intake;
use crate::chunk::Chunk;
use crate::ledger::Share;
use crate::record::chunk::TaggedEntries;
use crate::ring::Closed;
use crate::telemetry::InputCounters;

/// Waits for memory, and counts it where it has to.
pub(super) async fn take(intake: &Intake, bytes: usize, counters: &InputCounters) -> Share {
    if let Some(share) = intake.try_take(bytes) {
        return share;
    }
    counters.waits.add(1);
    intake.take(bytes).await
}

/// Hands records on and counts them. What they cost comes out of `share`; what that lacks is taken
/// now, and where there is none, one chunk at a time may go over the budget.
///
/// # Errors
///
/// The ring is closed: the process is past its time to read. The records are counted as left.
pub(super) async fn hand_on(
    intake: &Intake,
    tagged: TaggedEntries,
    share: &mut Share,
    counters: &InputCounters,
) -> Result<(), Closed<()>> {
    // Reading does not end before these are taken in.
    let _waits = intake.activity.waits();
    let cost = Chunk::cost_bytes(&tagged.tag, &tagged.entries);
    let mut paid = share.split(cost);
    let missing = cost.saturating_sub(paid.bytes());
    if missing > 0 {
        match intake.try_take(missing) {
            Some(more) => paid.join(more),
            None => match share.take_turn() {
                // What is read over the budget goes on over it.
                Some(turn) => paid.keep_turn(Some(turn)),
                None => paid.join(take_or_turn(intake, missing).await),
            },
        }
    }
    counters.records.add(tagged.entries.len() as u64);
    counters.bytes.add(tagged.entries.data.len() as u64);
    intake.take_in(tagged, paid).await
}

/// Waits for memory, or for the right to do without: for whoever holds some already, as several that
/// hold all there is would wait for each other for ever.
pub(super) async fn take_more(intake: &Intake, bytes: usize, counters: &InputCounters) -> Share {
    if let Some(share) = intake.try_take(bytes) {
        return share;
    }
    counters.waits.add(1);
    take_or_turn(intake, bytes).await
}

async fn take_or_turn(intake: &Intake, bytes: usize) -> Share {
    tokio::select! {
        biased;
        share = intake.take(bytes) => share,
        turn = Arc::clone(&intake.turn).acquire_owned() => {
            let mut share = Share::empty();
            share.keep_turn(turn.ok());
            share
        }
    }
}
