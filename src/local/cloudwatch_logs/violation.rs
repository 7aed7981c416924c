//! The rules of the service that a request can break, by name. Must not know how they are found.

use serde::{Deserialize, Serialize};

use super::response::ServiceError;

/// A rule that a request broke. Its name in JSON is in snake case.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Violation {
    /// Not `POST /` without a query.
    MethodOrPath,
    /// Not `application/x-amz-json-1.1`.
    ContentType,
    /// No content-length, or one that is not the length of the body.
    ContentLength,
    /// An encoding other than gzip, or a gzip stream that is broken.
    ContentEncoding,
    /// More bytes than any valid request has, on the wire or inflated.
    BodyTooLarge,
    /// No `x-amz-target`.
    TargetMissing,
    /// A target that this endpoint does not know.
    UnknownOperation,
    /// The body is not UTF-8.
    InvalidUtf8,
    /// The body is not JSON, or a member has another type than the service's model says.
    InvalidJson,
    /// An object has a member twice.
    DuplicateMember,
    /// A member that the service requires is missing.
    MissingMember,
    /// No `authorization` header.
    SignatureMissing,
    /// An `authorization` header without one of its parts.
    SignatureIncomplete,
    /// A scope of another region, service or date.
    SignatureScope,
    /// Signed more than five minutes ago or ahead.
    SignatureDate,
    /// An access key that was not given to this endpoint.
    UnknownAccessKey,
    /// Another session token than the one of the access key.
    SessionToken,
    /// A header that must be signed is not.
    UnsignedHeader,
    /// The signature is not that of the request.
    SignatureMismatch,
    /// The name of a log group.
    GroupName,
    /// The name of a log stream.
    StreamName,
    /// A retention that the service does not offer.
    RetentionDays,
    /// A log group class that the service does not offer.
    LogGroupClass,
    /// Number or length of tags.
    Tags,
    /// A `limit`, `nextToken` or `orderBy` that the service does not take.
    Paging,
    /// A batch without events.
    EventsNone,
    /// A batch of more than 10,000 events.
    EventsTooMany,
    /// An event with an empty message.
    MessageEmpty,
    /// An event that is larger than a batch may be.
    MessageTooLong,
    /// An event from before 1970.
    TimestampNegative,
    /// Events that are not in order of time.
    Order,
    /// Valid events more than 24 hours apart.
    Span,
    /// A batch of more than 1,048,576 bytes.
    BatchBytes,
}

/// A request that broke a rule, and what the service says to it.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) violation: Violation,
    pub(super) error: ServiceError,
}
