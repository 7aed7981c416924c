//! One attempt at sending a batch, in a task of its own.
//!
//! Must not know streams, order or when to try again.

use std::sync::Arc;

use bytes::Bytes;
use tokio::task::{JoinError, JoinHandle};

use super::create::Creation;
use super::sender::{Class, Encoding, Put, SendError, Sender};
use super::target::Target;

/// Sends a batch; where its stream is missing, creates that and sends the same batch again.
pub(super) async fn attempt(
    sender: Sender,
    creation: Arc<Creation>,
    target: Arc<Target>,
    body: Bytes,
) -> Result<Put, SendError> {
    let put = || sender.put(body.clone(), Encoding::Plain);
    match put().await {
        Err(error) if error.class == Class::NotFound => {
            creation.create(&sender, &target, error).await.map_err(not_the_events)?;
            put().await
        }
        answer => answer,
    }
}

/// What is wrong with a group or a stream that is to be created is no fault of the events: they are
/// kept, and the error is told.
fn not_the_events(error: SendError) -> SendError {
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

/// The fate of a batch whose attempt panicked is unknown.
pub(super) fn failed_task(error: &JoinError) -> SendError {
    SendError {
        class: Class::Transient,
        code: "Defect".to_owned(),
        message: error.to_string(),
        status: None,
        is_ambiguous: true,
        retry_after: None,
    }
}
