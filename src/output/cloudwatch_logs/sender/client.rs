//! Builds the SDK's client from the settings, and builds it anew when its credentials fail.
//!
//! Nothing here waits for the network. Not known here: requests.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::ProvideRegion;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::config::{
    Builder, Credentials, SharedCredentialsProvider, SharedHttpClient,
    StalledStreamProtectionConfig,
};
use hyper::Uri;
use hyper::header::HeaderValue;

use super::credentials::EndpointCredentials;
use super::error::{Class, SendError};
use super::transport::{self, Verified};
use crate::tls::FileError;

/// Name of our sessions in the logs of the account that owns an assumed role.
const ROLE_SESSION_NAME: &str = "firelane";
/// What Fluent Bit puts before `extra_user_agent`.
const USER_AGENT_PREFIX: &str = "aws-fluent-bit-plugin-";

/// The options of the output that concern its calls.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settings {
    /// `region`; else the environment's.
    pub region: Option<String>,
    /// `endpoint`; else the environment's (`AWS_ENDPOINT_URL…`), else the region's. `https` where
    /// it names no scheme.
    pub endpoint_url: Option<String>,
    /// `tls.verify`; off takes any certificate of the endpoint (never of STS or of credentials).
    pub tls_verify: bool,
    /// `tls.ca_file`: PEM certificates to trust in place of the system's.
    pub tls_ca_file: Option<PathBuf>,
    /// `role_arn`: role to assume with the credentials found.
    pub role_arn: Option<String>,
    /// `external_id`: sent when the role is assumed.
    pub external_id: Option<String>,
    /// `sts_endpoint`: where the role is assumed; else the region's STS.
    pub sts_endpoint: Option<String>,
    /// `profile` of the shared configuration files.
    pub profile: Option<String>,
    /// `credentials_endpoint`: where credentials are asked for, in place of the default chain.
    pub credentials_endpoint: Option<String>,
    /// `extra_user_agent`.
    pub extra_user_agent: Option<String>,
    /// `log_format`: the header `x-amzn-logs-format`, such as `json/emf`.
    pub log_format: Option<String>,
    /// Keys of the environment, which come before anything else that may give credentials, unless
    /// a profile is asked for; `None`: the SDK's default chain.
    pub keys: Option<Keys>,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait for the whole of a call: credentials, connection, answer.
    pub attempt_timeout: Duration,
}

/// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`. Shown nowhere.
#[derive(Clone, Eq, PartialEq)]
pub struct Keys {
    /// The access key's id.
    pub id: String,
    /// Its secret.
    pub secret: String,
    /// The session's token, for keys that are not for long.
    pub token: Option<String>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Neither the settings nor the environment name a region. The task's metadata may, later.
    #[error("no region: set the option region or the variable AWS_REGION")]
    NoRegion,
    /// An option is not an address.
    #[error("{option} {value:?} is not an address, expected http://host or https://host")]
    Address {
        /// The option.
        option: &'static str,
        /// Its value.
        value: String,
    },
    /// An option cannot stand in an HTTP header.
    #[error("{option} {value:?} cannot be sent in a header, expected printable text")]
    Header {
        /// The option.
        option: &'static str,
        /// Its value.
        value: String,
    },
    /// The certificates to trust cannot be used.
    #[error("tls.ca_file {path:?} cannot be used")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: FileError,
    },
}

/// What all clones of a sender share.
#[derive(Debug)]
pub(super) struct Shared {
    recipe: Recipe,
    current: RwLock<Current>,
    user_agent: Option<Arc<str>>,
    log_format: Option<Arc<str>>,
}

/// A client, with the number of clients that were before it.
#[derive(Clone, Debug)]
struct Current {
    client: Client,
    generation: u64,
}

impl Shared {
    /// `credentials` take the place of the default chain; a role is assumed with them.
    pub(super) async fn connect(
        settings: Settings,
        credentials: Option<SharedCredentialsProvider>,
    ) -> Result<Self, ConnectError> {
        let user_agent = settings.extra_user_agent.as_ref();
        let user_agent = user_agent.map(|extra| format!("{USER_AGENT_PREFIX}{extra}"));
        let user_agent = header("extra_user_agent", user_agent)?;
        let log_format = header("log_format", settings.log_format.clone())?;
        let recipe = Recipe::new(settings, credentials).await?;
        let current = RwLock::new(Current { client: recipe.client().await, generation: 0 });
        Ok(Self { recipe, current, user_agent, log_format })
    }

