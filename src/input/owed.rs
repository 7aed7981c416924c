//! What is owed to a peer, in its order: acks, of which each waits until the records before it are
//! stored.
//!
//! Records of an input with `storage.type filesystem` are acknowledged once they are on disk for
//! every output, or have their outcome: a [`Mark`] in each of their chunks says so. A mark that
//! never speaks, because a record was left, leaves its ack and those behind it unsent: the peer
//! sends these records again, elsewhere. Other inputs owe nothing that waits.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::forward::CHUNK_ID_BYTES_MAX;
use crate::chunk::Storage;
use crate::ledger::{Mark, Marked};

/// Acks of one peer that wait: at so many it is not read on. More than a sender has on its way.
pub(super) const OWED_MAX: usize = 128;
/// What an ack costs beside its id.
const OWED_BYTES: usize = 96;
/// Most bytes of acks of one peer that wait for the disk.
pub const OWED_BYTES_MAX: usize = OWED_MAX * (CHUNK_ID_BYTES_MAX + OWED_BYTES);

/// Answers of one peer that are due in their order.
#[derive(Debug)]
pub(super) struct Owed<T> {
    answers: VecDeque<T>,
    /// `None`: all is due at once.
    open: Option<Arc<Open>>,
}

/// The marks that did not speak yet.
#[derive(Debug)]
struct Open {
    counts: Mutex<Counts>,
    /// Told when the first answer may be due.
    news: Notify,
}

/// How many marks are open before each answer, the one being made last.
#[derive(Debug)]
struct Counts {
    /// The number of the first.
    first: u64,
    open: VecDeque<u64>,
}

impl<T> Owed<T> {
    /// Nothing owed yet for records that wait there.
    pub(super) fn new(storage: Storage) -> Self {
        let open = match storage {
            Storage::Memory => None,
            Storage::Filesystem => Some(Arc::new(Open {
                counts: Mutex::new(Counts { first: 0, open: VecDeque::from([0]) }),
                news: Notify::new(),
            })),
        };
        Self { answers: VecDeque::new(), open }
    }

    /// A mark for records of the next answer.
    pub(super) fn mark(&self) -> Mark {
        let Some(open) = &self.open else { return Mark::none() };
        let number = open.counts().begin();
        Mark::new(Arc::clone(open) as Arc<dyn Marked>, number)
    }

    /// Owes an answer behind all others, due once the marks made since the last have spoken.
    pub(super) fn push(&mut self, answer: T) {
        self.answers.push_back(answer);
        if let Some(open) = &self.open {
            open.counts().open.push_back(0);
        }
    }

    /// Takes the first answer, if it is due.
    pub(super) fn pop_due(&mut self) -> Option<T> {
        if !self.answers.is_empty()
            && let Some(open) = &self.open
            && !open.counts().pop_due()
        {
            return None;
        }
        self.answers.pop_front()
    }

