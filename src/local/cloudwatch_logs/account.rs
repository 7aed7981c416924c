//! The account: what was received, exactly counted, and the events themselves as far as they are
//! kept. Must not know requests, faults or what exists now: a stream that vanished stays in here.

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::events::Event;
use super::faults::Fault;
use super::note::{Fate, PutNote};
use super::operation::OperationName;
use super::sequence::{SequenceCount, Sequences};
use super::sigv4::hex;
use super::state::Taken;
use super::violation::{Refusal, Violation};

/// Most bytes of the example that is kept of a violation.
const EXAMPLE_BYTES_MAX: usize = 1_024;
/// Most notes of batches over all streams: 8 MiB.
const NOTES_MAX: usize = 262_144;
/// What keeping an event takes besides its message.
const KEPT_OVERHEAD_BYTES: usize = size_of::<KeptEvent>();

/// What the account does with events besides counting them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Keep {
    /// Keep events, and sum them up in a digest; without it they are only counted.
    pub events: bool,
    /// Bytes up to which events are kept, over all streams; from there on only the digest goes on.
    pub bytes_max: usize,
    /// Count messages that contain ` id=<word>` and `seq=<digits>`, for loss and order.
    pub sequence: bool,
}

impl Default for Keep {
    /// Keeps 256 MiB of events.
    fn default() -> Self {
        Self { events: true, bytes_max: 256 * 1_048_576, sequence: false }
    }
}

/// Everything that was received.
#[derive(Debug)]
pub(super) struct Account {
    keep: Keep,
    kept_bytes: usize,
    notes: usize,
    /// From the first event that found no room on, none is kept, so that what is kept is a prefix.
    full: bool,
    streams: BTreeMap<String, BTreeMap<String, StreamAccount>>,
    operations: BTreeMap<OperationName, OperationCount>,
    violations: BTreeMap<Violation, ViolationCount>,
    wire_bytes: u64,
    body_bytes: u64,
    sequences: Sequences,
}

/// An event that was accepted.
#[derive(Debug)]
pub(super) struct KeptEvent {
    pub(super) timestamp: i64,
    pub(super) ingested_ms: i64,
    pub(super) message: Box<str>,
}

#[derive(Debug, Default)]
struct StreamAccount {
    events: u64,
    message_bytes: u64,
    puts: u64,
    rejected: Rejected,
    first_timestamp: Option<i64>,
    last_timestamp: Option<i64>,
    logs_format: Option<String>,
    logs_format_puts: u64,
    kept: Vec<KeptEvent>,
    notes: Vec<PutNote>,
    digest: Sha256,
}

/// Events that the answers named in `rejectedLogEventsInfo`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Rejected {
    /// More than 14 days old.
    pub too_old: u64,
    /// Older than the retention, but not too old.
    pub expired: u64,
    /// More than 2 hours ahead.
    pub too_new: u64,
}

/// Requests of one operation.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct OperationCount {
    /// All of them.
    pub requests: u64,
    /// How they ended: `OK`, the name of an error, `Reset` or `NeverAnswered`.
    pub outcomes: BTreeMap<&'static str, u64>,
}

/// Requests that broke a rule.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct ViolationCount {
    /// Number of requests.
    pub count: u64,
    /// What was answered to the first.
    pub first: String,
}

/// What the account knows of a stream.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct StreamSummary {
    /// Log group.
    pub group: String,
    /// Log stream.
    pub stream: String,
    /// Accepted events.
    pub events: u64,
    /// Their UTF-8 bytes.
    pub message_bytes: u64,
    /// Answered `PutLogEvents` requests.
    pub puts: u64,
    /// Events that are kept.
    pub kept_events: usize,
    /// SHA-256 over all accepted events in order, each as its timestamp and the length of its
    /// message (8 bytes each, big-endian) and the message; empty if events are only counted.
    pub sha256: String,
    /// Lowest and highest timestamp, milliseconds since 1970.
    pub first_timestamp: Option<i64>,
    /// See `first_timestamp`.
    pub last_timestamp: Option<i64>,
    /// First value of `x-amzn-logs-format`.
    pub logs_format: Option<String>,
    /// Requests with that header.
    pub logs_format_puts: u64,
    /// Rejected events.
    pub rejected: Rejected,
}

/// What is known of a log group that exists.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct GroupSummary {
    /// Name.
    pub group: String,
    /// Class.
    pub class: String,
    /// Retention in days; `None` keeps for ever.
    pub retention_days: Option<i64>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Names of the streams.
    pub streams: Vec<String>,
}

