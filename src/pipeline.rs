//! Wiring: builds inputs, ingest, buffers and outputs from a configuration, and runs them.
//!
//! No code here is run for a record. Reading has a thread of its own, and so has everything behind
//! the ring: however busy delivery is, the sockets are read.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::buffer::Buffer;
use crate::chunk::Chunk;
use crate::config::{Config, FilterConfig, FilterKind, InputConfig, InputKind};
use crate::config::{OutputConfig, OutputKind};
use crate::ec2;
use crate::ecs::enrich::Enrich;
use crate::ecs::snapshot::Snapshot;
use crate::filter::Filter;
use crate::filter::grep::Grep;
use crate::filter::multiline::Multiline;
use crate::filter::parser::ParserFilter;
use crate::filter::record_modifier::RecordModifier;
use crate::ingest::{self, Ingest, Outlet, Stage};
use crate::input::listener::{Address, BindError, Listener, Protocol, default_tag};
use crate::input::{self, Intake, forward, tcp};
use crate::inquiries::Inquiries;
use crate::ledger::{Balance, Budget};
use crate::lifecycle::StopReceiver;
use crate::output::Output;
use crate::output::cloudwatch_logs::sender::{ConnectError, Keys};
use crate::output::cloudwatch_logs::{CloudwatchLogs, Surroundings};
use crate::record::tag_pattern::TagMatch;
use crate::ring::Ring;
use crate::router::Router;
use crate::telemetry::{FilterCounters, InputCounters, OutputCounters, Telemetry};

/// Chunks that may be between the inputs and the ingest: enough to read on while the ingest is
/// busy with one.
const RING_CHUNKS_MAX: usize = 1_024;
/// The memory budget where no `Mem_Buf_Limit` says otherwise: what the ECS agent writes for a
/// container without a memory limit.
const BUDGET_BYTES_DEFAULT: u64 = 25_000_000;

/// A pipeline whose sockets are bound.
#[derive(Debug)]
pub struct Pipeline {
    listeners: Vec<Listener>,
    intake: Intake,
    ingest: Ingest,
    outputs: Vec<(Output, Arc<Buffer>)>,
    inquiries: Inquiries,
    telemetry: Arc<Telemetry>,
}

/// The account of a pipeline that has ended.
#[derive(Clone, Debug)]
pub struct Account {
    /// Of all that was read.
    pub ingest: Balance,
    /// Of each output, by name.
    pub outputs: Vec<(String, Balance)>,
}

/// Why a pipeline cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// An input cannot listen.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// An output's settings can never work.
    #[error("{output}: {source}")]
    Output {
        /// The instance.
        output: String,
        /// What is wrong.
        source: ConnectError,
    },
    /// A thread cannot be started.
    #[error("cannot start the threads that read and deliver")]
    Runtime(#[from] std::io::Error),
}

/// What a pipeline needs of its surroundings.
#[derive(Debug)]
pub struct Around {
    /// The task's metadata.
    pub snapshot: SnapshotReceiver,
    /// Asks for newer metadata.
    pub refetch: Arc<Notify>,
    /// Credentials of the environment, if it has some.
    pub keys: Option<Keys>,
    /// Where to ask for metadata of the instance, if that is to be asked for.
    pub imds: Option<ec2::Endpoint>,
    /// When the process was started.
    pub started: Instant,
    /// The same since 1970.
    pub started_unix: Duration,
}

/// What the pipeline is told of its task.
pub type SnapshotReceiver = watch::Receiver<Option<Arc<Snapshot>>>;

/// Says whether records get the task's metadata from us: only where no configuration file does it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Enrichment {
    /// Every record gets it.
    On,
    /// The configuration does it.
    Off,
}

