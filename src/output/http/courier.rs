//! Step 6, output: a parcel → requests → what became of it.
//!
//! Must not know when anything is sent.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;

use super::answer::{Answer, Verdict};
use super::client::{Client, SendError};
use super::config::Aws;
use super::request::{Composer, Request, Requests};
use super::sign::{SignError, Signed, sign};
use crate::clock;
use crate::output::cloudwatch_logs::sender::Identity;
use crate::output::courier::{Courier, Failure, Sent};
use crate::output::dispatch::{FailureKind, Parcel};
use crate::record::chunk::Entries;
use crate::record::tag::Tag;

/// Credentials that are not taken are forgotten this often at most: whoever gives them is not to be
/// asked at each request where it is a permission that is missing.
const FORGET_PAUSE: Duration = Duration::from_secs(60);
/// A status that says that the server took nothing, other than most of 5xx.
const UNAVAILABLE: u16 = 503;

/// Takes parcels to a web server.
#[derive(Clone, Debug)]
pub(super) struct HttpCourier {
    pub(super) composer: Arc<Composer>,
    pub(super) client: Client,
    /// Signs requests, where AWS asks for it.
    pub(super) signer: Option<Arc<Signer>>,
    /// `host:port`, for log lines.
    pub(super) place: Arc<str>,
    /// The instance, for log lines.
    pub(super) name: Arc<str>,
    /// Whether log lines show what the server answers.
    pub(super) shows_answers: bool,
}

/// Signs requests.
#[derive(Debug)]
pub(super) struct Signer {
    pub(super) aws: Aws,
    /// Path and query.
    pub(super) target: String,
    pub(super) identity: Identity,
    /// When credentials were last forgotten.
    pub(super) forgotten: Forgotten,
}

/// When credentials were last forgotten.
#[derive(Debug, Default)]
pub(super) struct Forgotten(Mutex<Option<Instant>>);

