//! Output `file`: appends events to files, gathered by tag for a flush interval.
//!
//! A flush is written whole or not at all, and tried again as it was; one at a time, in order. What a
//! disk takes is delivered: nothing is forced out of the system's memory. Writing blocks, so it has a
//! thread of the runtime's own for that.

pub mod append;
pub mod config;
pub mod destination;
pub mod format;
pub mod name;
pub mod pattern;
pub mod plan;
pub mod rotate;
pub mod template;

use std::sync::Arc;

use fastrand::Rng;
use tokio::task::spawn_blocking;

use super::courier::{Around, Courier, Failure, Sent, run};
use super::dispatch::{FailureKind, Parcel, Settings};
use super::losses::Losses;
use crate::buffer::Buffer;
use crate::chunk::Chunk;
use crate::clock;
use crate::ledger::Reason;
use crate::lifecycle::StopReceiver;

use append::{Manners, Sheet, Written, append_all};
use config::Config;
use plan::Plan;
use rotate::Stamp;

/// The output, ready to run.
#[derive(Debug)]
pub struct File {
    writer: Writer,
    settings: Settings,
    around: Around,
}

/// Takes parcels to their files.
#[derive(Clone, Debug)]
struct Writer {
    name: Arc<str>,
    plan: Plan,
    manners: Manners,
    chance: Rng,
    losses: Losses,
}

/// What is written in one go.
#[derive(Debug)]
struct Flush {
    sheets: Vec<Sheet>,
    /// For the name of a file that is put aside.
    chance: u32,
}

impl File {
    /// An output that does what the configuration says; `escape_unicode` is `[SERVICE]
    /// json.escape_unicode`.
    #[must_use]
    pub fn new(config: &Config, escape_unicode: bool, settings: Settings, around: Around) -> Self {
        let Config { makes_folders, rotation, .. } = *config;
        let writer = Writer {
            name: around.counters.name.as_str().into(),
            plan: Plan::new(config, escape_unicode),
            manners: Manners { makes_folders, rotation },
            chance: Rng::with_seed(settings.seed),
            losses: Losses::default(),
        };
        // Two at once could stand in each other's way at a file.
        Self { writer, settings: Settings { in_flight_max: 1, ..settings }, around }
    }

    /// Writes until the buffer is closed and everything has its outcome, or until shortly before the
    /// deadline of a stop.
    pub async fn run(self, buffer: Arc<Buffer>, stop: StopReceiver) {
        run(self.writer, self.settings, self.around, buffer, stop).await;
    }
}

impl Courier for Writer {
    type Request = Flush;

    fn admit(&mut self, mut chunk: Chunk) -> Option<Chunk> {
        let before = chunk.records();
        let outcome = self.plan.admit(&mut chunk, clock::now());
        if let Some((why, refused)) = outcome {
            let gone = before.saturating_sub(chunk.entries.len() as u64);
            chunk.permit.receipt.dropped(refused, Reason::Refused);
            chunk.permit.receipt.dropped(gone.saturating_sub(refused), Reason::Filtered);
            if let Some(records) = self.losses.add(gone, clock::now()) {
                tracing::error!("{}: {records} records of {} dropped: {why}", self.name, chunk.tag);
            }
        }
        (!chunk.entries.is_empty()).then_some(chunk)
    }

    fn prepare(&mut self, parcel: &Parcel) -> Flush {
        let sheets = self.plan.write(&parcel.tag, &parcel.chunks, clock::now());
        Flush { sheets, chance: self.chance.u32(..) }
    }

    async fn send(self, flush: Flush) -> Result<Sent, Failure> {
        let Flush { sheets, chance } = flush;
        let stamp = Stamp { unix: clock::unix_now(), chance };
        let manners = self.manners;
        let written = spawn_blocking(move || append_all(&sheets, manners, stamp)).await;
        match written {
            Ok(Ok(Written { bytes: 0, why: Some(why), .. })) => {
                Err(Failure { kind: FailureKind::Refused, why: why.to_string() })
            }
            Ok(Ok(Written { bytes, refused, why })) => {
                if let Some(why) = why {
                    tracing::error!("{}: {refused} records dropped, the first: {why}", self.name);
                }
                Ok(Sent { bytes, refused })
            }
            // Written again as a whole: nothing of it is there.
            Ok(Err(error)) => {
                let kind = FailureKind::Again { after: None, is_ambiguous: false };
                Err(Failure { kind, why: error.to_string() })
            }
            Err(error) => {
                let kind = FailureKind::Again { after: None, is_ambiguous: true };
                Err(Failure { kind, why: format!("writing failed by a defect: {error}") })
            }
        }
    }
}
