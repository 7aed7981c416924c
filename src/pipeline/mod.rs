//! Wiring: builds inputs, ingest, buffers and outputs from a configuration, and runs them.
//!
//! No code here is run for a record. Reading has a thread of its own, and so has everything behind
//! the ring: however busy delivery is, the sockets are read.

mod ending;
mod error;
mod inputs;
mod outputs;
mod stages;
mod stores;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::buffer::Buffer;
use crate::chunk::Chunk;
#[cfg(test)]
use crate::clock;
use crate::config::Config;
use crate::console::{Console, Ended};
use crate::ec2;
use crate::ecs::snapshot::Snapshot;
use crate::ingest::{self, Ingest, Outlet};
use crate::input::source::Source;
use crate::input::{self, Intake, Terms};
use crate::inquiries::Inquiries;
use crate::ledger::{Balance, Budget};
use crate::lifecycle::{Alarm, StopReceiver};
use crate::memory::{self, WorstCase};
use crate::output::Output;
use crate::output::cloudwatch_logs::sender::Keys;
use crate::ring::Ring;
use crate::router::Router;
use crate::telemetry::Telemetry;

use ending::Ending;
pub use error::BuildError;
pub use stages::FilterError;
use stages::stages;
use stores::Stores;

/// Chunks that may be between the inputs and the ingest: enough to read on while the ingest is
/// busy with one.
const RING_CHUNKS_MAX: usize = 1_024;
/// A pipeline whose sockets are bound.
#[derive(Debug)]
pub struct Pipeline {
    sources: Vec<(Source, Terms)>,
    intake: Intake,
    ingest: Ingest,
    outputs: Vec<(Output, Arc<Buffer>)>,
    /// To be kept by a thread of ours; a simulation keeps its own.
    stores: Option<Stores>,
    inquiries: Inquiries,
    telemetry: Arc<Telemetry>,
    /// Standard output, where something prints.
    console: Option<(Console, Ended)>,
    alarm: Alarm,
    memory: WorstCase,
}