    /// The client to use now, and its generation for [`Shared::check`].
    pub(super) fn client(&self) -> (Client, u64) {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        (current.client.clone(), current.generation)
    }

    pub(super) fn user_agent(&self) -> Option<Arc<str>> {
        self.user_agent.clone()
    }

    pub(super) fn log_format(&self) -> Option<Arc<str>> {
        self.log_format.clone()
    }

    /// Passes the answer through; where credentials were the reason, makes a new client first.
    ///
    /// The SDK keeps credentials until they expire, also where the service no longer takes them, and
    /// its provider for profiles keeps its first failure for ever.
    pub(super) async fn check<T>(
        &self,
        answer: Result<T, SendError>,
        generation: u64,
    ) -> Result<T, SendError> {
        if let Err(SendError { class: Class::Credentials, .. }) = &answer {
            self.renew(generation).await;
        }
        answer
    }

    async fn renew(&self, failed: u64) {
        // Of many calls that failed with one client, the first renews it.
        if self.client().1 != failed {
            return;
        }
        let client = self.recipe.client().await;
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.generation == failed {
            *current = Current { client, generation: failed.wrapping_add(1) };
        }
    }
}

/// All that a client is made of; the connections outlive it.
#[derive(Debug)]
pub(super) struct Recipe {
    settings: Settings,
    region: Region,
    endpoint_url: Option<String>,
    sts_endpoint: Option<String>,
    /// For CloudWatch Logs.
    logs_http: SharedHttpClient,
    credentials_endpoint: Option<String>,
    /// For STS and credentials: always verified.
    verified: Verified,
    /// The same, as the SDK takes it.
    identity_http: SharedHttpClient,
    credentials: Option<SharedCredentialsProvider>,
}

impl Recipe {
    pub(super) async fn new(
        settings: Settings,
        credentials: Option<SharedCredentialsProvider>,
    ) -> Result<Self, ConnectError> {
        let endpoint_url = address("endpoint", settings.endpoint_url.as_deref())?;
        let sts_endpoint = address("sts_endpoint", settings.sts_endpoint.as_deref())?;
        let credentials_endpoint = settings.credentials_endpoint.as_deref();
        let credentials_endpoint = address("credentials_endpoint", credentials_endpoint)?;
        let region = match settings.region.as_ref().filter(|region| !region.is_empty()) {
            Some(region) => Region::new(region.clone()),
            None => environment_region().await.ok_or(ConnectError::NoRegion)?,
        };
        let verified = transport::verified(settings.tls_ca_file.as_deref())
            .map_err(|(path, source)| ConnectError::CaFile { path, source })?;
        verified.preload(settings.connect_timeout);
        let identity_http = SharedHttpClient::new(verified.clone());
        let logs_http = if settings.tls_verify {
            identity_http.clone()
        } else {
            transport::unverified(settings.connect_timeout)
        };
        Ok(Self {
            settings,
            region,
            endpoint_url,
            sts_endpoint,
            credentials_endpoint,
            logs_http,
            verified,
            identity_http,
            credentials,
        })
    }

