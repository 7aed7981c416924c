//! A mark in what was read: told to whoever made it once all before it has its outcome.
//!
//! An input whose source can be read again, such as a file, has to know how far it need not. It puts
//! a mark into the [`Share`](super::Share) of a chunk; the last holder of that memory lets the mark
//! go, which is after every record in it, and every record that became of one, has its outcome.
//!
//! A record that was left ([`Reason::Stopped`](super::Reason::Stopped),
//! [`Reason::Lost`](super::Reason::Lost)) must be read again. Which marks stand behind it is not
//! known to the account that counts it, and need not be: from then on no mark of the pipeline says
//! anything. That is conservative, what is read twice is not lost, and rare: such records exist when
//! the time to stop is up, or by a defect.

use std::fmt::Debug;
use std::sync::Arc;

use super::account::Left;

/// Whoever makes marks, and is told of them. Called by the thread that lets go, so it must not wait.
pub trait Marked: Debug + Send + Sync {
    /// All records behind the mark of this number have their outcome, and none was left.
    fn ended(&self, number: u64);
}

/// Tells its maker when it is dropped. One that never belonged to a chunk of the ledger says
/// nothing: nobody knows what became of its records.
#[derive(Debug)]
#[must_use = "a mark that no share keeps never says anything"]
pub struct Mark {
    maker: Option<Arc<dyn Marked>>,
    number: u64,
    /// Of the accounts that its records were entered into.
    left: Option<Left>,
}

/// The marks of one chunk: told when the last holder lets go of them, which is when its memory goes,
/// or when it lies on disk.
pub type Marks = Vec<Mark>;

impl Mark {
    /// A mark that its maker knows by `number`.
    pub fn new(maker: Arc<dyn Marked>, number: u64) -> Self {
        Self { maker: Some(maker), number, left: None }
    }

    /// The mark of who need not be told.
    pub fn none() -> Self {
        Self { maker: None, number: 0, left: None }
    }

    pub(super) fn is_none(&self) -> bool {
        self.maker.is_none()
    }

