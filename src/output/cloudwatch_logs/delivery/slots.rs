//! Which streams may have a request on its way.
//!
//! A request that hangs holds its place until it times out. Streams that fail may hold half of the places,
//! and where there are several log groups, none of them may hold all: what is wrong with one of them is no
//! reason for the others to wait. Pure. Must not know when a stream is due.

use std::sync::Arc;

use super::super::target::Target;

/// Most requests of one output on their way at once: each holds a body of a mebibyte or more.
pub const IN_FLIGHT_MAX: usize = 8;
/// Most of them of streams whose last attempt failed.
pub(super) const FAILING_MAX: usize = IN_FLIGHT_MAX / 2;
/// Most of them of one log group where there are several.
pub(super) const OF_GROUP_MAX: usize = IN_FLIGHT_MAX - 2;

/// The requests that are on their way.
#[derive(Debug, Default)]
pub(super) struct Slots {
    /// Each stream, and whether its attempt before failed.
    away: Vec<(Arc<Target>, bool)>,
    /// One of the groups that were seen.
    group: Option<Arc<Target>>,
    has_several_groups: bool,
}

impl Slots {
    /// Whether nothing is on its way.
    pub(super) fn is_empty(&self) -> bool {
        self.away.is_empty()
    }

    /// Whether none is free, whoever wants one.
    pub(super) fn is_full(&self) -> bool {
        self.away.len() >= IN_FLIGHT_MAX
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
        let of_group = || self.away.iter().filter(|(other, _)| other.group == target.group).count();
        let fails_too_much = is_failing && self.failing() >= FAILING_MAX;
        let has_enough = self.has_several_groups && of_group() >= OF_GROUP_MAX;
        !(self.is_full() || fails_too_much || has_enough)
    }

    pub(super) fn take(&mut self, target: Arc<Target>, is_failing: bool) {
        self.away.push((target, is_failing));
    }

    pub(super) fn give_back(&mut self, target: &Target) {
        if let Some(at) = self.away.iter().position(|(other, _)| **other == *target) {
            self.away.swap_remove(at);
        }
    }

    fn failing(&self) -> usize {
        self.away.iter().filter(|(_, is_failing)| *is_failing).count()
    }
}
