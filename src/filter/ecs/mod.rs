//! Step 3, filter `ecs`: appends what the ECS agent knows of the container a record came from.
//!
//! Meaning as in Fluent Bit (`plugins/filter_ecs`): the container's id stands in the tag behind a
//! prefix; where its task is not known, what is known of the instance is appended alone, and before
//! that nothing. Fluent Bit asks while everything waits; here only chunks of a container that is
//! being asked for wait, in their order and for a short while. Appended fields are made once a
//! container and stored once a chunk. Must not know how the agent is asked.

pub mod config;
mod containers;
pub mod variables;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::chunk::Chunk;
use crate::ecs::introspection::{Answer, ContainerId, Desk, Instance, Task};
use crate::record::fields::Appended;
use crate::record::tag::Tag;

use config::Config;
pub use containers::CONTAINERS_MAX;
use containers::{Containers, State};

/// How long chunks wait: for the instance from the start of the process on, for a container's task
/// from the question on. The agent answers within milliseconds, or not at all: twice what one
/// question may take.
pub const WAIT_MAX: Duration = Duration::from_secs(2);
/// Most chunks that wait: as many as may be between the inputs and the ingest.
pub const CHUNKS_MAX: usize = 1_024;

/// The filter, ready to run.
#[derive(Debug)]
pub struct Ecs {
    config: Config,
    desk: Desk,
    instance: Option<Instance>,
    /// What is appended where no task is known; nothing before the instance is known.
    cluster: Appended,
    containers: Containers,
    /// From when on no chunk waits for the instance.
    until: Instant,
    /// Chunks that wait for an answer, in the order they came.
    held: VecDeque<Chunk>,
    /// When some of them go on, whatever is known then.
    held_until: Instant,
    /// Chunks that have waited, with their fields.
    ready: VecDeque<Chunk>,
    /// The newest time that was told.
    now: Instant,
}

/// What is to be done with a chunk.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// It waits, no longer than this.
    Wait(Instant),
    /// What is known of the instance is appended.
    Cluster,
    /// What is known of the container is appended.
    Container,
}

/// Whether a chunk has been asked for before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Visit {
    First,
    Again,
}

impl Ecs {
    /// A filter that asks at `desk`. Chunks wait for the instance for [`WAIT_MAX`] from `started` on,
    /// if there is anything to add.
    #[must_use]
    pub fn new(config: Config, desk: Desk, started: Instant) -> Self {
        let until = if config.adds.is_empty() { started } else { started + WAIT_MAX };
        Self {
            containers: Containers::new(config.ttl),
            config,
            desk,
            instance: None,
            cluster: Appended::default(),
            until,
            held: VecDeque::new(),
            held_until: until,
            ready: VecDeque::new(),
            now: started,
        }
    }

    /// Appends what is known, or keeps the chunk until something is.
    #[must_use]
    pub fn apply(&mut self, chunk: Chunk, now: Instant) -> Option<Chunk> {
        self.look(now);
        match self.fate(&chunk.tag, Visit::First) {
            Fate::Wait(until) => {
                self.hold(chunk, until);
                if self.held.len() >= CHUNKS_MAX {
                    self.give_up();
                }
                None
            }
            fate @ (Fate::Cluster | Fate::Container) => {
                let chunk = self.append(chunk, fate);
                if self.ready.is_empty() {
                    return Some(chunk);
                }
                // Behind those that have waited.
                self.ready.push_back(chunk);
                None
            }
        }
    }

    /// When chunks that wait are to go on.
    #[must_use]
    pub fn wakes_at(&self) -> Option<Instant> {
        let ready = (!self.ready.is_empty()).then_some(self.now);
        ready.or_else(|| (!self.held.is_empty()).then_some(self.held_until))
    }

    /// A chunk that has waited long enough.
    #[must_use]
    pub fn expired(&mut self, now: Instant) -> Option<Chunk> {
        self.look(now);
        self.ready.pop_front()
    }

    /// Any chunk that waits, the oldest first.
    #[must_use]
    pub fn pending(&mut self) -> Option<Chunk> {
        self.learn();
        self.give_up();
        self.ready.pop_front()
    }

    /// Takes answers in, and makes ready what they or the time let go.
    fn look(&mut self, now: Instant) {
        self.now = now;
        let has_learnt = self.learn();
        if !self.held.is_empty() && (has_learnt || now >= self.held_until) {
            self.settle();
        }
    }

    fn learn(&mut self) -> bool {
        let mut has_learnt = false;
        while let Some(answer) = self.desk.answer() {
            has_learnt = true;
            match answer {
                Answer::Instance(instance) => {
                    self.until = self.until.min(self.now);
                    if let Some(instance) = instance {
                        let fields = variables::fields(&self.config.adds, &instance, None);
                        self.cluster = Appended::new(fields);
                        self.instance = Some(instance);
                    }
                }
                Answer::Task { asked, task } => self.learn_task(&asked, task.as_ref()),
            }
        }
        has_learnt
    }

