//! Calls that go to whoever plays the service in a simulation, in place of the SDK.
//!
//! What the SDK does by itself is done here too: an attempt that has no answer in time has failed,
//! and its fate is unknown. Must not know who answers, or how.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::call::Written;
use super::create::{Created, existing};
use super::error::{Class, SendError, classify, codes, is_gateway, refine};
use super::put::{Encoding, Put};
use crate::output::cloudwatch_logs::gzip::tests::inflate;

/// What is asked of the service.
#[derive(Debug)]
pub(crate) enum Operation {
    /// `PutLogEvents`, with this body, as it was before it was compressed.
    Put(Bytes),
    /// `CreateLogStream`
    CreateStream { group: String, stream: String },
    /// `CreateLogGroup`
    CreateGroup { group: String },
    /// `PutRetentionPolicy`
    PutRetention { group: String },
}

/// A call on its way.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) operation: Operation,
    /// Where the answer goes. Dropped: the connection broke, after the request was sent.
    pub(crate) answer: oneshot::Sender<Result<Put, SendError>>,
    /// Whoever asked holds the other end for as long as it waits.
    pub(crate) waits: Weak<()>,
}

/// The way to whoever answers.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    calls: mpsc::Sender<Asked>,
    attempt_timeout: Duration,
}

impl Line {
    pub(crate) fn new(calls: mpsc::Sender<Asked>, attempt_timeout: Duration) -> Self {
        Self { calls, attempt_timeout }
    }

    pub(super) async fn put(
        &self,
        body: Bytes,
        encoding: Encoding,
        written: &Written,
    ) -> Result<Put, SendError> {
        written.note();
        let body = match encoding {
            Encoding::Plain => body,
            Encoding::Gzip => Bytes::from(inflate(&body)),
        };
        self.ask(Operation::Put(body)).await
    }

    pub(super) async fn create_stream(&self, group: &str, stream: &str) -> Result<(), SendError> {
        let (group, stream) = (group.to_owned(), stream.to_owned());
        let answer = self.ask(Operation::CreateStream { group, stream }).await;
        existing(answer.map(drop)).map(drop)
    }

    pub(super) async fn create_group(&self, group: &str) -> Result<Created, SendError> {
        let answer = self.ask(Operation::CreateGroup { group: group.to_owned() }).await;
        existing(answer.map(drop))
    }

    pub(super) async fn put_retention(&self, group: &str) -> Result<(), SendError> {
        self.ask(Operation::PutRetention { group: group.to_owned() }).await.map(drop)
    }

    async fn ask(&self, operation: Operation) -> Result<Put, SendError> {
        let (answer, answered) = oneshot::channel();
        let waiting = Arc::new(());
        let asked = Asked { operation, answer, waits: Arc::downgrade(&waiting) };
        if self.calls.send(asked).await.is_err() {
            return Err(SendError::broken(codes::CONNECT, false));
        }
        match tokio::time::timeout(self.attempt_timeout, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(SendError::broken(codes::CONNECTION, true)),
            Err(_) => Err(SendError::broken(codes::TIMEOUT, true)),
        }
    }
}

impl SendError {
    /// An answer that is an error, read as one of the SDK's is.
    pub(crate) fn answered(code: &str, message: &str, status: u16) -> Self {
        Self {
            class: refine(classify(code, status), message),
            code: code.to_owned(),
            message: message.to_owned(),
            status: Some(status),
            is_ambiguous: is_gateway(status),
            retry_after: None,
        }
    }

    /// No answer came.
    pub(crate) fn broken(code: &str, is_ambiguous: bool) -> Self {
        Self {
            class: Class::Transient,
            code: code.to_owned(),
            message: "simulated".to_owned(),
            status: None,
            is_ambiguous,
            retry_after: None,
        }
    }

    /// An answer that does not show that it is the service's.
    pub(crate) fn unnamed() -> Self {
        Self::no_request_id(Some(200))
    }
}