impl Forgotten {
    /// Whether they may be forgotten now, which they are then.
    fn again(&self, now: Instant) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let may = last.is_none_or(|last| now.saturating_duration_since(last) >= FORGET_PAUSE);
        if may {
            *last = Some(now);
        }
        may
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error(transparent)]
    Send(#[from] SendError),
    #[error("no credentials to sign with: {}", told(.0))]
    Credentials(#[from] CredentialsError),
    #[error("{}", told(.0))]
    Sign(#[from] SignError),
}

/// An error with its causes.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

impl Courier for HttpCourier {
    type Request = Requests;

    fn prepare(&mut self, parcel: &Parcel) -> Requests {
        self.composer.compose(&parcel.tag, &parcel.chunks)
    }

    async fn send(self, requests: Requests) -> Result<Sent, Failure> {
        match requests {
            Requests::One { request: None, left_out } => {
                Ok(Sent { bytes: 0, refused: self.left_out(left_out) })
            }
            Requests::One { request: Some(request), left_out } => {
                let bytes = self.deliver(request).await?;
                Ok(Sent { bytes, refused: self.left_out(left_out) })
            }
            Requests::OfRecords { tag, entries } => self.deliver_each(&tag, &entries).await,
        }
    }
}

impl HttpCourier {
    fn left_out(&self, records: u64) -> u64 {
        if records > 0 {
            let name = &self.name;
            tracing::error!(
                "{name}: {records} records dropped: GELF takes none without a text under the key of short_message; name it with gelf_short_message_key"
            );
        }
        records
    }

    /// Sends a request of each record. One that is refused, or that has none, costs only itself; one
    /// that fails costs an attempt of all, as in Fluent Bit.
    async fn deliver_each(&self, tag: &Tag, entries: &[Arc<Entries>]) -> Result<Sent, Failure> {
        let (mut sent, mut without) = (Sent { bytes: 0, refused: 0 }, 0_u64);
        let mut refusal = None;
        for (_, record) in entries.iter().flat_map(|entries| entries.iter()) {
            let Some(request) = self.composer.compose_of(tag, record) else {
                without += 1;
                continue;
            };
            match self.deliver(request).await {
                Ok(bytes) => sent.bytes += bytes,
                Err(Failure { kind: FailureKind::Refused, why }) => {
                    sent.refused += 1;
                    refusal.get_or_insert(why);
                }
                Err(failure) => return Err(failure),
            }
        }
        let name = &self.name;
        if let Some(why) = refusal {
            let refused = sent.refused;
            tracing::error!("{name}: {refused} records of {tag} dropped, the first: {why}");
        }
        if without > 0 {
            tracing::error!(
                "{name}: {without} records of {tag} dropped: no text under body_key or no map under headers_key"
            );
        }
        sent.refused += without;
        Ok(sent)
    }

    /// Sends a request; gives the bytes of its body.
    async fn deliver(&self, request: Request) -> Result<u64, Failure> {
        let bytes = request.body.len() as u64;
        let place = &self.place;
        let answer = self.ask(request).await.map_err(|error| Failure {
            kind: FailureKind::Again { after: None, is_ambiguous: error.is_ambiguous() },
            why: format!("{place}: {error}"),
        })?;
        let shown = answer.shown(self.shows_answers);
        let kind = match answer.verdict() {
            Verdict::Delivered => {
                tracing::debug!("{}: {place} answered {shown}", self.name);
                return Ok(bytes);
            }
            Verdict::Refused => FailureKind::Refused,
            Verdict::Again => FailureKind::Again {
                after: answer.retry_after,
                is_ambiguous: answer.status >= 500 && answer.status != UNAVAILABLE,
            },
        };
        Err(Failure { kind, why: format!("{place} answered {shown}") })
    }

    /// Sends a request, signed if that is asked for. Where credentials are refused that were known
    /// for a while, others are asked for, and the request is sent once more; but not where that was
    /// done a moment ago and gave the same.
    async fn ask(&self, request: Request) -> Result<Answer, AskError> {
        let Some(signer) = &self.signer else { return Ok(self.client.send(request).await?) };
        let now: SystemTime = UNIX_EPOCH + clock::unix_now();
        let (used, were_known) = signer.identity.credentials(now).await?;
        let signed = self.signed(signer, request.clone(), &used, now)?;
        let answer = self.client.send(signed).await?;
        if !(answer.is_unauthorised() && were_known) {
            return Ok(answer);
        }
        let is_forgotten = signer.forgotten.again(clock::now());
        if is_forgotten {
            signer.identity.forget().await;
        }
        let now: SystemTime = UNIX_EPOCH + clock::unix_now();
        let (others, _) = signer.identity.credentials(now).await?;
        // Another request may have got others meanwhile.
        if !is_forgotten && others == used {
            return Ok(answer);
        }
        let signed = self.signed(signer, request, &others, now)?;
        Ok(self.client.send(signed).await?)
    }

    fn signed(
        &self,
        signer: &Signer,
        mut request: Request,
        credentials: &Credentials,
        now: SystemTime,
    ) -> Result<Request, SignError> {
        let method = self.client.method();
        let signed = Signed { method, target: &signer.target, body: &request.body };
        sign(&mut request.headers, signed, &signer.aws, credentials, now)?;
        Ok(request)
    }
}

impl AskError {
    const fn is_ambiguous(&self) -> bool {
        match self {
            Self::Send(error) => error.is_ambiguous(),
            Self::Credentials(_) | Self::Sign(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_forgotten_at_most_once_a_minute() {
        let (forgotten, start) = (Forgotten::default(), clock::now());
        let at = |millis| forgotten.again(start + Duration::from_millis(millis));
        assert_eq!(
            [0, 0, 59_999, 60_000, 119_999, 120_000].map(at),
            [true, false, false, true, false, true]
        );
    }
}