    /// All containers of a task become known with the first of them.
    fn learn_task(&mut self, asked: &str, task: Option<&Task>) {
        let (Some(instance), Some(task)) = (&self.instance, task) else {
            if let Some(id) = ContainerId::begin(asked.as_bytes()).map(ContainerId::short) {
                let failures = match self.containers.get(id, self.now) {
                    Some(State::Asked { failures, .. }) => *failures,
                    Some(State::Known(_) | State::Failed(_)) | None => 0,
                };
                self.containers.put(id, State::Failed(failures + 1), self.now);
            }
            return;
        };
        for container in &task.containers {
            if let Some(id) = ContainerId::begin(container.docker_id.as_bytes()) {
                let adds = &self.config.adds;
                let fields = variables::fields(adds, instance, Some((task, container)));
                self.containers.put(id.short(), State::Known(Appended::new(fields)), self.now);
            }
        }
    }

    /// What is to be done with a chunk of this tag now. A container that is not known is asked for.
    fn fate(&mut self, tag: &Tag, visit: Visit) -> Fate {
        if self.instance.is_none() {
            return if self.now < self.until { Fate::Wait(self.until) } else { Fate::Cluster };
        }
        let Some(id) = self.config.container(tag) else { return Fate::Cluster };
        let failures = match self.containers.get(id.short(), self.now) {
            Some(State::Known(_)) => return Fate::Container,
            Some(State::Asked { until, .. }) if self.now < *until => return Fate::Wait(*until),
            Some(State::Asked { .. }) => return Fate::Cluster,
            // A chunk that has waited for an answer does not wait for another one.
            Some(State::Failed(_)) if visit == Visit::Again => return Fate::Cluster,
            Some(State::Failed(count)) if *count >= self.config.attempts_max => {
                return Fate::Cluster;
            }
            Some(State::Failed(count)) => *count,
            None => 0,
        };
        if !self.desk.ask(id) {
            return Fate::Cluster;
        }
        let until = self.now + WAIT_MAX;
        self.containers.put(id.short(), State::Asked { until, failures }, self.now);
        Fate::Wait(until)
    }

    fn append(&mut self, mut chunk: Chunk, fate: Fate) -> Chunk {
        let id = match fate {
            Fate::Container => self.config.container(&chunk.tag),
            Fate::Wait(_) | Fate::Cluster => None,
        };
        let appended = match id.and_then(|id| self.containers.get(id.short(), self.now)) {
            Some(State::Known(appended)) => appended,
            Some(State::Asked { .. } | State::Failed(_)) | None => &mut self.cluster,
        };
        chunk.shared = appended.after(&chunk.shared);
        chunk
    }

    fn hold(&mut self, chunk: Chunk, until: Instant) {
        self.held_until = if self.held.is_empty() { until } else { self.held_until.min(until) };
        self.held.push_back(chunk);
    }

    /// Makes ready all that need not wait any longer.
    fn settle(&mut self) {
        for chunk in std::mem::take(&mut self.held) {
            match self.fate(&chunk.tag, Visit::Again) {
                Fate::Wait(until) => self.hold(chunk, until),
                fate @ (Fate::Cluster | Fate::Container) => {
                    let chunk = self.append(chunk, fate);
                    self.ready.push_back(chunk);
                }
            }
        }
    }

    /// Makes all ready that waits, with what is known.
    fn give_up(&mut self) {
        for chunk in std::mem::take(&mut self.held) {
            let chunk = self.append(chunk, Fate::Container);
            self.ready.push_back(chunk);
        }
    }
}

impl Config {
    /// The container that a tag names.
    fn container<'t>(&self, tag: &'t Tag) -> Option<ContainerId<'t>> {
        let after = tag.as_bytes().strip_prefix(self.tag_prefix.as_bytes())?;
        if self.cluster_only { None } else { ContainerId::begin(after) }
    }
}

/// An instance and a task, for tests.
#[cfg(test)]
mod fixture {
    use crate::ecs::introspection::{Container, Instance, Task};

    pub(super) fn instance() -> Instance {
        Instance {
            cluster: "c".to_owned(),
            arn: "arn:i/0ab".to_owned(),
            id: "0ab".to_owned(),
            agent_version: "agent v1".to_owned(),
        }
    }

    /// A task of one container with that id.
    pub(super) fn task(docker_id: &str) -> Task {
        let container = Container {
            docker_id: docker_id.to_owned(),
            docker_name: "ecs-web-2".to_owned(),
            name: "app".to_owned(),
        };
        Task {
            arn: "arn:t/e01d".to_owned(),
            id: "e01d".to_owned(),
            family: "web".to_owned(),
            version: "2".to_owned(),
            containers: vec![container],
        }
    }
}

#[cfg(test)]
mod tests;
