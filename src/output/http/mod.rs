//! Output `http`: sends records to a web server, gathered by tag for a flush interval.
//!
//! Reference: Fluent Bit's manual, "HTTP"; `plugins/out_http`. What a server has taken (200 to 205) is
//! delivered, what it refuses (most of 4xx) is dropped and told, all else is sent again. Not known
//! here: when anything is sent, which is [`dispatch`](super::dispatch).

pub mod answer;
mod client;
pub mod compress;
pub mod config;
mod connection;
mod courier;
mod dial;
mod pool;
pub mod request;
pub mod sign;
mod traffic;

use std::sync::Arc;
use std::time::Duration;

use hyper::Uri;

use super::cloudwatch_logs::sender::{self, ConnectError, Identity, Keys};
use super::courier::{Around, run};
use super::dispatch::Settings;
use crate::buffer::Buffer;
use crate::lifecycle::StopReceiver;
use crate::tls::TlsError;

use client::Client;
use config::{Aws, Config, host_header};
use courier::{Forgotten, HttpCourier, Signer};
use dial::Dial;
use request::Composer;

/// How long a connection to what gives credentials may take to be made.
const IDENTITY_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a call for credentials may take.
const IDENTITY_TIMEOUT: Duration = Duration::from_secs(15);

/// The output, ready to run.
#[derive(Debug)]
pub struct Http {
    courier: HttpCourier,
    settings: Settings,
    around: Around,
}

/// What an output needs of its surroundings.
#[derive(Debug)]
pub struct Surroundings {
    /// Counters and budget.
    pub around: Around,
    /// When what is sent.
    pub settings: Settings,
    /// `[SERVICE] json.escape_unicode`
    pub escape_unicode: bool,
    /// Keys of the environment, to sign with.
    pub keys: Option<Keys>,
}

/// Why there is no output.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// TLS cannot be spoken.
    #[error("{}: {source}", source.option())]
    Tls {
        /// What is wrong.
        #[from]
        source: TlsError,
    },
    /// There is no way to credentials.
    #[error(transparent)]
    Identity(#[from] ConnectError),
    /// Host and path make no address, which a proxy needs.
    #[error("host: {host:?} is no host that a proxy can be asked for")]
    Host {
        /// The host.
        host: String,
    },
}

impl Http {
    /// An output that does what the configuration says. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`BuildError`], where it never could be.
    pub async fn new(config: Config, surroundings: Surroundings) -> Result<Self, BuildError> {
        let Surroundings { around, settings, escape_unicode, keys } = surroundings;
        let composer = Composer::new(&config, escape_unicode);
        let signer = match &config.aws {
            None => None,
            Some(aws) => {
                let identity = Identity::connect(identity(aws, keys)).await?;
                let (aws, target) = (aws.clone(), config.target.clone());
                Some(Arc::new(Signer { aws, target, identity, forgotten: Forgotten::default() }))
            }
        };
        let client = Client::new(&config, Dial::new(&config)?, uri(&config)?);
        let courier = HttpCourier {
            composer: Arc::new(composer),
            client,
            signer,
            place: format!("{}:{}", config.host, config.port).into(),
            name: around.counters.name.as_str().into(),
            shows_answers: config.shows_answers,
        };
        Ok(Self { courier, settings, around })
    }

    /// Sends until the buffer is closed and everything has its outcome, or until shortly before the
    /// deadline of a stop.
    pub async fn run(self, buffer: Arc<Buffer>, stop: StopReceiver) {
        run(self.courier, self.settings, self.around, buffer, stop).await;
    }
}

/// What stands in the first line: the path, for a proxy that forwards the whole address.
fn uri(config: &Config) -> Result<Uri, BuildError> {
    let is_forwarded = config.proxy.is_some() && config.tls.is_none();
    let text = if is_forwarded {
        format!("http://{}{}", host_header(&config.host, config.port, false), config.target)
    } else {
        config.target.clone()
    };
    text.parse().map_err(|_| BuildError::Host { host: config.host.clone() })
}

fn identity(aws: &Aws, keys: Option<Keys>) -> sender::Settings {
    sender::Settings {
        region: Some(aws.region.clone()),
        endpoint_url: None,
        tls_verify: true,
        tls_ca_file: None,
        role_arn: aws.role_arn.clone(),
        external_id: aws.external_id.clone(),
        sts_endpoint: aws.sts_endpoint.clone(),
        profile: aws.profile.clone(),
        credentials_endpoint: None,
        extra_user_agent: None,
        log_format: None,
        keys,
        connect_timeout: IDENTITY_CONNECT_TIMEOUT,
        attempt_timeout: IDENTITY_TIMEOUT,
    }
}

#[cfg(test)]
mod tests;
