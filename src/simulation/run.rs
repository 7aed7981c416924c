//! One run: its course, from the first peer to the last end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use tokio::runtime::{Builder, Handle};
use tokio::task::{JoinHandle, yield_now};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::books::{Books, OutputBook, Peer, Shared, UNIX_START};
use super::check::{check, check_end, is_quiet, progress, state};
use super::parts::{Disks, Parts};
use super::rare::Speaks;
use super::scenario::{PeerPlan, Scenario, ms};
use super::store_plan::DiskFault;
use super::trace::Trace;
use super::{again, panics, peers, service};
use crate::clock;
use crate::lifecycle::{StopReceiver, StopSender, stop_channel};
use crate::local::cloudwatch_logs::in_process::InProcess;
use crate::pipeline::Pipeline;
use crate::spill::{Failure, SimulatedDisk};

/// After the last fault something must happen within this until everything is delivered: a few of the
/// longest waits between two attempts.
const QUIET_MAX: Duration = Duration::from_secs(120);
/// When a run must have ended after it was told to stop, whatever its deadline.
const HANG: Duration = Duration::from_secs(6_000);
/// How often the books are looked at if nothing happens.
const LOOK_MS_MAX: u64 = 500;
/// Turns of tasks that were told to end, before the end is looked at.
const LAST_TURNS: usize = 8;

/// What came of a run.
#[derive(Debug)]
pub(super) struct Ran {
    /// The same for two runs in which the same happened.
    pub(super) hash: u64,
    /// What was wrong first.
    pub(super) violation: Option<String>,
    /// How often all was looked at.
    pub(super) checks: u64,
    /// Lines that were sent.
    pub(super) lines: usize,
}

/// Runs a seed.
pub(super) fn run(seed: u64, is_shown: bool) -> Ran {
    panics::watch();
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime");
    let scenario = Arc::new(Scenario::new(seed));
    let ran = catch_unwind(AssertUnwindSafe(|| runtime.block_on(course(scenario, is_shown))));
    // What is left of a run that went wrong may panic once more.
    let ended = catch_unwind(AssertUnwindSafe(|| drop(runtime)));
    clock::simulated::set(None);
    // A panic comes first: what else is wrong follows from it.
    let violation = panics::taken().map(|panic| format!("panicked: {panic}"));
    let nothing = Ran { hash: 0, violation: None, checks: 0, lines: 0 };
    let ran = ran.unwrap_or(nothing);
    let hung = ended.err().map(|_| "the end panicked".to_owned());
    Ran { violation: violation.or(ran.violation).or(hung), ..ran }
}

async fn course(scenario: Arc<Scenario>, is_shown: bool) -> Ran {
    clock::simulated::set(Some(UNIX_START));
    let (stop, stopping) = stop_channel();
    let disks: Vec<Disks> = scenario.outputs.iter().map(|_| Disks::default()).collect();
    let Parts { pipeline, telemetry, memories, calls, arriving, keepers } =
        Parts::new(&scenario, &disks);
    let books = Shared::new(Books {
        service: InProcess::new(scenario.service.faults.clone(), UNIX_START),
        peers: scenario.peers.iter().map(|plan| peer(plan, &scenario)).collect(),
        outputs: scenario.outputs.iter().map(|_| OutputBook::default()).collect(),
        scenario: Arc::clone(&scenario),
        trace: Trace::new(is_shown),
        lines: Vec::new(),
        empty: 0,
        telemetry,
        memories,
        acks: 0,
        crashes: Arc::default(),
        before: None,
        is_down: false,
        stopped_at: None,
        all_closed_at_stop: false,
        was_asking_at_stop: false,
        violation: None,
        checks: 0,
    });
    for (at, called) in calls.into_iter().enumerate() {
        tokio::spawn(service::serve(books.clone(), at, called));
    }
    for (at, plan) in scenario.peers.iter().enumerate() {
        let arriving = arriving[plan.input].clone();
        let peer = peers::run(at, plan.clone(), books.clone(), arriving, stopping.clone());
        tokio::spawn(peer);
    }
    for (disks, store) in disks.iter().zip(scenario.store.iter().cycle()) {
        tokio::spawn(damage(disks.log.clone(), store.faults.clone()));
    }
    tokio::spawn(jump(books.clone()));
    tokio::spawn(look(books.clone()));
    tokio::spawn(end(books.clone(), stop, stopping.clone()));
    let running = run_to_its_end(pipeline, stopping);
    again::live(&books, &disks, running, keepers).await;
    let mut books = books.lock();
    Ran {
        hash: books.trace.hash(),
        violation: books.violation.take(),
        checks: books.checks,
        lines: books.lines.len(),
    }
}

