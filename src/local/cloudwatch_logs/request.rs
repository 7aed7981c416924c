//! Opens a request: checks what holds for all operations, from the framing to the signature, and
//! undoes the content encoding. Pure: parts, bytes and the time go in. Must not know any operation's
//! members.

use std::borrow::Cow;
use std::time::Duration;

use hyper::Method;
use hyper::http::HeaderMap;
use hyper::http::request::Parts;

use super::inflate::{InflateError, gunzip};
use super::operation::OperationName;
use super::response::ServiceError;
use super::sigv4::{self, AccessKey, ExpectedScope, SKEW_SECONDS_MAX, SignatureError};
use super::violation::{Refusal, Violation};

/// Most bytes of a body, on the wire and inflated: a batch of control characters, each written
/// with six, plus what is around 10,000 events, with room to spare.
pub(super) const BODY_BYTES_MAX: usize = 16 * 1_048_576;

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";
const UNKNOWN_OPERATION: &str = "com.amazon.coral.service#UnknownOperationException";
const SERVICE: &str = "logs";

/// Whose signatures hold, and where.
#[derive(Debug)]
pub(super) struct Trust {
    pub(super) keys: Vec<AccessKey>,
    /// `None` takes every region.
    pub(super) region: Option<String>,
}

/// A request whose sender is known and whose body can be parsed.
#[derive(Debug)]
pub(super) struct Opened<'a> {
    /// The region that the request was signed for.
    pub(super) region: &'a str,
    /// Without content encoding.
    pub(super) body: Cow<'a, [u8]>,
    /// The header `x-amzn-logs-format`.
    pub(super) logs_format: Option<&'a str>,
}

/// Finds out which operation is asked for.
///
/// # Errors
///
/// When the request is not one to the API at all, or the operation is not known.
pub(super) fn operation_name(parts: &Parts) -> Result<OperationName, Refusal> {
    if parts.method != Method::POST || parts.uri.path() != "/" || parts.uri.query().is_some() {
        let error = ServiceError::with_status(404, UNKNOWN_OPERATION, "");
        return Err(Refusal { violation: Violation::MethodOrPath, error });
    }
    let Some(target) = text(&parts.headers, "x-amz-target") else {
        let error = ServiceError::client(UNKNOWN_OPERATION, "");
        return Err(Refusal { violation: Violation::TargetMissing, error });
    };
    OperationName::from_target(target).ok_or_else(|| Refusal {
        violation: Violation::UnknownOperation,
        error: ServiceError::client(UNKNOWN_OPERATION, target),
    })
}

/// Checks everything about a request but the members of its body.
///
/// # Errors
///
/// The first rule that is broken.
pub(super) fn open<'a>(
    parts: &'a Parts,
    body: &'a [u8],
    trust: &Trust,
    now: Duration,
) -> Result<Opened<'a>, Refusal> {
    check_length(&parts.headers, body)?;
    if text(&parts.headers, "content-type") != Some(CONTENT_TYPE) {
        let error = ServiceError::client(UNKNOWN_OPERATION, "");
        return Err(Refusal { violation: Violation::ContentType, error });
    }
    let scope = ExpectedScope { region: trust.region.as_deref(), service: SERVICE };
    let region = sigv4::verify(parts, body, &trust.keys, scope, now).map_err(distrust)?;
    let logs_format = text(&parts.headers, "x-amzn-logs-format");
    Ok(Opened { region, body: decode(&parts.headers, body)?, logs_format })
}

/// The answer to a body beyond [`BODY_BYTES_MAX`].
pub(super) fn too_large() -> Refusal {
    let text = format!("Request body exceeds {BODY_BYTES_MAX} bytes");
    let error = ServiceError::with_status(413, "RequestEntityTooLargeException", text);
    Refusal { violation: Violation::BodyTooLarge, error }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn check_length(headers: &HeaderMap, body: &[u8]) -> Result<(), Refusal> {
    let claimed = text(headers, "content-length").and_then(|length| length.parse().ok());
    if claimed == Some(body.len()) {
        return Ok(());
    }
    let kind = "com.amazon.coral.service#SerializationException";
    let error = ServiceError::client(kind, "Content-Length does not fit the body");
    Err(Refusal { violation: Violation::ContentLength, error })
}

fn decode<'a>(headers: &HeaderMap, body: &'a [u8]) -> Result<Cow<'a, [u8]>, Refusal> {
    let kind = "com.amazon.coral.service#SerializationException";
    let refused = |text: &str| Refusal {
        violation: Violation::ContentEncoding,
        error: ServiceError::client(kind, text),
    };
    match text(headers, "content-encoding") {
        None if headers.contains_key("content-encoding") => Err(refused("Unknown encoding")),
        None | Some("identity") => Ok(Cow::Borrowed(body)),
        Some("gzip") => match gunzip(body, BODY_BYTES_MAX) {
            Ok(inflated) => Ok(Cow::Owned(inflated)),
            Err(InflateError::Broken) => Err(refused("Invalid gzip stream")),
            Err(InflateError::TooLarge { .. }) => Err(too_large()),
        },
        Some(other) => Err(refused(&format!("Unknown encoding {other}"))),
    }
}

fn distrust(error: SignatureError) -> Refusal {
    const INVALID: &str = "InvalidSignatureException";
    const INCOMPLETE: &str = "IncompleteSignatureException";
    let minutes = SKEW_SECONDS_MAX / 60;
    let (violation, kind, message) = match error {
        SignatureError::Missing => (
            Violation::SignatureMissing,
            "MissingAuthenticationTokenException",
            "Missing Authentication Token".to_owned(),
        ),
        SignatureError::Incomplete { what } => (
            Violation::SignatureIncomplete,
            INCOMPLETE,
            format!("Authorization header requires '{what}' parameter."),
        ),
        SignatureError::Region => (
            Violation::SignatureScope,
            INVALID,
            "Credential should be scoped to a valid region.".to_owned(),
        ),
        SignatureError::Service { expected } => (
            Violation::SignatureScope,
            INVALID,
            format!("Credential should be scoped to correct service: '{expected}'."),
        ),
        SignatureError::ScopeDate { scope, signed } => (
            Violation::SignatureScope,
            INVALID,
            format!("Date in Credential scope does not match YYYYMMDD: '{scope}' != '{signed}'."),
        ),
        SignatureError::Expired { signed, oldest } => (
            Violation::SignatureDate,
            INVALID,
            format!("Signature expired: {signed} is now earlier than {oldest} ({minutes} min.)"),
        ),
        SignatureError::NotYetCurrent { signed, newest } => (
            Violation::SignatureDate,
            INVALID,
            format!(
                "Signature not yet current: {signed} is still later than {newest} ({minutes} min.)"
            ),
        ),
        SignatureError::UnknownAccessKey => (
            Violation::UnknownAccessKey,
            "UnrecognizedClientException",
            "The security token included in the request is invalid.".to_owned(),
        ),
        SignatureError::SessionToken => (
            Violation::SessionToken,
            "UnrecognizedClientException",
            "The security token included in the request is invalid.".to_owned(),
        ),
        SignatureError::UnsignedHeader { name } => (
            Violation::UnsignedHeader,
            INVALID,
            format!("'{name}' must be a 'SignedHeader' in the AWS Authorization."),
        ),
        SignatureError::Mismatch => (
            Violation::SignatureMismatch,
            INVALID,
            "The request signature we calculated does not match the signature you provided. Check \
             your AWS Secret Access Key and signing method. Consult the service documentation for \
             details."
                .to_owned(),
        ),
    };
    Refusal { violation, error: ServiceError::client(kind, message) }
}
