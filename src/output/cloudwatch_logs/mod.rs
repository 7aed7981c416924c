//! Step 6, output: Amazon CloudWatch Logs.
//!
//! The way of a chunk here: [`naming`] chooses its target, [`delivery`] queues it in its stream and
//! fills batches ([`batch`], [`message`], [`escape`]) when they are due, [`sender`] sends them, and
//! the answer settles what is owed for the records. This file is the thin async shell around that.

pub mod batch;
pub mod config;
pub mod create;
pub mod delivery;
pub mod escape;
mod incident;
pub mod limits;
pub mod message;
pub mod naming;
mod oversize;
mod piece;
pub mod sender;
mod stream;
pub mod target;

use std::collections::VecDeque;
use std::future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{Mutex, watch};
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio::time::sleep_until;

use crate::buffer::Buffer;
use crate::chunk::Chunk;
use crate::clock;
use crate::ecs::enrich::Enrich;
use crate::ecs::snapshot::Snapshot;
use crate::ledger::{Budget, Reason};
use crate::lifecycle::StopReceiver;
use crate::telemetry::OutputCounters;

use config::Config;
use create::Creation;
use delivery::{Delivery, Settings};
use naming::Naming;
use sender::{Class, ConnectError, Encoding, Keys, Put, SendError, Sender};
pub use stream::Batch;
use target::Target;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an attempt may take from its first byte to the whole answer; beyond it, it is given up
/// and made again. A full batch at 100 kB/s takes this long.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);
/// Kept of the time to stop, so that what was on its way can be told before the process ends.
const STOP_RESERVE: Duration = Duration::from_millis(200);
/// How often a client without a region looks whether the task's metadata names one.
const REGION_WAIT: Duration = Duration::from_secs(1);

/// The output, ready to run.
#[derive(Debug)]
pub struct CloudwatchLogs {
    delivery: Delivery,
    naming: Naming,
    enrich: Option<Enrich>,
    client: Client,
    creation: Arc<Creation>,
    budget: Budget,
    snapshot: watch::Receiver<Option<Arc<Snapshot>>>,
    /// Whether it was said that there is no region.
    is_region_told: bool,
    /// Chunks whose target is not known yet.
    unnamed: VecDeque<Chunk>,
}

/// The way to the service.
#[derive(Debug)]
enum Client {
    Ready(Sender),
    /// The region is not known yet: the task's metadata will name it.
    WithoutRegion(Box<sender::Settings>),
}

/// What an output needs of its surroundings.
#[derive(Debug)]
pub struct Surroundings {
    /// The counters of this output.
    pub counters: Arc<OutputCounters>,
    /// The memory budget, to know when room is needed.
    pub budget: Budget,
    /// The task's metadata.
    pub snapshot: watch::Receiver<Option<Arc<Snapshot>>>,
    /// `[SERVICE] Flush`
    pub flush: Duration,
    /// `Retry_Limit`
    pub retry_limit: crate::option::RetryLimit,
    /// Adds what ECS knows of the task, where no configuration does it.
    pub enrich: Option<Enrich>,
    /// Credentials of the environment, if it has some.
    pub keys: Option<Keys>,
    /// Where chance begins.
    pub seed: u64,
}

/// A batch and its answer; `None`: the time to stop was up before one came.
type Answer = (Batch, Option<Result<Put, SendError>>);

impl CloudwatchLogs {
    /// Makes the output. Nothing is sent, not even for credentials.
    ///
    /// # Errors
    ///
    /// What in the configuration can never work, such as a CA file that cannot be read.
    pub async fn new(config: Config, around: Surroundings) -> Result<Self, ConnectError> {
        let settings = Settings {
            flush: around.flush,
            retry_limit: around.retry_limit,
            log_key: config.log_key.clone(),
            seed: around.seed,
        };
        let creation = Creation {
            auto_create_group: config.auto_create_group,
            log_retention_days: config.log_retention_days,
            log_group_class: config.log_group_class,
            one_at_a_time: Mutex::new(()),
        };
        let client = Client::new(sender_settings(&config, around.keys)).await?;
        let names = (config.log_group_name, config.stream);
        let is_enriched = around.enrich.is_some();
        let naming = Naming::new(names, around.snapshot.clone(), is_enriched, clock::now());
        Ok(Self {
            delivery: Delivery::new(settings, around.counters),
            naming,
            enrich: around.enrich,
            client,
            creation: Arc::new(creation),
            budget: around.budget,
            snapshot: around.snapshot,
            is_region_told: false,
            unnamed: VecDeque::new(),
        })
    }