    async fn client(&self) -> Client {
        let base = self.base().await;
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(self.settings.connect_timeout)
            .operation_attempt_timeout(self.settings.attempt_timeout)
            .build();
        let mut config = Builder::from(&base)
            .http_client(self.logs_http.clone())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            // Bodies are in memory and the whole attempt has its time-out.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        if let Some(url) = &self.endpoint_url {
            config.set_endpoint_url(Some(url.clone()));
        }
        if let Some(role) = &self.settings.role_arn {
            config.set_credentials_provider(Some(self.assume(role, &base).await));
        }
        Client::from_conf(config.build())
    }

    /// What gives the credentials, of the role if one is to be assumed.
    pub(super) async fn credentials_provider(&self) -> Option<SharedCredentialsProvider> {
        let base = self.base().await;
        match &self.settings.role_arn {
            Some(role) => Some(self.assume(role, &base).await),
            None => base.credentials_provider(),
        }
    }

    /// What the environment and the profile say, with the credentials found there.
    async fn base(&self) -> SdkConfig {
        let keys = self.settings.keys.as_ref().filter(|_| self.settings.profile.is_none());
        let credentials = match (&self.credentials, &self.credentials_endpoint, keys) {
            (Some(given), _, _) => given.clone(),
            (None, Some(address), _) => SharedCredentialsProvider::new(EndpointCredentials {
                address: address.clone(),
                http: self.verified.clone(),
                connect_timeout: self.settings.connect_timeout,
            }),
            (None, None, Some(Keys { id, secret, token })) => SharedCredentialsProvider::new(
                Credentials::new(id, secret, token.clone(), None, "environment"),
            ),
            (None, None, None) => SharedCredentialsProvider::new(self.default_chain().await),
        };
        let mut base = aws_config::defaults(behavior())
            .region(self.region.clone())
            .http_client(self.identity_http.clone())
            .credentials_provider(credentials);
        if let Some(profile) = &self.settings.profile {
            base = base.profile_name(profile);
        }
        Box::pin(base.load()).await
    }

    async fn default_chain(&self) -> DefaultCredentialsChain {
        let config = ProviderConfig::without_region()
            .with_region(Some(self.region.clone()))
            .with_behavior_version(Some(behavior()))
            .with_http_client(self.identity_http.clone());
        let mut chain =
            DefaultCredentialsChain::builder().configure(config).region(self.region.clone());
        if let Some(profile) = &self.settings.profile {
            chain = chain.profile_name(profile);
        }
        Box::pin(chain.build()).await
    }

    async fn assume(&self, role: &str, base: &SdkConfig) -> SharedCredentialsProvider {
        let mut config = base.to_builder();
        if let Some(url) = &self.sts_endpoint {
            config.set_endpoint_url(Some(url.clone()));
        }
        let mut provider = AssumeRoleProvider::builder(role)
            .session_name(ROLE_SESSION_NAME)
            .configure(&config.build());
        if let Some(external_id) = &self.settings.external_id {
            provider = provider.external_id(external_id);
        }
        SharedCredentialsProvider::new(Box::pin(provider.build()).await)
    }
}

/// Pinned, so that an update of the SDK does not change time-outs and retries behind our back.
fn behavior() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

/// `AWS_REGION`, else `AWS_DEFAULT_REGION`.
async fn environment_region() -> Option<Region> {
    let region = EnvironmentVariableRegionProvider::new().region().await;
    region.filter(|region| !region.as_ref().is_empty())
}

fn header(option: &'static str, value: Option<String>) -> Result<Option<Arc<str>>, ConnectError> {
    match value {
        // The SDK holds headers as text, so more than `HeaderValue` takes is refused.
        Some(value) if HeaderValue::from_str(&value).is_err() || !value.is_ascii() => {
            Err(ConnectError::Header { option, value })
        }
        value => Ok(value.map(Arc::from)),
    }
}

/// An address with its scheme. Fluent Bit takes a bare host name and always uses TLS.
fn address(option: &'static str, value: Option<&str>) -> Result<Option<String>, ConnectError> {
    let Some(value) = value else { return Ok(None) };
    let url = if value.contains("://") { value.to_owned() } else { format!("https://{value}") };
    let is_address = url.parse::<Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.host().is_some_and(|h| !h.is_empty())
    });
    if is_address {
        Ok(Some(url))
    } else {
        Err(ConnectError::Address { option, value: value.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_a_scheme_is_https() {
        let read = |value| address("endpoint", Some(value)).unwrap().unwrap();
        assert_eq!(read("logs.example:8443"), "https://logs.example:8443");
        assert_eq!(read("http://127.0.0.1:5000/base"), "http://127.0.0.1:5000/base");
        assert_eq!(read("https://[::1]:5000"), "https://[::1]:5000");
    }

    #[test]
    fn what_is_no_address_is_named_with_its_option() {
        for value in ["", "http://", "ftp://host", "https://a b", "https:///path"] {
            let error = address("sts_endpoint", Some(value)).unwrap_err().to_string();
            assert!(error.starts_with("sts_endpoint ") && error.contains(value), "{error}");
        }
    }
}
