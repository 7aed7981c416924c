//! Step 6, output `forward`: how far parcels got that no node took whole, for when they come again.
//!
//! Pure. A parcel that failed is sent again as it was; what was acknowledged of it stays so. Not known
//! here: why it failed, and whether it comes again.

use std::collections::VecDeque;

use super::load::{Load, Position, Prefix};

/// Most parcels that are kept in mind, those of so many tags; what came of an older one is sent twice.
pub(super) const PARCELS_MAX: usize = 64;

/// Parcels of which a part was taken, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Progress(VecDeque<(Prefix, Position)>);

impl Progress {
    /// Where a load goes on, and forgets it: the place behind what was taken of it, else its begin.
    pub(super) fn take(&mut self, load: &Load) -> Position {
        let place = self.0.iter().position(|(prefix, _)| prefix.begins(load));
        place.and_then(|place| self.0.remove(place)).map_or_else(Position::default, |kept| kept.1)
    }

    /// Keeps in mind that a load was taken up to here.
    pub(super) fn keep(&mut self, load: &Load, at: Position) {
        if at == Position::default() {
            return;
        }
        // Parcels that were given up do not come again.
        self.0.retain(|(prefix, _)| prefix.is_held());
        if self.0.len() >= PARCELS_MAX {
            self.0.pop_front();
        }
        self.0.push_back((load.prefix(at), at));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::chunk::fixture::chunk;
    use crate::ledger::Account;

    fn load(chunks: usize) -> Load {
        let account = Arc::new(Account::default());
        let chunks: Vec<_> = (0..chunks).map(|_| chunk(&account, "t", &[&[("a", "1")]])).collect();
        let load = Load::new(&"t".into(), &chunks);
        chunks.into_iter().for_each(|chunk| chunk.delivered());
        load
    }

    fn behind_first(load: &Load) -> Position {
        load.next(Position::default()).expect("a record").1
    }

    #[test]
    fn a_load_goes_on_where_it_got_to_once() {
        let (mut progress, one, other) = (Progress::default(), load(2), load(2));
        let at = behind_first(&one);
        progress.keep(&one, at);
        assert_eq!(progress.take(&other), Position::default(), "the same records, but others");
        assert_eq!((progress.take(&one.clone()), progress.take(&one)), (at, Position::default()));
    }

    #[test]
    fn a_load_under_another_tag_begins_anew() {
        let (mut progress, one) = (Progress::default(), load(1));
        progress.keep(&one, behind_first(&one));
        let mut other = one;
        other.tag = "u".into();
        assert_eq!(progress.take(&other), Position::default());
    }

    #[test]
    fn the_oldest_of_too_many_is_forgotten_and_so_is_what_was_given_up() {
        let mut progress = Progress::default();
        let loads: Vec<_> = (0..=PARCELS_MAX).map(|_| load(1)).collect();
        for load in &loads {
            progress.keep(load, behind_first(load));
        }
        assert_eq!(progress.take(&loads[0]), Position::default());
        assert_eq!(progress.take(&loads[1]), behind_first(&loads[1]));
        let last = loads.into_iter().next_back().expect("the last");
        assert_eq!(progress.take(&last), behind_first(&last));
        progress.keep(&load(1), Position::default());
        progress.keep(&last, behind_first(&last));
        assert_eq!(progress.0.len(), 1);
    }
}
