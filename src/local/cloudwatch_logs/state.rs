//! The log groups and streams that exist, and what becomes of events by their age. Must not know
//! JSON, signatures or the account.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use super::events::Event;
use super::limits::{BATCH_SPAN_MS_MAX, DAY_MS, EVENT_AGE_MS_MAX, EVENT_LEAD_MS_MAX};
use super::response::{RejectedLogEventsInfo, ServiceError};
use super::violation::{Refusal, Violation};

/// Most log groups; the service itself has a quota of a million.
const GROUPS_MAX: usize = 10_000;
/// Most streams over all groups.
const STREAMS_MAX: usize = 100_000;

/// A time as the service's answers and events give it.
pub(super) fn milliseconds(now: Duration) -> i64 {
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

/// Everything that was created.
#[derive(Debug, Default)]
pub(super) struct Groups {
    groups: BTreeMap<String, Group>,
    streams: usize,
}

/// A log group.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) created_ms: i64,
    pub(super) class: String,
    pub(super) retention_days: Option<i64>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) streams: BTreeMap<String, Stream>,
}

/// A log stream.
#[derive(Debug, Default)]
pub(super) struct Stream {
    pub(super) created_ms: i64,
    pub(super) first_event_ms: Option<i64>,
    pub(super) last_event_ms: Option<i64>,
    pub(super) last_ingestion_ms: Option<i64>,
    /// Events that the account had of a stream of this name before this one was created.
    pub(super) earlier_events: usize,
}

impl Groups {
    /// Creates a group.
    ///
    /// # Errors
    ///
    /// When it exists already, or there are too many.
    pub(super) fn create_group(
        &mut self,
        name: String,
        class: Option<String>,
        tags: BTreeMap<String, String>,
        now_ms: i64,
    ) -> Result<(), ServiceError> {
        if self.groups.contains_key(&name) {
            return Err(exists("log group"));
        }
        if self.groups.len() == GROUPS_MAX {
            return Err(limit_exceeded());
        }
        let class = class.unwrap_or_else(|| "STANDARD".to_owned());
        let streams = BTreeMap::new();
        let group = Group { created_ms: now_ms, class, retention_days: None, tags, streams };
        self.groups.insert(name, group);
        Ok(())
    }

    /// Creates a stream in a group that exists.
    ///
    /// # Errors
    ///
    /// When the group does not exist, the stream does, or there are too many.
    pub(super) fn create_stream(
        &mut self,
        group: &str,
        stream: String,
        earlier_events: usize,
        now_ms: i64,
    ) -> Result<(), ServiceError> {
        let group = self.groups.get_mut(group).ok_or_else(|| not_found("log group"))?;
        if group.streams.contains_key(&stream) {
            return Err(exists("log stream"));
        }
        if self.streams == STREAMS_MAX {
            return Err(limit_exceeded());
        }
        self.streams += 1;
        let new = Stream { created_ms: now_ms, earlier_events, ..Stream::default() };
        group.streams.insert(stream, new);
        Ok(())
    }

    /// The groups in order of their names.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Group)> {
        self.groups.iter().map(|(name, group)| (name.as_str(), group))
    }

    /// A group by its name.
    ///
    /// # Errors
    ///
    /// When it does not exist.
    pub(super) fn group(&self, name: &str) -> Result<&Group, ServiceError> {
        self.groups.get(name).ok_or_else(|| not_found("log group"))
    }

    /// A group by its name, to be changed.
    ///
    /// # Errors
    ///
    /// When it does not exist.
    pub(super) fn group_mut(&mut self, name: &str) -> Result<&mut Group, ServiceError> {
        self.groups.get_mut(name).ok_or_else(|| not_found("log group"))
    }

    /// Deletes a group with its streams, if it exists.
    pub(super) fn remove_group(&mut self, name: &str) {
        let removed = self.groups.remove(name).map_or(0, |group| group.streams.len());
        self.streams = self.streams.saturating_sub(removed);
    }

    /// Deletes a stream, if it exists.
    pub(super) fn remove_stream(&mut self, group: &str, stream: &str) {
        let removed = self.groups.get_mut(group).and_then(|group| group.streams.remove(stream));
        self.streams = self.streams.saturating_sub(usize::from(removed.is_some()));
    }
}

impl Group {
    /// A stream by its name.
    ///
    /// # Errors
    ///
    /// When it does not exist.
    pub(super) fn stream(&self, name: &str) -> Result<&Stream, ServiceError> {
        self.streams.get(name).ok_or_else(|| not_found("log stream"))
    }

    /// A stream by its name, to be changed.
    ///
    /// # Errors
    ///
    /// When it does not exist.
    pub(super) fn stream_mut(&mut self, name: &str) -> Result<&mut Stream, ServiceError> {
        self.streams.get_mut(name).ok_or_else(|| not_found("log stream"))
    }
}

/// Which events of a batch are taken, by their age.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Taken {
    pub(super) range: Range<usize>,
    pub(super) info: RejectedLogEventsInfo,
}

