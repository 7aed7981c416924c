//! The only door to the atomics and queues under our own lock-free protocols.
//!
//! `tests/loom.rs` includes [`crate::ring`] with a `sync` of loom's types instead of this one, so
//! what is exported here is all that those protocols may stand on.

pub(crate) use std::sync::Mutex;
pub(crate) use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};

pub(crate) use atomic_waker::AtomicWaker;
pub(crate) use crossbeam_queue::ArrayQueue;
