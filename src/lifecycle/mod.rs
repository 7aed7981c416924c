//! Around the path: how the process ends.
//!
//! [`signal`] turns SIGTERM and SIGINT into one [`Stop`]; whoever must end waits for it and keeps
//! the deadline. Must not know what is to be ended.

pub mod signal;

use std::time::{Duration, Instant};

use tokio::sync::watch;

/// The moment from which the process is stopping, and until when it may take.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stop {
    /// When the stop was asked for.
    pub since: Instant,
    /// What is not delivered by then is left. `None`: as long as it takes.
    pub deadline: Option<Instant>,
}

/// Says that the process is to stop.
#[derive(Debug)]
pub struct StopSender(watch::Sender<Option<Stop>>);

/// Waits for the process to be stopped. Cheap to clone.
#[derive(Clone, Debug)]
pub struct StopReceiver(watch::Receiver<Option<Stop>>);

/// Says from within that the process is to end, because a configuration wants it to. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Alarm(watch::Sender<Option<Ending>>);

/// Why a process ends itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ending {
    /// Something is not as the configuration expects it to be.
    Unexpected,
    /// What it was there for is done; with this exit status.
    Done(u8),
}

impl Default for Alarm {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Alarm {
    /// Raises it, for good: something is not as it is expected to be.
    pub fn raise(&self) {
        self.end(Ending::Unexpected);
    }

    /// Raises it, for good. Only the first call counts.
    pub fn end(&self, ending: Ending) {
        self.0.send_if_modified(|raised| {
            let is_first = raised.is_none();
            raised.get_or_insert(ending);
            is_first
        });
    }

    /// Why it was raised, if it was.
    #[must_use]
    pub fn ending(&self) -> Option<Ending> {
        *self.0.borrow()
    }

    /// Returns once it was raised.
    pub async fn raised(&self) {
        // The sender is ours: it cannot be gone.
        let _ = self.0.subscribe().wait_for(Option::is_some).await;
    }
}

/// The two ends.
#[must_use]
pub fn stop_channel() -> (StopSender, StopReceiver) {
    let (sender, receiver) = watch::channel(None);
    (StopSender(sender), StopReceiver(receiver))
}

impl StopSender {
    /// Asks for the stop. Only the first call counts: a second signal moves no deadline.
    pub fn stop(&self, now: Instant, grace: Duration) {
        self.0.send_if_modified(|stop| {
            let first = stop.is_none();
            // A deadline beyond what the clock can say is none.
            stop.get_or_insert(Stop { since: now, deadline: now.checked_add(grace) });
            first
        });
    }
}

impl StopReceiver {
    /// The stop, if it was asked for.
    #[must_use]
    pub fn asked(&self) -> Option<Stop> {
        *self.0.borrow()
    }

    /// Returns once the stop was asked for.
    pub async fn stopping(&mut self) -> Stop {
        match self.0.wait_for(Option::is_some).await.map(|stop| *stop) {
            Ok(Some(stop)) => stop,
            // Nobody is left to ask for it.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }
}
