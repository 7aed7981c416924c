//! Step 6, output: Amazon CloudWatch Logs.
//!
//! The way of a chunk here: [`naming`] gives its records their targets, [`delivery`] queues it in
//! its streams and fills batches ([`batch`], [`message`], [`escape`]) when they are due, [`sender`] sends them, and
//! the answer settles what is owed for the records. This file is the thin async shell around that.
//! The output `cloudwatch` is this one with another [`plan`].

mod attempt;
pub mod batch;
mod client;
pub mod config;
pub mod create;
pub mod delivery;
mod encoder;
pub mod escape;
pub(crate) mod field;
pub mod gzip;
pub mod limits;
pub mod message;
mod mishap;
pub mod naming;
mod oversize;
mod piece;
pub mod plan;
pub mod sender;
mod stream;
pub mod target;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, watch};
use tokio::task::{JoinError, JoinSet};

use crate::buffer::{Buffer, LaneRule};
use crate::chunk::Chunk;
use crate::clock;
use crate::ecs::enrich::Enrich;
use crate::ecs::snapshot::Snapshot;
use crate::ledger::Shortage;
use crate::lifecycle::{Alarm, StopReceiver};
use crate::output::deadline::{deadline, reserve, until};
use crate::telemetry::OutputCounters;

use attempt::{AbortOnDrop, Fate, Taken, Way, attempt, failed_task};
use client::Client;
use create::Creation;
use delivery::{Delivery, Limits, Settings};
use encoder::Encoder;
use naming::{Assigned, Naming, Unassigned};
use plan::Plan;
use sender::{Class, ConnectError, Keys, Put, SendError};
pub use stream::Batch;

/// How long the task's name is waited for while the process stops: a task that ends at once has
/// logs too, and they belong under its name.
const STOP_TASK_WAIT: Duration = Duration::from_millis(500);
/// How often an output that fails looks whether it has to make room for others.
const ROOM_LOOK: Duration = Duration::from_millis(100);
/// The output, ready to run.
#[derive(Debug)]
pub struct CloudwatchLogs {
    name: String,
    delivery: Delivery,
    naming: Naming,
    enrich: Option<Enrich>,
    client: Client,
    creation: Arc<Creation>,
    encoder: Arc<Encoder>,
    snapshot: watch::Receiver<Option<Arc<Snapshot>>>,
    /// Chunks that have no target yet: the task is not known, or there is no room for their parts.
    unnamed: VecDeque<Chunk>,
    /// The end of a chunk whose parts found no room, before all of these.
    rest: Option<Unassigned>,
    /// After how long without success the process is stopped.
    send_failure_timeout: Option<Duration>,
    alarm: Alarm,
}

/// What an output needs of its surroundings.
#[derive(Debug)]
pub struct Surroundings {
    /// The counters of this output.
    pub counters: Arc<OutputCounters>,
    /// The task's metadata.
    pub snapshot: watch::Receiver<Option<Arc<Snapshot>>>,
    /// `[SERVICE] Flush`
    pub flush: Duration,
    /// To be raised where the process is to end.
    pub alarm: Alarm,
    /// `Retry_Limit`
    pub retry_limit: crate::option::RetryLimit,
    /// Adds what ECS knows of the task, where no configuration does it.
    pub enrich: Option<Enrich>,
    /// Credentials of the environment, if it has some.
    pub keys: Option<Keys>,
    /// Where chance begins.
    pub seed: u64,
}

/// A batch and its answer; the fate instead where the time to stop was up before one came.
type Answer = (Batch, Result<Result<Taken, SendError>, Fate>);

impl CloudwatchLogs {
    /// Makes the output. Nothing is sent, not even for credentials.
    ///
    /// # Errors
    ///
    /// What in the configuration can never work, such as a CA file that cannot be read.
    pub async fn new(
        plan: Plan,
        around: Surroundings,
        limits: Limits,
    ) -> Result<Self, ConnectError> {
        let (connection, keys) = (plan.connection.clone(), around.keys.clone());
        let client = Client::new(connection, keys, around.snapshot.clone()).await?;
        Ok(Self::with_client(plan, around, limits, client))
    }

    /// Makes the output, with somebody who plays the service.
    #[cfg(test)]
    pub(crate) fn simulated(
        plan: Plan,
        around: Surroundings,
        limits: Limits,
        calls: tokio::sync::mpsc::Sender<sender::simulated::Asked>,
    ) -> Self {
        let client = Client::simulated(calls, around.snapshot.clone());
        Self::with_client(plan, around, limits, client)
    }

