//! Step 1, input: files that are not followed now, and where to go on should they be found again.
//!
//! Must not know why they are not.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::cursor::Cursor;
use super::followed::Id;

/// Most files that are remembered, inclusive: as many as may be found at once. Then the one that
/// was left first is forgotten.
pub const PAST_MAX: usize = super::paths::PATHS_MAX;

/// What is known of a file.
#[derive(Clone, Debug)]
pub enum Past {
    /// It was read as far as this.
    Read(Cursor),
    /// It was too old to be read, and had so many bytes.
    TooOld(u64),
}

/// What is known of files.
#[derive(Debug, Default)]
pub struct Pasts {
    known: BTreeMap<Id, Past>,
    /// In the order in which they were left. May hold some that are not known any more.
    order: VecDeque<Id>,
}

impl Pasts {
    /// Remembers how far a file was read.
    pub fn read(&mut self, id: Id, cursor: Cursor) {
        self.insert(id, Past::Read(cursor));
    }

    /// Remembers the size of a file that is too old, unless more is known of it.
    pub fn too_old(&mut self, id: Id, size: u64) {
        if !self.known.contains_key(&id) {
            self.insert(id, Past::TooOld(size));
        }
    }

    /// What is known of the file.
    #[must_use]
    pub fn of(&self, id: Id) -> Option<&Past> {
        self.known.get(&id)
    }

    /// Forgets the file: it is followed.
    pub fn forget(&mut self, id: Id) {
        self.known.remove(&id);
    }

    /// Forgets all files but these: the inodes of those that are gone become other files'.
    pub fn keep(&mut self, there: &BTreeSet<Id>) {
        self.known.retain(|id, _| there.contains(id));
        self.order.retain(|id| there.contains(id));
    }

    fn insert(&mut self, id: Id, past: Past) {
        self.known.insert(id, past);
        self.order.push_back(id);
        while self.order.len() > PAST_MAX {
            if let Some(oldest) = self.order.pop_front()
                && !self.order.contains(&oldest)
            {
                self.known.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_that_was_left_first_is_forgotten_first() {
        let mut pasts = Pasts::default();
        let id = |inode| Id { device: 1, inode };
        let most = u64::try_from(PAST_MAX).unwrap();
        (0..most).for_each(|inode| pasts.too_old(id(inode), inode));
        assert!(matches!(pasts.of(id(0)), Some(Past::TooOld(0))));
        pasts.forget(id(0));
        assert!(pasts.of(id(0)).is_none());
        pasts.read(id(0), Cursor::new(7));
        pasts.too_old(id(0), 9);
        assert!(matches!(pasts.of(id(0)), Some(Past::Read(_))), "more was known");
        pasts.too_old(id(most), 0);
        assert!(pasts.of(id(1)).is_none());
        assert!(pasts.of(id(2)).is_some());
        pasts.keep(&BTreeSet::from([id(3)]));
        assert!(pasts.of(id(2)).is_none() && pasts.of(id(3)).is_some());
    }
}
