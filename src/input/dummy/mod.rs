//! Step 1, input: `dummy` makes records of its own, as often as it is told to.
//!
//! What it makes and when is decided in [`generator`]; here is only the waiting. It is no peer that
//! has something to say: it ends with the stop, at once.

pub mod config;
pub mod generator;

use std::sync::Arc;

use super::{Intake, room};
use crate::clock;
use crate::lifecycle::StopReceiver;
use crate::record::chunk::TaggedEntries;
use crate::record::tag::Tag;
use crate::telemetry::InputCounters;
use config::Config;
use generator::Generator;

/// A `dummy` input, ready to run.
#[derive(Debug)]
pub struct Dummy {
    config: Config,
    tag: Tag,
    counters: Arc<InputCounters>,
}

impl Dummy {
    /// An input for records of this tag.
    #[must_use]
    pub const fn new(config: Config, tag: Tag, counters: Arc<InputCounters>) -> Self {
        Self { config, tag, counters }
    }

    /// Makes records until it has made all or the process stops.
    pub async fn run(self, intake: Intake, mut stop: StopReceiver) {
        let Self { config, tag, counters } = self;
        let mut generator = Generator::new(config, clock::now(), clock::event_now());
        loop {
            while let Some(cost) = generator.next_cost_bytes() {
                let cost = cost + tag.as_bytes().len();
                let mut share = tokio::select! {
                    biased;
                    _ = stop.stopping() => return,
                    share = room::take(&intake, cost, &counters) => share,
                };
                let tagged = TaggedEntries { tag: tag.clone(), entries: generator.next_entries() };
                if room::hand_on(&intake, tagged, &mut share, &counters).await.is_err() {
                    return;
                }
            }
            let Some(at) = generator.wakes_at() else { return };
            tokio::select! {
                biased;
                _ = stop.stopping() => return,
                () = tokio::time::sleep_until(at.into()) => {}
            }
            generator.tick(clock::now(), clock::event_now());
        }
    }
}
