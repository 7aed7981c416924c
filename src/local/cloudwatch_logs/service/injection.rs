//! What faults do to operations: the errors that they stand for, and what they make vanish. Must not
//! know when a fault happens, and no state.

use super::super::faults::Fault;
use super::super::operation::Operation;
use super::super::response::ServiceError;

/// The group and the stream that an operation is about; empty where there is none.
pub(super) fn target<'a>(operation: &'a Operation<'_>) -> (&'a str, &'a str) {
    match operation {
        Operation::PutLogEvents { group, stream, .. } => (group, stream),
        Operation::CreateLogStream { group, stream } => (group, stream),
        Operation::GetLogEvents(request) => (&request.group, &request.stream),
        Operation::CreateLogGroup { group, .. }
        | Operation::DescribeLogStreams { group, .. }
        | Operation::PutRetentionPolicy { group, .. }
        | Operation::TagResource { group, .. } => (group, ""),
        Operation::DescribeLogGroups { .. } => ("", ""),
    }
}

/// The error that a fault stands for; `None` if it does not stand for one.
pub(super) fn injected(fault: Fault) -> Option<ServiceError> {
    let expired = "The security token included in the request is expired";
    match fault {
        Fault::Throttle => Some(ServiceError::client("ThrottlingException", "Rate exceeded")),
        Fault::InternalFailure => Some(ServiceError::with_status(500, "InternalFailure", "")),
        Fault::ServiceUnavailable => Some(ServiceError::with_status(
            503,
            "ServiceUnavailableException",
            "Service unavailable",
        )),
        Fault::ExpiredToken => Some(ServiceError::client("ExpiredTokenException", expired)),
        Fault::AccessDenied => Some(ServiceError::client(
            "AccessDeniedException",
            "User is not authorized to perform this action",
        )),
        Fault::RefuseGzip => {
            Some(ServiceError::with_status(415, "UnsupportedMediaTypeException", ""))
        }
        Fault::MisreadGzip => Some(ServiceError::client("SerializationException", "")),
        Fault::NeverAnswer
        | Fault::ResetBefore
        | Fault::ResetAfter
        | Fault::NeverAnswerAfter
        | Fault::Slow
        | Fault::NoRequestId
        | Fault::GroupVanishes
        | Fault::StreamVanishes => None,
    }
}
