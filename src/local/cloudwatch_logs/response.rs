//! What the service answers: bodies and errors of the protocol AWS JSON 1.1. Must not know what
//! led to an answer, and no socket.

use serde::Serialize;

/// A whole answer, ready to be put on the wire.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Response {
    pub(super) status: u16,
    /// `x-amzn-RequestId`; absent only where a fault asks for it.
    pub(super) request_id: Option<String>,
    pub(super) body: Vec<u8>,
}

/// An error as the service words it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct ServiceError {
    /// As in `__type`, with the prefix that the service's front end gives its own errors.
    pub(super) kind: &'static str,
    pub(super) status: u16,
    pub(super) message: String,
}

impl ServiceError {
    /// An error that is the client's: status 400.
    pub(super) fn client(kind: &'static str, message: impl Into<String>) -> Self {
        Self { kind, status: 400, message: message.into() }
    }

    /// An error with a status of its own.
    pub(super) fn with_status(status: u16, kind: &'static str, message: impl Into<String>) -> Self {
        Self { kind, status, message: message.into() }
    }

    /// A value that the service's model does not allow.
    pub(super) fn invalid_parameter(message: impl Into<String>) -> Self {
        Self::client("InvalidParameterException", message)
    }

    /// The name without its prefix.
    pub(super) fn name(&self) -> &'static str {
        self.kind.rsplit_once('#').map_or(self.kind, |(_, name)| name)
    }

    /// The JSON body.
    pub(super) fn body(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Body<'a> {
            #[serde(rename = "__type")]
            kind: &'a str,
            message: &'a str,
        }
        json(&Body { kind: self.kind, message: &self.message })
    }
}

/// `value` as JSON. Our own types have string keys only, so that this cannot fail.
pub(super) fn json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// `rejectedLogEventsInfo`: ends are exclusive, the start is inclusive.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RejectedLogEventsInfo {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) too_new_log_event_start_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) too_old_log_event_end_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expired_log_event_end_index: Option<usize>,
}

/// The answer to `PutLogEvents`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PutLogEventsAnswer {
    /// The service still sends one; clients must ignore it.
    pub(super) next_sequence_token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rejected_log_events_info: Option<RejectedLogEventsInfo>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_type_and_message_and_a_name_without_prefix() {
        let error = ServiceError::client("com.amazon.coral.service#X", "a \"b\"");
        assert_eq!(error.name(), "X");
        let body = String::from_utf8(error.body()).unwrap();
        assert_eq!(body, r#"{"__type":"com.amazon.coral.service#X","message":"a \"b\""}"#);
    }
}
