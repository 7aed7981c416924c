//! What a seed stands for: who sends what, how the service behaves, how it all ends.
//!
//! Swarm testing: each feature is there in some seeds and not in others.

use std::time::Duration;

use fastrand::Rng;

use super::frames::Mode;
use super::rare::{self, InputPlan};
use super::store_plan::StorePlan;
use crate::local::cloudwatch_logs::{Fault, FaultPlan, OperationName, Rule};
use crate::option::RetryLimit;
use crate::output::cloudwatch_logs::delivery::Limits;

/// Budgets from the smallest that holds two reads to one that nothing here fills.
pub(super) const BUDGETS_BYTES: [u64; 4] =
    [80 * 1_024, 128 * 1_024, 512 * 1_024, BUDGET_AMPLE_BYTES];
/// A budget that no scenario fills.
pub(super) const BUDGET_AMPLE_BYTES: u64 = 32 * 1_024 * 1_024;
/// A store that no scenario fills.
pub(super) const STORE_AMPLE_BYTES: u64 = 64 * 1_024 * 1_024;
/// Until when faults happen at the latest.
const FAULTS_UNTIL_MAX: Duration = Duration::from_secs(60);

/// All of it.
#[derive(Clone, Debug)]
pub(super) struct Scenario {
    pub(super) budget_bytes: u64,
    pub(super) flush: Duration,
    pub(super) retry_limit: RetryLimit,
    pub(super) inputs: Vec<InputPlan>,
    pub(super) outputs: Vec<OutputPlan>,
    pub(super) peers: Vec<PeerPlan>,
    pub(super) service: ServicePlan,
    pub(super) store: Option<StorePlan>,
    /// When the wall clock jumps, and to how far from the true time.
    pub(super) jumps: Vec<(Duration, i64)>,
    pub(super) stop: StopPlan,
}

/// An output.
#[derive(Clone, Debug)]
pub(super) struct OutputPlan {
    pub(super) stream: StreamRule,
    /// Whether only the text is sent.
    pub(super) has_log_key: bool,
    pub(super) compresses: bool,
    /// Whether it tells in a stream what became of its records.
    pub(super) has_markers: bool,
    pub(super) limits: Limits,
}

/// How streams are named.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum StreamRule {
    Fixed,
    Tag,
    Field,
}

/// One connection.
#[derive(Clone, Debug)]
pub(super) struct PeerPlan {
    pub(super) seed: u64,
    /// The input that it connects to.
    pub(super) input: usize,
    pub(super) start: Duration,
    pub(super) tags: Vec<String>,
    pub(super) modes: Vec<Mode>,
    pub(super) acks: bool,
    pub(super) frames: usize,
    pub(super) lines_max: usize,
    pub(super) text_bytes_max: usize,
    /// Frames that are written one after the other.
    pub(super) burst: usize,
    pub(super) pause_ms_max: u64,
    /// Bytes that are written at once; the next follow a little later.
    pub(super) slice_bytes: Option<usize>,
    pub(super) times: Times,
    /// Values of the field that may choose a stream.
    pub(super) fields: usize,
    /// Whether some lines are empty, or such that the service refuses them.
    pub(super) has_odd_lines: bool,
    /// What the connection holds on its way.
    pub(super) capacity: usize,
    pub(super) end: End,
    pub(super) at_stop: AtStop,
}

/// Which times lines have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Times {
    True,
    OfReceipt,
    /// Some are of long ago or of the future.
    Wild,
}

/// What a peer does when it has sent everything.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum End {
    Closes,
    StaysOpen,
    /// Closes within a frame.
    BreaksOff,
    /// Says nothing more within a frame, and does not close.
    FallsSilent,
}

/// What a peer does when the router is told to stop.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum AtStop {
    GoesOn,
    Closes,
    FallsSilent,
}

/// How the service behaves.
#[derive(Clone, Debug)]
pub(super) struct ServicePlan {
    pub(super) seed: u64,
    pub(super) latency_ms_max: u64,
    /// Faults that the strict service of `local` injects.
    pub(super) faults: FaultPlan,
    /// Shares of the requests that ...
    pub(super) shares: Shares,
    /// From when until when nobody is there, and whether requests are refused or swallowed.
    pub(super) dead: Option<(Duration, Duration, Dead)>,
    /// The output whose group may not be written to, and when.
    pub(super) denied: Option<(usize, Duration, Duration)>,
    /// The number of a request that is never answered.
    pub(super) unanswered: Option<u64>,
    /// From when on nothing goes wrong any more.
    pub(super) until: Duration,
}

