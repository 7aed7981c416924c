//! What went wrong with a call, in the few classes that the caller acts on.
//!
//! Pure. Not known here: what the caller does about it.
//! Sources: errors of each action in the CloudWatch Logs API reference, and
//! <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/CommonErrors.html>.

use std::error::Error;
use std::time::Duration;

use aws_sdk_cloudwatchlogs::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use super::call::{Call, Progress};

/// Most bytes of a message or code that are kept: a server may answer anything.
const TEXT_BYTES_MAX: usize = 1_024;
/// Longest wait that a server may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);

const STATUS_UNAUTHORIZED: u16 = 401;
const STATUS_FORBIDDEN: u16 = 403;
const STATUS_PAYLOAD_TOO_LARGE: u16 = 413;
const STATUS_UNSUPPORTED_MEDIA_TYPE: u16 = 415;
const STATUS_TOO_MANY_REQUESTS: u16 = 429;
const STATUS_BAD_GATEWAY: u16 = 502;
const STATUS_GATEWAY_TIMEOUT: u16 = 504;

/// What kind of failure, as far as the caller acts differently on it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Class {
    /// Too many requests of this account, or a quota: slow down, keep everything.
    Throttled,
    /// May work next time: network, time-outs, 5xx, and whatever is not known.
    Transient,
    /// The log group or log stream does not exist.
    NotFound,
    /// No credentials, or expired or wrong ones. They are loaded anew for the next call.
    Credentials,
    /// The identity may not do this.
    AccessDenied,
    /// The service will never take this request.
    Invalid,
    /// The request has too many bytes; half of it may pass.
    TooLarge,
    /// The clock of this host is wrong. The next call is signed with the service's time.
    Clock,
    /// It is there already, or the events were taken already.
    AlreadyExists,
}

/// A call that did not succeed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct SendError {
    /// What kind of failure.
    pub class: Class,
    /// The service's code, such as `ThrottlingException`; one of [`codes`] where none came.
    pub code: String,
    /// The service's text, or what broke; at most a kilobyte, without control characters.
    pub message: String,
    /// HTTP status, where an answer came.
    pub status: Option<u16>,
    /// The request may have been carried out: it was on its way when the answer stayed out.
    pub is_ambiguous: bool,
    /// How long the service asks to wait.
    pub retry_after: Option<Duration>,
}

/// Codes of failures to which the service gave none.
pub mod codes {
    /// No connection could be made.
    pub const CONNECT: &str = "Connect";
    /// The connection broke before the answer was complete.
    pub const CONNECTION: &str = "Connection";
    /// No credentials could be loaded.
    pub const CREDENTIALS: &str = "Credentials";
    /// An answer without the service's request id: somebody else answered.
    pub const NO_REQUEST_ID: &str = "NoRequestId";
    /// An answer that could not be read.
    pub const RESPONSE: &str = "Response";
    /// No answer in time.
    pub const TIMEOUT: &str = "Timeout";
}

/// The class of an error answer: by its code, else by its HTTP status.
#[must_use]
pub fn classify(code: &str, status: u16) -> Class {
    match code {
        "ThrottlingException"
        | "Throttling"
        | "ThrottledException"
        | "RequestThrottledException"
        | "RequestLimitExceeded"
        | "TooManyRequestsException"
        | "LimitExceededException"
        | "SlowDown" => Class::Throttled,
        "ServiceUnavailableException"
        | "ServiceUnavailable"
        | "InternalFailure"
        | "InternalServerException"
        | "OperationAbortedException"
        | "InvalidSequenceTokenException" => Class::Transient,
        "ResourceNotFoundException" => Class::NotFound,
        "ResourceAlreadyExistsException" | "DataAlreadyAcceptedException" => Class::AlreadyExists,
        "InvalidParameterException"
        | "InvalidParameterCombination"
        | "InvalidParameterValue"
        | "SerializationException"
        | "ValidationError"
        | "ValidationException" => Class::Invalid,
        "RequestEntityTooLargeException" => Class::TooLarge,
        "AccessDeniedException" | "AccessDenied" | "NotAuthorized" | "OptInRequired" => {
            Class::AccessDenied
        }
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "ExpiredTokenException"
        | "ExpiredToken"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException" => Class::Credentials,
        "RequestTimeTooSkewed" | "RequestExpired" | "RequestInTheFuture" => Class::Clock,
        _other => classify_status(status),
    }
}

