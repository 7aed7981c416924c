//! `PutLogEvents`: sends a body made by us and reads what the service rejected of it.
//!
//! Not known here: how the body is made. Source:
//! <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html>.

use aws_sdk_cloudwatchlogs::error::SdkError;
use aws_sdk_cloudwatchlogs::operation::RequestId;
use aws_sdk_cloudwatchlogs::operation::put_log_events::{PutLogEventsError, PutLogEventsOutput};
use aws_sdk_cloudwatchlogs::types::RejectedLogEventsInfo;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use bytes::Bytes;

use super::call::{Call, Payload, Written};
use super::error::{Class, SendError};
use super::{Sender, Way};

/// How the body is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Encoding {
    /// JSON.
    Plain,
    /// JSON, compressed.
    Gzip,
}

impl Encoding {
    fn header(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Gzip => Some("gzip"),
        }
    }
}

/// The request was taken.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Put {
    /// Which of its events were not.
    pub rejected: Rejected,
    /// Its entity was not. That never concerns the events.
    pub is_entity_rejected: bool,
}

/// `rejectedLogEventsInfo`: indexes into the events of the request, as the service gave them.
///
/// The two ends are exclusive, the start is inclusive: the service takes what lies between. A
/// negative index counts as not given.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Rejected {
    /// Events before this one are more than 14 days old.
    pub too_old_end: Option<u32>,
    /// Events before this one are older than the log group keeps them.
    pub expired_end: Option<u32>,
    /// This event and those after it are more than 2 hours ahead.
    pub too_new_start: Option<u32>,
}

/// Rejected events by reason, each event once.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RejectedCounts {
    /// More than 14 days old.
    pub too_old: usize,
    /// Older than the log group keeps them, but not too old.
    pub expired: usize,
    /// More than 2 hours ahead.
    pub too_new: usize,
}

impl Rejected {
    /// Counts the rejected of a request of `events` events. Whatever the service said, each event is
    /// counted at most once: too old before expired before too new.
    #[must_use]
    pub fn counts(&self, events: usize) -> RejectedCounts {
        let index = |given: Option<u32>, absent: usize| {
            given.map_or(absent, |index| usize::try_from(index).unwrap_or(events).min(events))
        };
        let too_old_end = index(self.too_old_end, 0);
        let expired_end = index(self.expired_end, 0).max(too_old_end);
        let too_new_start = index(self.too_new_start, events).max(expired_end);
        RejectedCounts {
            too_old: too_old_end,
            expired: expired_end.saturating_sub(too_old_end),
            too_new: events.saturating_sub(too_new_start),
        }
    }

    fn from_service(info: &RejectedLogEventsInfo) -> Self {
        let index = |given: Option<i32>| given.and_then(|index| u32::try_from(index).ok());
        Self {
            too_old_end: index(info.too_old_log_event_end_index),
            expired_end: index(info.expired_log_event_end_index),
            too_new_start: index(info.too_new_log_event_start_index),
        }
    }
}

impl RejectedCounts {
    /// All rejected events.
    #[must_use]
    pub fn total(&self) -> usize {
        self.too_old.saturating_add(self.expired).saturating_add(self.too_new)
    }
}

