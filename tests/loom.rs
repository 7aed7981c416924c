//! The ring's waking, driven by loom through every interleaving of its atomics.
//!
//! The file under test is the crate's own, included by path with a `sync` of loom's types.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

#[path = "../src/ring.rs"]
#[allow(dead_code, unreachable_pub, reason = "not every test uses all of the ring")]
mod ring;

mod sync {
    pub(crate) use loom::sync::Mutex;
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};

    use std::collections::VecDeque;
    use std::task::Waker;

    /// Loom's, with the signature of the crate `atomic-waker`.
    pub(crate) struct AtomicWaker(loom::future::AtomicWaker);

    impl AtomicWaker {
        pub(crate) fn new() -> Self {
            Self(loom::future::AtomicWaker::new())
        }

        pub(crate) fn register(&self, waker: &Waker) {
            self.0.register_by_ref(waker);
        }

        pub(crate) fn wake(&self) {
            self.0.wake();
        }
    }

    /// Stands for crossbeam's queue, which is checked at home: one step, no waking of its own.
    pub(crate) struct ArrayQueue<T> {
        items: Mutex<VecDeque<T>>,
        items_max: usize,
    }

    impl<T> ArrayQueue<T> {
        pub(crate) fn new(items_max: usize) -> Self {
            Self { items: Mutex::new(VecDeque::new()), items_max }
        }

        pub(crate) fn push(&self, item: T) -> Result<(), T> {
            let mut items = self.items.lock().unwrap();
            if items.len() == self.items_max {
                return Err(item);
            }
            items.push_back(item);
            Ok(())
        }

        pub(crate) fn pop(&self) -> Option<T> {
            self.items.lock().unwrap().pop_front()
        }
    }
}

use loom::future::block_on;
use loom::sync::Arc;
use loom::thread;
use ring::{Closed, Ring};

#[test]
fn an_item_pushed_while_the_consumer_goes_to_sleep_wakes_it() {
    loom::model(|| {
        let ring = Arc::new(Ring::new(1));
        let producer = thread::spawn({
            let ring = Arc::clone(&ring);
            move || block_on(ring.push(7)).unwrap()
        });
        assert_eq!(block_on(ring.pop()), Some(7));
        producer.join().unwrap();
    });
}

#[test]
fn a_producer_that_finds_the_ring_full_is_woken_by_the_pop_and_keeps_its_order() {
    // Every interleaving takes minutes: two pushes and two pops have many.
    let mut bounded = loom::model::Builder::new();
    bounded.preemption_bound = Some(2);
    bounded.check(|| {
        let ring = Arc::new(Ring::new(1));
        let producer = thread::spawn({
            let ring = Arc::clone(&ring);
            move || {
                block_on(ring.push(1)).unwrap();
                block_on(ring.push(2)).unwrap();
            }
        });
        assert_eq!(block_on(ring.pop()), Some(1));
        assert_eq!(block_on(ring.pop()), Some(2));
        producer.join().unwrap();
    });
}

#[test]
fn two_producers_at_a_ring_of_one_both_get_in() {
    // Three threads have too many interleavings to try all: every one with two preemptions is.
    let mut bounded = loom::model::Builder::new();
    bounded.preemption_bound = Some(2);
    bounded.check(|| {
        let ring = Arc::new(Ring::new(1));
        let producers: Vec<_> = (1..=2)
            .map(|item| {
                let ring = Arc::clone(&ring);
                thread::spawn(move || block_on(ring.push(item)).unwrap())
            })
            .collect();
        let sum = block_on(ring.pop()).unwrap() + block_on(ring.pop()).unwrap();
        assert_eq!(sum, 3);
        producers.into_iter().for_each(|producer| producer.join().unwrap());
    });
}

#[test]
fn a_close_wakes_the_consumer_and_what_was_pushed_before_it_is_popped() {
    loom::model(|| {
        let ring = Arc::new(Ring::new(1));
        let closer = thread::spawn({
            let ring = Arc::clone(&ring);
            move || {
                block_on(ring.push(7)).unwrap();
                ring.close();
            }
        });
        assert_eq!(block_on(ring.pop()), Some(7));
        assert_eq!(block_on(ring.pop()), None);
        closer.join().unwrap();
    });
}

#[test]
fn a_close_hands_a_waiting_producer_its_item_back() {
    loom::model(|| {
        let ring = Arc::new(Ring::new(1));
        block_on(ring.push(1)).unwrap();
        let producer = thread::spawn({
            let ring = Arc::clone(&ring);
            move || block_on(ring.push(2))
        });
        ring.close();
        assert_eq!(producer.join().unwrap(), Err(Closed(2)));
    });
}

#[test]
fn an_item_pushed_while_the_ring_closes_is_popped_or_handed_back() {
    loom::model(|| {
        let ring = Arc::new(Ring::new(1));
        let producer = thread::spawn({
            let ring = Arc::clone(&ring);
            move || block_on(ring.push(7))
        });
        ring.close();
        let mut popped = None;
        while let Some(item) = block_on(ring.pop()) {
            popped = Some(item);
        }
        let expected = if popped.is_some() { Ok(()) } else { Err(Closed(7)) };
        assert_eq!(producer.join().unwrap(), expected);
    });
}

#[test]
fn a_consumer_that_waits_for_a_push_during_the_close_is_woken_by_its_end() {
    let mut bounded = loom::model::Builder::new();
    bounded.preemption_bound = Some(2);
    bounded.check(|| {
        let ring = Arc::new(Ring::new(1));
        block_on(ring.push(1)).unwrap();
        let producer = thread::spawn({
            let ring = Arc::clone(&ring);
            move || block_on(ring.push(2)).is_ok()
        });
        let closer = thread::spawn({
            let ring = Arc::clone(&ring);
            move || ring.close()
        });
        let mut popped = 0;
        while block_on(ring.pop()).is_some() {
            popped += 1;
        }
        closer.join().unwrap();
        let is_in = producer.join().unwrap();
        assert_eq!(popped, if is_in { 2 } else { 1 });
    });
}
