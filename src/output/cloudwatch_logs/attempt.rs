//! One attempt at sending a batch, in a task of its own.
//!
//! Must not know streams, order or when to try again.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::task::{JoinError, JoinHandle};

use super::create::Creation;
use super::encoder::{Encoder, Request};
use super::sender::{Class, Put, SendError, Sender, Written};
use super::target::Target;
use crate::clock;

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

/// A batch was taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    pub(super) put: Put,
    /// Bytes of the body as it was sent.
    pub(super) sent_bytes: usize,
}

/// What the attempts of an output share.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) sender: Sender,
    pub(super) creation: Arc<Creation>,
    pub(super) encoder: Arc<Encoder>,
}

/// Encodes and sends a batch; where its stream is missing, creates that and sends the same batch
/// again. What is refused for its encoding, as it seems, is sent plain at once: if it is taken then,
/// that was why.
pub(super) async fn attempt(
    way: Way,
    target: Arc<Target>,
    body: Bytes,
    fate: Fate,
) -> Result<Taken, SendError> {
    let request = way.encoder.encode(body, clock::now()).await;
    let refusal = match way.send(&target, &request, &fate).await {
        Err(error) if error.may_be_the_encoding() => error,
        answer => return answer,
    };
    let Some(plain) = request.inflated().await else { return Err(refusal) };
    // That was an answer: the batch was not taken.
    drop(fate.begin());
    let taken = way.send(&target, &plain, &fate).await?;
    if way.encoder.refused(clock::now()) {
        tracing::warn!(
            "{target}: the endpoint refused a compressed request ({refusal}) and took it plain; \
             what follows is sent plain for an hour; set compress off to stop trying"
        );
    }
    Ok(taken)
}

impl Way {
    async fn send(
        &self,
        target: &Target,
        request: &Request,
        fate: &Fate,
    ) -> Result<Taken, SendError> {
        let Request { body, encoding } = request;
        let put = || self.sender.put(body.clone(), *encoding, fate.begin());
        let put = match put().await {
            Err(error) if error.class == Class::NotFound => {
                // That was an answer: the batch was not taken.
                drop(fate.begin());
                let created = self.creation.create(&self.sender, target, error).await;
                created.map_err(not_the_events)?;
                put().await?
            }
            answer => answer?,
        };
        Ok(Taken { put, sent_bytes: body.len() })
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
