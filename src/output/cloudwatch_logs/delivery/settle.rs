//! What becomes of the records of a batch.
//!
//! Pure. Must not know streams or when anything is sent.

use std::ops::Range;

use crate::ledger::Reason;
use crate::record::time::EventTime;

use super::super::mishap::{Extent, Mishap, Mishaps};
use super::super::piece::Piece;
use super::super::sender::{Put, RejectedCounts};
use super::super::stream::Batch;

/// Maps what the service rejected back to the records, and counts the others as delivered. Gives what
/// became of those that it rejected, and of those that arrived other than they were logged.
pub(super) fn settle(batch: Batch, put: &Put) -> Mishaps {
    let counts = put.rejected.counts(batch.sealed.records.len());
    let mut mishaps = Mishaps::default();
    if counts.total() == 0 {
        batch.pieces.into_iter().for_each(|piece| delivered(piece, &mut mishaps));
        return mishaps;
    }
    let mut rejected = rejected(&batch, counts);
    for (reason, extent) in rejected.iter().filter(|(_, extent)| extent.records > 0) {
        tracing::error!(
            "{}: {} events rejected by CloudWatch Logs: {}",
            batch.target,
            extent.records,
            reason.as_str()
        );
        mishaps.add(Mishap::Dropped(*reason), *extent);
    }
    for mut piece in batch.pieces {
        piece.ended();
        let receipt = &mut piece.permit.receipt;
        let is_owed = receipt.records() > 0;
        for (reason, left) in &mut rejected {
            let here = receipt.records().min(left.records);
            receipt.dropped(here, *reason);
            left.records -= here;
        }
        if is_owed && receipt.records() == 0 {
            // It did not arrive at all, which is told already.
            continue;
        }
        delivered(piece, &mut mishaps);
    }
    mishaps
}

fn delivered(mut piece: Piece, mishaps: &mut Mishaps) {
    piece.ended();
    if let Some(mishap) = piece.mishap {
        mishaps.add(mishap, Extent::one(piece.times().next().unwrap_or_default()));
    }
    let receipt = &mut piece.permit.receipt;
    receipt.delivered(receipt.records());
}

/// The records that were rejected, by reason, and their times.
fn rejected(batch: &Batch, counts: RejectedCounts) -> [(Reason, Extent); 3] {
    let records = &batch.sealed.records;
    // The body has its events by time, as the service counts them: in whole milliseconds.
    let markers = std::iter::repeat_n(batch.told_at, batch.told.len());
    let mut times: Vec<EventTime> =
        markers.chain(batch.pieces.iter().flat_map(Piece::times)).collect();
    times.sort_by_key(|time| time.as_millis().max(0));
    let extent = |events: Range<usize>| {
        let owed = records.get(events.clone()).unwrap_or_default().iter();
        let times = times.get(events).unwrap_or_default();
        Extent {
            records: owed.copied().map(u64::from).sum(),
            from: times.first().copied().unwrap_or_default(),
            to: times.last().copied().unwrap_or_default(),
        }
    };
    // Too old come first, then the expired; too new come last.
    let expired_end = counts.too_old.saturating_add(counts.expired);
    let too_new_start = records.len().saturating_sub(counts.too_new);
    [
        (Reason::TooOld, extent(0..counts.too_old)),
        (Reason::Expired, extent(counts.too_old..expired_end)),
        (Reason::TooNew, extent(too_new_start..records.len())),
    ]
}

/// A stream with a batch on its way is never forgotten, so this has nothing to do; if it had, the
/// ledger would say so.
pub(super) fn drop_all(pieces: Vec<Piece>) {
    for mut piece in pieces {
        let records = piece.permit.receipt.records();
        piece.permit.receipt.dropped(records, Reason::Lost);
    }
}
