//! What a store on disk of a scenario is like, and what goes wrong with it.

use std::time::Duration;

use fastrand::Rng;

use super::scenario::{STORE_AMPLE_BYTES, ms, one_in};
use crate::spill::Crash;

/// A store on disk, one for each output.
#[derive(Clone, Debug)]
pub(super) struct StorePlan {
    pub(super) bytes_max: u64,
    pub(super) segment_bytes_max: u64,
    pub(super) window_bytes: u64,
    /// Whether it is there at the next start.
    pub(super) survives: bool,
    /// Whether the first input has all that it reads written.
    pub(super) is_durable: bool,
    /// Whether it is waited for until the disk has what was written.
    pub(super) syncs: bool,
    /// What goes wrong, and when.
    pub(super) faults: Vec<(Duration, DiskFault)>,
    /// When the process crashes.
    pub(super) crash: Option<(CrashTime, Crash)>,
}

/// When a process crashes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum CrashTime {
    At(Duration),
    /// As soon as peers have so many acks.
    AfterAcks(usize),
}

/// What goes wrong with a disk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum DiskFault {
    /// Others have filled it up to so many bytes of ours.
    Full(u64),
    /// One write fails, after so many others, with so many bytes written.
    Fails(u64, usize),
    /// Nothing can be written.
    Dies,
    /// All is well again.
    Heals,
}

impl StorePlan {
    /// One of a seed. Its disk is well again at `until`.
    pub(super) fn new(chance: &mut Rng, until: Duration) -> Self {
        let survives = chance.bool();
        let mut faults = Vec::new();
        if one_in(chance, 2) {
            for _ in 0..chance.usize(1..4) {
                let fault = match chance.u8(..3) {
                    0 => DiskFault::Full(chance.u64(..20_000)),
                    1 => DiskFault::Fails(chance.u64(..10), chance.usize(..2_000)),
                    _ => DiskFault::Dies,
                };
                faults.push((ms(chance.u64(..30_000)).min(until), fault));
            }
            faults.sort_unstable_by_key(|(at, _)| *at);
            faults.push((until, DiskFault::Heals));
        }
        StorePlan {
            bytes_max: chance.choice([20_000, 100_000, STORE_AMPLE_BYTES]).expect("some"),
            segment_bytes_max: chance.choice([2_000, 16_000]).expect("some"),
            window_bytes: chance.choice([4_000, 16_000, 512 * 1_024]).expect("some"),
            survives,
            is_durable: chance.bool(),
            syncs: chance.bool(),
            faults,
            crash: (survives && one_in(chance, 3)).then(|| {
                let crash = match chance.bool() {
                    true => Crash::Unsynced,
                    // What was written stays, however far the disk has it.
                    false => Crash::Within(usize::MAX),
                };
                (CrashTime::At(ms(chance.u64(..40_000))), crash)
            }),
        }
    }
}
