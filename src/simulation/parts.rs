//! The parts of a pipeline, put together on the disks there are.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::books::UNIX_START;
use super::rare::{InputPlan, Speaks};
use super::scenario::{OutputPlan, Scenario, StreamRule};
use super::store_plan::StorePlan;
use crate::buffer::{self, Buffer, LaneRule};
use crate::chunk::Storage;
use crate::clock;
use crate::ingest::{Ingest, Outlet};
use crate::input::admission;
use crate::input::forward::decode::DecodeOptions;
use crate::input::http;
use crate::input::listener::Listener;
use crate::input::memory_socket::MemorySocket;
use crate::input::protocol::Protocol;
use crate::input::source::Source;
use crate::input::{Intake, Terms};
use crate::ledger::Budget;
use crate::lifecycle::Alarm;
use crate::output::Output;
use crate::output::cloudwatch_logs::config::{Connection, LogGroupName, StreamName};
use crate::output::cloudwatch_logs::naming::{Names, Rule};
use crate::output::cloudwatch_logs::plan::{CreationRules, Messages, Plan};
use crate::output::cloudwatch_logs::sender::Encoding;
use crate::output::cloudwatch_logs::sender::simulated::Asked;
use crate::output::cloudwatch_logs::{CloudwatchLogs, Surroundings};
use crate::pipeline::Pipeline;
use crate::record::tag_pattern::TagMatch;
use crate::record::template::Template;
use crate::ring::Ring;
use crate::router::Router;
use crate::spill::{Crash, Disk, Log, Settings, SimulatedDisk};
use crate::telemetry::{InputCounters, OutputCounters, Telemetry};

/// Chunks between the inputs and the ingest: few, so that the ring is full now and then.
const RING_CHUNKS_MAX: usize = 16;
/// Calls that wait to be played: more than there can be.
const CALLS_MAX: usize = 64;

/// Bytes of a request's body: more than any has.
const BODY_BYTES_MAX: usize = 4_000_000;

/// What one output has on disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Disks {
    pub(super) log: SimulatedDisk,
    left: SimulatedDisk,
}

impl Disks {
    /// What is found after a crash.
    pub(super) fn crashed(&self, crash: Crash) -> Self {
        Self { log: self.log.crashed(crash), left: self.left.crashed(crash) }
    }

    /// What is found after an end.
    pub(super) fn healed(&self) -> Self {
        self.log.heal();
        self.left.heal();
        self.clone()
    }
}

/// A pipeline, and what it is joined to.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) pipeline: Pipeline,
    pub(super) telemetry: Arc<Telemetry>,
    /// Of each output.
    pub(super) calls: Vec<mpsc::Receiver<Asked>>,
    /// The memory of each input.
    pub(super) memories: Vec<Budget>,
    /// Where peers connect, of each input.
    pub(super) arriving: Vec<mpsc::Sender<MemorySocket>>,
    /// Those who keep the disks, at work.
    pub(super) keepers: Vec<JoinHandle<()>>,
}

impl Parts {
    /// Puts a pipeline together.
    pub(super) fn new(scenario: &Scenario, disks: &[Disks]) -> Self {
        let budget = Budget::new(scenario.budget_bytes);
        let mut telemetry = Telemetry::new(budget.clone(), clock::now(), UNIX_START);
        let (mut sources, mut memories, mut arriving) = (Vec::new(), Vec::new(), Vec::new());
        for (at, plan) in scenario.inputs.iter().enumerate() {
            let (sender, arrivals) = mpsc::channel(scenario.peers.len().max(1));
            let counters = Arc::new(InputCounters::new(&format!("{:?}.{at}", plan.speaks)));
            telemetry.inputs.push(Arc::clone(&counters));
            let place = u16::try_from(at).expect("few inputs");
            let part = |most| budget.within(place, most);
            let memory = plan.bytes_max.map_or_else(|| budget.clone(), part);
            sources.push(source(plan, arrivals, counters, memory.clone()));
            memories.push(memory);
            arriving.push(sender);
        }
        let (mut outlets, mut outputs, mut calls) = (Vec::new(), Vec::new(), Vec::new());
        let mut keepers = Vec::new();
        for ((at, plan), disks) in scenario.outputs.iter().enumerate().zip(disks) {
            let counters = telemetry.add_output(&format!("cloudwatch_logs.{at}"));
            let buffer = match &scenario.store {
                Some(store) => {
                    let keeping = stored(store, disks, plan, scenario, (&budget, &counters));
                    let (buffer, keeper) = keeping;
                    keepers.push(tokio::spawn(keeper.run()));
                    buffer
                }
                None => Buffer::in_memory(budget.clone()),
            };
            let (processors, buffer) = (Vec::new(), Arc::new(buffer));
            let account = Arc::clone(&counters.account);
            let (output, called) = output(at, plan, scenario, counters);
            outlets.push(Outlet { processors, buffer: Arc::clone(&buffer), account });
            outputs.push((output, buffer));
            calls.push(called);
        }
        let telemetry = Arc::new(telemetry);
        let ring = Arc::new(Ring::new(RING_CHUNKS_MAX));
        let intake = Intake::new(ring, budget, Arc::clone(&telemetry.intake));
        let matches = outlets.iter().map(|_| every_tag()).collect();
        let router = Router::new(Vec::new(), matches);
        let processors = scenario.inputs.iter().map(|_| Vec::new()).collect();
        let ingest = Ingest::new(processors, Vec::new(), router, outlets);
        let pipeline = Pipeline::of_parts(sources, intake, ingest, outputs, Arc::clone(&telemetry));
        Self { pipeline, telemetry, memories, calls, arriving, keepers }
    }
}

