//! Asks the instance metadata service (IMDS), and hands on what it learns.
//!
//! In a task of its own: whoever reads [`Latest`] never waits. The service is asked until everything
//! wanted is known, at most once in a set interval, and then no more: what it says about an instance
//! stays. Not known here: what the values are for.

mod imds;

use std::sync::Arc;
use std::time::Duration;

use hyper::Uri;
use tokio::sync::{Notify, watch};

use super::metadata::{Metadata, Version, Wanted};
use imds::{AskError, Imds};

/// Names the endpoint: the variable of AWS's own SDKs.
const VARIABLE_ENDPOINT: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
/// `IPv6` chooses the address of that protocol.
const VARIABLE_MODE: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE";
/// `true`: the service is not to be asked.
const VARIABLE_DISABLED: &str = "AWS_EC2_METADATA_DISABLED";
const ENDPOINT_V4: &str = "http://169.254.169.254";
const ENDPOINT_V6: &str = "http://[fd00:ec2::254]";
/// Least time between two attempts, where the interval that is set is shorter.
const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);

/// Where to ask.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Endpoint {
    /// `http://host[:port]`, no slash at its end.
    base: String,
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

/// What was learnt last. Read by one who never waits.
#[derive(Debug)]
pub struct Latest {
    /// `None` until the first attempt has ended, however it has.
    receiver: watch::Receiver<Option<Arc<Metadata>>>,
}

/// The asking itself, to be run in a task of its own.
#[derive(Debug)]
pub struct Inquiry {
    imds: Imds,
    wanted: Wanted,
    retry_after: Duration,
    sender: watch::Sender<Option<Arc<Metadata>>>,
    /// Told of each attempt's end.
    news: Arc<Notify>,
}

impl Endpoint {
    /// The endpoint that the environment names, else the instance's own; `None` where the service
    /// is not to be asked. `variable` reads the environment.
    ///
    /// # Errors
    ///
    /// [`EndpointError`], where a variable is set to something other than an address.
    pub fn from_environment(
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, EndpointError> {
        let is = |name, wanted: &str| {
            variable(name).is_some_and(|value| value.trim().eq_ignore_ascii_case(wanted))
        };
        if is(VARIABLE_DISABLED, "true") {
            return Ok(None);
        }
        let Some(value) = variable(VARIABLE_ENDPOINT).filter(|value| !value.is_empty()) else {
            let base = if is(VARIABLE_MODE, "ipv6") { ENDPOINT_V6 } else { ENDPOINT_V4 };
            return Ok(Some(Self { base: base.to_owned() }));
        };
        let base = value.trim_end_matches('/');
        let address: Option<Uri> = base.parse().ok();
        let is_http =
            |address: &Uri| address.scheme_str() == Some("http") && address.host().is_some();
        match address.filter(is_http) {
            Some(_) => Ok(Some(Self { base: base.to_owned() })),
            None => Err(EndpointError { variable: VARIABLE_ENDPOINT, value }),
        }
    }
}

/// The two ends of asking for what is wanted: the reader's, and the task that asks, none where the
/// service is not to be asked.
///
/// `news` is told of each attempt's end.
#[must_use]
pub fn inquiry(
    endpoint: Option<Endpoint>,
    version: Version,
    wanted: Wanted,
    retry_after: Duration,
    news: Arc<Notify>,
) -> (Latest, Option<Inquiry>) {
    let Some(Endpoint { base }) = endpoint else {
        return (Latest::nothing(), None);
    };
    let (sender, receiver) = watch::channel(None);
    let retry_after = retry_after.max(RETRY_AFTER_MIN);
    let imds = Imds::new(base, version);
    (Latest { receiver }, Some(Inquiry { imds, wanted, retry_after, sender, news }))
}

impl Latest {
    /// What was learnt since the last call, if anything was: nothing at all is an answer too.
    #[must_use]
    pub fn news(&mut self) -> Option<Arc<Metadata>> {
        let latest = self.receiver.borrow_and_update();
        if latest.has_changed() { latest.clone() } else { None }
    }

    /// Of an instance about which nothing can be learnt.
    fn nothing() -> Self {
        let (_, mut receiver) = watch::channel(Some(Arc::default()));
        receiver.mark_changed();
        Self { receiver }
    }

    /// One to write to, for tests of those who read.
    #[cfg(test)]
    pub(crate) fn fixture() -> (watch::Sender<Option<Arc<Metadata>>>, Self) {
        let (sender, receiver) = watch::channel(None);
        (sender, Self { receiver })
    }
}

impl Inquiry {
    /// Asks until everything is known, or nobody reads any more.
    pub async fn run(self) {
        let Self { mut imds, wanted, retry_after, sender, news } = self;
        let keep_up = async {
            let mut metadata = Metadata::default();
            for attempt in 0_u64.. {
                let outcome = imds.fill(&mut metadata, &wanted).await;
                // Also where nothing came of it: whoever holds records for it lets them go.
                sender.send_replace(Some(Arc::new(metadata.clone())));
                news.notify_one();
                match outcome {
                    Ok(()) => return,
                    Err(error) => report(&error, attempt, retry_after),
                }
                tokio::time::sleep(retry_after).await;
            }
        };
        tokio::select! {
            () = keep_up => {}
            () = sender.closed() => {}
        }
    }
}

/// One warning, not one each interval.
fn report(error: &AskError, attempt: u64, retry_after: Duration) {
    let cause = std::error::Error::source(error).map(tracing::field::display);
    if attempt == 0 {
        let again_s = retry_after.as_secs();
        tracing::warn!(%error, cause, again_s, "not all of the EC2 metadata is known, asking again");
    } else {
        tracing::debug!(%error, cause, attempt, "not all of the EC2 metadata is known");
    }
}

#[cfg(test)]
mod tests;