/// Shares of requests, from 0 to 1.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shares {
    /// Not taken, and never answered.
    pub(super) swallowed: f64,
    /// Taken, and never answered.
    pub(super) taken_unanswered: f64,
    /// Taken after the client has given up.
    pub(super) late: f64,
    /// A gateway answers 502; taken or not.
    pub(super) gateway: f64,
    /// Refused for the clock of this host.
    pub(super) clock: f64,
    /// Throttled, with a time to wait for.
    pub(super) told_to_wait: f64,
}

/// How a service is not there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Dead {
    Refusing,
    Swallowing,
}

/// How it ends.
#[derive(Clone, Debug)]
pub(super) struct StopPlan {
    /// `None`: once everything is delivered.
    pub(super) at: Option<Duration>,
    pub(super) grace: Duration,
    /// When a second signal comes.
    pub(super) again_after: Option<Duration>,
}

impl Scenario {
    /// The scenario of a seed.
    pub(super) fn new(seed: u64) -> Self {
        let mut chance = Rng::with_seed(seed);
        let chance = &mut chance;
        let outputs: Vec<_> =
            (0..=usize::from(one_in(chance, 4))).map(|_| output(chance)).collect();
        let service = service(chance, outputs.len());
        let retry_limit = match chance.u8(..8) {
            0 => RetryLimit::NoRetries,
            1..4 => RetryLimit::Retries(chance.u32(1..3)),
            // What is given up and taken all the same afterwards comes out of order.
            _ => RetryLimit::Unlimited,
        };
        let late = if retry_limit == RetryLimit::Unlimited { service.shares.late } else { 0.0 };
        let service = ServicePlan { shares: Shares { late, ..service.shares }, ..service };
        let may_be_empty = outputs.iter().all(|output| output.has_log_key);
        let peers = peers(chance, may_be_empty);
        let stop = stop(chance);
        let jumps = if one_in(chance, 5) { jumps(chance) } else { Vec::new() };
        let mut scenario = Self {
            budget_bytes: chance.choice(BUDGETS_BYTES).expect("some"),
            flush: ms(chance.choice([10, 200, 1_000, 5_000]).expect("some")),
            retry_limit,
            inputs: Vec::new(),
            outputs,
            peers,
            store: one_in(chance, 2).then(|| StorePlan::new(chance, service.until)),
            service,
            jumps,
            stop,
        };
        rare::add(&mut scenario, seed);
        scenario
    }

    /// Whether an ack of an input says that its records are on disk.
    pub(super) fn is_durable(&self) -> bool {
        self.inputs.iter().any(|input| input.is_durable)
    }
}

pub(super) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(super) fn one_in(chance: &mut Rng, of: u32) -> bool {
    chance.u32(..of) == 0
}

fn output(chance: &mut Rng) -> OutputPlan {
    let is_tight = one_in(chance, 3);
    OutputPlan {
        stream: chance
            .choice([StreamRule::Fixed, StreamRule::Tag, StreamRule::Field])
            .expect("some"),
        // By a chance of its own, so that the rest of a seed stays what it was.
        compresses: Rng::with_seed(!chance.get_seed()).bool(),
        has_log_key: chance.bool(),
        has_markers: false,
        limits: match is_tight {
            true => Limits { parts: chance.usize(3..12), streams: chance.usize(2..5) },
            false => Limits::default(),
        },
    }
}

fn peers(chance: &mut Rng, may_be_empty: bool) -> Vec<PeerPlan> {
    let all_ack = one_in(chance, 4);
    let count = chance.usize(1..6);
    let flooder = one_in(chance, 4).then(|| chance.usize(..count));
    let peer = |at: usize, chance: &mut Rng| {
        let is_flooder = flooder == Some(at);
        let text_bytes_max = chance.choice([60, 60, 60, 60, 200, 1_500]).expect("some");
        let tags = (0..chance.usize(1..4)).map(|_| format!("t{}", chance.u8(..5)));
        let modes = [Mode::Message, Mode::Forward, Mode::Packed];
        PeerPlan {
            tags: tags.collect(),
            modes: modes[chance.usize(..3)..].to_vec(),
            seed: chance.u64(..),
            input: 0,
            start: ms(if one_in(chance, 3) { chance.u64(..20_000) } else { chance.u64(..500) }),
            acks: all_ack || one_in(chance, 3),
            frames: if is_flooder { 40 } else { chance.usize(1..16) },
            lines_max: if is_flooder { 6 } else { chance.choice([1, 3, 8]).expect("some") },
            text_bytes_max: if is_flooder { text_bytes_max.max(1_000) } else { text_bytes_max },
            burst: if is_flooder { 60 } else { chance.usize(1..8) },
            pause_ms_max: chance.choice([0, 30, 1_000, 6_000]).expect("some"),
            slice_bytes: one_in(chance, 4).then(|| chance.usize(20..2_000)),
            times: match chance.u8(..10) {
                0..7 => Times::True,
                7 | 8 => Times::OfReceipt,
                _ => Times::Wild,
            },
            fields: chance.choice([1, 2, 4, 14]).expect("some"),
            has_odd_lines: may_be_empty && one_in(chance, 4),
            capacity: chance.choice([512, 8_192, 200_000]).expect("some"),
            end: match chance.u8(..8) {
                0..4 => End::Closes,
                4 | 5 => End::StaysOpen,
                6 => End::BreaksOff,
                _ => End::FallsSilent,
            },
            at_stop: match chance.u8(..4) {
                0 | 1 => AtStop::GoesOn,
                2 => AtStop::Closes,
                _ => AtStop::FallsSilent,
            },
        }
    };
    (0..count).map(|at| peer(at, chance)).collect()
}