fn source(
    plan: &InputPlan,
    arrivals: mpsc::Receiver<MemorySocket>,
    counters: Arc<InputCounters>,
    memory: Budget,
) -> (Source, Terms) {
    let storage = if plan.is_durable { Storage::Filesystem } else { Storage::Memory };
    let admission = admission::Config {
        backlog: 1,
        shares_port: false,
        accept_timeout: None,
        warns_of_timeout: false,
        io_timeout: None,
        tls: None,
    };
    let protocol = match plan.speaks {
        Speaks::Forward => Protocol::Forward(DecodeOptions::default(), None),
        Speaks::Http => Protocol::Http(Arc::new(requests())),
    };
    let listener = Listener::of_memory(arrivals, &admission, protocol, 1_000, counters);
    (Source::Listener(Box::new(listener.expect("no TLS"))), Terms { storage, budget: Some(memory) })
}

fn requests() -> http::Settings {
    http::Settings {
        tag: "http".into(),
        tag_key: None,
        remote_addr_key: None,
        success: 201,
        success_headers: Vec::new(),
        has_health: false,
        has_http2: true,
        body_bytes_max: BODY_BYTES_MAX,
        // Peers pause as they like.
        idle: None,
        pressure_wait: http::PRESSURE_WAIT,
        stored_wait: http::STORED_WAIT,
        warnings: Arc::default(),
    }
}

fn output(
    at: usize,
    plan: &OutputPlan,
    scenario: &Scenario,
    counters: Arc<OutputCounters>,
) -> (Output, mpsc::Receiver<Asked>) {
    let around = Surroundings {
        counters,
        snapshot: watch::channel(None).1,
        flush: scenario.flush,
        alarm: Alarm::default(),
        retry_limit: scenario.retry_limit,
        enrich: None,
        keys: None,
        seed: scenario.service.seed,
    };
    let (calls, called) = mpsc::channel(CALLS_MAX);
    let made = CloudwatchLogs::simulated(self::plan(at, plan), around, plan.limits, calls);
    (Output::CloudwatchLogs(Box::new(made)), called)
}

/// A buffer with a store behind it.
fn stored(
    store: &StorePlan,
    disks: &Disks,
    plan: &OutputPlan,
    scenario: &Scenario,
    (budget, counters): (&Budget, &OutputCounters),
) -> (Buffer, buffer::Storekeeper) {
    let settings = Settings {
        bytes_max: store.bytes_max,
        segment_bytes_max: store.segment_bytes_max,
        syncs: store.syncs,
    };
    let open = |disk: &SimulatedDisk| {
        Log::open(Disk::Simulated(disk.clone()), settings).expect("a folder that can be read")
    };
    counters.storage.bytes_max.set(store.bytes_max);
    let around = buffer::Surroundings {
        log: open(&disks.log),
        left: store.survives.then(|| open(&disks.left)),
        account: Arc::clone(&counters.account),
        name: counters.name.clone(),
        window_bytes: store.window_bytes,
        counters: Arc::clone(&counters.storage),
    };
    let rule = match plan.stream {
        StreamRule::Tag => LaneRule::OfTag,
        StreamRule::Fixed | StreamRule::Field => LaneRule::One,
    };
    let memory_bytes = scenario.budget_bytes / 2 / scenario.outputs.len() as u64;
    Buffer::with_store(budget.clone(), memory_bytes, rule, around)
}

fn plan(at: usize, plan: &OutputPlan) -> Plan {
    let stream = match plan.stream {
        StreamRule::Fixed | StreamRule::Field => StreamName::Fixed("all".to_owned()),
        StreamRule::Tag => StreamName::Prefix("of-".to_owned()),
    };
    let template = (plan.stream == StreamRule::Field).then(|| Template::parse("$s"));
    Plan {
        names: Rule::OfFields(Names {
            group: LogGroupName::Fixed(format!("group-{at}")),
            stream,
            group_template: None,
            stream_template: template.map(|template| template.expect("a template")),
        }),
        messages: Messages {
            log_key: plan.has_log_key.then(|| "log".to_owned()),
            ..Messages::default()
        },
        loss_markers: plan.has_markers,
        compress: if plan.compresses { Encoding::Gzip } else { Encoding::Plain },
        creation: CreationRules { groups: true, streams: true, ..CreationRules::default() },
        connection: Connection {
            region: None,
            endpoint: None,
            tls_verify: true,
            tls_ca_file: None,
            role_arn: None,
            external_id: None,
            sts_endpoint: None,
            profile: None,
            credentials_endpoint: None,
            extra_user_agent: None,
            log_format: None,
        },
        send_failure_timeout: None,
    }
}

fn every_tag() -> TagMatch {
    TagMatch::new(Some("*"), None).expect("a pattern")
}
