//! Step 6, output: requests to one place, over connections that are kept.
//!
//! A kept connection that closes before a byte of an answer came was most likely closed while it
//! waited: the request is sent once more, at once, over a new one. Must not know what is sent, nor
//! what follows from an answer.

use std::sync::Arc;

use http_body_util::Full;
use hyper::{Method, Uri};

use super::answer::Answer;
use super::config::{self, Config};
use super::connection::{Connection, ExchangeError, Limits};
use super::dial::{Dial, DialError};
use super::pool::{Pool, Rules};
use super::request::Request;

/// Sends requests. Clones share their connections.
#[derive(Clone, Debug)]
pub(super) struct Client {
    dial: Arc<Dial>,
    pool: Pool,
    limits: Limits,
    method: Method,
    /// What stands in a request's first line.
    uri: Uri,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    /// There is no connection.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// There was one, and it broke or took too long.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
}

impl SendError {
    /// Whether the request may have arrived all the same.
    pub(super) const fn is_ambiguous(&self) -> bool {
        matches!(self, Self::Exchange(_))
    }
}

impl Client {
    pub(super) fn new(config: &Config, dial: Dial, uri: Uri) -> Self {
        let net = &config.net;
        let rules = Rules {
            keepalive: net.keepalive,
            idle_timeout: net.keepalive_idle_timeout,
            uses_max: net.keepalive_max_recycle,
        };
        let limits = Limits { whole: net.response_timeout, silence: net.idle_timeout };
        let method = match config.method {
            config::Method::Post => Method::POST,
            config::Method::Put => Method::PUT,
        };
        Self { dial: Arc::new(dial), pool: Pool::new(rules), limits, method, uri }
    }

    /// Sends a request and reads the answer, whatever its status.
    pub(super) async fn send(&self, request: Request) -> Result<Answer, SendError> {
        if let Some(kept) = self.pool.take() {
            match self.exchange(kept, request.clone()).await {
                Err(ExchangeError::Broken { is_unanswered: true, .. }) => {}
                answer => return Ok(answer?),
            }
        }
        let made = self.dial.connect().await?;
        Ok(self.exchange(made, request).await?)
    }

    async fn exchange(
        &self,
        mut connection: Connection,
        request: Request,
    ) -> Result<Answer, ExchangeError> {
        let mut whole = hyper::Request::new(Full::new(request.body));
        *whole.method_mut() = self.method.clone();
        *whole.uri_mut() = self.uri.clone();
        *whole.headers_mut() = request.headers;
        let (answer, is_reusable) = connection.exchange(whole, self.limits).await?;
        if is_reusable {
            self.pool.put(connection);
        }
        Ok(answer)
    }

    /// The method by its name.
    pub(super) fn method(&self) -> &str {
        self.method.as_str()
    }
}
