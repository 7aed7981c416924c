//! Asks the task metadata endpoint, and keeps the newest snapshot.
//!
//! The endpoint is on the task's own link, answers from a cache and limits the rate, so it is asked
//! seldom: until the first answer, and again where a record names a container that is not known.
//! Not known here: what the answer means ([`snapshot`](super::snapshot)).

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use hyper::Uri;
use tokio::sync::{Notify, watch};

use super::pace::{ATTEMPTS_QUICK, Pace};
use super::snapshot::{ParseError, Snapshot};
use crate::http_request::{Answer, GetError, Limits, get};

/// Names the endpoint, version 4: agent 1.39 and later, Fargate platform 1.4 and later.
const VARIABLE_V4: &str = "ECS_CONTAINER_METADATA_URI_V4";
/// Names the endpoint, version 3.
const VARIABLE_V3: &str = "ECS_CONTAINER_METADATA_URI";
/// The agent itself gives up an answer after 5 s.
const ASK_TIMEOUT: Duration = Duration::from_secs(3);
/// Most bytes of an answer. Ten containers with long labels take less than 100 KiB.
const ANSWER_BYTES_MAX: usize = 1_048_576;
const STATUS_OK: u16 = 200;

/// Where to ask.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Endpoint {
    /// Addresses of the task's metadata, in the order in which they are asked.
    addresses: Vec<Uri>,
}

/// A variable names something that cannot be asked.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{variable}={value:?} is not an http:// address")]
pub struct EndpointError {
    /// The variable.
    pub variable: &'static str,
    /// Its value.
    pub value: String,
}

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No answer.
    #[error("asking the task metadata endpoint {address} failed")]
    Get {
        /// Where it was asked.
        address: Uri,
        /// The cause.
        source: GetError,
    },
    /// 404 while the task is unknown to the agent, 429 over the rate limit, 500 otherwise.
    #[error("task metadata endpoint {address} answered {status}, expected 200")]
    Status {
        /// Where it was asked.
        address: Uri,
        /// What it answered.
        status: u16,
    },
    /// The answer is not a task.
    #[error("task metadata endpoint {address} answered something else")]
    Parse {
        /// Where it was asked.
        address: Uri,
        /// The cause.
        source: ParseError,
    },
}

impl Endpoint {
    /// The endpoint of the task, where this process runs in one. `variable` reads the environment.
    ///
    /// # Errors
    ///
    /// [`EndpointError`], where a variable is set to something other than an address.
    pub fn from_environment(
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, EndpointError> {
        let mut addresses = Vec::new();
        for name in [VARIABLE_V4, VARIABLE_V3] {
            let Some(value) = variable(name).filter(|value| !value.is_empty()) else { continue };
            match task_address(&value) {
                Some(address) => addresses.push(address),
                None => return Err(EndpointError { variable: name, value }),
            }
        }
        Ok((!addresses.is_empty()).then_some(Self { addresses }))
    }
}

/// `<base>/task`, as an `http` address.
fn task_address(base: &str) -> Option<Uri> {
    let address: Uri = format!("{}/task", base.trim_end_matches('/')).parse().ok()?;
    (address.scheme_str() == Some("http") && address.host().is_some()).then_some(address)
}

/// Asks once, the older version after the newer.
///
/// # Errors
///
/// [`FetchError`] of the newer version, where no version gave a task.
pub async fn fetch(endpoint: &Endpoint) -> Result<Snapshot, FetchError> {
    fetch_within(endpoint, ASK_TIMEOUT).await
}

async fn fetch_within(endpoint: &Endpoint, timeout: Duration) -> Result<Snapshot, FetchError> {
    let mut answer = Ok(Snapshot::default());
    for (tried, address) in endpoint.addresses.iter().enumerate() {
        match ask(address, timeout).await {
            Ok(snapshot) => return Ok(snapshot),
            Err(error) if tried == 0 => answer = Err(error),
            Err(error) => {
                tracing::debug!(%error, "the older task metadata endpoint has none either")
            }
        }
    }
    answer
}

async fn ask(address: &Uri, timeout: Duration) -> Result<Snapshot, FetchError> {
    let limits = Limits { timeout, body_bytes_max: ANSWER_BYTES_MAX };
    match get(address, limits).await {
        Ok(Answer { status: STATUS_OK, body }) => Snapshot::parse(&body)
            .map_err(|source| FetchError::Parse { address: address.clone(), source }),
        Ok(Answer { status, .. }) => Err(FetchError::Status { address: address.clone(), status }),
        Err(source) => Err(FetchError::Get { address: address.clone(), source }),
    }
}

/// Keeps `sender` at the newest snapshot until its last receiver is gone.
///
/// Asks until the first answer, then each time `unknown` is notified (a record named a container
/// that the snapshot does not know), at most every few seconds. A snapshot once had is kept where a
/// later answer fails.
pub async fn watch(
    endpoint: Endpoint,
    unknown: Arc<Notify>,
    sender: watch::Sender<Option<Arc<Snapshot>>>,
) {
    watch_at(Pace::DEFAULT, endpoint, unknown, sender).await;
}

async fn watch_at(
    pace: Pace,
    endpoint: Endpoint,
    unknown: Arc<Notify>,
    sender: watch::Sender<Option<Arc<Snapshot>>>,
) {
    let keep_up = async {
        let mut attempt = 0;
        loop {
            match fetch(&endpoint).await {
                Ok(snapshot) => {
                    attempt = 0;
                    sender.send_replace(Some(Arc::new(snapshot)));
                }
                Err(error) => report(&error, attempt),
            }
            if sender.borrow().is_some() {
                tokio::time::sleep(pace.ask_again_after).await;
                unknown.notified().await;
            } else {
                let random = RandomState::new().hash_one(attempt);
                tokio::time::sleep(pace.retry_after(attempt, random)).await;
                attempt = attempt.saturating_add(1);
            }
        }
    };
    tokio::select! {
        () = keep_up => {}
        () = sender.closed() => {}
    }
}

/// One warning when the quick attempts are used up, not one each 30 s.
fn report(error: &FetchError, attempt: u32) {
    let cause = std::error::Error::source(error).map(tracing::field::display);
    if attempt == ATTEMPTS_QUICK {
        tracing::warn!(%error, cause, "no ECS task metadata yet, still asking");
    } else {
        tracing::debug!(%error, cause, attempt, "no ECS task metadata");
    }
}

#[cfg(test)]
mod tests;