/// The account of a pipeline that has ended.
#[derive(Clone, Debug)]
pub struct Account {
    /// Of all that was read.
    pub ingest: Balance,
    /// Of each output, by name.
    pub outputs: Vec<(String, Balance)>,
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
    /// The memory that the container may use, if it has a limit.
    pub memory_limit_bytes: Option<u64>,
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
        let Around { snapshot, refetch, keys, imds, memory_limit_bytes, started, started_unix } =
            around;
        let mut inquiries = Inquiries::new(imds, started);
        let memory = memory::worst_case(&config, memory_limit_bytes);
        let budget = Budget::new(memory.budget_bytes);
        let mut telemetry = Telemetry::new(budget.clone(), started, started_unix);
        let matches = config.outputs.iter().map(|output| output.matches.clone()).collect();
        let filter_matches = config.filters.iter().map(|one| one.matches.clone()).collect();
        let console =
            stages::prints(&config).then(|| Console::start(std::io::stdout())).transpose()?;
        let waits = stages::waits_for_parts(&config.filters);
        let stages = stages(config.filters, &mut inquiries, &mut telemetry)?;
        let ring: Arc<Ring<Chunk>> = Arc::new(Ring::new(RING_CHUNKS_MAX));
        let intake = Intake::new(ring, budget.clone(), Arc::clone(&telemetry.intake));
        let alarm = Alarm::default();
        // First, so that peers may connect: what follows takes longer.
        let inputs = config.inputs.into_iter().zip(&memory.inputs).collect();
        let bound = inputs::bind(inputs, &budget, &alarm, &mut inquiries, &mut telemetry).await;
        let (processors, mut sources) = bound?;
        let mut outlets = Vec::new();
        let mut outputs = Vec::new();
        let count = config.outputs.len();
        let mut stores = Stores::find(&config.service.storage, budget.clone(), count)?;
        for mut output in config.outputs {
            let counters = telemetry.add_output(&output.name);
            let account = Arc::clone(&counters.account);
            let own = std::mem::take(&mut output.processors);
            let processors = self::stages(own, &mut inquiries, &mut telemetry)?;
            let storage_bytes_max = output.storage_bytes_max;
            let around = outputs::Around {
                counters: Arc::clone(&counters),
                budget: budget.clone(),
                snapshot: snapshot.clone(),
                refetch: (enrichment == Enrichment::On).then(|| Arc::clone(&refetch)),
                keys: keys.clone(),
                flush: config.service.flush,
                retry_limit: output.retry_limit,
                escape_unicode: config.service.escape_unicode,
                alarm: alarm.clone(),
                console: console.as_ref().map(|(console, _)| console.clone()),
                seed: u64::from(started_unix.subsec_nanos()) ^ outputs.len() as u64,
            };
            let output = outputs::output(output, around).await?;
            let rule = output.lane_rule();
            let buffer = Arc::new(stores.buffer(&counters, rule, storage_bytes_max)?);
            outlets.push(Outlet { processors, buffer: Arc::clone(&buffer), account });
            outputs.push((output, buffer));
        }
        stores.tell(&telemetry.outputs);
        let ingest = Ingest::new(processors, stages, Router::new(filter_matches, matches), outlets)
            .with_waits_for_parts(waits);
        let telemetry = Arc::new(telemetry);
        sources.iter_mut().for_each(|(source, _)| source.observe(&telemetry));
        let stores = Some(stores);
        Ok(Self {
            sources,
            intake,
            ingest,
            outputs,
            stores,
            inquiries,
            telemetry,
            console,
            alarm,
            memory,
        })
    }

    /// A pipeline of parts that a simulation has made.
    #[cfg(test)]
    pub(crate) fn of_parts(
        sources: Vec<(Source, Terms)>,
        intake: Intake,
        ingest: Ingest,
        outputs: Vec<(Output, Arc<Buffer>)>,
        telemetry: Arc<Telemetry>,
    ) -> Self {
        let inquiries = Inquiries::new(None, clock::now());
        let (console, alarm, stores, memory) = (None, Alarm::default(), None, WorstCase::default());
        Self {
            sources,
            intake,
            ingest,
            outputs,
            stores,
            inquiries,
            telemetry,
            console,
            alarm,
            memory,
        }
    }

    /// What is counted.
    #[must_use]
    pub fn telemetry(&self) -> Arc<Telemetry> {
        Arc::clone(&self.telemetry)
    }

    /// How much memory it may hold, and what for.
    #[must_use]
    pub fn memory(&self) -> &WorstCase {
        &self.memory
    }

    /// Says when a filter or an output wants the process to end.
    #[must_use]
    pub fn alarm(&self) -> Alarm {
        self.alarm.clone()
    }

    /// The addresses that are listened on, each with its input's name.
    #[must_use]
    pub fn addresses(&self) -> Vec<(String, String)> {
        let named = self.sources.iter().zip(&self.telemetry.inputs);
        named
            .filter_map(|((source, _), counters)| Some((counters.name.clone(), source.address()?)))
            .collect()
    }

    /// Runs until the process is stopped and everything has its outcome.
    ///
    /// `delivery` is the runtime for all that is behind the ring; the caller's own reads.
    pub async fn run(self, delivery: &Handle, stop: StopReceiver) -> Account {
        let mut behind = JoinSet::new();
        let ring = Arc::clone(&self.intake.ring);
        let (console, printed) = self.console.unzip();
        let news = self.inquiries.start(delivery);
        let around = ingest::Surroundings { console, alarm: self.alarm, news };
        behind.spawn_on(ingest::run(self.ingest, ring, around), delivery);
        if let Some(Err(error)) = self.stores.map(Stores::start) {
            tracing::error!("cannot start the thread that keeps records on disk: {error}");
        }
        let buffers: Vec<_> = self.outputs.iter().map(|(_, buffer)| Arc::clone(buffer)).collect();
        for (output, buffer) in self.outputs {
            behind.spawn_on(output.run(buffer, stop.clone()), delivery);
        }
        let stored: Vec<_> =
            self.sources.iter().filter_map(|(source, _)| source.stored()).collect();
        let intake = self.intake.clone();
        let asked = stop.clone();
        let reading = input::run(self.sources, self.intake, stop);
        tokio::pin!(reading);
        let mut is_reading = true;
        loop {
            tokio::select! {
                biased;
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
                        intake.end_waiting();
                        if is_reading {
                            (&mut reading).await;
                        }
                        break;
                    }
                },
            }
        }
        Ending { buffers, printed, stored }.wait(asked.asked()).await;
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
        self.outputs.iter().for_each(|(_, balance)| total += *balance);
        // These were handed to the outputs, whose accounts say what came of them. The outputs
        // received each at least once: more than was read, where filters made records.
        total.received = total.received.saturating_sub(self.ingest.delivered);
        total.delivered = total.delivered.saturating_sub(self.ingest.delivered);
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
