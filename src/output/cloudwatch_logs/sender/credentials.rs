//! Credentials from an address of the user's own: the option `credentials_endpoint`.
//!
//! The answer is that of the endpoint of ECS: `AccessKeyId`, `SecretAccessKey`, and where they are
//! not for ever `Token` and `Expiration`. Must not know who signs with them.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, future};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::http::{HttpConnector as _, HttpConnectorSettings};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use http_body_util::{BodyExt as _, Limited};
use serde::Deserialize;

use super::call::ANSWER_BYTES_MAX;
use super::transport::Verified;

/// How long an answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Asks an address for credentials each time they are needed anew.
#[derive(Debug)]
pub(super) struct EndpointCredentials {
    pub(super) address: String,
    pub(super) http: Verified,
    pub(super) connect_timeout: Duration,
}

/// The address gave no credentials.
#[derive(Debug, thiserror::Error)]
enum NoCredentials {
    #[error("credentials_endpoint answered {0}, expected 200")]
    Status(u16),
    #[error("credentials_endpoint gave no answer within {ANSWER_TIMEOUT:?}")]
    Timeout,
    #[error("credentials_endpoint answered something else than credentials")]
    Answer(#[from] serde_json::Error),
    #[error("credentials_endpoint gave an Expiration that is no time")]
    Expiration,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    access_key_id: String,
    secret_access_key: String,
    token: Option<String>,
    expiration: Option<String>,
}

impl ProvideCredentials for EndpointCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.load())
    }
}

impl EndpointCredentials {
    async fn load(&self) -> provider::Result {
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, self.ask()).await;
        let answer = answer.unwrap_or_else(|_| Err(NoCredentials::Timeout.into()));
        answer.and_then(|body| Ok(read(&body)?)).map_err(CredentialsError::provider_error)
    }

    async fn ask(&self) -> Result<Vec<u8>, BoxError> {
        let settings =
            HttpConnectorSettings::builder().connect_timeout(self.connect_timeout).build();
        let request = HttpRequest::get(&self.address)?;
        let answer = self.http.connector(&settings).call(request).await?;
        if !answer.status().is_success() {
            return Err(NoCredentials::Status(answer.status().as_u16()).into());
        }
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await?;
        Ok(body.to_bytes().to_vec())
    }
}

fn read(body: &[u8]) -> Result<Credentials, NoCredentials> {
    let Answer { access_key_id, secret_access_key, token, expiration } =
        serde_json::from_slice(body)?;
    let expires = expiration.filter(|text| !text.is_empty()).map(|text| {
        let time = DateTime::from_str(&text, Format::DateTime).ok();
        time.and_then(|time| SystemTime::try_from(time).ok()).ok_or(NoCredentials::Expiration)
    });
    let token = token.filter(|token| !token.is_empty());
    Ok(Credentials::new(
        access_key_id,
        secret_access_key,
        token,
        expires.transpose()?,
        "credentials_endpoint",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_may_last_for_ever_or_until_they_expire() {
        let lasting = read(br#"{"AccessKeyId":"a","SecretAccessKey":"s"}"#).unwrap();
        assert_eq!((lasting.access_key_id(), lasting.secret_access_key()), ("a", "s"));
        assert_eq!((lasting.session_token(), lasting.expiry()), (None, None));
        let body = br#"{"AccessKeyId":"a","SecretAccessKey":"s","Token":"t",
            "Expiration":"2030-01-01T00:00:00Z","Code":"Success"}"#;
        let short = read(body).unwrap();
        let expiry = SystemTime::UNIX_EPOCH + Duration::from_secs(1_893_456_000);
        assert_eq!((short.session_token(), short.expiry()), (Some("t"), Some(expiry)));
    }

    #[test]
    fn anything_else_is_no_credentials() {
        for body in ["", "null", "{}", r#"{"AccessKeyId":"a"}"#, r#"{"code":"x","message":"y"}"#] {
            assert!(matches!(read(body.as_bytes()), Err(NoCredentials::Answer(_))), "{body}");
        }
        let body = br#"{"AccessKeyId":"a","SecretAccessKey":"s","Expiration":"soon"}"#;
        assert!(matches!(read(body), Err(NoCredentials::Expiration)));
    }
}
