//! The protocol of the instance metadata service (IMDS): paths, tokens, statuses.
//!
//! Version 2 asks for a token first. A token that is refused is replaced once a request. Where
//! nobody answers, the attempt ends at once: the next question would wait as long. Not known here:
//! how often is asked.
//! Source: "Use IMDS to access instance metadata", Amazon EC2 User Guide,
//! <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html>.

use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::{Method, Uri};

use super::super::metadata::{self, Item, Metadata, NoValue, Version, Wanted};
use crate::clock;
use crate::http_request::{Answer, GetError, Limits, ask};

/// The service answers from memory on the instance's own link. Fluent Bit's `FLB_AWS_IMDS_TIMEOUT`.
const ASK_TIMEOUT: Duration = Duration::from_secs(1);
/// Most bytes of an answer. The identity document has less than 1 KiB; 50 tags have keys of at most
/// 128 bytes.
const ANSWER_BYTES_MAX: usize = 16 * 1_024;
const STATUS_OK: u16 = 200;
const STATUS_UNAUTHORIZED: u16 = 401;
const STATUS_NOT_FOUND: u16 = 404;

/// How long a token is asked for: the longest there is.
const TOKEN_TTL_S: &str = "21600";
const TOKEN_TTL: Duration = Duration::from_secs(21_600);
/// A token that is about to end is replaced before it is refused.
const TOKEN_MARGIN: Duration = Duration::from_secs(60);
const TOKEN_PATH: &str = "/latest/api/token";
const TOKEN_TTL_HEADER: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const TOKEN_HEADER: &str = "x-aws-ec2-metadata-token";

const DOCUMENT_PATH: &str = "/latest/dynamic/instance-identity/document";
const MAC_PATH: &str = "/latest/meta-data/mac";
const TAGS_PATH: &str = "/latest/meta-data/tags/instance";

/// Why something is not known.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    /// Nobody answers.
    #[error("asking {path} failed")]
    Exchange {
        /// What was asked.
        path: String,
        /// The cause.
        source: GetError,
    },
    /// The answer with the token does not arrive, or there is none.
    #[error(
        "no token of IMDSv2; where this runs in a container, the instance's \
         http-put-response-hop-limit must be at least 2"
    )]
    Token {
        /// The cause.
        source: GetError,
    },
    /// What came is no token.
    #[error("{TOKEN_PATH} answered {status} and no token")]
    NoToken {
        /// The status.
        status: u16,
    },
    /// 403 where the service is switched off, 404 where the instance has nothing of the kind.
    #[error("{path} answered {status}, expected 200")]
    Status {
        /// What was asked.
        path: String,
        /// The status.
        status: u16,
    },
    /// An answer that cannot be meant.
    #[error("{path} answered something else")]
    Answer {
        /// What was asked.
        path: String,
        /// The cause.
        source: NoValue,
    },
}

/// The service, and the token that it gave.
#[derive(Debug)]
pub(super) struct Imds {
    base: String,
    version: Version,
    token: Option<Token>,
    limits: Limits,
}

#[derive(Debug)]
pub(super) struct Token {
    text: Box<str>,
    given: Instant,
}

impl Imds {
    pub(super) fn new(base: String, version: Version) -> Self {
        let limits = Limits { timeout: ASK_TIMEOUT, body_bytes_max: ANSWER_BYTES_MAX };
        Self { base, version, token: None, limits }
    }

    /// With less time for an answer.
    #[cfg(test)]
    pub(super) fn within(self, timeout: Duration) -> Self {
        Self { limits: Limits { timeout, ..self.limits }, ..self }
    }

    /// Asks for all that is wanted and not known. The first thing that went wrong comes back; what
    /// was learnt besides is entered.
    pub(super) async fn fill(
        &mut self,
        metadata: &mut Metadata,
        wanted: &Wanted,
    ) -> Result<(), AskError> {
        let mut outcome = Ok(());
        for item in metadata.missing(wanted) {
            match self.item(item).await {
                Ok(value) => metadata.set(item, value),
                Err(error) if error.ends_attempt() => return Err(error),
                Err(error) => outcome = outcome.and(Err(error)),
            }
        }
        if metadata.lacks_tags(wanted) {
            match self.tags(wanted).await {
                Ok(tags) => metadata.set_tags(tags),
                Err(error) => outcome = outcome.and(Err(error)),
            }
        }
        outcome
    }

    async fn item(&mut self, item: Item) -> Result<Box<str>, AskError> {
        let path = match item {
            Item::AvailabilityZone => "/latest/meta-data/placement/availability-zone".to_owned(),
            Item::InstanceId => "/latest/meta-data/instance-id".to_owned(),
            Item::InstanceType => "/latest/meta-data/instance-type".to_owned(),
            Item::PrivateIp => "/latest/meta-data/local-ipv4".to_owned(),
            Item::VpcId => {
                let mac = self.mac().await?;
                format!("/latest/meta-data/network/interfaces/macs/{mac}/vpc-id")
            }
            Item::AmiId => "/latest/meta-data/ami-id".to_owned(),
            Item::AccountId => DOCUMENT_PATH.to_owned(),
            Item::Hostname => "/latest/meta-data/hostname".to_owned(),
        };
        let body = self.body(&path).await?;
        let value = match item {
            Item::AccountId => metadata::account_id(&body),
            Item::AvailabilityZone
            | Item::InstanceId
            | Item::InstanceType
            | Item::PrivateIp
            | Item::VpcId
            | Item::AmiId
            | Item::Hostname => metadata::value(&body),
        };
        value.map_err(|source| AskError::Answer { path, source })
    }