impl Sender {
    /// Sends one request. `body` is the whole `PutLogEvents` JSON, encoded as `encoding` says; it is
    /// sent byte for byte. `written` is told once the service may have read it.
    ///
    /// # Errors
    ///
    /// [`SendError`]. Where it is ambiguous the events may have been taken.
    pub async fn put(
        &self,
        body: Bytes,
        encoding: Encoding,
        written: Written,
    ) -> Result<Put, SendError> {
        #[cfg_attr(
            not(test),
            expect(clippy::infallible_destructuring_match, reason = "tests have one more")
        )]
        let shared = match &self.way {
            Way::Sdk(shared) => shared,
            #[cfg(test)]
            Way::Simulated(line) => return line.put(body, encoding, &written).await,
        };
        let format = shared.log_format();
        let payload = Payload { body, encoding: encoding.header(), format, written };
        let call = Call::new(shared.user_agent()).with_payload(payload);
        let (client, generation) = shared.client();
        let sending = client.put_log_events().customize().interceptor(call.clone()).send();
        // On the heap: the SDK's future is large, and there is one for each stream.
        let taken = match Box::pin(sending).await {
            Ok(output) if output.request_id().is_none() => Err(SendError::no_request_id(None)),
            Ok(output) => Ok(Put::from_service(&output)),
            Err(error) if is_taken(&error) => Ok(Put::default()),
            Err(error) => Err(SendError::from_sdk(&error, &call)),
        };
        match taken {
            Err(error) if error.class == Class::AlreadyExists => Ok(Put::default()),
            taken => shared.check(taken, generation).await,
        }
    }
}

impl Put {
    fn from_service(output: &PutLogEventsOutput) -> Self {
        let rejected = output.rejected_log_events_info.as_ref();
        Self {
            rejected: rejected.map(Rejected::from_service).unwrap_or_default(),
            is_entity_rejected: output.rejected_entity_info.is_some(),
        }
    }
}

/// The service said 200 in its own name, only the rest of the answer could not be read. The events
/// are taken: sending them again would store them twice.
fn is_taken(error: &SdkError<PutLogEventsError, HttpResponse>) -> bool {
    error.raw_response().is_some_and(|answer| {
        answer.status().is_success() && answer.headers().contains_key("x-amzn-requestid")
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rejected(too_old: i32, expired: i32, too_new: i32) -> Rejected {
        let info = RejectedLogEventsInfo::builder()
            .too_old_log_event_end_index(too_old)
            .expired_log_event_end_index(expired)
            .too_new_log_event_start_index(too_new);
        Rejected::from_service(&info.build())
    }

    fn counts(rejected: Rejected, events: usize) -> (usize, usize, usize) {
        let counts = rejected.counts(events);
        (counts.too_old, counts.expired, counts.too_new)
    }

    #[test]
    fn ends_are_exclusive_and_the_start_is_inclusive() {
        assert_eq!(counts(rejected(2, 3, 7), 10), (2, 1, 3));
        assert_eq!(counts(rejected(0, 0, 9), 10), (0, 0, 1));
        assert_eq!(counts(rejected(0, 0, 10), 10), (0, 0, 0));
        assert_eq!(counts(rejected(10, 0, 10), 10), (10, 0, 0));
    }

    #[test]
    fn nothing_rejected_counts_nothing() {
        assert_eq!(Rejected::default().counts(10), RejectedCounts::default());
        assert_eq!(Rejected::default().counts(10).total(), 0);
    }

    #[test]
    fn an_expired_event_that_is_too_old_counts_once() {
        assert_eq!(counts(rejected(5, 3, 10), 10), (5, 0, 0));
        assert_eq!(counts(rejected(3, 5, 10), 10), (3, 2, 0));
    }

    #[test]
    fn negative_indexes_count_as_not_given() {
        assert_eq!(rejected(-1, i32::MIN, -7), Rejected::default());
    }

    #[test]
    fn indexes_beyond_the_end_or_overlapping_are_clamped() {
        assert_eq!(counts(rejected(i32::MAX, 0, 0), 10), (10, 0, 0));
        assert_eq!(counts(rejected(0, 0, 0), 10), (0, 0, 10));
        assert_eq!(counts(rejected(8, 0, 2), 10), (8, 0, 2));
        assert_eq!(counts(rejected(1, 1, 0), 0), (0, 0, 0));
    }

    proptest! {
        #[test]
        fn no_more_events_are_rejected_than_were_sent(
            too_old: i32, expired: i32, too_new: i32, events in 0_usize..20_000
        ) {
            prop_assert!(rejected(too_old, expired, too_new).counts(events).total() <= events);
        }
    }
}
