//! The whole way of a record at once, in time that is made up: deterministic simulation.
//!
//! The real listener, connections, decoder, ring, ingest, buffers, CloudWatch Logs outputs and stop
//! protocol run on one thread, on a runtime whose time is paused: where nobody has anything to do,
//! the time of the next timer comes at once. Around them are simulated [`peers`] that send, a
//! simulated [`service`] that takes (what it decides is decided by the strict one of `local`), and
//! the [`books`] that somebody outside would keep: who sent what, what was taken, what was answered.
//! [`check`] holds the books against the ledger after every step and at the end.
//!
//! A seed gives one [`scenario`] and one run of it. Each seed has some features on and others off,
//! so that faults meet each other in all combinations. `tests/README.md` says how to run many seeds
//! or one, and which faults in the code are known to be caught.

mod again;
mod books;
mod check;
mod frames;
mod panics;
mod parts;
mod peers;
mod rare;
mod requests;
mod run;
mod scenario;
mod seeds;
mod service;
mod store_plan;
mod told;
mod trace;

use seeds::{Failure, hold};

/// Seeds of a run of all tests: enough to meet each fault of the list in `tests/README.md`.
const SEEDS: u64 = 1_000;

#[test]
fn the_promises_hold_for_every_seed() {
    let failures = hold(SEEDS);
    let shown: Vec<String> = failures.iter().map(Failure::to_string).collect();
    assert!(failures.is_empty(), "{} seeds failed\n{}", failures.len(), shown.join("\n"));
}

#[test]
fn one_seed_is_one_run() {
    for seed in 0..40 {
        let (one, other) = (run::run(seed, false), run::run(seed, false));
        assert_eq!(one.hash, other.hash, "seed {seed}");
    }
}
