//! Many routers against one account, in simulated time: discrete events, no sockets, no clock.
//!
//! The routers are real [`Delivery`] cores with seeds of their own, or naive ones that send a request for
//! each chunk and flush and back off chunk by chunk. The account takes so many puts and creations a
//! second, lets a second's worth through at once, and throttles what is beyond.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use fastrand::Rng;
use firelane::chunk::{Chunk, Storage};
use firelane::ledger::{Permit, Reason, Share, Shortage};
use firelane::option::RetryLimit;
use firelane::output::cloudwatch_logs::Batch;
use firelane::output::cloudwatch_logs::delivery::{Delivery, Limits, Settings};
use firelane::output::cloudwatch_logs::plan::Messages;
use firelane::output::cloudwatch_logs::sender::{Class, Put, SendError};
use firelane::output::cloudwatch_logs::target::Target;
use firelane::record::chunk::{Entries, Entry};
use firelane::record::fields::SharedFields;
use firelane::record::time::EventTime;
use firelane::telemetry::OutputCounters;

/// One way of a request or its answer takes at least this, and up to as much again.
const LATENCY: Duration = Duration::from_millis(15);
/// The waits of a naive router: doubled from the first to the longest, any part of it.
const NAIVE_WAITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];

/// What is simulated.
#[derive(Clone, Copy, Debug)]
pub struct Scene {
    pub routers: usize,
    /// Of each router; none of them exists before.
    pub streams: usize,
    /// A chunk of each stream comes that often, and waits that long for more.
    pub flush: Duration,
    /// Chunks of each stream that wait at the beginning.
    pub backlog: u64,
    pub chunk_bytes: usize,
    pub puts_per_s: f64,
    pub creations_per_s: f64,
    /// How long it goes on.
    pub length: Duration,
    pub seed: u64,
}

/// Who delivers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Policy {
    Firelane,
    Naive,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// When the last of what waited at the beginning had arrived.
    pub settled: Option<Duration>,
    pub puts: u64,
    pub creations: u64,
    /// Streams that were made.
    pub created: u64,
    /// Requests of each minute, and those of them that were throttled.
    pub minutes: Vec<(u64, u64)>,
    pub delivered_bytes: u64,
    /// Chunks that arrived in the second half, by router.
    pub by_router: Vec<u64>,
    /// Chunks that came and did not arrive.
    pub left: u64,
}

impl Report {
    /// Requests for each 10^9 bytes that arrived.
    pub fn calls_per_gb(&self) -> f64 {
        (self.puts + self.creations) as f64 * 1e9 / self.delivered_bytes.max(1) as f64
    }

    /// The share of the requests of a minute that were throttled.
    pub fn throttled(&self, minute: usize) -> f64 {
        let (all, throttled) = self.minutes.get(minute).copied().unwrap_or_default();
        throttled as f64 / all.max(1) as f64
    }

    /// Jain's index over the routers: 1 where all had the same, 1/n where one had everything.
    pub fn fairness(&self) -> f64 {
        let sum: f64 = self.by_router.iter().map(|count| *count as f64).sum();
        let squares: f64 = self.by_router.iter().map(|count| (*count as f64).powi(2)).sum();
        if squares == 0.0 { 0.0 } else { sum * sum / (self.by_router.len() as f64 * squares) }
    }
}

/// A limit of calls a second.
#[derive(Debug)]
struct Quota {
    per_s: f64,
    free: f64,
    at: Duration,
}

impl Quota {
    fn new(per_s: f64) -> Self {
        Self { per_s, free: per_s.max(1.0), at: Duration::ZERO }
    }

    fn takes(&mut self, now: Duration) -> bool {
        let passed = (now - self.at).as_secs_f64();
        self.free = (self.free + passed * self.per_s).min(self.per_s.max(1.0));
        self.at = now;
        let takes = self.free >= 1.0;
        self.free -= f64::from(u8::from(takes));
        takes
    }
}

/// What is on its way, and how far it has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Step {
    Put,
    Create,
    Throttled,
    Taken,
}

#[derive(Debug)]
enum Event {
    /// A chunk comes.
    Chunk { router: usize, stream: usize },
    /// A router has something to do.
    Wake { router: usize },
    /// A request or its answer arrives.
    Call { router: usize, call: u64, step: Step },
}

/// What a call carries.
#[derive(Debug)]
enum Load {
    Batch(Box<Batch>),
    Chunk { stream: usize, failures: u32 },
}

#[derive(Debug)]
enum Core {
    Firelane { delivery: Box<Delivery> },
    Naive { waiting: BinaryHeap<Reverse<(Duration, u64, usize, u32)>> },
}

#[derive(Debug)]
struct Router {
    core: Core,
    /// When it is woken next.
    wakes_at: Option<Duration>,
    counters: Arc<OutputCounters>,
    targets: Vec<Arc<Target>>,
    /// Chunks that arrived, by stream.
    arrived: Vec<u64>,
}

