//! Step 6, output: one connection, and one request after the other over it.
//!
//! An answer is read to its end, but no further than a bound: what a server says beyond it closes the
//! connection and changes nothing. Must not know what is sent, nor what follows from an answer.

use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::answer::{Answer, retry_after};
use super::traffic::{Counted, Traffic};
use crate::clock;

/// Most bytes of an answer's head.
const HEAD_BYTES_MAX: usize = 65_536;
/// Most bytes of an answer's body that are read so that the connection can be used again.
const BODY_BYTES_MAX: usize = 65_536;
/// Most bytes of it that are kept.
const BODY_BYTES_KEPT: usize = 2_048;

/// A connection on which requests can be sent.
#[derive(Debug)]
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    traffic: Arc<Traffic>,
    driver: Driver,
    /// Requests that were sent.
    pub(super) uses: u32,
    /// Since when it waits.
    pub(super) idle_since: Instant,
}

/// The task that reads and writes. It ends with the connection.
#[derive(Debug)]
struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// How long an exchange may take. `None`: without end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// From the first byte of the request to the last of the answer.
    pub(super) whole: Option<Duration>,
    /// Without a byte in either direction.
    pub(super) silence: Option<Duration>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExchangeError {
    /// The server closed, or what it sent is not HTTP.
    #[error("{}", told(source))]
    Broken {
        /// Not a byte of an answer came.
        is_unanswered: bool,
        /// What hyper says.
        source: hyper::Error,
    },
    /// It took too long.
    #[error("no whole answer within {} s", .0.as_secs_f32())]
    TooLong(Duration),
    /// Nothing went either way for too long.
    #[error("nothing was sent or received for {} s", .0.as_secs_f32())]
    Silent(Duration),
}

/// An error with its causes, which hyper keeps apart.
fn told(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

impl Connection {
    /// Speaks HTTP/1.1 over a stream.
    pub(super) async fn over<S>(stream: S) -> Result<Self, hyper::Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let traffic = Arc::new(Traffic::default());
        let stream = Counted::new(stream, Arc::clone(&traffic));
        let (sender, driver) = http1::Builder::new()
            .title_case_headers(true)
            .max_buf_size(HEAD_BYTES_MAX)
            .handshake(TokioIo::new(stream))
            .await?;
        // Its errors are those of the request that is on its way, which tells them.
        let driver = Driver(tokio::spawn(async { drop(driver.await) }).abort_handle());
        Ok(Self { sender, traffic, driver, uses: 0, idle_since: clock::now() })
    }

    /// Whether a request may be sent.
    pub(super) fn is_open(&self) -> bool {
        !self.sender.is_closed() && self.sender.is_ready()
    }

    /// Sends a request and reads its answer. With the answer comes back whether the connection can
    /// be used again.
    pub(super) async fn exchange(
        &mut self,
        request: hyper::Request<Full<Bytes>>,
        limits: Limits,
    ) -> Result<(Answer, bool), ExchangeError> {
        self.uses = self.uses.saturating_add(1);
        let before = self.traffic.read();
        let traffic = Arc::clone(&self.traffic);
        let whole = limits.whole;
        let too_long = async move {
            match whole {
                Some(longest) => sleep(longest).await,
                None => std::future::pending().await,
            }
        };
        // The head first: once it is there, it counts whatever becomes of the body.
        tokio::pin!(too_long);
        let head = tokio::select! {
            head = self.sender.send_request(request) => head.map_err(|source| {
                ExchangeError::Broken { is_unanswered: traffic.read() == before, source }
            })?,
            () = &mut too_long => return Err(ExchangeError::TooLong(whole.unwrap_or_default())),
            () = traffic.silence(limits.silence) => {
                return Err(ExchangeError::Silent(limits.silence.unwrap_or_default()));
            }
        };
        let (parts, body) = head.into_parts();
        let mut kept = Vec::new();
        let sender = &mut self.sender;
        // Ready again: the request is written to its end too, and the server has not closed.
        let rest = async { read(body, &mut kept).await && sender.ready().await.is_ok() };
        let is_whole = tokio::select! {
            is_whole = rest => is_whole,
            () = &mut too_long => false,
            () = traffic.silence(limits.silence) => false,
        };
        let answer = Answer {
            status: parts.status.as_u16(),
            retry_after: retry_after(&parts.headers, UNIX_EPOCH + clock::unix_now()),
            body: kept,
        };
        if !is_whole {
            self.driver.0.abort();
        }
        Ok((answer, is_whole))
    }
}

/// Reads a body; keeps its start. `false`: it broke off, or is too long to be read.
async fn read(mut body: Incoming, kept: &mut Vec<u8>) -> bool {
    let mut bytes = 0_usize;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        let Ok(data) = frame.into_data() else { continue };
        bytes = bytes.saturating_add(data.len());
        let room = BODY_BYTES_KEPT.saturating_sub(kept.len());
        kept.extend_from_slice(data.get(..room).unwrap_or(&data));
        if bytes > BODY_BYTES_MAX {
            return false;
        }
    }
    true
}
