//! Which streams may have a request on its way.
//!
//! A request that hangs holds its place until it times out. Streams that fail may hold half of the places,
//! and where there are several log groups, none of them may hold all: what is wrong with one of them is no
//! reason for the others to wait. Pure. Must not know when a stream is due.

use std::sync::Arc;

use super::super::batch::BODY_BYTES_MAX;
use super::super::limits::BATCH_BYTES_MAX;
use super::super::target::Target;

/// Most requests of one output on their way at once: each holds a body of a mebibyte or more.
pub const IN_FLIGHT_MAX: usize = 8;
/// Most bytes of their bodies together: what as many have of which a quarter is escapes. A request goes
/// only where the largest body would have room.
pub const BODIES_BYTES_MAX: usize = IN_FLIGHT_MAX * (BATCH_BYTES_MAX + BATCH_BYTES_MAX / 4);
/// Most of them of streams whose last attempt failed.
pub(super) const FAILING_MAX: usize = IN_FLIGHT_MAX / 2;
/// Most of them of one log group where there are several.
pub(super) const OF_GROUP_MAX: usize = IN_FLIGHT_MAX - 2;

// Streams that fail leave room for a body of another.
const _: () = assert!((FAILING_MAX + 1) * BODY_BYTES_MAX <= BODIES_BYTES_MAX);

/// The requests that are on their way.
#[derive(Debug, Default)]
pub(super) struct Slots {
    away: Vec<Away>,
    /// Sum of their bodies.
    bytes: usize,
    /// One of the groups that were seen.
    group: Option<Arc<Target>>,
    has_several_groups: bool,
}

/// A request.
#[derive(Debug)]
struct Away {
    target: Arc<Target>,
    /// Whether its stream's attempt before failed.
    is_failing: bool,
    body_bytes: usize,
}

impl Slots {
    /// Whether nothing is on its way.
    pub(super) fn is_empty(&self) -> bool {
        self.away.is_empty()
    }

    /// Whether none is free, whoever wants one.
    pub(super) fn is_full(&self) -> bool {
        self.away.len() >= IN_FLIGHT_MAX || self.bytes > BODIES_BYTES_MAX - BODY_BYTES_MAX
    }

    /// Notes a stream that is new.
    pub(super) fn see(&mut self, target: &Arc<Target>) {
        let known = self.group.get_or_insert_with(|| Arc::clone(target));
        self.has_several_groups |= known.group != target.group;
    }

    /// Whether some streams have to wait although a place is free.
    pub(super) fn is_choosy(&self) -> bool {
        self.failing() >= FAILING_MAX
            || (self.has_several_groups && self.away.len() >= OF_GROUP_MAX)
    }

    /// Whether there is a place for a stream.
    pub(super) fn is_free_for(&self, target: &Target, is_failing: bool) -> bool {
        let of_group = || self.away.iter().filter(|one| one.target.group == target.group).count();
        let fails_too_much = is_failing && self.failing() >= FAILING_MAX;
        let has_enough = self.has_several_groups && of_group() >= OF_GROUP_MAX;
        !(self.is_full() || fails_too_much || has_enough)
    }

    pub(super) fn take(&mut self, target: Arc<Target>, is_failing: bool, body_bytes: usize) {
        self.bytes = self.bytes.saturating_add(body_bytes);
        self.away.push(Away { target, is_failing, body_bytes });
    }

    pub(super) fn give_back(&mut self, target: &Target) {
        if let Some(at) = self.away.iter().position(|one| *one.target == *target) {
            self.bytes = self.bytes.saturating_sub(self.away.swap_remove(at).body_bytes);
        }
    }

    fn failing(&self) -> usize {
        self.away.iter().filter(|one| one.is_failing).count()
    }
}
