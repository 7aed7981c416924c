//! What is answered, and why a request is refused. Pure.
//!
//! Statuses and texts are Fluent Bit's where it has one for the case; what is wrong, and where, is
//! added to them. Must not know how an answer is sent.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, SERVER};
use hyper::{Response, StatusCode, Version};

use super::Settings;
use super::body::Fault;

/// An answer.
pub(super) type Answer = Response<Full<Bytes>>;

/// Seconds after which a client may ask again when there was no room.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// Why a request is refused: nothing of it is kept, but for [`Refusal::EndingWithin`] and
/// [`Refusal::NotStored`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Refusal {
    /// Not POST.
    #[error("invalid HTTP method")]
    Method,
    /// HTTP/1.1 needs one.
    #[error("missing host header")]
    NoHost,
    /// Nothing says what the body is.
    #[error("header 'Content-Type' is not set")]
    NoContentType,
    /// A body that is not understood.
    #[error("invalid 'Content-Type'")]
    ContentType,
    /// A body in an encoding that is not understood.
    #[error(
        "unknown 'Content-Encoding' '{found}', expected gzip, deflate, zstd, snappy or identity"
    )]
    Encoding { found: String },
    /// There is nothing to take in.
    #[error("no payload found")]
    NoPayload,
    /// A body that is not good.
    #[error("unable to process records: {0}")]
    Body(Fault),
    /// A compressed body that is cut off, damaged, or compressed otherwise.
    #[error("unable to process records: the body is damaged, or not what 'Content-Encoding' says")]
    Damaged,
    /// A body that did not come to its end.
    #[error("unable to process records: the body ended early")]
    Cut,
    /// A body that is too large.
    #[error("body of more than {bytes_max} bytes: raise buffer_max_size or send smaller ones")]
    TooLarge { bytes_max: usize },
    /// A body that unpacks to too much.
    #[error("body unpacks to more than {bytes_max} bytes: send smaller ones")]
    Inflated { bytes_max: usize },
    /// More than can ever be in memory.
    #[error(
        "request needs more memory than the {bytes_max} bytes there are: raise Mem_Buf_Limit or \
         send smaller ones"
    )]
    BeyondMemory { bytes_max: u64 },
    /// Nothing came for too long.
    #[error("nothing came of the body for too long")]
    Silent,
    /// There was no room for it in time.
    #[error("memory is short, nothing of the request was kept: send it again")]
    Busy,
    /// The process ends.
    #[error("shutting down, nothing of the request was kept: send it again")]
    Ending,
    /// The process ended while the records were taken in.
    #[error(
        "shutting down, only a part of the request was kept: send it again, some of it may then \
         be there twice"
    )]
    EndingWithin,
    /// The records were taken in, and are not on disk yet.
    #[error(
        "the request was kept, but is not on disk yet: send it again, some of it may then be \
         there twice"
    )]
    NotStored,
}

impl Refusal {
    pub(super) const fn status(&self) -> u16 {
        match self {
            Self::Method
            | Self::NoHost
            | Self::NoContentType
            | Self::ContentType
            | Self::NoPayload
            | Self::Body(_)
            | Self::Damaged
            | Self::Cut => 400,
            Self::Silent => 408,
            Self::TooLarge { .. } | Self::Inflated { .. } | Self::BeyondMemory { .. } => 413,
            Self::Encoding { .. } => 415,
            Self::Busy | Self::Ending | Self::EndingWithin | Self::NotStored => 503,
        }
    }

    /// Whether the connection ends with the answer, as there may be more of a body to come.
    const fn closes(&self) -> bool {
        let ends = matches!(self, Self::Ending | Self::EndingWithin | Self::Cut);
        ends || matches!(self.status(), 408 | 413)
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Empty => Self::NoPayload,
            Fault::Truncated { .. }
            | Fault::NotJson { .. }
            | Fault::NotObject { .. }
            | Fault::TooDeep { .. }
            | Fault::NotMsgpack { .. }
            | Fault::NotMap { .. }
            | Fault::NoPair => Self::Body(fault),
        }
    }
}

/// All records were taken in.
pub(super) fn success(settings: &Settings) -> Answer {
    let mut answer = answer(settings.success, Bytes::new());
    for (name, value) in &settings.success_headers {
        answer.headers_mut().append(name.clone(), value.clone());
    }
    answer
}

/// The input lives.
pub(super) fn health() -> Answer {
    let mut answer = answer(200, Bytes::from_static(b"{\"status\":\"ok\"}\n"));
    let json = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(CONTENT_TYPE, json);
    answer
}

/// The request is refused.
pub(super) fn refusal(refusal: &Refusal, version: Version) -> Answer {
    let mut answer = answer(refusal.status(), format!("error: {refusal}\n").into());
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    if refusal.status() == 503 {
        headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
    }
    // HTTP/2 has no such header: there a stream ends, not the connection.
    if refusal.closes() && version < Version::HTTP_2 {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}

fn answer(status: u16, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer.headers_mut().insert(SERVER, HeaderValue::from_static("Firelane"));
    answer
}
