//! Wiring: builds inputs, ingest, buffers and outputs from a configuration, and runs them.
//!
//! No code here is run for a record. Reading has a thread of its own, and so has everything behind
//! the ring: however busy delivery is, the sockets are read.

mod inputs;
mod outputs;
mod stages;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::buffer::Buffer;
use crate::chunk::Chunk;
use crate::config::Config;
use crate::console::{Console, Ended};
use crate::ec2;
use crate::ecs::snapshot::Snapshot;
use crate::ingest::{self, Ingest, Outlet};
use crate::input::listener::BindError;
use crate::input::source::Source;
use crate::input::tail::offsets::OpenError;
use crate::input::{self, Intake};
use crate::inquiries::Inquiries;
use crate::ledger::{Balance, Budget};
use crate::lifecycle::{Alarm, StopReceiver};
use crate::output::Output;
use crate::output::cloudwatch_logs::sender::{ConnectError, Keys};
use crate::output::connect::ConnectError as TlsError;
use crate::output::http;
use crate::ring::Ring;
use crate::router::Router;
use crate::telemetry::{InputCounters, Telemetry};

pub use stages::FilterError;
use stages::stages;

/// Chunks that may be between the inputs and the ingest: enough to read on while the ingest is
/// busy with one.
const RING_CHUNKS_MAX: usize = 1_024;
/// How long lines that filters have printed are waited for at the end.
const PRINT_WAIT: Duration = Duration::from_millis(500);
/// How long the last offsets of files are waited for at the end.
const STORE_WAIT: Duration = Duration::from_secs(1);

/// A pipeline whose sockets are bound.
#[derive(Debug)]
pub struct Pipeline {
    sources: Vec<Source>,
    intake: Intake,
    ingest: Ingest,
    outputs: Vec<(Output, Arc<Buffer>)>,
    inquiries: Inquiries,
    telemetry: Arc<Telemetry>,
    /// Standard output, where something prints.
    console: Option<(Console, Ended)>,
    alarm: Alarm,
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
    /// An output to a web server can never work.
    #[error("{output}: {source}")]
    Http {
        /// The instance.
        output: String,
        /// What is wrong.
        source: Box<http::BuildError>,
    },
    /// The files of an output's TLS cannot be used.
    #[error("{output}: {source}")]
    Tls {
        /// The instance.
        output: String,
        /// What is wrong.
        source: Box<TlsError>,
    },
    /// The database of an input's offsets cannot be used.
    #[error("{input}: {source}")]
    Offsets {
        /// The instance.
        input: String,
        /// What is wrong.
        source: Box<OpenError>,
    },
    /// A filter's files cannot be read.
    #[error("{filter}: {source}")]
    Filter {
        /// The instance.
        filter: String,
        /// What is wrong.
        source: FilterError,
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
        let budget = Budget::new(config.budget_bytes());
        let mut telemetry = Telemetry::new(budget.clone(), started, started_unix);
        let matches = config.outputs.iter().map(|output| output.matches.clone()).collect();
        let filter_matches = config.filters.iter().map(|one| one.matches.clone()).collect();
        let console =
            stages::prints(&config).then(|| Console::start(std::io::stdout())).transpose()?;
        let waits = stages::waits_for_parts(&config.filters);
        let stages = stages(config.filters, &mut inquiries, &mut telemetry)?;
        let mut processors = Vec::new();
        let ring: Arc<Ring<Chunk>> = Arc::new(Ring::new(RING_CHUNKS_MAX));
        let intake = Intake::new(ring, budget.clone(), Arc::clone(&telemetry.intake));
        let alarm = Alarm::default();
        // First, so that peers may connect: what follows takes longer.
        let mut sources = Vec::new();
        for mut input in config.inputs {
            let counters = Arc::new(InputCounters::new(&input.name));
            telemetry.inputs.push(Arc::clone(&counters));
            let own = std::mem::take(&mut input.processors);
            processors.push(self::stages(own, &mut inquiries, &mut telemetry)?);
            sources.push(inputs::source(input, counters, &alarm).await?);
        }
        let mut outlets = Vec::new();
        let mut outputs = Vec::new();
        for mut output in config.outputs {
            let counters = telemetry.add_output(&output.name);
            let buffer = Arc::new(Buffer::default());
            let account = Arc::clone(&counters.account);
            let own = std::mem::take(&mut output.processors);
            outlets.push(Outlet {
                processors: self::stages(own, &mut inquiries, &mut telemetry)?,
                buffer: Arc::clone(&buffer),
                account,
            });
            let around = outputs::Around {
                counters,
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
            outputs.push((outputs::output(output, around).await?, buffer));
        }
        let ingest = Ingest::new(processors, stages, Router::new(filter_matches, matches), outlets)
            .with_waits_for_parts(waits);
        let telemetry = Arc::new(telemetry);
        sources.iter_mut().for_each(|source| source.observe(&telemetry));
        Ok(Self { sources, intake, ingest, outputs, inquiries, telemetry, console, alarm })
    }

    /// What is counted.
    #[must_use]
    pub fn telemetry(&self) -> Arc<Telemetry> {
        Arc::clone(&self.telemetry)
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
            .filter_map(|(source, counters)| Some((counters.name.clone(), source.address()?)))
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
        for (output, buffer) in self.outputs {
            behind.spawn_on(output.run(buffer, stop.clone()), delivery);
        }
        let stored: Vec<_> = self.sources.iter().filter_map(Source::stored).collect();
        let reading = input::run(self.sources, self.intake, stop);
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
        if let Some(printed) = printed {
            // Those who print have ended: what they printed is nearly always written by now.
            let _ = tokio::time::timeout(PRINT_WAIT, printed.wait()).await;
        }
        for stored in stored {
            // What outputs have done is stored at the latest when the last chunk has gone.
            let _ = tokio::time::timeout(STORE_WAIT, stored.wait()).await;
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