    fn with_client(plan: Plan, around: Surroundings, limits: Limits, client: Client) -> Self {
        let now = clock::now();
        let settings = Settings {
            flush: around.flush,
            retry_limit: around.retry_limit,
            messages: plan.messages,
            limits,
            loss_markers: plan.loss_markers,
            seed: around.seed,
        };
        let creation = Creation { rules: plan.creation, one_at_a_time: Mutex::new(()) };
        let snapshot = around.snapshot;
        let is_enriched = around.enrich.is_some();
        let counters = Arc::clone(&around.counters);
        Self {
            name: counters.name.clone(),
            naming: Naming::new(plan.names, snapshot.clone(), is_enriched, counters, now),
            delivery: Delivery::new(settings, around.counters),
            enrich: around.enrich,
            client,
            creation: Arc::new(creation),
            encoder: Arc::new(Encoder::new(plan.compress)),
            snapshot,
            unnamed: VecDeque::new(),
            rest: None,
            send_failure_timeout: plan.send_failure_timeout,
            alarm: around.alarm,
        }
    }

    /// What of its records has to keep its order.
    #[must_use]
    pub fn lane_rule(&self) -> LaneRule {
        if self.naming.is_of_tag() { LaneRule::OfTag } else { LaneRule::One }
    }

    /// Delivers until the buffer is closed and everything has its outcome, or until shortly before
    /// the deadline of a stop.
    pub async fn run(mut self, buffer: Arc<Buffer>, stop: StopReceiver) {
        let mut answers: JoinSet<Answer> = JoinSet::new();
        let (mut is_open, mut is_stopping, mut is_last) = (true, false, false);
        let deadline_of = |stop| deadline(stop, reserve(&buffer));
        while is_open || !self.is_done() {
            self.name_pending();
            self.client.connect().await;
            self.send_due(&buffer, &mut answers, &stop);
            let takes = is_open && self.has_room();
            let waits_for_task = !self.unnamed.is_empty() && self.naming.is_waiting(clock::now());
            let wake_at = self.wake_at();
            tokio::select! {
                biased;
                Some(answer) = answers.join_next() => self.answered(answer, &buffer),
                chunk = buffer.pop(), if takes => match chunk {
                    Some(chunk) => self.take(chunk, &buffer),
                    None => is_open = false,
                },
                () = buffer.closed(), if !is_last => {
                    is_last = true;
                    self.delivery.stop(clock::now());
                }
                () = until(wake_at) => self.look_at_failures(),
                _ = self.snapshot.changed(), if waits_for_task => {}
                () = asked_to_stop(stop.clone()), if !is_stopping => {
                    is_stopping = true;
                    self.stop_waiting();
                }
                () = deadline_of(stop.clone()) => break,
            }
        }
        self.abandon(answers, &buffer).await;
    }

    fn is_done(&self) -> bool {
        self.delivery.is_empty() && self.unnamed.is_empty() && self.rest.is_none()
    }

    /// Whether a chunk that comes now could go on, as far as that depends on streams and parts of
    /// others.
    fn has_room(&self) -> bool {
        let room = self.delivery.room();
        match self.naming.splits() {
            true => self.rest.is_none() && room.is_any(),
            false => room.has_stream(),
        }
    }

    /// Takes a chunk and all that wait behind it.
    fn take(&mut self, first: Chunk, buffer: &Buffer) {
        let now = clock::now();
        let mut next = Some(first);
        while let Some(chunk) = next {
            // Behind one that waits for its name all wait, to keep their order.
            if self.unnamed.is_empty() && self.has_room() && !self.naming.is_waiting(now) {
                self.deliver(chunk, now);
            } else {
                self.unnamed.push_back(chunk);
            }
            next = if self.has_room() { buffer.try_pop() } else { None };
        }
    }

    /// Looks again for targets that were not known, and for room.
    fn name_pending(&mut self) {
        if self.unnamed.is_empty() && self.rest.is_none() {
            return;
        }
        let now = clock::now();
        if let Some(rest) = self.rest.take() {
            self.assign(rest, now);
        }
        while self.has_room() && !self.naming.is_waiting(now) {
            let Some(chunk) = self.unnamed.pop_front() else { return };
            self.deliver(chunk, now);
        }
    }

    fn deliver(&mut self, chunk: Chunk, now: Instant) {
        let chunk = match &mut self.enrich {
            Some(enrich) => enrich.apply(chunk),
            None => chunk,
        };
        if self.naming.splits() {
            self.assign(chunk.into(), now);
        } else {
            self.delivery.push(&self.naming.of_tag(&chunk.tag), chunk, now);
        }
    }

    fn assign(&mut self, chunk: Unassigned, now: Instant) {
        let mut room = self.delivery.room();
        match self.naming.assign(chunk, |target| room.takes(target)) {
            Assigned::Whole(target, chunk) => self.delivery.push(&target, chunk, now),
            Assigned::Parts { parts, rest } => {
                for (target, chunk) in parts {
                    self.delivery.push_part(&target, chunk, now);
                }
                self.rest = rest;
            }
        }
    }