impl Pipeline {
    /// Builds everything and binds the sockets; nothing is read yet.
    ///
    /// # Errors
    ///
    /// [`BuildError`], which names the instance at fault.
    pub async fn bind(
        config: Config,
        enrichment: Enrichment,
        around: Around,
    ) -> Result<Self, BuildError> {
        let Around { snapshot, refetch, keys, imds, started, started_unix } = around;
        let mut inquiries = Inquiries::new(imds, started);
        let budget = Budget::new(budget_bytes(&config.inputs));
        let mut telemetry = Telemetry::new(budget.clone(), started, started_unix);
        let matches = config.outputs.iter().map(|output| output.matches.clone()).collect();
        let filter_matches = config.filters.iter().map(|one| one.matches.clone()).collect();
        let waits = waits_for_parts(&config.filters);
        let stages = stages(config.filters, &mut inquiries, &mut telemetry);
        let mut processors = Vec::new();
        let ring: Arc<Ring<Chunk>> = Arc::new(Ring::new(RING_CHUNKS_MAX));
        let intake = Intake::new(ring, budget.clone(), Arc::clone(&telemetry.intake));
        // First, so that peers may connect: what follows takes longer.
        let mut listeners = Vec::new();
        for mut input in config.inputs {
            let counters = Arc::new(InputCounters::new(&input.name));
            telemetry.inputs.push(Arc::clone(&counters));
            let own = std::mem::take(&mut input.processors);
            processors.push(self::stages(own, &mut inquiries, &mut telemetry));
            listeners.push(listen(input, counters).await?);
        }
        let mut outlets = Vec::new();
        let mut outputs = Vec::new();
        for mut output in config.outputs {
            let counters = Arc::new(OutputCounters::new(&output.name));
            let buffer = Arc::new(Buffer::default());
            let account = Arc::clone(&counters.account);
            let own = std::mem::take(&mut output.processors);
            outlets.push(Outlet {
                processors: self::stages(own, &mut inquiries, &mut telemetry),
                buffer: Arc::clone(&buffer),
                account,
            });
            telemetry.outputs.push(Arc::clone(&counters));
            let around = Surroundings {
                counters,
                budget: budget.clone(),
                snapshot: snapshot.clone(),
                enrich: (enrichment == Enrichment::On)
                    .then(|| Enrich::new(snapshot.clone(), Arc::clone(&refetch))),
                keys: keys.clone(),
                flush: config.service.flush,
                retry_limit: output.retry_limit,
                seed: u64::from(started_unix.subsec_nanos()) ^ outputs.len() as u64,
            };
            outputs.push((make_output(output, around).await?, buffer));
        }
        let ingest = Ingest::new(processors, stages, Router::new(filter_matches, matches), outlets)
            .with_waits_for_parts(waits);
        Ok(Self { listeners, intake, ingest, outputs, inquiries, telemetry: Arc::new(telemetry) })
    }

    /// What is counted.
    #[must_use]
    pub fn telemetry(&self) -> Arc<Telemetry> {
        Arc::clone(&self.telemetry)
    }

    /// The addresses that are listened on, each with its input's name.
    #[must_use]
    pub fn addresses(&self) -> Vec<(String, String)> {
        let named = self.listeners.iter().zip(&self.telemetry.inputs);
        named.map(|(listener, counters)| (counters.name.clone(), listener.address())).collect()
    }

    /// Runs until the process is stopped and everything has its outcome.
    ///
    /// `delivery` is the runtime for all that is behind the ring; the caller's own reads.
    pub async fn run(self, delivery: &Handle, stop: StopReceiver) -> Account {
        let mut behind = JoinSet::new();
        let ring = Arc::clone(&self.intake.ring);
        let news = self.inquiries.start(delivery);
        behind.spawn_on(ingest::run(self.ingest, ring, news), delivery);
        for (output, buffer) in self.outputs {
            behind.spawn_on(output.run(buffer, stop.clone()), delivery);
        }
        let reading = input::run(self.listeners, self.intake, stop);
        tokio::pin!(reading);
        let mut is_reading = true;
        loop {
            tokio::select! {
                () = &mut reading, if is_reading => is_reading = false,
                ended = behind.join_next() => match ended {
                    Some(Ok(())) => {}
                    // Half a pipeline would only look alive: end, so that the task is restarted.
                    Some(Err(error)) => {
                        tracing::error!("a part of the pipeline failed, ending: {error}");
                        break;
                    }
                    // Everything behind has ended, so reading has or is about to.
                    None => {
                        if is_reading {
                            (&mut reading).await;
                        }
                        break;
                    }
                },
            }
        }
        let outputs = self.telemetry.outputs.iter();
        Account {
            ingest: self.telemetry.intake.balance(),
            outputs: outputs.map(|one| (one.name.clone(), one.account.balance())).collect(),
        }
    }
}

impl Account {
    /// All that became of what was read, to its last end. A record that goes to several outputs
    /// counts once for each.
    #[must_use]
    pub fn total(&self) -> Balance {
        let mut total = self.ingest;
        // These were handed to the outputs, whose accounts say what came of them.
        total.received -= self.ingest.delivered;
        total.delivered -= self.ingest.delivered;
        self.outputs.iter().for_each(|(_, balance)| total += *balance);
        total
    }

    /// Records that were wanted and did not arrive: dropped without being asked to, or left.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.balances().map(Balance::lost).sum()
    }

    /// Records that nothing was decided about before the end.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.balances().map(Balance::left).sum()
    }

    fn balances(&self) -> impl Iterator<Item = &Balance> {
        self.outputs.iter().map(|(_, balance)| balance).chain([&self.ingest])
    }
}

