//! One attempt at sending a batch, in a task of its own.
//!
//! Must not know streams, order or when to try again.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::task::{JoinError, JoinHandle};

use super::create::Creation;
use super::sender::{Class, Encoding, Put, SendError, Sender, Written};
use super::target::Target;

/// Whether the fate of a batch is unknown while no answer to its attempt has come. Clones are of the
/// same attempt.
#[derive(Clone, Debug, Default)]
pub(super) struct Fate(Arc<Mutex<Written>>);

impl Fate {
    /// Whether the service may have taken the batch.
    pub(super) fn is_unknown(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_written()
    }

    /// A request begins; if there was one before, it was answered.
    fn begin(&self) -> Written {
        let written = Written::default();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = written.clone();
        written
    }
}

/// Sends a batch; where its stream is missing, creates that and sends the same batch again.
pub(super) async fn attempt(
    sender: Sender,
    creation: Arc<Creation>,
    target: Arc<Target>,
    body: Bytes,
    fate: Fate,
) -> Result<Put, SendError> {
    let put = || sender.put(body.clone(), Encoding::Plain, fate.begin());
    match put().await {
        Err(error) if error.class == Class::NotFound => {
            // That was an answer: the batch was not taken.
            drop(fate.begin());
            creation.create(&sender, &target, error).await.map_err(not_the_events)?;
            put().await
        }
        answer => answer,
    }
}

/// What is wrong with a group or a stream that is to be created is no fault of the events: they are
/// kept, and the error is told. Nor is their fate unknown, whatever became of the creation.
fn not_the_events(error: SendError) -> SendError {
    let error = SendError { is_ambiguous: false, ..error };
    match error.class {
        Class::Invalid | Class::TooLarge => SendError { class: Class::NotFound, ..error },
        Class::Throttled
        | Class::Transient
        | Class::NotFound
        | Class::Credentials
        | Class::AccessDenied
        | Class::Clock
        | Class::AlreadyExists => error,
    }
}

/// A task that ends with whoever waits for it.
pub(super) struct AbortOnDrop<T>(pub(super) JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The fate of a batch whose attempt panicked is as far as it had come.
pub(super) fn failed_task(error: &JoinError, fate: &Fate) -> SendError {
    SendError {
        class: Class::Transient,
        code: "Defect".to_owned(),
        message: error.to_string(),
        status: None,
        is_ambiguous: fate.is_unknown(),
        retry_after: None,
    }
}