fn peer(plan: &PeerPlan, scenario: &Scenario) -> Peer {
    let is_http = scenario.inputs[plan.input].speaks == Speaks::Http;
    Peer { is_http, ..Peer::default() }
}

/// Runs a pipeline; `false`: it does not end though it was told to.
pub(super) fn run_to_its_end(pipeline: Pipeline, mut stopping: StopReceiver) -> JoinHandle<bool> {
    tokio::spawn(async move {
        let stop = stopping.clone();
        let handle = Handle::current();
        let running = pipeline.run(&handle, stop);
        tokio::pin!(running);
        tokio::select! {
            biased;
            _ = &mut running => return true,
            _ = stopping.stopping() => {}
        }
        timeout(HANG, running).await.is_ok()
    })
}

/// Looks at what is there when the router has ended.
pub(super) async fn finish(has_ended: bool, books: &Shared) {
    let ended_at = books.lock().now();
    // Tasks that were told to end give back what they hold when it is their turn.
    turns().await;
    let mut books = books.lock();
    books.trace.say(format_args!("ended: {has_ended}"));
    if !has_ended {
        books.wrong("the router does not end".to_owned());
    }
    if books.stopped_at.is_none() {
        books.wrong("the router ended by itself".to_owned());
    }
    check_end(&mut books, ended_at);
}

/// Lets all others have their turn.
pub(super) async fn turns() {
    for _ in 0..LAST_TURNS {
        yield_now().await;
    }
}

/// Lets a disk go wrong.
async fn damage(disk: SimulatedDisk, faults: Vec<(Duration, DiskFault)>) {
    let start = Instant::now();
    for (at, fault) in faults {
        sleep_until(start + at).await;
        match fault {
            DiskFault::Full(bytes_max) => disk.limit(Some(bytes_max)),
            DiskFault::Fails(changes, bytes) => disk.fail_after(changes, Failure::Behind(bytes)),
            DiskFault::Dies => disk.die(true),
            DiskFault::Heals => disk.heal(),
        }
    }
}

/// Lets the wall clock jump.
async fn jump(books: Shared) {
    let (start, jumps) = {
        let books = books.lock();
        (books.trace.start(), books.scenario.jumps.clone())
    };
    for (at, offset_ms) in jumps {
        sleep_until(start + at).await;
        let mut books = books.lock();
        let true_time = books.unix_now();
        let offset = ms(offset_ms.unsigned_abs());
        let unix = if offset_ms < 0 { true_time - offset } else { true_time + offset };
        clock::simulated::set(Some(unix));
        books.trace.say(format_args!("the wall clock jumps by {offset_ms} ms"));
    }
}

/// Looks at the books now and then.
async fn look(books: Shared) {
    let mut chance = Rng::with_seed(books.lock().scenario.service.seed);
    loop {
        sleep(ms(chance.u64(1..LOOK_MS_MAX))).await;
        check(&mut books.lock());
    }
}

/// Asks for the stop when it is time.
async fn end(books: Shared, stop: StopSender, _stopping: StopReceiver) {
    let (start, plan) = {
        let books = books.lock();
        (books.trace.start(), books.scenario.stop.clone())
    };
    match plan.at {
        Some(at) => sleep_until(start + at).await,
        None => {
            let until = books.lock().scenario.service.until;
            let mut quiet_by = start + until + QUIET_MAX;
            let mut before = 0;
            loop {
                sleep(ms(LOOK_MS_MAX)).await;
                let mut books = books.lock();
                check(&mut books);
                let now = progress(&books) + books.lines.len() as u64;
                if now != before {
                    before = now;
                    quiet_by = quiet_by.max(Instant::now() + QUIET_MAX);
                }
                if is_quiet(&books) {
                    break;
                }
                if Instant::now() >= quiet_by {
                    let state = state(&books);
                    books.wrong(format!("nothing happens for {QUIET_MAX:?}: {state}"));
                    break;
                }
            }
        }
    }
    {
        let mut books = books.lock();
        books.trace.say(format_args!("stop"));
        books.stopped_at = Some(books.now());
        let mut in_flight = books.outputs.iter().flat_map(|output| &output.in_flight);
        books.was_asking_at_stop = in_flight.any(|(_, _, waits)| waits.strong_count() > 0);
        books.all_closed_at_stop = books
            .peers
            .iter()
            .all(|peer| peer.to_reader.as_ref().is_none_or(|channel| channel.is_closed()));
    }
    stop.stop(clock::now(), plan.grace);
    if let Some(wait) = plan.again_after {
        sleep(wait).await;
        stop.stop(clock::now(), plan.grace * 2);
    }
    // Nobody else can ask for it.
    std::future::pending::<()>().await;
}
