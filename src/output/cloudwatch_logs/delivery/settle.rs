//! What becomes of the records of a batch.
//!
//! Pure. Must not know streams or when anything is sent.

use crate::ledger::Reason;

use super::super::piece::Piece;
use super::super::sender::Put;
use super::super::target::Target;

/// Maps what the service rejected back to the records, and counts the others as delivered.
pub(super) fn settle(target: &Target, records: &[u32], pieces: Vec<Piece>, put: &Put) {
    // Too old come first, then the expired; too new come last.
    let counts = put.rejected.counts(records.len());
    let (too_old, after) = records.split_at_checked(counts.too_old).unwrap_or_default();
    let (expired, after) = after.split_at_checked(counts.expired).unwrap_or_default();
    let too_new = after.get(after.len().saturating_sub(counts.too_new)..).unwrap_or_default();
    let sum = |records: &[u32]| records.iter().copied().map(u64::from).sum::<u64>();
    let mut outcomes = [
        (Reason::TooOld, sum(too_old)),
        (Reason::Expired, sum(expired)),
        (Reason::TooNew, sum(too_new)),
    ];
    for (reason, count) in outcomes.iter().filter(|(_, count)| *count > 0) {
        tracing::error!(
            "{target}: {count} events rejected by CloudWatch Logs: {}",
            reason.as_str()
        );
    }
    for mut piece in pieces {
        let receipt = &mut piece.permit.receipt;
        for (reason, left) in &mut outcomes {
            let here = receipt.records().min(*left);
            receipt.dropped(here, *reason);
            *left -= here;
        }
        receipt.delivered(receipt.records());
    }
}

pub(super) fn give_up(pieces: impl IntoIterator<Item = Piece>, reason: Reason) {
    for mut piece in pieces {
        let records = piece.permit.receipt.records();
        piece.permit.receipt.dropped(records, reason);
    }
}

/// A stream with a batch on its way is never forgotten, so this has nothing to do; if it had, the
/// ledger would say so.
pub(super) fn drop_all(pieces: Vec<Piece>) {
    give_up(pieces, Reason::Lost);
}
