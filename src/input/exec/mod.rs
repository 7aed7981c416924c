//! Step 1, input: `exec` runs a command and takes each line of its output as a record.
//!
//! Here is when it runs: at an interval or once, never twice at a time. [`lines`] cuts its output,
//! `run` follows one run of it to its end.

pub mod config;
pub mod lines;
mod process;
mod run;

use std::sync::Arc;

use super::Intake;
use super::ticks::Ticks;
use crate::clock;
use crate::lifecycle::{Alarm, Ending, StopReceiver};
use crate::record::tag::Tag;
use crate::ring::Closed;
use crate::telemetry::InputCounters;
use config::{Afterwards, Config, Schedule};
use lines::Lines;
use process::Process;
use run::{Run, Way};

pub use run::KILL_AFTER;

/// Exit status of a shell that finds no command; a command without a shell has the same.
const STATUS_NOT_FOUND: u8 = 127;

/// An `exec` input, ready to run.
#[derive(Debug)]
pub struct Exec {
    config: Config,
    tag: Tag,
    counters: Arc<InputCounters>,
    alarm: Alarm,
    /// The last exit status: one that is not as the one before is worth a line of the log.
    status: u8,
}

impl Exec {
    /// An input for records of this tag, which may end the process by the alarm.
    #[must_use]
    pub const fn new(config: Config, tag: Tag, counters: Arc<InputCounters>, alarm: Alarm) -> Self {
        Self { config, tag, counters, alarm, status: 0 }
    }

    /// Runs the command as often as it is to be run, until the process stops.
    pub async fn run(mut self, intake: Intake, mut stop: StopReceiver) {
        let way = Way { tag: self.tag.clone(), intake, counters: Arc::clone(&self.counters) };
        match self.config.schedule {
            Schedule::Every(period) => {
                let mut ticks = Ticks::every(period, clock::now());
                loop {
                    tokio::select! {
                        biased;
                        _ = stop.stopping() => return,
                        () = tokio::time::sleep_until(ticks.next().into()) => {}
                    }
                    // What was due while the last run took its time comes once.
                    ticks.take(clock::now());
                    if self.run_once(&way, &mut stop).await.is_err() {
                        return;
                    }
                }
            }
            Schedule::Once(afterwards) => {
                let Ok(status) = self.run_once(&way, &mut stop).await else { return };
                let name = &self.counters.name;
                match afterwards {
                    Afterwards::GoOn => return,
                    Afterwards::End => self.alarm.end(Ending::Done(0)),
                    Afterwards::EndAsCommand => self.alarm.end(Ending::Done(status)),
                }
                tracing::info!("{name}: the command has ended with status {status}, and so do we");
            }
        }
    }

    async fn run_once(&mut self, way: &Way, stop: &mut StopReceiver) -> Result<u8, Closed<()>> {
        let name = &self.counters.name;
        let status = match Process::start(&self.config.command) {
            Ok(process) => {
                let lines = Lines::new(self.config.line_bytes_max, self.config.parser.clone());
                Run::new(way, process, lines).follow(stop).await?
            }
            Err(error) => {
                if self.status != STATUS_NOT_FOUND {
                    tracing::warn!("{name}: cannot start the shell for the command: {error}");
                }
                self.status = STATUS_NOT_FOUND;
                STATUS_NOT_FOUND
            }
        };
        if status != self.status && status != 0 {
            tracing::warn!("{name}: the command has ended with status {status}");
        }
        self.status = status;
        Ok(status)
    }
}