/// Sorts the events of a batch by age and checks the span of those that are left. `events` are in
/// order of time.
///
/// # Errors
///
/// When the valid events span more than 24 hours.
pub(super) fn judge_ages(
    events: &[Event<'_>],
    retention_days: Option<i64>,
    now_ms: i64,
) -> Result<Taken, Refusal> {
    let first_at_or_after = |limit: i64| events.partition_point(|event| event.timestamp < limit);
    let too_old = first_at_or_after(now_ms.saturating_sub(EVENT_AGE_MS_MAX));
    let expired = retention_days
        .map_or(0, |days| first_at_or_after(now_ms.saturating_sub(days.saturating_mul(DAY_MS))));
    let newest_ms = now_ms.saturating_add(EVENT_LEAD_MS_MAX);
    let too_new = events.partition_point(|event| event.timestamp <= newest_ms);
    let range = too_old.max(expired).min(too_new)..too_new;
    check_span(events.get(range.clone()).unwrap_or_default())?;
    let info = RejectedLogEventsInfo {
        too_new_log_event_start_index: (too_new < events.len()).then_some(too_new),
        too_old_log_event_end_index: (too_old > 0).then_some(too_old),
        expired_log_event_end_index: (expired > 0).then_some(expired),
    };
    Ok(Taken { range, info })
}

/// Checks that `events`, in order of time, span at most 24 hours.
///
/// # Errors
///
/// When they span more.
pub(super) fn check_span(events: &[Event<'_>]) -> Result<(), Refusal> {
    let (Some(oldest), Some(newest)) = (events.first(), events.last()) else { return Ok(()) };
    if newest.timestamp - oldest.timestamp <= BATCH_SPAN_MS_MAX {
        return Ok(());
    }
    let text = "The batch of log events in a single PutLogEvents request cannot span more than \
                24 hours.";
    Err(Refusal { violation: Violation::Span, error: ServiceError::invalid_parameter(text) })
}

/// The answer when a log group or log stream does not exist.
pub(super) fn not_found(what: &str) -> ServiceError {
    let text = format!("The specified {what} does not exist.");
    ServiceError::client("ResourceNotFoundException", text)
}

fn exists(what: &str) -> ServiceError {
    let text = format!("The specified {what} already exists");
    ServiceError::client("ResourceAlreadyExistsException", text)
}

fn limit_exceeded() -> ServiceError {
    ServiceError::client("LimitExceededException", "Resource limit exceeded.")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000_000;

    fn events(timestamps: &[i64]) -> Vec<Event<'static>> {
        let event = |at: &i64| Event { timestamp: *at, message: "x".into() };
        timestamps.iter().map(event).collect()
    }

    fn judge(timestamps: &[i64], retention: Option<i64>) -> Result<Taken, Violation> {
        judge_ages(&events(timestamps), retention, NOW).map_err(|refusal| refusal.violation)
    }

    fn info(
        new: Option<usize>,
        old: Option<usize>,
        expired: Option<usize>,
    ) -> RejectedLogEventsInfo {
        RejectedLogEventsInfo {
            too_new_log_event_start_index: new,
            too_old_log_event_end_index: old,
            expired_log_event_end_index: expired,
        }
    }

    #[test]
    fn an_event_is_at_most_2_hours_ahead() {
        let limit = NOW + EVENT_LEAD_MS_MAX;
        let taken = judge(&[NOW, limit, limit + 1, limit + 1], None).unwrap();
        assert_eq!(taken, Taken { range: 0..2, info: info(Some(2), None, None) });
    }

    #[test]
    fn an_event_is_at_most_14_days_old() {
        let limit = NOW - EVENT_AGE_MS_MAX;
        let taken = judge(&[limit - 1, limit - 1, limit], None).unwrap();
        assert_eq!(taken, Taken { range: 2..3, info: info(None, Some(2), None) });
    }

    #[test]
    fn an_event_is_at_most_as_old_as_the_retention() {
        let limit = NOW - 3 * DAY_MS;
        let taken = judge(&[limit - 1, limit], Some(3)).unwrap();
        assert_eq!(taken, Taken { range: 1..2, info: info(None, None, Some(1)) });
        let both = judge(&[NOW - EVENT_AGE_MS_MAX - 1, limit - 1, limit], Some(3)).unwrap();
        assert_eq!(both, Taken { range: 2..3, info: info(None, Some(1), Some(2)) });
    }

    #[test]
    fn all_events_may_be_rejected() {
        let taken = judge(&[0, NOW + 2 * EVENT_LEAD_MS_MAX], None).unwrap();
        assert_eq!(taken, Taken { range: 1..1, info: info(Some(1), Some(1), None) });
    }

    #[test]
    fn valid_events_span_at_most_24_hours() {
        let day = BATCH_SPAN_MS_MAX;
        assert_eq!(judge(&[NOW - day, NOW], None).unwrap().range, 0..2);
        assert_eq!(judge(&[NOW - day - 1, NOW], None), Err(Violation::Span));
        assert!(judge(&[0, NOW], None).is_ok(), "what is rejected does not count");
    }

    #[test]
    fn a_group_and_a_stream_are_created_once_and_can_vanish() {
        let mut groups = Groups::default();
        let group = |groups: &mut Groups| {
            groups.create_group("g".into(), None, BTreeMap::new(), NOW).map_err(|e| e.name())
        };
        let stream = |groups: &mut Groups| {
            groups.create_stream("g", "s".into(), 0, NOW).map_err(|e| e.name())
        };
        assert_eq!(stream(&mut groups), Err("ResourceNotFoundException"));
        assert_eq!(group(&mut groups), Ok(()));
        assert_eq!(group(&mut groups), Err("ResourceAlreadyExistsException"));
        assert_eq!(stream(&mut groups), Ok(()));
        assert_eq!(stream(&mut groups), Err("ResourceAlreadyExistsException"));
        groups.remove_stream("g", "s");
        assert_eq!(groups.streams, 0);
        assert_eq!(stream(&mut groups), Ok(()));
        groups.remove_group("g");
        assert!(groups.group("g").is_err() && groups.streams == 0);
    }
}