    /// Of the first network interface. It becomes part of a path.
    async fn mac(&mut self) -> Result<Box<str>, AskError> {
        let mac = metadata::value(&self.body(MAC_PATH).await?);
        let is_mac = |mac: &str| mac.chars().all(|c| c.is_ascii_hexdigit() || c == ':');
        let mac = mac.ok().filter(|mac| is_mac(mac));
        mac.ok_or_else(|| AskError::Answer { path: MAC_PATH.to_owned(), source: NoValue })
    }

    /// The wanted tags. A tag that goes between the list and its value is left out.
    async fn tags(&mut self, wanted: &Wanted) -> Result<Vec<(Box<str>, Box<str>)>, AskError> {
        let keys = match self.body(TAGS_PATH).await {
            Ok(body) => metadata::tag_keys(&body, &wanted.tags),
            Err(AskError::Status { status: STATUS_NOT_FOUND, .. }) => {
                tracing::warn!(
                    "the instance has no tags, or does not show them: allow tags in its metadata"
                );
                Vec::new()
            }
            Err(error) => return Err(error),
        };
        let mut tags = Vec::with_capacity(keys.len());
        for key in keys {
            let path = format!("{TAGS_PATH}/{key}");
            let body = match self.body(&path).await {
                Ok(body) => body,
                Err(AskError::Status { status: STATUS_NOT_FOUND, .. }) => continue,
                Err(error) => return Err(error),
            };
            let value = metadata::tag_value(&body);
            tags.push((key, value.map_err(|source| AskError::Answer { path, source })?));
        }
        Ok(tags)
    }

    /// The answer to one question. A token that is refused is replaced, once.
    async fn body(&mut self, path: &str) -> Result<Bytes, AskError> {
        let mut answer = self.ask(path).await?;
        if answer.status == STATUS_UNAUTHORIZED && self.token.take().is_some() {
            answer = self.ask(path).await?;
        }
        match answer {
            Answer { status: STATUS_OK, body } => Ok(body),
            Answer { status, .. } => Err(AskError::Status { path: path.to_owned(), status }),
        }
    }

    async fn ask(&mut self, path: &str) -> Result<Answer, AskError> {
        let exchange = |source| AskError::Exchange { path: path.to_owned(), source };
        let (uri, limits) = (self.uri(path).map_err(exchange)?, self.limits);
        let answer = match self.version {
            Version::V1 => ask(Method::GET, &uri, &[], limits).await,
            Version::V2 => {
                let token = self.token().await?;
                ask(Method::GET, &uri, &[(TOKEN_HEADER, token)], limits).await
            }
        };
        answer.map_err(exchange)
    }

    /// The token at hand, or a new one.
    async fn token(&mut self) -> Result<&str, AskError> {
        let token = match self.token.take().filter(|token| token.is_fresh(clock::now())) {
            Some(token) => token,
            None => self.new_token().await?,
        };
        Ok(&self.token.insert(token).text)
    }

    async fn new_token(&self) -> Result<Token, AskError> {
        let uri = self.uri(TOKEN_PATH).map_err(|source| AskError::Token { source })?;
        let given = clock::now();
        let answer = ask(Method::PUT, &uri, &[(TOKEN_TTL_HEADER, TOKEN_TTL_S)], self.limits).await;
        let Answer { status, body } = answer.map_err(|source| AskError::Token { source })?;
        let text = metadata::value(&body).ok().filter(|text| text.is_ascii());
        let text = text.filter(|_| status == STATUS_OK).ok_or(AskError::NoToken { status })?;
        Ok(Token { text, given })
    }

    fn uri(&self, path: &str) -> Result<Uri, GetError> {
        format!("{}{path}", self.base).parse().map_err(|_| GetError::Address)
    }
}

impl Token {
    /// Whether it will be taken for some time yet.
    fn is_fresh(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.given) + TOKEN_MARGIN < TOKEN_TTL
    }
}

impl AskError {
    /// Whether there is nobody who would answer the next question.
    fn ends_attempt(&self) -> bool {
        match self {
            Self::Exchange { source: GetError::Body { .. }, .. } => false,
            Self::Exchange { .. } | Self::Token { .. } | Self::NoToken { .. } => true,
            Self::Status { .. } | Self::Answer { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_replaced_a_minute_before_its_six_hours_are_over() {
        let token = Token { text: "t".into(), given: clock::now() };
        let after = |seconds| token.given + Duration::from_secs(seconds);
        assert!(token.is_fresh(token.given) && token.is_fresh(after(21_539)));
        assert!(!token.is_fresh(after(21_540)));
        assert_eq!(TOKEN_TTL_S, TOKEN_TTL.as_secs().to_string());
    }
}