/// The account at one moment, without the events.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct AccountSummary {
    /// Accepted events over all streams.
    pub events: u64,
    /// Bytes of request bodies as received.
    pub wire_bytes: u64,
    /// The same without content encoding.
    pub body_bytes: u64,
    /// Whether all accepted events are kept.
    pub complete: bool,
    /// Groups that exist.
    pub groups: Vec<GroupSummary>,
    /// Streams that ever received events, in order of group and stream.
    pub streams: Vec<StreamSummary>,
    /// Requests by operation.
    pub operations: BTreeMap<OperationName, OperationCount>,
    /// Requests that broke a rule, by the rule.
    pub violations: BTreeMap<Violation, ViolationCount>,
    /// Faults that happened.
    pub faults: BTreeMap<Fault, u64>,
    /// Counts of numbered messages by their id.
    pub sequences: BTreeMap<String, SequenceCount>,
    /// Messages without id and number.
    pub unnumbered: u64,
}

/// What a `PutLogEvents` was taken as.
#[derive(Clone, Copy, Debug)]
pub(super) struct Put<'a> {
    pub(super) group: &'a str,
    pub(super) stream: &'a str,
    pub(super) logs_format: Option<&'a str>,
    pub(super) now_ms: i64,
    pub(super) fate: Fate,
}

impl Account {
    pub(super) fn new(keep: Keep) -> Self {
        Self {
            keep,
            kept_bytes: 0,
            notes: 0,
            full: !keep.events,
            streams: BTreeMap::new(),
            operations: BTreeMap::new(),
            violations: BTreeMap::new(),
            wire_bytes: 0,
            body_bytes: 0,
            sequences: Sequences::default(),
        }
    }

    /// What this account was told to keep.
    pub(super) fn keep(&self) -> Keep {
        self.keep
    }

    /// Counts bytes of a body.
    pub(super) fn count_bytes(&mut self, wire: usize, body: usize) {
        self.wire_bytes += wire as u64;
        self.body_bytes += body as u64;
    }

    /// Counts a request and how it ended.
    pub(super) fn count_outcome(&mut self, operation: OperationName, outcome: &'static str) {
        let count = self.operations.entry(operation).or_default();
        count.requests += 1;
        *count.outcomes.entry(outcome).or_default() += 1;
    }

    /// Counts a broken rule.
    pub(super) fn count_violation(&mut self, refusal: &Refusal) {
        let example = || {
            let text = format!("{}: {}", refusal.error.name(), refusal.error.message);
            text.get(..text.floor_char_boundary(EXAMPLE_BYTES_MAX)).unwrap_or_default().to_owned()
        };
        self.violations
            .entry(refusal.violation)
            .or_insert_with(|| ViolationCount { count: 0, first: example() })
            .count += 1;
    }

    /// Takes the events of a batch that are not rejected. `events` is the whole batch.
    pub(super) fn take(&mut self, put: Put<'_>, events: &[Event<'_>], taken: &Taken) {
        let accepted = events.get(taken.range.clone()).unwrap_or_default();
        if self.keep.sequence {
            accepted.iter().for_each(|event| self.sequences.take(&event.message));
        }
        let stream = stream_entry(&mut self.streams, put.group, put.stream);
        stream.count(put, accepted);
        stream.rejected.count(events.len(), taken);
        if !self.keep.events {
            return;
        }
        if self.notes < NOTES_MAX {
            self.notes += 1;
            stream.notes.push(put.fate.note(put.now_ms, accepted.len()));
        }
        for event in accepted {
            digest(&mut stream.digest, event);
            self.full |= event.message.len() + KEPT_OVERHEAD_BYTES
                > self.keep.bytes_max.saturating_sub(self.kept_bytes);
            if !self.full {
                self.kept_bytes += event.message.len() + KEPT_OVERHEAD_BYTES;
                stream.kept.push(KeptEvent {
                    timestamp: event.timestamp,
                    ingested_ms: put.now_ms,
                    message: (*event.message).into(),
                });
            }
        }
    }

    /// The kept events of a stream in order of acceptance; `None` if it never received any.
    pub(super) fn kept(&self, group: &str, stream: &str) -> Option<&[KeptEvent]> {
        self.streams.get(group)?.get(stream).map(|stream| stream.kept.as_slice())
    }

    /// The first batches of a stream, in order of acceptance; `None` if it never received any.
    pub(super) fn notes(&self, group: &str, stream: &str) -> Option<&[PutNote]> {
        self.streams.get(group)?.get(stream).map(|stream| stream.notes.as_slice())
    }

    /// Everything but the events, the groups that exist and the faults.
    pub(super) fn summary(&self) -> AccountSummary {
        let streams: Vec<StreamSummary> = self
            .streams
            .iter()
            .flat_map(|(group, streams)| {
                streams.iter().map(|(name, stream)| stream.summary(group, name, self.keep.events))
            })
            .collect();
        let events = streams.iter().map(|stream| stream.events).sum();
        AccountSummary {
            events,
            wire_bytes: self.wire_bytes,
            body_bytes: self.body_bytes,
            complete: !self.full,
            groups: Vec::new(),
            streams,
            operations: self.operations.clone(),
            violations: self.violations.clone(),
            faults: BTreeMap::new(),
            sequences: self.sequences.counts(),
            unnumbered: self.sequences.unnumbered,
        }
    }
}