/// The runtime for the inputs: the calling thread.
///
/// # Errors
///
/// The operating system's.
pub fn reading_runtime() -> std::io::Result<Runtime> {
    Builder::new_current_thread().on_thread_park(input::rest::before_park).enable_all().build()
}

/// The runtime for ingest and outputs: as many threads as the process may use processors, which
/// the standard library reads from the cgroup.
///
/// # Errors
///
/// The operating system's.
pub fn delivery_runtime() -> std::io::Result<Runtime> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("firelane-out")
        .enable_all()
        .build()
}

fn budget_bytes(inputs: &[InputConfig]) -> u64 {
    let limits = inputs.iter().filter_map(|input| input.mem_buf_limit_bytes);
    limits.filter(|bytes| *bytes > 0).max().unwrap_or(BUDGET_BYTES_DEFAULT)
}

fn stages(
    filters: Vec<FilterConfig>,
    inquiries: &mut Inquiries,
    telemetry: &mut Telemetry,
) -> Vec<Stage> {
    let stage = |filter: FilterConfig| {
        let counters = Arc::new(FilterCounters::new(&filter.name));
        telemetry.filters.push(Arc::clone(&counters));
        Stage { filter: make_filter(filter.kind, inquiries), condition: filter.condition, counters }
    };
    filters.into_iter().map(stage).collect()
}

/// How long the parts of Docker's lines wait, by tag, where filters say so.
fn waits_for_parts(filters: &[FilterConfig]) -> Vec<(TagMatch, Duration)> {
    let wait = |filter: &FilterConfig| {
        let FilterKind::Multiline(config) = &filter.kind else { return None };
        config.wait_for_parts().map(|wait| (filter.matches.clone(), wait))
    };
    filters.iter().filter_map(wait).collect()
}

fn make_filter(kind: FilterKind, inquiries: &mut Inquiries) -> Filter {
    match kind {
        FilterKind::Aws(config) => Filter::Aws(inquiries.aws(config)),
        FilterKind::Ecs(config) => Filter::Ecs(Box::new(inquiries.ecs(config))),
        FilterKind::Grep(config) => Filter::Grep(Grep::new(config)),
        FilterKind::Multiline(config) => Filter::Multiline(Multiline::new(config)),
        FilterKind::Parser(config) => Filter::Parser(ParserFilter::new(config)),
        FilterKind::RecordModifier(config) => Filter::RecordModifier(RecordModifier::new(config)),
    }
}

async fn make_output(output: OutputConfig, around: Surroundings) -> Result<Output, BuildError> {
    match output.kind {
        OutputKind::Null => Ok(Output::Null),
        OutputKind::CloudwatchLogs(config) => {
            let made = CloudwatchLogs::new(*config, around).await;
            let made = made.map_err(|source| BuildError::Output { output: output.name, source })?;
            Ok(Output::CloudwatchLogs(Box::new(made)))
        }
    }
}

async fn listen(input: InputConfig, counters: Arc<InputCounters>) -> Result<Listener, BindError> {
    match input.kind {
        InputKind::Forward(config) => {
            let address = match config.listener {
                forward::config::Listener::Tcp { listen, port } => Address::Tcp(listen, port),
                forward::config::Listener::Unix { path, mode } => Address::Unix(path, mode),
            };
            let options = forward::decode::DecodeOptions {
                frame_bytes_max: config.frame_bytes_max,
                tag: input.tag.as_deref().map(Into::into),
                tag_prefix: config.tag_prefix.as_deref().map(Into::into),
                ..forward::decode::DecodeOptions::default()
            };
            let protocol = Protocol::Forward(options);
            Listener::bind(address, protocol, config.connections_max, counters).await
        }
        InputKind::Tcp(config) => {
            let address = Address::Tcp(config.listen, config.port);
            let format = match config.format {
                tcp::config::Format::Json => tcp::decode::Format::Json,
                tcp::config::Format::None => {
                    tcp::decode::Format::None { separator: config.separator.into() }
                }
            };
            // The address is filled in for each peer.
            let source_address = config
                .source_address_key
                .map(|key| tcp::decode::SourceAddress { key: key.into(), address: Bytes::new() });
            let options = tcp::decode::DecodeOptions {
                object_bytes_max: config.object_bytes_max,
                source_address,
                parser: config.parser,
                ..tcp::decode::DecodeOptions::new(
                    format,
                    default_tag(input.tag.as_deref(), &input.name),
                )
            };
            let protocol = Protocol::Tcp(options);
            Listener::bind(address, protocol, forward::config::CONNECTIONS_MAX, counters).await
        }
    }
}