struct World {
    scene: Scene,
    start: Instant,
    now: Duration,
    events: BTreeMap<(Duration, u64), Event>,
    number: u64,
    loads: BTreeMap<u64, Load>,
    routers: Vec<Router>,
    existing: HashSet<(usize, usize)>,
    puts: Quota,
    creations: Quota,
    chance: Rng,
    data: Bytes,
    came: u64,
    settled: usize,
    report: Report,
}

/// Plays a scene to its end.
pub fn play(scene: Scene, policy: Policy, start: Instant) -> Report {
    let mut world = World::new(scene, policy, start);
    while let Some(((at, _), event)) = world.events.pop_first() {
        if at > scene.length {
            break;
        }
        world.now = at;
        world.happen(event);
    }
    world.end()
}

impl World {
    fn new(scene: Scene, policy: Policy, start: Instant) -> Self {
        let router = |at: usize| {
            let counters = Arc::new(OutputCounters::new("out"));
            let settings = Settings {
                flush: scene.flush,
                retry_limit: RetryLimit::Unlimited,
                messages: Messages::default(),
                limits: Limits::default(),
                loss_markers: false,
                seed: scene.seed.wrapping_add(at as u64),
            };
            let core = match policy {
                Policy::Firelane => Core::Firelane {
                    delivery: Box::new(Delivery::new(settings, Arc::clone(&counters))),
                },
                Policy::Naive => Core::Naive { waiting: BinaryHeap::new() },
            };
            let target = |stream| Arc::new(Target::new("g", &format!("r{at}-s{stream}")));
            let targets = (0..scene.streams).map(target).collect();
            Router { core, wakes_at: None, counters, targets, arrived: vec![0; scene.streams] }
        };
        let mut data = vec![0x81, 0xa1, b'l', 0xdb];
        data.extend_from_slice(&u32::try_from(scene.chunk_bytes).expect("small").to_be_bytes());
        data.resize(data.len() + scene.chunk_bytes, b'x');
        let mut world = Self {
            scene,
            start,
            now: Duration::ZERO,
            events: BTreeMap::new(),
            number: 0,
            loads: BTreeMap::new(),
            routers: (0..scene.routers).map(router).collect(),
            existing: HashSet::new(),
            puts: Quota::new(scene.puts_per_s),
            creations: Quota::new(scene.creations_per_s),
            chance: Rng::with_seed(scene.seed),
            data: Bytes::from(data),
            came: 0,
            settled: 0,
            report: Report { by_router: vec![0; scene.routers], ..Report::default() },
        };
        for router in 0..scene.routers {
            for stream in 0..scene.streams {
                (0..scene.backlog).for_each(|_| world.push(router, stream));
                // Steady load is not in step.
                let first = scene.flush.mul_f64(world.chance.f64());
                world.at(first, Event::Chunk { router, stream });
            }
            world.at(Duration::ZERO, Event::Wake { router });
        }
        world
    }

