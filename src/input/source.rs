//! What an input is, to whoever runs it: something that hands chunks on until reading ends.

use std::sync::Arc;

use super::Intake;
use super::dummy::Dummy;
use super::exec::Exec;
use super::fluentbit_metrics::Metrics;
use super::listener::Listener;
use super::tail::offsets::Ended;
use super::tail::reader::Tail;
use crate::lifecycle::StopReceiver;
use crate::telemetry::Telemetry;

/// An input that is ready to be read.
#[derive(Debug)]
pub enum Source {
    /// Peers connect to it.
    Listener(Box<Listener>),
    /// It makes records of its own.
    Dummy(Box<Dummy>),
    /// It takes what a command prints.
    Exec(Box<Exec>),
    /// It takes our own counters.
    Metrics(Box<Metrics>),
    /// Files are read.
    Tail(Box<Tail>),
}

impl Source {
    /// Where it listens, as a person would write it; `None` where nobody connects.
    #[must_use]
    pub fn address(&self) -> Option<String> {
        match self {
            Self::Listener(listener) => Some(listener.address()),
            Self::Dummy(_) | Self::Exec(_) | Self::Metrics(_) | Self::Tail(_) => None,
        }
    }

    /// Says what there is to look at, once all of it is there.
    pub fn observe(&mut self, telemetry: &Arc<Telemetry>) {
        if let Self::Metrics(metrics) = self {
            metrics.observe(telemetry);
        }
    }

    /// Tells when it has stored what became of its records; `None` where nothing is stored.
    #[must_use]
    pub fn stored(&self) -> Option<Ended> {
        match self {
            Self::Listener(_) | Self::Dummy(_) | Self::Exec(_) | Self::Metrics(_) => None,
            Self::Tail(tail) => Some(tail.stored()),
        }
    }

    /// Reads until [`Intake::ending`] says that nothing more is to be read, or it is dropped.
    pub async fn run(self, intake: Intake, stop: StopReceiver) {
        match self {
            Self::Listener(listener) => listener.accept(intake).await,
            Self::Dummy(dummy) => dummy.run(intake, stop).await,
            Self::Exec(exec) => exec.run(intake, stop).await,
            Self::Metrics(metrics) => metrics.run(intake, stop).await,
            Self::Tail(tail) => tail.run(intake, stop).await,
        }
    }
}
