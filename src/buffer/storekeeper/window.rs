//! The memory of what was read back and has no outcome yet.
//!
//! One lane may take a part of it: what cannot be delivered must not keep the rest from being read.

use crate::buffer::LaneRule;
use crate::buffer::lanes::Lanes;
use crate::chunk::CHUNK_OVERHEAD_BYTES;
use crate::ledger::{Budget, Share};
use crate::spill::Header;

/// The part of the window that one lane may take.
const LANE_SHARE: u64 = 4;
/// What a lane may take in any case: enough for a request of small records.
const LANE_BYTES_MIN: u64 = 256 * 1_024;

/// Memory of one output.
#[derive(Debug)]
pub(super) struct Window {
    all: Budget,
    lanes: Lanes,
    lane_bytes_max: u64,
}

/// Room for one block.
#[derive(Debug)]
#[must_use = "dropped room goes back to the window"]
pub(super) struct Room {
    of_all: Share,
    of_lane: Share,
}

impl Default for Room {
    fn default() -> Self {
        Self { of_all: Share::empty(), of_lane: Share::empty() }
    }
}

impl Room {
    pub(super) fn into_shares(self) -> (Share, Share) {
        (self.of_all, self.of_lane)
    }
}

impl Window {
    pub(super) fn new(bytes_max: u64, rule: LaneRule) -> Self {
        let lane_bytes_max = match rule {
            LaneRule::OfTag => (bytes_max / LANE_SHARE).max(LANE_BYTES_MIN.min(bytes_max / 2)),
            LaneRule::One => bytes_max,
        };
        Self { all: Budget::new(bytes_max), lanes: Lanes::default(), lane_bytes_max }
    }

    /// Takes room for a block. What is larger than all there is gets all there is.
    pub(super) fn take(&mut self, header: &Header) -> Option<Room> {
        let bytes = cost(header);
        let bytes_max = self.lane_bytes_max;
        let of_lane = self.lanes.take(header.lane, bytes, bytes_max)?;
        let of_all = self.all.try_take(bytes)?;
        Some(Room { of_all, of_lane })
    }

    /// Whether a block that finds no room would find it if its lane had less.
    pub(super) fn is_lanes_fault(&self, header: &Header) -> bool {
        self.all.try_take(cost(header)).is_some()
    }
}

fn cost(header: &Header) -> usize {
    usize::try_from(header.bytes).unwrap_or(usize::MAX).saturating_add(CHUNK_OVERHEAD_BYTES)
}
