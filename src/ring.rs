//! Step 2, ring: the bounded way from many inputs to the one ingest.
//!
//! Items keep the order in which one producer pushed them. A full ring makes its producers wait;
//! nothing is dropped here. Knows nothing of what it carries. The queue is crossbeam's; what is
//! ours is the waking on both sides, and `tests/loom.rs` drives it through every interleaving.

use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

use crate::sync::{ArrayQueue, AtomicBool, AtomicUsize, AtomicWaker, Mutex, Ordering, fence};

/// A bounded queue of many producers and one consumer.
pub struct Ring<T> {
    queue: ArrayQueue<T>,
    /// The one consumer, while it waits for an item.
    consumer: AtomicWaker,
    /// Producers that found the ring full.
    producers: Mutex<Vec<Waker>>,
    /// `true` while `producers` may hold a waker: keeps the lock off the way of a pop.
    producers_wait: AtomicBool,
    /// Producers that are just about to put something in: none of it is missed by the consumer.
    pushing: AtomicUsize,
    closed: AtomicBool,
}

/// The ring was closed; the item comes back to whoever wanted to push it.
#[derive(Debug, Eq, PartialEq)]
pub struct Closed<T>(pub T);

impl<T> Ring<T> {
    /// A ring that holds at most `items_max` items.
    #[must_use]
    pub fn new(items_max: usize) -> Self {
        Self {
            queue: ArrayQueue::new(items_max.max(1)),
            consumer: AtomicWaker::new(),
            producers: Mutex::new(Vec::new()),
            producers_wait: AtomicBool::new(false),
            pushing: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
        }
    }

    /// Puts the item at the end; waits while the ring is full.
    ///
    /// # Errors
    ///
    /// [`Closed`] hands the item back when [`Ring::close`] came first.
    pub async fn push(&self, item: T) -> Result<(), Closed<T>> {
        let mut item = Some(item);
        poll_fn(|context| self.poll_push(&mut item, context)).await
    }

    /// Takes the oldest item; waits for one while the ring is open. `None`: closed and empty.
    ///
    /// Only one task may pop.
    pub async fn pop(&self) -> Option<T> {
        poll_fn(|context| self.poll_pop(context)).await
    }

    /// Lets no more items in and lets the consumer finish what is inside.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.consumer.wake();
        self.wake_producers();
    }

    fn poll_push(
        &self,
        item: &mut Option<T>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Closed<T>>> {
        self.pushing.fetch_add(1, Ordering::SeqCst);
        // Pairs with the fence in `poll_pop`: either the close is seen here, or this push there.
        fence(Ordering::SeqCst);
        let pushed = self.try_push(item, context);
        self.pushing.fetch_sub(1, Ordering::SeqCst);
        // For what was pushed, and for a consumer that found the ring closed and this push under way.
        self.consumer.wake();
        pushed
    }

    fn try_push(
        &self,
        item: &mut Option<T>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Closed<T>>> {
        // Twice: the second try, after the waker is in place, sees a pop that came in between.
        for attempt in 0..2 {
            let Some(offered) = item.take() else { return Poll::Ready(Ok(())) };
            if self.closed.load(Ordering::SeqCst) {
                return Poll::Ready(Err(Closed(offered)));
            }
            match self.queue.push(offered) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(refused) => *item = Some(refused),
            }
            if attempt == 0 {
                self.register_producer(context.waker());
            }
        }
        Poll::Pending
    }

    fn poll_pop(&self, context: &mut Context<'_>) -> Poll<Option<T>> {
        if let Some(item) = self.take() {
            return Poll::Ready(Some(item));
        }
        self.consumer.register(context.waker());
        // Read before the queue: what was pushed before the close, or by somebody who came before
        // it, is then seen by `take`.
        let closed = self.closed.load(Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let closed = closed && self.pushing.load(Ordering::SeqCst) == 0;
        match self.take() {
            Some(item) => Poll::Ready(Some(item)),
            None if closed => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    fn take(&self) -> Option<T> {
        let item = self.queue.pop()?;
        // Pairs with the fence in `register_producer`: either this load sees the producer, or the
        // producer's second try sees the place that the pop made.
        fence(Ordering::SeqCst);
        if self.producers_wait.load(Ordering::SeqCst) {
            self.wake_producers();
        }
        Some(item)
    }

    fn register_producer(&self, waker: &Waker) {
        if let Ok(mut producers) = self.producers.lock() {
            if !producers.iter().any(|known| known.will_wake(waker)) {
                producers.push(waker.clone());
            }
            self.producers_wait.store(true, Ordering::SeqCst);
        }
        fence(Ordering::SeqCst);
    }

    fn wake_producers(&self) {
        let waiting = match self.producers.lock() {
            Ok(mut producers) => {
                self.producers_wait.store(false, Ordering::SeqCst);
                std::mem::take(&mut *producers)
            }
            Err(_) => return,
        };
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl<T> std::fmt::Debug for Ring<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring").finish_non_exhaustive()
    }
}