impl StreamAccount {
    fn count(&mut self, put: Put<'_>, accepted: &[Event<'_>]) {
        self.puts += 1;
        self.events += accepted.len() as u64;
        self.message_bytes += accepted.iter().map(|event| event.message.len() as u64).sum::<u64>();
        // A batch is in order of time.
        if let (Some(first), Some(last)) = (accepted.first(), accepted.last()) {
            let (first, last) = (first.timestamp, last.timestamp);
            self.first_timestamp = Some(self.first_timestamp.map_or(first, |old| old.min(first)));
            self.last_timestamp = Some(self.last_timestamp.map_or(last, |old| old.max(last)));
        }
        if let Some(format) = put.logs_format {
            self.logs_format_puts += 1;
            self.logs_format.get_or_insert_with(|| format.to_owned());
        }
    }

    fn summary(&self, group: &str, stream: &str, digested: bool) -> StreamSummary {
        StreamSummary {
            group: group.to_owned(),
            stream: stream.to_owned(),
            events: self.events,
            message_bytes: self.message_bytes,
            puts: self.puts,
            kept_events: self.kept.len(),
            sha256: if digested { hex(&self.digest.clone().finalize()) } else { String::new() },
            first_timestamp: self.first_timestamp,
            last_timestamp: self.last_timestamp,
            logs_format: self.logs_format.clone(),
            logs_format_puts: self.logs_format_puts,
            rejected: self.rejected,
        }
    }
}

impl Rejected {
    fn count(&mut self, batch: usize, taken: &Taken) {
        let too_old = taken.info.too_old_log_event_end_index.unwrap_or(0);
        let expired = taken.info.expired_log_event_end_index.unwrap_or(0);
        let too_new = taken.info.too_new_log_event_start_index.map_or(0, |start| batch - start);
        self.too_old += too_old as u64;
        self.expired += expired.saturating_sub(too_old) as u64;
        self.too_new += too_new as u64;
    }
}

/// Allocates names only for a stream that is new.
fn stream_entry<'a>(
    streams: &'a mut BTreeMap<String, BTreeMap<String, StreamAccount>>,
    group: &str,
    stream: &str,
) -> &'a mut StreamAccount {
    let known = streams.get(group).is_some_and(|streams| streams.contains_key(stream));
    if !known {
        streams.entry(group.to_owned()).or_default().entry(stream.to_owned()).or_default();
    }
    #[expect(clippy::expect_used, reason = "both entries were made above")]
    streams.get_mut(group).and_then(|streams| streams.get_mut(stream)).expect("made above")
}

