//! What is changed in one call on its way through the SDK, and how far the call came.
//!
//! Hooks run in this order: the body is put in place before the (only) attempt, the identity and the
//! endpoint are found, the request is signed, the user agent (which is not signed) is set, the
//! request is sent, the answer is bounded. Not known here: what the bodies say.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use aws_sdk_cloudwatchlogs::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::connection::CaptureSmithyConnection;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextMut,
    FinalizerInterceptorContextMut,
};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http_body_util::Limited;
use hyper::body::{Body, Frame, SizeHint};

/// Most bytes of an answer. The longest the service gives are a few hundred.
pub(super) const ANSWER_BYTES_MAX: usize = 65_536;

/// How far a call has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Progress {
    /// Credentials are being loaded.
    Identifying,
    /// The request is signed; there is no connection for it yet.
    Connecting,
    /// The request has a connection.
    Connected,
}

/// Whether the body of a request was handed to a connection: from then on the service may have read
/// the request to its end. Clones are of the same request.
#[derive(Clone, Debug, Default)]
pub struct Written(Arc<OnceLock<()>>);

impl Written {
    /// Whether it was. Never unset.
    #[must_use]
    pub fn is_written(&self) -> bool {
        self.0.get().is_some()
    }

    pub(super) fn note(&self) {
        // It stays set.
        let _ = self.0.set(());
    }
}

/// A body that notes when it is handed out. All of it is, at once.
struct Noting {
    body: Option<Bytes>,
    written: Written,
}

impl Body for Noting {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let body = self.body.take();
        if body.is_some() {
            self.written.note();
        }
        Poll::Ready(body.map(|body| Ok(Frame::data(body))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.body.as_ref().map_or(0, |body| body.len() as u64))
    }
}

/// One call. Clones belong to the same call.
#[derive(Clone, Debug, Default)]
pub(super) struct Call {
    payload: Option<Payload>,
    user_agent: Option<Arc<str>>,
    reached: Arc<Reached>,
}

/// A request body made by us, with what its headers say.
#[derive(Clone, Debug)]
pub(super) struct Payload {
    /// The whole body, as it is sent.
    pub(super) body: Bytes,
    /// `content-encoding`.
    pub(super) encoding: Option<&'static str>,
    /// `x-amzn-logs-format`.
    pub(super) format: Option<Arc<str>>,
    /// Told when the body is handed to a connection.
    pub(super) written: Written,
}

/// Stages passed; each is set once and never taken back.
#[derive(Debug, Default)]
struct Reached {
    signing: OnceLock<()>,
    connection: OnceLock<()>,
}

impl Call {
    /// A call whose body the SDK makes.
    pub(super) fn new(user_agent: Option<Arc<str>>) -> Self {
        Self { user_agent, ..Self::default() }
    }

    /// The same call, with a body made by us.
    pub(super) fn with_payload(self, payload: Payload) -> Self {
        Self { payload: Some(payload), ..self }
    }

    /// Whether the service may have read the request: all of it was written.
    pub(super) fn is_written(&self) -> bool {
        self.payload.as_ref().is_some_and(|payload| payload.written.is_written())
    }

    pub(super) fn progress(&self) -> Progress {
        match (self.reached.signing.get(), self.reached.connection.get()) {
            (_, Some(())) => Progress::Connected,
            (Some(()), None) => Progress::Connecting,
            (None, None) => Progress::Identifying,
        }
    }
}

impl Intercept for Call {
    fn name(&self) -> &'static str {
        "Call"
    }

    fn modify_before_retry_loop(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(Payload { body, encoding, format, .. }) = &self.payload else { return Ok(()) };
        let request = context.request_mut();
        let headers = request.headers_mut();
        // The SDK set the length of the body that is replaced here, and signs what stands here.
        headers.try_insert("content-length", body.len().to_string())?;
        if let Some(encoding) = *encoding {
            headers.try_insert("content-encoding", encoding)?;
        }
        if let Some(format) = format {
            headers.try_insert("x-amzn-logs-format", format.to_string())?;
        }
        *request.body_mut() = SdkBody::from(body.clone());
        Ok(())
    }

    fn modify_before_signing(
        &self,
        _context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let _again = self.reached.signing.set(());
        Ok(())
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(user_agent) = &self.user_agent {
            context.request_mut().headers_mut().try_insert("user-agent", user_agent.to_string())?;
        }
        if let Some(Payload { body, written, .. }) = &self.payload {
            // Not before: what is signed has to be bytes.
            let body = Noting { body: Some(body.clone()), written: written.clone() };
            *context.request_mut().body_mut() = SdkBody::from_body_1_x(body);
        }
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let answer = context.response_mut();
        let body = answer.take_body();
        *answer.body_mut() = SdkBody::from_body_1_x(Limited::new(body, ANSWER_BYTES_MAX));
        Ok(())
    }

    fn modify_before_attempt_completion(
        &self,
        _context: &mut FinalizerInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let captured = config.load::<CaptureSmithyConnection>();
        if captured.is_some_and(|connection| connection.get().is_some()) {
            let _again = self.reached.connection.set(());
        }
        Ok(())
    }
}
