//! Step 6, output: the calls of the CloudWatch Logs API, one async function each.
//!
//! `aws-sdk-cloudwatchlogs` finds credentials, resolves the endpoint, signs and reads errors. It does
//! not serialise: the body of a `PutLogEvents` request is made by us and put in place before signing
//! ([`call`]). It does not retry either: the caller does, because it knows order, pace and deadline.
//! Not known here: batches, streams, queues, and when to try again.
//! Source: <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/Welcome.html>.

use std::sync::Arc;

mod call;
mod client;
mod create;
mod credentials;
mod error;
mod identity;
mod put;
#[cfg(test)]
pub(crate) mod simulated;
mod transport;
mod unverified;

pub use call::Written;
pub use client::{ConnectError, Keys, Settings};
pub use create::Created;
pub use error::{Class, SendError, classify, codes};
pub use identity::Identity;
pub use put::{Encoding, Put, Rejected, RejectedCounts};

/// A client of one endpoint with one identity. Clones share connections and credentials.
#[derive(Clone, Debug)]
pub struct Sender {
    way: Way,
}

/// How calls reach the service.
#[derive(Clone, Debug)]
enum Way {
    /// By the SDK.
    Sdk(Arc<client::Shared>),
    /// To whoever plays the service.
    #[cfg(test)]
    Simulated(simulated::Line),
}

impl Sender {
    /// Builds the client. Nothing is asked over the network, not even for credentials: the first
    /// call does that, and may fail and be repeated.
    ///
    /// # Errors
    ///
    /// [`ConnectError`], where the settings cannot work or there is no region yet.
    pub async fn connect(settings: Settings) -> Result<Self, ConnectError> {
        let shared = client::Shared::connect(settings, None).await?;
        Ok(Self::of(shared))
    }

    /// A sender to whoever plays the service.
    #[cfg(test)]
    pub(crate) fn simulated(line: simulated::Line) -> Self {
        Self { way: Way::Simulated(line) }
    }

    fn of(shared: client::Shared) -> Self {
        Self { way: Way::Sdk(Arc::new(shared)) }
    }
}

#[cfg(test)]
mod tests;