fn service(chance: &mut Rng, outputs: usize) -> ServicePlan {
    let until = ms(chance.u64(1_000..60_000)).min(FAULTS_UNTIL_MAX);
    let is_perfect = one_in(chance, 6);
    let share = |chance: &mut Rng| match !is_perfect && one_in(chance, 5) {
        true => chance.choice([0.05, 0.3, 1.0]).expect("some"),
        false => 0.0,
    };
    let shares = Shares {
        swallowed: share(chance),
        taken_unanswered: share(chance),
        late: share(chance),
        gateway: share(chance),
        clock: share(chance),
        told_to_wait: share(chance),
    };
    let mut rules = Vec::new();
    for fault in FAULTS {
        if !is_perfect && one_in(chance, 6) {
            rules.push(rule(fault, until, chance));
        }
    }
    let span = |chance: &mut Rng| {
        let from = ms(chance.u64(..20_000));
        (from, (from + ms(chance.u64(500..40_000))).min(until))
    };
    ServicePlan {
        seed: chance.u64(..),
        latency_ms_max: chance.choice([0, 30, 300, 3_000]).expect("some"),
        faults: FaultPlan { seed: chance.u64(..), rules },
        shares,
        dead: (!is_perfect && one_in(chance, 5)).then(|| {
            let (from, until) = span(chance);
            let dead = if chance.bool() { Dead::Refusing } else { Dead::Swallowing };
            (from, until, dead)
        }),
        denied: (!is_perfect && one_in(chance, 6)).then(|| {
            let (from, until) = span(chance);
            (chance.usize(..outputs), from, until)
        }),
        unanswered: (!is_perfect && one_in(chance, 6)).then(|| chance.u64(..20)),
        until,
    }
}

/// All that `local` knows.
const FAULTS: [Fault; 12] = [
    Fault::Throttle,
    Fault::InternalFailure,
    Fault::ServiceUnavailable,
    Fault::NeverAnswer,
    Fault::ResetBefore,
    Fault::ResetAfter,
    Fault::Slow,
    Fault::ExpiredToken,
    Fault::NoRequestId,
    Fault::AccessDenied,
    Fault::GroupVanishes,
    Fault::StreamVanishes,
];

fn rule(fault: Fault, until: Duration, chance: &mut Rng) -> Rule {
    let every = [OperationName::PutLogEvents, OperationName::CreateLogStream];
    let is_of_creation = one_in(chance, 4);
    Rule {
        operations: if is_of_creation { every.to_vec() } else { Vec::new() },
        skip: chance.u64(..4),
        next: one_in(chance, 3).then(|| chance.u64(1..6)),
        for_ms: Some(u64::try_from(until.as_millis()).expect("a minute")),
        above_per_s: (fault == Fault::Throttle && chance.bool()).then(|| chance.f64() * 5.0 + 0.1),
        probability: Some(chance.choice([0.1, 0.5, 1.0]).expect("some")),
        delay_ms: chance.choice([500, 5_000, 20_000]).expect("some"),
        ..Rule::always(fault)
    }
}

fn jumps(chance: &mut Rng) -> Vec<(Duration, i64)> {
    let offsets = [-86_400_000 * 15, -10_800_000, -60_000, -1, 1, 60_000, 10_800_000];
    let jump = |chance: &mut Rng| (ms(chance.u64(..30_000)), chance.choice(offsets).expect("some"));
    let mut jumps: Vec<_> = (0..chance.usize(1..4)).map(|_| jump(chance)).collect();
    jumps.sort_unstable();
    jumps
}

fn stop(chance: &mut Rng) -> StopPlan {
    StopPlan {
        at: chance.bool().then(|| ms(chance.u64(..40_000))),
        grace: ms(chance.choice([0, 100, 1_000, 3_000, 10_000, 25_000, 120_000]).expect("some")),
        again_after: one_in(chance, 3).then(|| ms(chance.u64(..5_000))),
    }
}
