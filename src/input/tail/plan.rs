//! Step 1, input: what the options of a `tail` say about its files.
//!
//! Must not know which files there are.

use std::sync::Arc;
use std::time::Duration;

use super::lines::Rules;
use super::names::Tagging;
use super::paths::{Excluded, Walk};
use crate::record::time::EventTime;

/// What is followed, and how.
#[derive(Clone, Debug)]
pub struct Plan {
    /// `Path`.
    pub walks: Vec<Walk>,
    /// `Exclude_Path`.
    pub excluded: Excluded,
    /// The tags of files.
    pub tagging: Tagging,
    /// What becomes of lines.
    pub rules: Arc<Rules>,
    /// `Read_from_Head`: files that are there at the start are read from their first byte.
    pub from_head: bool,
    /// `Read_Newly_Discovered_Files_From_Head`: so are those that are found later.
    pub later_from_head: bool,
    /// `Refresh_Interval`.
    pub refresh: Duration,
    /// `Rotate_Wait`.
    pub rotate_wait: Duration,
    /// `Ignore_Older`, and whether it also holds for files that are followed.
    pub older: Option<(Duration, bool)>,
    /// `Buffer_Chunk_Size`: bytes of a read.
    pub piece: usize,
    /// Most files that are followed at once, inclusive: each has a descriptor.
    pub files_max: usize,
}

impl Plan {
    /// Whether a file that was written last at `modified` since 1970 is not to be read.
    #[must_use]
    pub fn is_too_old(&self, modified: Duration, now: EventTime) -> bool {
        let now = u64::try_from(now.as_nanos()).map(Duration::from_nanos).unwrap_or_default();
        self.older.is_some_and(|(older, _)| now.saturating_sub(modified) > older)
    }

    /// Whether one that is followed is not to be read any more.
    #[must_use]
    pub fn ends_reading(&self, modified: Duration, now: EventTime) -> bool {
        self.older.is_some_and(|(_, is_active_too)| is_active_too) && self.is_too_old(modified, now)
    }
}
