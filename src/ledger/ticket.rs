//! A chunk that is in memory and lies on disk as well: told which of its records have their outcome.
//!
//! The store must not keep what has its outcome, or it would be delivered again after a restart, and
//! must keep everything else. Knows no files.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

/// Whoever keeps chunks on disk. Called by the thread that lets go, so it must not wait.
pub trait Keeper: Debug + Send + Sync {
    /// These entries of the chunk have their outcome.
    fn ended(&self, number: u64, entries: Range<u32>);

    /// The memory of the chunk is free.
    fn freed(&self, number: u64);
}

/// Says where a chunk lies, and of which entries. Clones are for its parts.
#[derive(Clone, Debug)]
pub struct Ticket(Arc<Stub>);

#[derive(Debug)]
struct Stub {
    keeper: Arc<dyn Keeper>,
    number: u64,
    /// Where each entry begins in the memory of the chunk: parts of it know their entries by that.
    starts: Box<[u32]>,
    survives: bool,
}

impl Ticket {
    /// A ticket for the chunk that its keeper knows by `number`. `survives`: what is on disk is there
    /// at the next start.
    #[must_use]
    pub fn new(keeper: Arc<dyn Keeper>, number: u64, starts: Box<[u32]>, survives: bool) -> Self {
        Self(Arc::new(Stub { keeper, number, starts, survives }))
    }

    /// The number by which its keeper knows the chunk.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.0.number
    }

    /// Whether what is on disk is there at the next start.
    #[must_use]
    pub fn survives(&self) -> bool {
        self.0.survives
    }

    /// The entries that begin there have their outcome. In ascending order they cost one call.
    pub fn ended(&self, starts: impl Iterator<Item = u32>) {
        let Stub { keeper, number, starts: known, .. } = &*self.0;
        let mut run: Option<Range<u32>> = None;
        for start in starts {
            let Ok(place) = known.binary_search(&start) else { continue };
            let place = u32::try_from(place).unwrap_or(u32::MAX);
            match &mut run {
                Some(run) if run.end == place => run.end += 1,
                _ => {
                    if let Some(run) = run.replace(place..place.saturating_add(1)) {
                        keeper.ended(*number, run);
                    }
                }
            }
        }
        if let Some(run) = run {
            keeper.ended(*number, run);
        }
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.keeper.freed(self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Debug, Default)]
    struct Told(Mutex<Vec<(u64, Option<Range<u32>>)>>);

    impl Keeper for Told {
        fn ended(&self, number: u64, entries: Range<u32>) {
            self.0.lock().expect("no panic").push((number, Some(entries)));
        }

        fn freed(&self, number: u64) {
            self.0.lock().expect("no panic").push((number, None));
        }
    }

    #[test]
    fn entries_are_told_by_their_places_in_as_few_runs_as_there_are() {
        let told = Arc::new(Told::default());
        let keeper = Arc::clone(&told) as Arc<dyn Keeper>;
        let ticket = Ticket::new(keeper, 7, [3, 10, 20, 30, 41].into(), true);
        ticket.ended([3, 10, 30, 41].into_iter());
        ticket.ended([20, 21].into_iter());
        let part = ticket.clone();
        drop(ticket);
        let runs = vec![(7, Some(0..2)), (7, Some(3..5)), (7, Some(2..3))];
        assert_eq!(*told.0.lock().expect("no panic"), runs);
        drop(part);
        assert_eq!(told.0.lock().expect("no panic").last(), Some(&(7, None)));
    }
}