    fn at(&mut self, at: Duration, event: Event) {
        self.number += 1;
        self.events.insert((at, self.number), event);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Chunk { router, stream } => {
                self.push(router, stream);
                self.at(self.now + self.scene.flush, Event::Chunk { router, stream });
                self.send(router);
            }
            Event::Wake { router } => {
                if self.routers[router].wakes_at.is_some_and(|at| at <= self.now) {
                    self.routers[router].wakes_at = None;
                }
                self.send(router);
            }
            Event::Call { router, call, step } => self.call(router, call, step),
        }
    }

    fn push(&mut self, router: usize, stream: usize) {
        self.came += 1;
        let (now, number) = (self.start + self.now, self.number);
        let one = &mut self.routers[router];
        match &mut one.core {
            Core::Naive { waiting } => waiting.push(Reverse((self.now, number, stream, 0))),
            Core::Firelane { delivery } => {
                let time = EventTime::from_parts(1_700_000_000, 0);
                let end = u32::try_from(self.data.len()).expect("small");
                let entries = vec![Entry { time, start: 0, end }];
                let chunk = Chunk {
                    tag: "t".into(),
                    entries: Arc::new(Entries { data: self.data.clone(), entries }),
                    shared: SharedFields::default(),
                    input: 0,
                    rewrites: 0,
                    storage: Storage::Memory,
                    arrived: now,
                    permit: Permit::new(one.counters.account.receive(1), Share::empty()),
                };
                delivery.push(&one.targets[stream], chunk, now);
            }
        }
        self.number += 1;
    }

    /// Sends what a router wants to send now.
    fn send(&mut self, router: usize) {
        let now = self.start + self.now;
        loop {
            let load = match &mut self.routers[router].core {
                Core::Firelane { delivery } => {
                    delivery.next_batch(now).map(|batch| Load::Batch(Box::new(batch)))
                }
                Core::Naive { waiting } => {
                    let is_due = waiting.peek().is_some_and(|Reverse((due, ..))| *due <= self.now);
                    is_due
                        .then(|| waiting.pop())
                        .flatten()
                        .map(|Reverse((.., stream, failures))| Load::Chunk { stream, failures })
                }
            };
            let Some(load) = load else { break };
            self.number += 1;
            let call = self.number;
            self.loads.insert(call, load);
            self.travel(router, call, Step::Put);
        }
        let one = &mut self.routers[router];
        let wake = match &one.core {
            Core::Naive { waiting } => waiting.peek().map(|Reverse((due, ..))| *due),
            Core::Firelane { delivery } => delivery.wake_at().map(|at| at - self.start),
        };
        let wake = wake.map(|at| at.max(self.now));
        if let Some(wake) = wake.filter(|at| one.wakes_at.is_none_or(|known| *at < known)) {
            one.wakes_at = Some(wake);
            self.at(wake, Event::Wake { router });
        }
    }

    fn travel(&mut self, router: usize, call: u64, step: Step) {
        let latency = LATENCY + LATENCY.mul_f64(self.chance.f64());
        self.at(self.now + latency, Event::Call { router, call, step });
    }

    fn call(&mut self, router: usize, call: u64, step: Step) {
        let Some(load) = self.loads.get(&call) else { return };
        let stream = match load {
            Load::Chunk { stream, .. } => *stream,
            Load::Batch(batch) => self.stream(router, batch),
        };
        let next = match step {
            Step::Put => {
                self.report.puts += 1;
                match self.puts.takes(self.now) {
                    false => Step::Throttled,
                    true if self.existing.contains(&(router, stream)) => Step::Taken,
                    true => Step::Create,
                }
            }
            Step::Create => {
                self.report.creations += 1;
                match self.creations.takes(self.now) {
                    false => Step::Throttled,
                    true => {
                        let is_new = self.existing.insert((router, stream));
                        self.report.created += u64::from(is_new);
                        Step::Put
                    }
                }
            }
            Step::Throttled | Step::Taken => return self.answered(router, call, step),
        };
        let minute = usize::try_from(self.now.as_secs() / 60).expect("not long");
        if self.report.minutes.len() <= minute {
            self.report.minutes.resize(minute + 1, (0, 0));
        }
        self.report.minutes[minute].0 += 1;
        self.report.minutes[minute].1 += u64::from(next == Step::Throttled);
        self.travel(router, call, next);
    }

    fn stream(&self, router: usize, batch: &Batch) -> usize {
        let targets = &self.routers[router].targets;
        targets.iter().position(|target| *target == batch.target).expect("one of its own")
    }

    fn answered(&mut self, router: usize, call: u64, step: Step) {
        let Some(load) = self.loads.remove(&call) else { return };
        let now = self.start + self.now;
        let is_taken = step == Step::Taken;
        match load {
            Load::Batch(batch) => {
                let (stream, records) = (self.stream(router, &batch), batch.records());
                if is_taken {
                    self.arrived(router, stream, records);
                }
                if let Core::Firelane { delivery } = &mut self.routers[router].core {
                    match is_taken {
                        true => delivery.accepted(*batch, &Put::default(), now),
                        false => delivery.failed(*batch, &throttled(), &Shortage::None, now),
                    }
                }
            }
            Load::Chunk { stream, .. } if is_taken => self.arrived(router, stream, 1),
            Load::Chunk { stream, failures } => {
                let [first, most] = NAIVE_WAITS;
                let wait = first.saturating_mul(1 << failures.min(16)).min(most);
                let due = self.now + wait.mul_f64(self.chance.f64());
                self.number += 1;
                let place = Reverse((due, self.number, stream, failures + 1));
                if let Core::Naive { waiting } = &mut self.routers[router].core {
                    waiting.push(place);
                }
            }
        }
        self.send(router);
    }

    fn arrived(&mut self, router: usize, stream: usize, chunks: u64) {
        self.report.delivered_bytes += chunks * self.scene.chunk_bytes as u64;
        if self.now * 2 > self.scene.length {
            self.report.by_router[router] += chunks;
        }
        let arrived = &mut self.routers[router].arrived[stream];
        let before = *arrived;
        *arrived += chunks;
        if before < self.scene.backlog && *arrived >= self.scene.backlog {
            self.settled += 1;
            if self.settled == self.scene.routers * self.scene.streams {
                self.report.settled = Some(self.now);
            }
        }
    }

    fn end(mut self) -> Report {
        let arrived = self.routers.iter().flat_map(|router| &router.arrived).sum::<u64>();
        self.report.left = self.came - arrived;
        for (_, load) in std::mem::take(&mut self.loads) {
            let Load::Batch(batch) = load else { continue };
            for router in &mut self.routers {
                if let Core::Firelane { delivery } = &mut router.core
                    && router.targets.contains(&batch.target)
                {
                    delivery.abandon_batch(*batch, false);
                    break;
                }
            }
        }
        for router in &mut self.routers {
            if let Core::Firelane { delivery } = &mut router.core {
                delivery.abandon().into_iter().for_each(|chunk| chunk.dropped(Reason::Stopped));
            }
        }
        self.report
    }
}

fn throttled() -> SendError {
    SendError {
        class: Class::Throttled,
        code: "ThrottlingException".to_owned(),
        message: String::new(),
        status: Some(400),
        is_ambiguous: false,
        retry_after: None,
    }
}