    pub(super) fn enter(&mut self, left: &Left) {
        self.left = Some(left.clone());
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        let (Some(maker), Some(left)) = (&self.maker, &self.left) else { return };
        if !left.is_any() {
            maker.ended(self.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use proptest::prelude::*;

    use super::*;
    use crate::ledger::{Account, Budget, Permit, Reason, Share};

    /// Told of marks by their numbers.
    #[derive(Debug, Default)]
    struct Told(Mutex<Vec<u64>>);

    impl Marked for Told {
        fn ended(&self, number: u64) {
            self.0.lock().expect("no panic").push(number);
        }
    }

    impl Told {
        fn take(&self) -> Vec<u64> {
            std::mem::take(&mut self.0.lock().expect("no panic"))
        }
    }

    fn marked(told: &Arc<Told>, number: u64) -> Share {
        let mut share = Share::empty();
        share.follow(Mark::new(Arc::clone(told) as Arc<dyn Marked>, number));
        share
    }

    #[test]
    fn a_mark_is_told_once_the_last_output_has_let_go() {
        let (told, account) = (Arc::new(Told::default()), Arc::new(Account::default()));
        let output = Arc::new(account.beside());
        let mut permit = Permit::new(account.receive(1), marked(&told, 7));
        let mut copy = permit.receive_at(&output);
        permit.receipt.delivered(1);
        drop(permit);
        assert!(told.take().is_empty());
        copy.receipt.dropped(1, Reason::Refused);
        drop(copy);
        assert_eq!(told.take(), [7]);
    }

    #[test]
    fn what_is_left_in_one_account_silences_the_marks_of_all() {
        for reason in Reason::ALL {
            let (told, account) = (Arc::new(Told::default()), Arc::new(Account::default()));
            let output = Arc::new(account.beside());
            output.receive(1).dropped(1, reason);
            let mut permit = Permit::new(account.receive(1), marked(&told, 1));
            permit.receipt.delivered(1);
            drop(permit);
            let is_left = matches!(reason, Reason::Stopped | Reason::Lost);
            assert_eq!(told.take().is_empty(), is_left, "{}", reason.as_str());
        }
    }

    #[test]
    fn no_record_left_is_none_left() {
        let (told, account) = (Arc::new(Told::default()), Arc::new(Account::default()));
        account.receive(0).dropped(0, Reason::Stopped);
        let mut permit = Permit::new(account.receive(1), marked(&told, 1));
        permit.receipt.delivered(1);
        drop(permit);
        assert_eq!(told.take(), [1]);
    }

    #[test]
    fn a_receipt_let_go_without_an_outcome_silences_the_mark_behind_it() {
        let (told, account) = (Arc::new(Told::default()), Arc::new(Account::default()));
        let permit = Permit::new(account.receive(1), marked(&told, 1));
        let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(permit)));
        assert!(dropped.is_err() && told.take().is_empty());
    }

    #[test]
    fn a_mark_whose_records_never_came_into_the_ledger_says_nothing() {
        let told = Arc::new(Told::default());
        drop(marked(&told, 1));
        assert!(told.take().is_empty());
    }

    #[test]
    fn shares_keep_their_marks_where_they_are_joined_and_what_is_split_off_has_none() {
        let (told, account) = (Arc::new(Told::default()), Arc::new(Account::default()));
        let mut share = Budget::new(10).try_take(10).expect("free");
        share.join(marked(&told, 1));
        share.join(marked(&told, 2));
        let part = share.split(5);
        let mut permit = Permit::new(account.receive(1), part);
        permit.receipt.delivered(1);
        drop(permit);
        assert!(told.take().is_empty());
        let mut permit = Permit::new(account.receive(1), share);
        permit.receipt.delivered(1);
        drop(permit);
        assert_eq!(told.take(), [1, 2]);
    }

    proptest! {
        /// Whatever chunks are split into, absorbed by or copied to: a mark that is told has only
        /// records behind it that have an outcome, and without one that is left all are told.
        #[test]
        fn a_mark_is_told_after_every_record_behind_it(
            steps in proptest::collection::vec((0..8_u8, 0..9_usize, 0..9_usize), 0..60),
        ) {
            let (told, account) = (Arc::new(Told::default()), Arc::new(Account::default()));
            // Permits, each with the marks behind it.
            let mut permits: Vec<(Permit, Vec<u64>)> = Vec::new();
            let (mut marks, mut expected, mut is_left) = (0, Vec::new(), false);
            for (action, which, other) in steps {
                let count = permits.len();
                match action {
                    0 | 1 => {
                        let permit = Permit::new(account.receive(3), marked(&told, marks));
                        permits.push((permit, vec![marks]));
                        marks += 1;
                    }
                    2 if which < count => {
                        let (permit, behind) = &mut permits[which];
                        let half = permit.receipt.records() / 2;
                        let part = (permit.split(half), behind.clone());
                        permits.push(part);
                    }
                    3 if which < count => {
                        let (permit, behind) = &permits[which];
                        let copy = (permit.receive_at(&account), behind.clone());
                        permits.push(copy);
                    }
                    4 if which < count && other < count && which != other => {
                        let (mut permit, mut behind) = permits.remove(which.max(other));
                        let (taken, marks) = permits.remove(which.min(other));
                        permit.absorb(taken);
                        behind.extend(marks);
                        permits.push((permit, behind));
                    }
                    5..8 if which < count => {
                        let (mut permit, behind) = permits.remove(which);
                        let records = permit.receipt.records();
                        let reason = if other == 0 { Reason::Stopped } else { Reason::Refused };
                        match action {
                            5 => permit.receipt.dropped(records, reason),
                            _ => permit.receipt.delivered(records),
                        }
                        is_left |= action == 5 && other == 0 && records > 0;
                        drop(permit);
                        let is_held = |mark: &u64| permits.iter().any(|(_, all)| all.contains(mark));
                        let mut ended: Vec<_> =
                            behind.into_iter().filter(|mark| !is_held(mark)).collect();
                        ended.sort_unstable();
                        ended.dedup();
                        expected = if is_left { Vec::new() } else { ended };
                    }
                    _ => {}
                }
                let mut now = told.take();
                now.sort_unstable();
                prop_assert_eq!(&now, &expected);
                expected.clear();
            }
            for (mut permit, _) in permits {
                let records = permit.receipt.records();
                permit.receipt.delivered(records);
            }
        }
    }
}