    /// The process is to stop: what waits here may be what keeps the buffer from being emptied.
    fn stop_waiting(&mut self) {
        let now = clock::now();
        self.naming.give_up(now.checked_add(STOP_TASK_WAIT).unwrap_or(now));
        if self.naming.splits() || !self.has_room() {
            self.delivery.stop(clock::now());
        }
    }

    /// Asks for the end of the process where nothing was delivered for too long.
    fn look_at_failures(&mut self) {
        let now = clock::now();
        if self.fails_too_long_at().is_none_or(|at| at > now) {
            return;
        }
        let seconds = self.send_failure_timeout.take().unwrap_or_default().as_secs_f64();
        tracing::error!(
            "{}: nothing could be sent for {seconds} s (SEND_FAILURE_TIMEOUT)",
            self.name
        );
        self.alarm.raise();
    }

    fn fails_too_long_at(&self) -> Option<Instant> {
        self.delivery.fails_since()?.checked_add(self.send_failure_timeout?)
    }

    fn wake_at(&self) -> Option<Instant> {
        let again = self.client.looks_again_at(clock::now());
        if again.is_some() {
            return again;
        }
        let waits = !self.unnamed.is_empty() && self.naming.is_waiting(clock::now());
        let named = self.naming.gives_up_at().filter(|_| waits);
        // Nobody says when memory gets short: it is looked at while something could be given up.
        let now = clock::now();
        let look = self.delivery.may_give_up().then(|| now.checked_add(ROOM_LOOK)).flatten();
        let wake_ats = [self.delivery.wake_at(), named, self.fails_too_long_at(), look];
        wake_ats.into_iter().flatten().min()
    }

    fn send_due(&mut self, buffer: &Buffer, answers: &mut JoinSet<Answer>, stop: &StopReceiver) {
        let Some(sender) = self.client.sender().cloned() else { return };
        let now = clock::now();
        self.delivery.time_is(clock::event_now());
        while self.delivery.make_room(&buffer.needs_room(), now) {
            // It may have been the last part: what waits for the room would not be told of it.
            self.name_pending();
        }
        self.delivery.crowded(buffer.is_crowded(), now);
        let reserve = reserve(buffer);
        while let Some(mut batch) = self.delivery.next_batch(clock::now()) {
            let (creation, encoder) = (Arc::clone(&self.creation), Arc::clone(&self.encoder));
            let way = Way { sender: sender.clone(), creation, encoder };
            let stop = stop.clone();
            answers.spawn(async move {
                let (target, body) = (Arc::clone(&batch.target), batch.take_body());
                // A task of its own: a defect in there must cost an attempt, not the events.
                let fate = Fate::default();
                let sending = attempt(way, target, body, fate.clone());
                let mut attempt = AbortOnDrop(tokio::spawn(sending));
                let answer = tokio::select! {
                    biased;
                    answer = &mut attempt.0 => {
                        Ok(answer.unwrap_or_else(|error| Err(failed_task(&error, &fate))))
                    }
                    () = deadline(stop, reserve) => Err(fate),
                };
                (batch, answer)
            });
        }
    }

    fn answered(&mut self, answer: Result<Answer, JoinError>, buffer: &Buffer) {
        let now = clock::now();
        match answer {
            Ok((mut batch, Ok(Ok(Taken { put, sent_bytes })))) => {
                batch.sent_bytes = sent_bytes;
                self.delivery.accepted(batch, &put, now);
            }
            Ok((batch, Ok(Err(error)))) if error.class == Class::AlreadyExists => {
                // Only `DataAlreadyAcceptedException` comes here: the events are there.
                tracing::debug!("{}: {error}", batch.target);
                self.delivery.accepted(batch, &Put::default(), now);
            }
            Ok((batch, Ok(Err(error)))) => {
                // Streams and parts are nobody's: whichever goes makes room for others.
                let shortage = if self.has_room() { buffer.needs_room() } else { Shortage::Whole };
                self.delivery.failed(batch, &error, &shortage, now);
            }
            Ok((batch, Err(fate))) => self.delivery.abandon_batch(batch, fate.is_unknown()),
            Err(error) => {
                tracing::error!("a request's task ended early, its events are lost: {error}")
            }
        }
    }

    /// The time is up, or there is nothing left: what is held is left to the buffer.
    async fn abandon(&mut self, mut answers: JoinSet<Answer>, buffer: &Buffer) {
        while let Some(answer) = answers.join_next().await {
            self.answered(answer, buffer);
        }
        let held = self.delivery.abandon().into_iter();
        let rest = self.rest.take().map(Unassigned::into_chunk);
        buffer.leave(held.chain(rest).chain(self.unnamed.drain(..))).await;
    }
}

async fn asked_to_stop(mut stop: StopReceiver) {
    stop.stopping().await;
}

#[cfg(test)]
#[cfg(feature = "local")]
mod tests;
