//! Step 3, filter: what `ecs` remembers of containers.
//!
//! Bounded in number, the least recently used goes first, and in time; but no question goes before
//! it is answered, since chunks may wait for it. Must not know who asks.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::ecs::introspection::ShortId;
use crate::record::fields::Appended;

/// Most containers that are remembered. An instance runs at most some 120 tasks of up to 10
/// containers; Fluent Bit begins with room for 100 and has no bound.
pub const CONTAINERS_MAX: usize = 1_024;

/// What is remembered of a container.
#[derive(Debug)]
pub(super) enum State {
    /// It is being asked for.
    Asked {
        /// How long chunks wait for the answer.
        until: Instant,
        /// How often there was no task before.
        failures: u32,
    },
    /// Its task is known: the fields.
    Known(Appended),
    /// No task was found, so often.
    Failed(u32),
}

#[derive(Debug)]
struct Entry {
    state: State,
    since: Instant,
    /// Number of the last use of any entry.
    used: u64,
}

/// The containers.
#[derive(Debug)]
pub(super) struct Containers {
    entries: HashMap<ShortId, Entry>,
    ttl: Duration,
    uses: u64,
}

impl Entry {
    fn is_question(&self) -> bool {
        matches!(self.state, State::Asked { .. })
    }
}

impl Containers {
    /// None yet. They are remembered for `ttl`.
    pub(super) fn new(ttl: Duration) -> Self {
        Self { entries: HashMap::new(), ttl, uses: 0 }
    }

    /// What is remembered of a container. A question stays until it is answered.
    pub(super) fn get(&mut self, id: ShortId, now: Instant) -> Option<&mut State> {
        let entry = self.entries.get(&id)?;
        if !entry.is_question() && now.saturating_duration_since(entry.since) >= self.ttl {
            self.entries.remove(&id);
            return None;
        }
        self.uses += 1;
        let entry = self.entries.get_mut(&id)?;
        entry.used = self.uses;
        Some(&mut entry.state)
    }

    /// Remembers a container, in place of the least recently used one where there is no room.
    /// Questions are far fewer than [`CONTAINERS_MAX`].
    pub(super) fn put(&mut self, id: ShortId, state: State, now: Instant) {
        if self.entries.len() >= CONTAINERS_MAX && !self.entries.contains_key(&id) {
            // A walk over all of them, but only where a container is new to a full memory.
            let oldest =
                self.entries.iter().min_by_key(|(_, entry)| (entry.is_question(), entry.used));
            if let Some(id) = oldest.map(|(id, _)| *id) {
                self.entries.remove(&id);
            }
        }
        self.uses += 1;
        self.entries.insert(id, Entry { state, since: now, used: self.uses });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ecs::introspection::ContainerId;

    const TTL: Duration = Duration::from_secs(60);
    const MS: Duration = Duration::from_millis(1);

    fn id(number: usize) -> ShortId {
        let text = format!("{number:012x}");
        ContainerId::begin(text.as_bytes()).expect("an id").short()
    }

    #[test]
    fn a_container_is_forgotten_when_its_time_is_over() {
        let now = crate::clock::now();
        let mut containers = Containers::new(TTL);
        containers.put(id(1), State::Known(Appended::default()), now);
        containers.put(id(2), State::Failed(1), now);
        containers.put(id(3), State::Asked { until: now, failures: 0 }, now);
        let mut knows = |number, at| containers.get(id(number), at).is_some();
        assert!(knows(1, now + TTL - MS) && knows(2, now + TTL - MS));
        assert!(!knows(1, now + TTL) && !knows(2, now + TTL));
        assert!(knows(3, now + TTL), "its answer is still to come");
        assert!(!knows(1, now), "it is gone");
    }

    #[test]
    fn the_least_recently_used_goes_where_there_is_no_room() {
        let now = crate::clock::now();
        let mut containers = Containers::new(TTL);
        containers.put(id(0), State::Asked { until: now, failures: 0 }, now);
        for number in 1..CONTAINERS_MAX {
            containers.put(id(number), State::Failed(1), now);
        }
        assert!(containers.get(id(1), now).is_some());
        containers.put(id(2), State::Failed(2), now);
        containers.put(id(CONTAINERS_MAX), State::Failed(1), now);
        assert_eq!(containers.entries.len(), CONTAINERS_MAX);
        let mut knows = |number| containers.get(id(number), now).is_some();
        assert!(knows(1) && knows(2) && !knows(3));
        assert!(knows(0), "nobody has answered it yet");
    }
}