fn classify_status(status: u16) -> Class {
    match status {
        STATUS_UNAUTHORIZED => Class::Credentials,
        STATUS_FORBIDDEN => Class::AccessDenied,
        STATUS_PAYLOAD_TOO_LARGE => Class::TooLarge,
        STATUS_TOO_MANY_REQUESTS => Class::Throttled,
        // Also a 400 without a code of ours: a proxy's opinion is no reason to give events up.
        _other => Class::Transient,
    }
}

/// Refines a class by what only the message tells.
pub(super) fn refine(class: Class, message: &str) -> Class {
    let is_skewed = || {
        message.contains("Signature expired")
            || message.contains("Signature not yet current")
            || message.contains("is later than")
    };
    match class {
        Class::Invalid if message.contains("Upload too large") => Class::TooLarge,
        // Loading the same credentials anew would not help, and would forget the service's time.
        Class::Credentials if is_skewed() => Class::Clock,
        Class::Throttled
        | Class::Transient
        | Class::NotFound
        | Class::Credentials
        | Class::AccessDenied
        | Class::Invalid
        | Class::TooLarge
        | Class::Clock
        | Class::AlreadyExists => class,
    }
}

impl SendError {
    /// Whether the endpoint may only have disliked the compression: worth one more try without.
    #[must_use]
    pub fn may_be_the_encoding(&self) -> bool {
        let is_speechless = self.code == codes::RESPONSE || self.code.is_empty();
        match self.status {
            Some(STATUS_UNSUPPORTED_MEDIA_TYPE) => true,
            Some(400) => is_speechless || self.code == "SerializationException",
            Some(_) | None => false,
        }
    }

    /// Somebody answered who is not the service, such as the login page of a network.
    pub(super) fn no_request_id(status: Option<u16>) -> Self {
        let message = "answer without x-amzn-RequestId, expected one of CloudWatch Logs";
        Self {
            class: Class::Transient,
            code: codes::NO_REQUEST_ID.to_owned(),
            message: message.to_owned(),
            status,
            is_ambiguous: true,
            retry_after: None,
        }
    }

    /// Reads what the SDK says; the call tells how far the request had come.
    pub(super) fn from_sdk<E>(error: &SdkError<E, HttpResponse>, call: &Call) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        match error {
            SdkError::ServiceError(refused) => Self::from_answer(refused.err(), refused.raw()),
            SdkError::ResponseError(unread) => {
                let answer = unread.raw();
                let status = answer.status();
                Self {
                    class: classify_status(status.as_u16()),
                    code: codes::RESPONSE.to_owned(),
                    message: chain(error),
                    status: Some(status.as_u16()),
                    // A half-read refusal is still a refusal.
                    is_ambiguous: status.is_success() || is_gateway(status.as_u16()),
                    retry_after: retry_after(answer),
                }
            }
            SdkError::TimeoutError(_) => Self::unanswered(codes::TIMEOUT, error, call),
            SdkError::DispatchFailure(failure) if failure.is_timeout() => {
                Self::unanswered(codes::TIMEOUT, error, call)
            }
            // `_` is what a later SDK may add: nothing is known about it, so try again.
            SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) | _ => {
                Self::unanswered(codes::CONNECTION, error, call)
            }
        }
    }

    fn from_answer<E>(error: &E, answer: &HttpResponse) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let status = answer.status().as_u16();
        let code = clean(error.code().unwrap_or_default());
        let message = error.message().map_or_else(|| chain(error), clean);
        Self {
            class: refine(classify(&code, status), &message),
            is_ambiguous: is_gateway(status),
            code,
            message,
            status: Some(status),
            retry_after: retry_after(answer),
        }
    }

    fn unanswered<E>(code: &str, error: &SdkError<E, HttpResponse>, call: &Call) -> Self
    where
        E: Error + 'static,
    {
        let (class, code) = match call.progress() {
            Progress::Identifying => (Class::Credentials, codes::CREDENTIALS),
            Progress::Connecting if code == codes::CONNECTION => (Class::Transient, codes::CONNECT),
            Progress::Connecting | Progress::Connected => (Class::Transient, code),
        };
        Self {
            class,
            code: code.to_owned(),
            message: chain(error),
            status: None,
            is_ambiguous: call.is_written(),
            retry_after: None,
        }
    }
}

