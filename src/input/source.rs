//! What an input is, to whoever runs it: something that hands chunks on until reading ends.

use super::Intake;
use super::listener::Listener;
use crate::lifecycle::StopReceiver;

/// An input that is ready to be read.
#[derive(Debug)]
pub enum Source {
    /// Peers connect to it.
    Listener(Box<Listener>),
}

impl Source {
    /// Where it listens, as a person would write it; `None` where nobody connects.
    #[must_use]
    pub fn address(&self) -> Option<String> {
        match self {
            Self::Listener(listener) => Some(listener.address()),
        }
    }

    /// Reads until [`Intake::ending`] says that nothing more is to be read, or it is dropped.
    pub async fn run(self, intake: Intake, _stop: StopReceiver) {
        match self {
            Self::Listener(listener) => listener.accept(intake).await,
        }
    }
}
