//! Step 6, output: requests signed as AWS asks for it (SigV4). Pure: `now` is an argument.
//!
//! Reference: <https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html>. Must not
//! know where credentials come from.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningError,
    SigningSettings, UriPathNormalizationMode, sign as sign_request,
};
use aws_sigv4::sign::v4;
use hyper::HeaderMap;
use hyper::header::{HOST, HeaderName, HeaderValue};

use super::config::Aws;

/// Services that ask for the hash of the body in a header.
const WITH_BODY_HASH: [&str; 2] = ["s3", "aoss"];
/// The service that signs paths as they are.
const S3: &str = "s3";

/// Headers that hold for one connection: a proxy changes them and takes them away.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What is signed besides the headers.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// The method.
    pub method: &'a str,
    /// Path and query.
    pub target: &'a str,
    /// The body as it is sent.
    pub body: &'a [u8],
}

/// Why there is no signature.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// A setting is missing.
    #[error("signing lacks a setting")]
    Settings(#[from] v4::signing_params::BuildError),
    /// The request is none.
    #[error("this request cannot be signed")]
    Request(#[from] SigningError),
    /// A part of the signature cannot be a header.
    #[error("the credentials have characters that no header may have")]
    Header,
}

/// Adds the headers of the signature, in place of those that are there.
///
/// # Errors
///
/// [`SignError`]; the headers are as they were.
pub fn sign(
    headers: &mut HeaderMap,
    signed: Signed<'_>,
    aws: &Aws,
    credentials: &Credentials,
    now: SystemTime,
) -> Result<(), SignError> {
    let identity = credentials.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(&aws.region)
        .name(&aws.service)
        .time(now)
        .settings(settings(&aws.service))
        .build()?;
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    // What is no text is not signed, and need not be.
    let texts = headers
        .iter()
        .filter(|(name, _)| !HOP_BY_HOP.contains(&name.as_str()))
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let uri = format!("https://{host}{}", signed.target);
    let body = SignableBody::Bytes(signed.body);
    let request = SignableRequest::new(signed.method, uri, texts, body)?;
    let (instructions, _) = sign_request(request, &params.into())?.into_parts();
    let (made, _) = instructions.into_parts();
    let mut added = Vec::with_capacity(made.len());
    for header in made {
        let name = HeaderName::from_static(header.name());
        let mut value = HeaderValue::from_str(header.value()).map_err(|_| SignError::Header)?;
        value.set_sensitive(header.sensitive());
        added.push((name, value));
    }
    for (name, value) in added {
        headers.insert(name, value);
    }
    Ok(())
}

fn settings(service: &str) -> SigningSettings {
    let mut settings = SigningSettings::default();
    if WITH_BODY_HASH.contains(&service) {
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    if service == S3 {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    }
    settings
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn aws(service: &str) -> Aws {
        Aws {
            service: service.to_owned(),
            region: "us-east-1".to_owned(),
            role_arn: None,
            external_id: None,
            sts_endpoint: None,
            profile: None,
        }
    }

    fn signed(service: &str, token: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("example.amazonaws.com"));
        headers.insert("authorization", HeaderValue::from_static("Basic x"));
        for name in HOP_BY_HOP {
            headers.insert(name, HeaderValue::from_static("x"));
        }
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        let token = token.map(str::to_owned);
        let credentials = Credentials::new("AKIDEXAMPLE", secret, token, None, "test");
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160);
        let request = Signed { method: "POST", target: "/", body: b"" };
        sign(&mut headers, request, &aws(service), &credentials, now).expect("signed");
        headers
    }

    /// Of the test suite that AWS has published.
    #[test]
    fn the_published_signature_is_ours_whatever_holds_for_one_connection() {
        let headers = signed("service", None);
        let expected = "AWS4-HMAC-SHA256 \
            Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
            SignedHeaders=host;x-amz-date, \
            Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b";
        assert_eq!(headers.get_all("authorization").iter().count(), 1);
        assert_eq!(headers["authorization"], expected);
        assert_eq!(headers["x-amz-date"], "20150830T123600Z");
        assert!(!headers.contains_key("x-amz-content-sha256"));
    }

    #[test]
    fn a_token_is_sent_and_some_services_get_the_hash_of_the_body() {
        assert_eq!(signed("es", Some("token"))["x-amz-security-token"], "token");
        for service in WITH_BODY_HASH {
            let hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
            assert_eq!(signed(service, None)["x-amz-content-sha256"], hash, "{service}");
        }
    }
}
