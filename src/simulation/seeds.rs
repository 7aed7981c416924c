//! Many seeds, on as many threads as there are processors; or one, with all that happens.
//!
//! `FIRELANE_SEED=<n>` runs one seed and prints it, `FIRELANE_SEEDS=<n>` runs that many, from
//! `FIRELANE_SEED_FIRST=<n>` on; no more are begun after `FIRELANE_FAILURES=<n>` of them failed.

use std::fmt;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::run::run;
use super::scenario::Scenario;

/// Failures after which no more seeds are begun, unless `FIRELANE_FAILURES` says another number.
const FAILURES_MAX: u64 = 5;
/// Threads of a run.
const THREADS_MAX: usize = 8;
/// Seeds between two lines that say how far it is.
const TELL_EVERY: u64 = 50_000;
/// How often it is looked at which seeds run, and how many looks a seed may take: the longest takes
/// few seconds, so one that is still there after a minute spins.
const LOOK: Duration = Duration::from_secs(1);
const LOOKS_MAX: u32 = 60;

/// A seed that broke a promise.
#[derive(Debug)]
pub(super) struct Failure {
    seed: u64,
    what: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scenario = Scenario::new(self.seed);
        write!(f, "FIRELANE_SEED={}: {}\n{scenario:#?}", self.seed, self.what)
    }
}

/// How far the threads are.
#[derive(Debug, Default)]
struct Progress {
    next: u64,
    end: u64,
    checks: u64,
    lines: u64,
    failures: Vec<Failure>,
    failures_max: u64,
    /// The seeds that run now.
    running: Vec<u64>,
}

/// Runs the seeds that the environment asks for, or else so many; those that failed.
pub(super) fn hold(seeds: u64) -> Vec<Failure> {
    if let Some(seed) = number("FIRELANE_SEED") {
        println!("{:#?}", Scenario::new(seed));
        let ran = run(seed, true);
        return ran.violation.map(|what| Failure { seed, what }).into_iter().collect();
    }
    let first = number("FIRELANE_SEED_FIRST").unwrap_or(0);
    let end = first + number("FIRELANE_SEEDS").unwrap_or(seeds);
    let failures_max = number("FIRELANE_FAILURES").unwrap_or(FAILURES_MAX);
    let progress = Progress { next: first, end, failures_max, ..Progress::default() };
    let progress = Mutex::new(progress);
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    std::thread::scope(|scope| {
        let (working, all_done) = channel::<()>();
        for _ in 0..threads {
            let working = working.clone();
            let progress = &progress;
            scope.spawn(move || {
                work(progress);
                drop(working);
            });
        }
        drop(working);
        watch(&progress, &all_done);
    });
    let progress = progress.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!(
        "{} seeds, {} lines, looked at {} times, {} failures",
        progress.next - first,
        progress.lines,
        progress.checks,
        progress.failures.len()
    );
    progress.failures
}

/// Ends the process with the seed that does not come to its end, in whose thread nothing can.
#[expect(clippy::disallowed_methods, reason = "the thread of a seed that spins cannot be ended")]
fn watch(progress: &Mutex<Progress>, all_done: &Receiver<()>) {
    let mut looks: Vec<(u64, u32)> = Vec::new();
    while all_done.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
        let running = progress.lock().unwrap_or_else(PoisonError::into_inner).running.clone();
        let before =
            |seed| looks.iter().find(|(one, _)| *one == seed).map_or(0, |(_, looks)| *looks);
        looks = running.into_iter().map(|seed| (seed, before(seed) + 1)).collect();
        if let Some((seed, _)) = looks.iter().find(|(_, looks)| *looks > LOOKS_MAX) {
            println!("FIRELANE_SEED={seed}: does not come to its end");
            std::process::exit(1);
        }
    }
}

fn work(progress: &Mutex<Progress>) {
    let lock = || progress.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let seed = {
            let mut progress = lock();
            let is_failed = progress.failures.len() as u64 >= progress.failures_max;
            if progress.next == progress.end || is_failed {
                return;
            }
            let seed = progress.next;
            progress.next += 1;
            progress.running.push(seed);
            seed
        };
        let ran = run(seed, false);
        let mut progress = lock();
        progress.running.retain(|one| *one != seed);
        progress.checks += ran.checks;
        progress.lines += ran.lines as u64;
        if let Some(what) = ran.violation {
            println!("FIRELANE_SEED={seed}: {what}");
            progress.failures.push(Failure { seed, what });
        }
        if progress.next.is_multiple_of(TELL_EVERY) {
            println!("{} seeds", progress.next);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a question of whoever runs the tests")]
fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().expect("the variable is a number"))
}