    /// Delivers until the buffer is closed and everything has its outcome, or until shortly before
    /// the deadline of a stop.
    pub async fn run(mut self, buffer: Arc<Buffer>, stop: StopReceiver) {
        let mut answers: JoinSet<Answer> = JoinSet::new();
        let mut is_open = true;
        while is_open || !self.is_done() {
            self.connect().await;
            self.send_due(&mut answers, &stop);
            let wake_at = self.wake_at();
            tokio::select! {
                biased;
                Some(answer) = answers.join_next() => self.answered(answer),
                chunk = buffer.pop(), if is_open => match chunk {
                    Some(chunk) => self.take(chunk, &buffer),
                    None => {
                        is_open = false;
                        self.delivery.stop(clock::now());
                    }
                },
                () = until(wake_at) => self.name_pending(),
                _ = self.snapshot.changed(), if !self.unnamed.is_empty() => self.name_pending(),
                () = deadline(stop.clone()) => break,
            }
        }
        self.abandon(answers, &buffer).await;
    }

    fn is_done(&self) -> bool {
        self.delivery.is_empty() && self.unnamed.is_empty()
    }

    /// Takes a chunk and all that wait behind it.
    fn take(&mut self, first: Chunk, buffer: &Buffer) {
        let now = clock::now();
        self.name_pending();
        let mut next = Some(first);
        while let Some(chunk) = next {
            // Behind one that waits for its name all wait, to keep their order.
            let target = self.naming.target(&chunk.tag, now).filter(|_| self.unnamed.is_empty());
            match target {
                Some(target) => self.deliver(&target, chunk, now),
                None => self.unnamed.push_back(chunk),
            }
            next = buffer.try_pop();
        }
    }

    /// Looks again for targets that were not known.
    fn name_pending(&mut self) {
        let now = clock::now();
        while let Some(chunk) = self.unnamed.pop_front() {
            let Some(target) = self.naming.target(&chunk.tag, now) else {
                return self.unnamed.push_front(chunk);
            };
            self.deliver(&target, chunk, now);
        }
    }

    fn deliver(&mut self, target: &Arc<Target>, chunk: Chunk, now: Instant) {
        let chunk = match &mut self.enrich {
            Some(enrich) => enrich.apply(chunk),
            None => chunk,
        };
        self.delivery.push(target, chunk, now);
    }

    fn wake_at(&self) -> Option<Instant> {
        if let Client::WithoutRegion(_) = self.client {
            return clock::now().checked_add(REGION_WAIT);
        }
        let named = self.naming.gives_up_at().filter(|_| !self.unnamed.is_empty());
        match (self.delivery.wake_at(), named) {
            (Some(due), Some(named)) => Some(due.min(named)),
            (due, named) => due.or(named),
        }
    }

    fn send_due(&mut self, answers: &mut JoinSet<Answer>, stop: &StopReceiver) {
        let Client::Ready(sender) = &self.client else { return };
        self.delivery.crowded(self.budget.is_crowded(), clock::now());
        while let Some(batch) = self.delivery.next_batch(clock::now()) {
            let (sender, creation) = (sender.clone(), Arc::clone(&self.creation));
            let stop = stop.clone();
            answers.spawn(async move {
                let (target, body) = (Arc::clone(&batch.target), batch.sealed.body.clone());
                // A task of its own: a defect in there must cost an attempt, not the events.
                let mut attempt = AbortOnDrop(tokio::spawn(attempt(sender, creation, target, body)));
                let answer = tokio::select! {
                    answer = &mut attempt.0 => Some(answer.unwrap_or_else(|e| Err(failed_task(&e)))),
                    () = deadline(stop) => None,
                };
                (batch, answer)
            });
        }
    }

    fn answered(&mut self, answer: Result<Answer, JoinError>) {
        let now = clock::now();
        match answer {
            Ok((batch, Some(Ok(put)))) => self.delivery.accepted(batch, &put, now),
            Ok((batch, Some(Err(error)))) if error.class == Class::AlreadyExists => {
                // Only `DataAlreadyAcceptedException` comes here: the events are there.
                tracing::debug!("{}: {error}", batch.target);
                self.delivery.accepted(batch, &Put::default(), now);
            }
            Ok((batch, Some(Err(error)))) => {
                self.delivery.failed(batch, &error, self.budget.is_short(), now);
            }
            Ok((batch, None)) => self.delivery.abandon_batch(batch),
            Err(error) => {
                tracing::error!("a request's task ended early, its events are lost: {error}")
            }
        }
    }

