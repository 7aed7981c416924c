//! Wiring: the buffer of each output, with a store on disk where there is a folder for it.

use std::sync::Arc;
use std::thread;

use tokio::runtime::Builder;
use tokio::task::JoinSet;

use super::BuildError;
use crate::buffer::{Buffer, LaneRule, Storekeeper, Surroundings};
use crate::config::Storage;
use crate::ledger::Budget;
use crate::memory;
use crate::spill::{Log, Place, Settings};
use crate::telemetry::OutputCounters;

/// The part of the budget that may go straight to outputs, together; the rest is for what is read
/// meanwhile, and on its way to disk.
const MEMORY_SHARE: u64 = 2;
/// Most bytes of a segment, and the part of all bytes that it may be: what is left on disk until
/// the last of its records is delivered.
const SEGMENT_BYTES_MAX: u64 = 8 * 1_024 * 1_024;
const SEGMENT_SHARE: u64 = 16;
/// The part of all bytes that is kept for what the end of a process leaves, unless less will do.
const LEFT_SHARE: u64 = 4;
/// What an output takes where nobody says what is free.
const UNKNOWN_BYTES_MAX: u64 = 256 * 1_024 * 1_024;

/// The folder beside an output's own, for what the end of a process leaves.
fn left_name(output: &str) -> String {
    format!("{output}.left")
}

/// Makes buffers.
#[derive(Debug)]
pub(super) struct Stores {
    place: Option<Place>,
    outputs: u64,
    syncs: bool,
    budget: Budget,
    memory_bytes: u64,
    window_bytes: u64,
    keepers: Vec<Storekeeper>,
}

impl Stores {
    /// Looks for a folder.
    ///
    /// # Errors
    ///
    /// The one that is configured cannot be used.
    pub(super) fn find(
        storage: &Storage,
        budget: Budget,
        outputs: usize,
    ) -> Result<Self, BuildError> {
        let place = match Place::find(storage.path.as_deref()) {
            Ok(place) => Some(place),
            Err(error) if storage.path.is_some() => return Err(error.into()),
            Err(error) => {
                tracing::info!("records wait in memory alone: {error}");
                None
            }
        };
        let bytes_max = budget.bytes_max();
        Ok(Self {
            outputs: outputs.max(1) as u64,
            place,
            syncs: storage.syncs,
            memory_bytes: bytes_max / MEMORY_SHARE / (outputs.max(1) as u64),
            window_bytes: memory::window_bytes(storage.backlog_bytes, bytes_max),
            budget,
            keepers: Vec::new(),
        })
    }

    /// The buffer of an output, which may take so many bytes on disk.
    ///
    /// # Errors
    ///
    /// Its folder cannot be used, though it is configured.
    pub(super) fn buffer(
        &mut self,
        counters: &OutputCounters,
        rule: LaneRule,
        bytes_max: Option<u64>,
    ) -> Result<Buffer, BuildError> {
        let Some(place) = &self.place else { return Ok(Buffer::in_memory(self.budget.clone())) };
        let disk = place.disk(&counters.name)?;
        let bytes_max = match place.space() {
            Ok(space) => match bytes_max {
                Some(limit) => place.bytes_max(space, place.used_bytes(), Some(limit)),
                None => place.bytes_max(space, place.used_bytes(), None) / self.outputs,
            },
            Err(error) => {
                let path = place.path().display();
                tracing::warn!("{path}: the file system does not say what is free: {error}");
                bytes_max.unwrap_or(UNKNOWN_BYTES_MAX)
            }
        };
        let settings = |bytes_max: u64| Settings {
            bytes_max,
            segment_bytes_max: (bytes_max / SEGMENT_SHARE).min(SEGMENT_BYTES_MAX),
            syncs: self.syncs,
        };
        // Both logs together stay within the limit. What is left was in memory: it is no more than that.
        let left_bytes_max = match place.survives() {
            true => (bytes_max / LEFT_SHARE).min(self.budget.bytes_max()),
            false => 0,
        };
        let of_left = settings(left_bytes_max);
        let settings = settings(bytes_max - left_bytes_max);
        if !place.survives() {
            // Of a process that is gone: it may have had other destinations under the same names.
            let old = Log::open(disk.clone(), settings)?;
            if old.bytes() > 0 {
                let (name, bytes) = (&counters.name, old.bytes());
                tracing::warn!(
                    "{name}: {bytes} bytes that a process left without storage.path are deleted"
                );
            }
            old.remove_all()?;
        }
        let disk = place.disk(&counters.name)?;
        let log = Log::open(disk, settings)?;
        let left = match place.survives() {
            true => Some(Log::open(place.disk(&left_name(&counters.name))?, of_left)?),
            false => None,
        };
        counters.storage.bytes_max.set(bytes_max);
        let around = Surroundings {
            log,
            left,
            account: Arc::clone(&counters.account),
            name: counters.name.clone(),
            window_bytes: self.window_bytes,
            counters: Arc::clone(&counters.storage),
        };
        let (buffer, keeper) =
            Buffer::with_store(self.budget.clone(), self.memory_bytes, rule, around);
        self.keepers.push(keeper);
        Ok(buffer)
    }

    /// Says where it is, and what there is that nobody delivers.
    pub(super) fn tell(&self, outputs: &[Arc<OutputCounters>]) {
        let Some(place) = &self.place else { return };
        let outputs = outputs.iter().map(|one| one.name.as_str());
        let path = place.path().display();
        match place.survives() {
            true => tracing::info!("records that wait on disk are in {path}, also after a restart"),
            false => tracing::info!("records for which memory is short wait in {path}"),
        }
        if place.is_in_memory() {
            tracing::warn!("{path} lies in memory: what waits there counts as memory of the task");
        }
        let left: Vec<String> = outputs.clone().map(left_name).collect();
        let known = outputs.chain(left.iter().map(String::as_str));
        for folder in place.forgotten(known) {
            let path = folder.display();
            match place.survives() {
                true => tracing::warn!(
                    "{path}: records of an output that is not configured any more; nobody delivers them"
                ),
                false => match place.delete(&folder) {
                    Ok(()) => tracing::warn!(
                        "{path}: what a process left without storage.path is deleted"
                    ),
                    Err(error) => tracing::warn!("cannot delete '{path}': {error}"),
                },
            }
        }
        match place.orphans() {
            0 => {}
            slots => {
                let does = if place.survives() { "delivers" } else { "deletes" };
                tracing::warn!(
                    "{slots} folders beside {path} hold records of processes that are gone; \
                     each start {does} what is in one"
                );
            }
        }
    }

    /// Has what is on disk kept, on a thread of its own: disks may block.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub(super) fn start(self) -> std::io::Result<()> {
        if self.keepers.is_empty() {
            return Ok(());
        }
        let runtime = Builder::new_current_thread().enable_time().build()?;
        let place = self.place;
        let work = move || {
            runtime.block_on(async {
                self.keepers
                    .into_iter()
                    .map(Storekeeper::run)
                    .collect::<JoinSet<_>>()
                    .join_all()
                    .await
            });
            // Until here the folder was ours.
            drop(place);
        };
        thread::Builder::new().name("firelane-disk".to_owned()).spawn(work).map(drop)
    }
}