/// A gateway that lost the service may have passed the request on before.
pub(super) fn is_gateway(status: u16) -> bool {
    matches!(status, STATUS_BAD_GATEWAY | STATUS_GATEWAY_TIMEOUT)
}

fn retry_after(answer: &HttpResponse) -> Option<Duration> {
    let number = |name| answer.headers().get(name)?.trim().parse::<u64>().ok();
    let asked = number("x-amz-retry-after")
        .map(Duration::from_millis)
        .or_else(|| number("retry-after").map(Duration::from_secs));
    asked.map(|wait| wait.min(RETRY_AFTER_MAX))
}

/// The error and its causes, each once, from the outside in.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        if text.len() > TEXT_BYTES_MAX {
            break;
        }
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    clean(&text)
}

/// Fit for a log line: one line, bounded.
fn clean(text: &str) -> String {
    let cut = text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or_default();
    cut.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_its_class_whatever_the_status() {
        let table = [
            (Class::Throttled, "ThrottlingException Throttling ThrottledException"),
            (Class::Throttled, "RequestLimitExceeded TooManyRequestsException"),
            (Class::Throttled, "LimitExceededException SlowDown RequestThrottledException"),
            (Class::Transient, "ServiceUnavailableException InternalFailure"),
            (Class::Transient, "OperationAbortedException InvalidSequenceTokenException"),
            (Class::NotFound, "ResourceNotFoundException"),
            (Class::AlreadyExists, "ResourceAlreadyExistsException DataAlreadyAcceptedException"),
            (Class::Invalid, "InvalidParameterException SerializationException"),
            (Class::AccessDenied, "AccessDeniedException AccessDenied"),
            (Class::Credentials, "UnrecognizedClientException InvalidSignatureException"),
            (Class::Credentials, "ExpiredTokenException IncompleteSignature"),
            (Class::Credentials, "MissingAuthenticationToken ExpiredToken"),
            (Class::Clock, "RequestTimeTooSkewed RequestExpired"),
            (Class::TooLarge, "RequestEntityTooLargeException"),
        ];
        for (class, codes) in table {
            for code in codes.split(' ') {
                assert_eq!(classify(code, 400), class, "{code}");
                assert_eq!(classify(code, 503), class, "{code}");
            }
        }
    }

    #[test]
    fn without_a_known_code_the_status_decides() {
        for (status, class) in [
            (401, Class::Credentials),
            (403, Class::AccessDenied),
            (413, Class::TooLarge),
            (429, Class::Throttled),
            (500, Class::Transient),
            (503, Class::Transient),
            (400, Class::Transient),
            (404, Class::Transient),
            (302, Class::Transient),
        ] {
            assert_eq!(classify("", status), class, "{status}");
            assert_eq!(classify("NewException", status), class, "{status}");
        }
    }

    #[test]
    fn a_request_of_too_many_bytes_can_be_split() {
        let message = "Upload too large: 1048577 bytes exceeds limit of 1048576";
        assert_eq!(refine(Class::Invalid, message), Class::TooLarge);
        assert_eq!(refine(Class::Invalid, "Log event too large: 2"), Class::Invalid);
        assert_eq!(refine(Class::Transient, message), Class::Transient);
    }

    #[test]
    fn a_signature_of_the_wrong_time_is_the_clocks_fault() {
        let message = "Signature expired: 20260101T000000Z is now earlier than 20260101T010000Z";
        assert_eq!(refine(Class::Credentials, message), Class::Clock);
        assert_eq!(refine(Class::Credentials, "The signature does not match"), Class::Credentials);
    }

    #[test]
    fn texts_are_cut_at_a_character_and_have_one_line() {
        assert_eq!(clean("a\r\nb\u{1b}[31m"), "a  b [31m");
        assert_eq!(clean(&"é".repeat(600)).len(), TEXT_BYTES_MAX);
        assert_eq!(clean(&format!("x{}", "é".repeat(600))).len(), TEXT_BYTES_MAX - 1);
    }
}