fn digest(digest: &mut Sha256, event: &Event<'_>) {
    digest.update(event.timestamp.to_be_bytes());
    digest.update((event.message.len() as u64).to_be_bytes());
    digest.update(event.message.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::super::note::PutAnswer;
    use super::super::response::{RejectedLogEventsInfo, ServiceError};
    use super::*;

    fn events(messages: &[(i64, &'static str)]) -> Vec<Event<'static>> {
        let event =
            |(at, text): &(i64, &'static str)| Event { timestamp: *at, message: (*text).into() };
        messages.iter().map(event).collect()
    }

    fn take(account: &mut Account, stream: &str, messages: &[(i64, &'static str)]) {
        let put = Put {
            group: "g",
            stream,
            logs_format: Some("json/emf"),
            now_ms: 9,
            fate: Fate::default(),
        };
        let info = RejectedLogEventsInfo::default();
        account.take(put, &events(messages), &Taken { range: 0..messages.len(), info });
    }

    #[test]
    fn events_are_kept_in_order_of_acceptance() {
        let mut account = Account::new(Keep::default());
        take(&mut account, "s", &[(5, "a"), (6, "b")]);
        take(&mut account, "s", &[(1, "c")]);
        let kept = account.kept("g", "s").unwrap();
        let kept: Vec<_> = kept.iter().map(|e| (e.timestamp, &*e.message)).collect();
        assert_eq!(kept, [(5, "a"), (6, "b"), (1, "c")]);
        assert!(account.kept("g", "other").is_none());
        let note = |events| PutNote { at_ms: 9, events, answer: PutAnswer::Sent, delay_ms: 0 };
        assert_eq!(account.notes("g", "s").unwrap(), [note(2), note(1)]);
    }

    #[test]
    fn a_stream_is_summed_up() {
        let mut account = Account::new(Keep::default());
        take(&mut account, "s", &[(5, "a"), (6, "bc")]);
        take(&mut account, "s", &[(1, "d")]);
        let summary = account.summary();
        let [stream] = summary.streams.as_slice() else { panic!("one stream") };
        assert_eq!((stream.events, stream.message_bytes, stream.puts), (3, 4, 2));
        assert_eq!((stream.first_timestamp, stream.last_timestamp), (Some(1), Some(6)));
        assert_eq!((stream.logs_format.as_deref(), stream.logs_format_puts), (Some("json/emf"), 2));
        assert!(summary.complete && summary.events == 3);
    }

    #[test]
    fn beyond_its_bytes_only_the_digest_goes_on() {
        let limit = 2 * (1 + KEPT_OVERHEAD_BYTES);
        let messages = [(1, "a"), (2, "bb"), (3, "c")];
        let mut whole = Account::new(Keep::default());
        take(&mut whole, "s", &messages);
        let mut small = Account::new(Keep { bytes_max: limit, ..Keep::default() });
        take(&mut small, "s", &messages);
        let (whole, small) = (whole.summary(), small.summary());
        let (all, prefix) = (whole.streams.first().unwrap(), small.streams.first().unwrap());
        assert_eq!((all.kept_events, prefix.kept_events), (3, 1), "a prefix, not what fits");
        assert_eq!((all.events, &all.sha256), (prefix.events, &prefix.sha256));
        assert!(!small.complete);
    }

    #[test]
    fn the_digest_tells_events_apart() {
        let sum = |messages: &[(i64, &'static str)]| {
            let mut account = Account::new(Keep::default());
            take(&mut account, "s", messages);
            account.summary().streams.first().unwrap().sha256.clone()
        };
        assert_eq!(sum(&[(1, "ab"), (2, "c")]), sum(&[(1, "ab"), (2, "c")]));
        assert_ne!(sum(&[(1, "ab"), (2, "c")]), sum(&[(1, "a"), (2, "bc")]));
        assert_ne!(sum(&[(1, "a")]), sum(&[(2, "a")]));
    }

    #[test]
    fn without_keeping_events_are_counted() {
        let keep = Keep { events: false, sequence: true, ..Keep::default() };
        let mut account = Account::new(keep);
        take(&mut account, "s", &[(1, "x id=a seq=1"), (2, "x id=a seq=1")]);
        let summary = account.summary();
        assert_eq!((summary.events, summary.complete), (2, false));
        assert_eq!(summary.sequences.get("a").map(|count| count.duplicates), Some(1));
        assert_eq!(account.kept("g", "s").map(<[_]>::len), Some(0));
    }

    #[test]
    fn rejected_events_are_counted_by_reason_and_not_kept() {
        let mut account = Account::new(Keep::default());
        let put =
            Put { group: "g", stream: "s", logs_format: None, now_ms: 9, fate: Fate::default() };
        let info = RejectedLogEventsInfo {
            too_old_log_event_end_index: Some(1),
            expired_log_event_end_index: Some(3),
            too_new_log_event_start_index: Some(4),
        };
        let batch = events(&[(0, "a"), (1, "b"), (2, "c"), (3, "d"), (4, "e")]);
        account.take(put, &batch, &Taken { range: 3..4, info });
        let summary = account.summary();
        let stream = summary.streams.first().unwrap();
        assert_eq!(stream.rejected, Rejected { too_old: 1, expired: 2, too_new: 1 });
        assert_eq!(stream.events, 1);
    }

    #[test]
    fn a_violation_is_counted_with_its_first_example() {
        let mut account = Account::new(Keep::default());
        for text in ["first", "second"] {
            let error = ServiceError::invalid_parameter(text);
            account.count_violation(&Refusal { violation: Violation::Order, error });
        }
        let summary = account.summary();
        let first = "InvalidParameterException: first".to_owned();
        let expected = ViolationCount { count: 2, first };
        assert_eq!(summary.violations.get(&Violation::Order), Some(&expected));
        let json = serde_json::to_value(&summary).unwrap();
        assert_eq!(json["violations"]["order"]["count"], 2);
    }
}