    /// Returns once the first answer is due; without one that waits it never does.
    pub(super) fn due(&self) -> impl Future<Output = ()> + use<T> {
        let open = self.open.as_ref().filter(|_| !self.answers.is_empty()).map(Arc::clone);
        async move {
            let Some(open) = open else { return std::future::pending().await };
            while !open.counts().is_due() {
                open.news.notified().await;
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }

    /// Whether so much is owed that the peer is not to be read on.
    pub(super) fn is_full(&self) -> bool {
        self.answers.len() >= OWED_MAX
    }

    /// Gives up what is owed: one answer was cut, and what follows it could not be told apart.
    pub(super) fn clear(&mut self) {
        self.answers.clear();
    }
}

impl Open {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        // A count is right or it was not changed: nothing between can panic.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    /// One more mark before the answer that is being made. Returns the answer's number.
    fn begin(&mut self) -> u64 {
        let number = self.first + self.open.len().saturating_sub(1) as u64;
        if let Some(open) = self.open.back_mut() {
            *open += 1;
        }
        number
    }

    fn end(&mut self, number: u64) {
        let at = number.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
        if let Some(open) = at.and_then(|at| self.open.get_mut(at)) {
            *open = open.saturating_sub(1);
        }
    }

    fn is_due(&self) -> bool {
        self.open.front() == Some(&0)
    }

    fn pop_due(&mut self) -> bool {
        let is_due = self.is_due();
        if is_due {
            self.open.pop_front();
            self.first += 1;
        }
        is_due
    }
}

impl Marked for Open {
    fn ended(&self, number: u64) {
        let is_due = {
            let mut counts = self.counts();
            counts.end(number);
            counts.is_due()
        };
        if is_due {
            self.news.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ledger::{Account, Permit, Reason, Share};

    /// A record whose fate decides about the next answer.
    fn record(owed: &Owed<u64>, account: &Arc<Account>) -> Permit {
        let mut share = Share::empty();
        share.follow(owed.mark());
        Permit::new(account.receive(1), share)
    }

    fn all_due(owed: &mut Owed<u64>) -> Vec<u64> {
        std::iter::from_fn(|| owed.pop_due()).collect()
    }

    #[test]
    fn what_waits_in_memory_is_acknowledged_at_once() {
        let mut owed = Owed::new(Storage::Memory);
        drop(owed.mark());
        owed.push(1);
        assert_eq!((all_due(&mut owed), owed.is_empty()), (vec![1], true));
    }

    #[test]
    fn an_ack_waits_for_its_records_and_for_the_acks_before_it() {
        let account = Arc::new(Account::default());
        let mut owed = Owed::new(Storage::Filesystem);
        let mut first = [record(&owed, &account), record(&owed, &account)];
        owed.push(0);
        let mut second = record(&owed, &account);
        owed.push(1);
        owed.push(2);
        second.receipt.delivered(1);
        drop(second);
        first[0].receipt.delivered(1);
        assert!(all_due(&mut owed).is_empty());
        first[1].receipt.dropped(1, Reason::Refused);
        drop(first);
        assert_eq!(all_due(&mut owed), [0, 1, 2]);
    }

    #[test]
    fn an_ack_whose_records_were_left_is_never_due() {
        let account = Arc::new(Account::default());
        let mut owed = Owed::new(Storage::Filesystem);
        let mut left = record(&owed, &account);
        owed.push(0);
        left.receipt.dropped(1, Reason::Stopped);
        drop(left);
        assert_eq!((owed.pop_due(), owed.is_empty()), (None, false));
    }

    #[tokio::test]
    async fn whoever_waits_for_an_answer_is_woken_when_it_is_due() {
        let account = Arc::new(Account::default());
        let mut owed = Owed::new(Storage::Filesystem);
        let mut record = record(&owed, &account);
        owed.push(7);
        let due = tokio::spawn(owed.due());
        tokio::task::yield_now().await;
        assert!(!due.is_finished());
        record.receipt.delivered(1);
        drop(record);
        due.await.expect("no panic");
        assert_eq!(owed.pop_due(), Some(7));
    }

    #[test]
    fn a_peer_is_read_on_up_to_the_limit_of_what_it_is_owed() {
        let mut owed = Owed::new(Storage::Filesystem);
        for number in 1..OWED_MAX {
            owed.push(number as u64);
        }
        assert!(!owed.is_full());
        owed.push(0);
        assert!(owed.is_full());
    }

    proptest! {
        /// However records end: the answers that are due are those before the first record that
        /// has not ended.
        #[test]
        fn answers_are_due_up_to_the_first_record_that_is_held(
            steps in proptest::collection::vec((0..3_u8, 0..9_usize), 0..80),
        ) {
            let account = Arc::new(Account::default());
            let mut owed = Owed::new(Storage::Filesystem);
            // Records that are held, each with the number of its answer.
            let mut held: Vec<(Permit, u64)> = Vec::new();
            let (mut pushed, mut popped) = (0, 0);
            for (action, which) in steps {
                match action {
                    0 => held.push((record(&owed, &account), pushed)),
                    1 => {
                        owed.push(pushed);
                        pushed += 1;
                    }
                    _ if which < held.len() => {
                        let (mut permit, _) = held.remove(which);
                        permit.receipt.delivered(1);
                    }
                    _ => {}
                }
                let first_held = held.iter().map(|(_, number)| *number).min().unwrap_or(pushed);
                let expected: Vec<u64> = (popped..first_held.min(pushed)).collect();
                prop_assert_eq!(all_due(&mut owed), &*expected);
                popped += expected.len() as u64;
            }
            for (mut permit, _) in held {
                permit.receipt.delivered(1);
            }
        }
    }
}
