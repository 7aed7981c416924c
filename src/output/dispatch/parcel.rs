//! What is sent in one go.

use std::time::Instant;

use crate::chunk::Chunk;
use crate::ledger::Reason;
use crate::output::group::GROUP_BYTES_MAX;
use crate::record::tag::Tag;

/// Most bytes of a parcel of more than one chunk. A single chunk may have more.
pub const PARCEL_BYTES_MAX: usize = GROUP_BYTES_MAX;

/// Chunks of one input and one tag, in the order they came. One that is sent again is the same.
#[derive(Debug)]
#[must_use = "every record needs an outcome"]
pub struct Parcel {
    /// The tag of all records.
    pub tag: Tag,
    /// The chunks; never empty.
    pub chunks: Vec<Chunk>,
    /// Whose they are, by its place.
    pub input: u16,
    pub(super) sent_at: Option<Instant>,
}

impl Parcel {
    /// Some of its records were refused, each for itself; the rest is still owed.
    pub fn refused(&mut self, mut records: u64) {
        for chunk in &mut self.chunks {
            let of_chunk = records.min(chunk.records());
            if of_chunk > 0 {
                chunk.permit.receipt.dropped(of_chunk, Reason::Refused);
            }
            records -= of_chunk;
        }
    }

    /// How many records it has.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.chunks.iter().map(Chunk::records).sum()
    }

    /// The lane it is of.
    pub(super) fn key(&self) -> (u16, Tag) {
        (self.input, self.tag.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::chunk::fixture::chunk;
    use crate::ledger::Account;

    #[test]
    fn records_that_were_refused_have_their_outcome_and_the_rest_is_still_owed() {
        for refused in 0..=5 {
            let account = Arc::new(Account::default());
            let chunks =
                vec![chunk(&account, "t", &[&[], &[], &[]]), chunk(&account, "t", &[&[], &[]])];
            let mut parcel = Parcel { tag: "t".into(), chunks, input: 0, sent_at: None };
            parcel.refused(refused);
            assert_eq!(parcel.records(), 5 - refused);
            parcel.chunks.into_iter().for_each(Chunk::delivered);
            let balance = account.balance();
            assert_eq!(balance.dropped_for(Reason::Refused), refused);
            assert_eq!((balance.delivered, balance.held), (5 - refused, 0));
        }
    }
}