    /// Makes the client once a region is known.
    async fn connect(&mut self) {
        let Client::WithoutRegion(settings) = &self.client else { return };
        let region = self.snapshot.borrow().as_ref().and_then(|snapshot| snapshot.region.clone());
        if region.is_none() {
            let may_come = self.snapshot.has_changed().is_ok() && self.snapshot.borrow().is_none();
            if !may_come && !std::mem::replace(&mut self.is_region_told, true) {
                tracing::error!(
                    "no region: nothing can be delivered; set the option region or AWS_REGION"
                );
            }
            return;
        }
        let settings = sender::Settings { region, ..sender::Settings::clone(settings) };
        match Client::new(settings).await {
            Ok(client) => self.client = client,
            Err(error) => tracing::error!("cannot make a client: {error}"),
        }
    }

    /// The time is up, or there is nothing left: whatever is held ends as left.
    async fn abandon(&mut self, mut answers: JoinSet<Answer>, buffer: &Buffer) {
        while let Some(answer) = answers.join_next().await {
            self.answered(answer);
        }
        self.unnamed.drain(..).for_each(|chunk| chunk.dropped(Reason::Stopped));
        while let Some(chunk) = buffer.try_pop() {
            chunk.dropped(Reason::Stopped);
        }
        self.delivery.abandon();
    }
}

impl Client {
    async fn new(settings: sender::Settings) -> Result<Self, ConnectError> {
        match Sender::connect(settings.clone()).await {
            Ok(sender) => Ok(Self::Ready(sender)),
            Err(ConnectError::NoRegion) => Ok(Self::WithoutRegion(Box::new(settings))),
            Err(error) => Err(error),
        }
    }
}

/// Sends a batch; where its stream is missing, creates that and sends the same batch again.
async fn attempt(
    sender: Sender,
    creation: Arc<Creation>,
    target: Arc<Target>,
    body: Bytes,
) -> Result<Put, SendError> {
    let put = || sender.put(body.clone(), Encoding::Plain);
    match put().await {
        Err(error) if error.class == Class::NotFound => {
            creation.create(&sender, &target).await.map_err(not_the_events)?;
            put().await
        }
        answer => answer,
    }
}

/// What is wrong with a group or a stream that is to be created is no fault of the events: they are
/// kept, and the error is told.
fn not_the_events(error: SendError) -> SendError {
    match error.class {
        Class::Invalid | Class::TooLarge => SendError { class: Class::NotFound, ..error },
        Class::Throttled
        | Class::Transient
        | Class::NotFound
        | Class::Credentials
        | Class::AccessDenied
        | Class::Clock
        | Class::AlreadyExists => error,
    }
}

/// A task that ends with whoever waits for it.
struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The fate of a batch whose attempt panicked is unknown.
fn failed_task(error: &JoinError) -> SendError {
    SendError {
        class: Class::Transient,
        code: "Defect".to_owned(),
        message: error.to_string(),
        status: None,
        is_ambiguous: true,
        retry_after: None,
    }
}

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant.into()).await,
        None => future::pending().await,
    }
}

/// Returns shortly before the deadline of a stop.
async fn deadline(mut stop: StopReceiver) {
    let deadline = stop.stopping().await.deadline;
    until(deadline.map(|deadline| deadline.checked_sub(STOP_RESERVE).unwrap_or(deadline))).await;
}

fn sender_settings(config: &Config, keys: Option<Keys>) -> sender::Settings {
    sender::Settings {
        region: config.region.clone(),
        endpoint_url: config.endpoint.as_ref().map(ToString::to_string),
        tls_verify: config.tls_verify,
        tls_ca_file: config.tls_ca_file.clone(),
        role_arn: config.role_arn.clone(),
        external_id: config.external_id.clone(),
        sts_endpoint: config.sts_endpoint.clone(),
        profile: config.profile.clone(),
        extra_user_agent: config.extra_user_agent.clone(),
        log_format: config.log_format.clone(),
        keys,
        connect_timeout: CONNECT_TIMEOUT,
        attempt_timeout: ATTEMPT_TIMEOUT,
    }
}
