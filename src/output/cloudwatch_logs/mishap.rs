//! What became of records of a stream other than being delivered as they were logged: counted by kind,
//! and told in the stream itself by an event that can be understood alone.
//!
//! Pure. Must not know when such an event is sent.

use std::io::Write as _;

use crate::ledger::Reason;
use crate::output::format::date::DateFormat;
use crate::record::time::EventTime;

use super::limits::MESSAGE_BYTES_MAX;

/// Most bytes of a marker's text: its fixed words, the longest explanation, two times, two numbers.
const MARKER_BYTES_MAX: usize = 512;

// A marker always fits an event.
const _: () = assert!(MARKER_BYTES_MAX <= MESSAGE_BYTES_MAX);

/// What may become of a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Mishap {
    /// It did not arrive.
    Dropped(Reason),
    /// It was too long for an event and arrived in numbered parts.
    Split,
    /// It was too long for an event and arrived with less text.
    Shortened,
}

/// Records that something became of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Extent {
    pub(super) records: u64,
    /// The time of the oldest.
    pub(super) from: EventTime,
    /// The time of the newest.
    pub(super) to: EventTime,
}

impl Extent {
    /// One record.
    pub(super) fn one(time: EventTime) -> Self {
        Self { records: 1, from: time, to: time }
    }

    fn join(&mut self, other: Self) {
        self.records = self.records.saturating_add(other.records);
        self.from = self.from.min(other.from);
        self.to = self.to.max(other.to);
    }
}

/// All that became of records of one stream, by kind: there are few, so this is bounded.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Mishaps(Vec<(Mishap, Extent)>);

impl Mishaps {
    /// Adds records. What the configuration asked for is none, and neither is the end of the process.
    pub(super) fn add(&mut self, mishap: Mishap, extent: Extent) {
        let is_told = match mishap {
            Mishap::Dropped(Reason::Stopped | Reason::Lost) => false,
            Mishap::Dropped(reason) => !reason.is_intended(),
            Mishap::Split | Mishap::Shortened => true,
        };
        if extent.records == 0 || !is_told {
            return;
        }
        match self.0.iter_mut().find(|(known, _)| *known == mishap) {
            Some((_, known)) => known.join(extent),
            None => self.0.push((mishap, extent)),
        }
    }

    /// Adds all of others.
    pub(super) fn join(&mut self, others: Self) {
        others.0.into_iter().for_each(|(mishap, extent)| self.add(mishap, extent));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many markers tell of them.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Keeps the first few, and gives the others.
    pub(super) fn split_off(&mut self, at: usize) -> Self {
        Self(self.0.split_off(at.min(self.0.len())))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(Mishap, Extent)> {
        self.0.iter()
    }

    /// The time of the newest record.
    pub(super) fn newest(&self) -> Option<EventTime> {
        self.0.iter().map(|(_, extent)| extent.to).max()
    }
}

/// The text of a marker: one object, whose fields CloudWatch Logs Insights finds by itself.
///
/// `{"firelane":"2 records dropped: ...","action":"dropped","reason":"refused","records":2,
/// "from":"2026-01-01T00:00:00.000000Z","to":"2026-01-01T00:00:01.000000Z"}`
pub(super) fn marker(mishap: Mishap, extent: &Extent) -> Vec<u8> {
    let mut text = Vec::with_capacity(MARKER_BYTES_MAX);
    let (action, reason, words) = match mishap {
        Mishap::Dropped(reason) => ("dropped", reason.as_str(), explained(reason)),
        Mishap::Split => ("split", "oversized", "longer than an event may be, sent in parts"),
        Mishap::Shortened => {
            ("shortened", "oversized", "longer than an event may be, text was cut")
        }
    };
    let plural = if extent.records == 1 { "record" } else { "records" };
    // Writing to a `Vec` cannot fail.
    let _ = write!(
        text,
        "{{\"firelane\":\"{records} {plural} {action}: {words}\",\"action\":\"{action}\",\
         \"reason\":\"{reason}\",\"records\":{records},\"from\":",
        records = extent.records,
    );
    DateFormat::Iso8601.write(extent.from, &mut text);
    text.extend_from_slice(b",\"to\":");
    DateFormat::Iso8601.write(extent.to, &mut text);
    text.push(b'}');
    text
}

/// For somebody who sees only the marker.
fn explained(reason: Reason) -> &'static str {
    match reason {
        Reason::RetriesExhausted => {
            "sending failed more often than Retry_Limit allows, and the memory was needed"
        }
        Reason::TooOld => "CloudWatch Logs takes none that are more than 14 days old",
        Reason::TooNew => "CloudWatch Logs takes none that are more than 2 hours in the future",
        Reason::Expired => "older than the log group keeps events",
        Reason::Refused => "CloudWatch Logs refused each of them for good",
        Reason::LogKeyMissing => "they lack the key that log_key names",
        Reason::Filtered
        | Reason::Unmatched
        | Reason::Empty
        | Reason::Closed
        | Reason::Damaged
        | Reason::Stopped
        | Reason::Lost => "not delivered",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const MIDNIGHT: EventTime = EventTime::from_parts(1_767_225_600, 0);

    #[test]
    fn a_marker_says_how_many_what_why_and_between_which_times() {
        let to = EventTime::from_parts(1_767_225_601, 5_000_000);
        let extent = Extent { records: 12, from: MIDNIGHT, to };
        let text = marker(Mishap::Dropped(Reason::TooOld), &extent);
        let value: Value = serde_json::from_slice(&text).expect("JSON");
        let words = "12 records dropped: CloudWatch Logs takes none that are more than 14 days old";
        assert_eq!(
            value,
            json!({
                "firelane": words, "action": "dropped", "reason": "too_old", "records": 12,
                "from": "2026-01-01T00:00:00.000000Z", "to": "2026-01-01T00:00:01.005000Z",
            })
        );
        let one = marker(Mishap::Split, &Extent::one(MIDNIGHT));
        assert!(one.starts_with(b"{\"firelane\":\"1 record split: longer"));
    }

    #[test]
    fn no_marker_is_longer_than_its_bound() {
        let ends = EventTime::from_nanos(i64::MIN);
        let most = Extent { records: u64::MAX, from: ends, to: ends };
        let drops = Reason::ALL.into_iter().map(Mishap::Dropped);
        for mishap in drops.chain([Mishap::Split, Mishap::Shortened]) {
            let text = marker(mishap, &most);
            assert!(text.len() <= MARKER_BYTES_MAX, "{}", text.len());
            assert!(serde_json::from_slice::<Value>(&text).is_ok());
        }
    }

    #[test]
    fn what_was_asked_for_and_what_the_end_leaves_is_not_told() {
        let mut mishaps = Mishaps::default();
        for reason in Reason::ALL {
            mishaps.add(Mishap::Dropped(reason), Extent::one(MIDNIGHT));
        }
        let told = [
            Reason::LogKeyMissing,
            Reason::TooOld,
            Reason::TooNew,
            Reason::Expired,
            Reason::Refused,
            Reason::Closed,
            Reason::RetriesExhausted,
            Reason::Damaged,
        ];
        let expected: Vec<_> = told.into_iter().map(Mishap::Dropped).collect();
        assert_eq!(mishaps.iter().map(|(mishap, _)| *mishap).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_is_added_later_widens_the_times_and_adds_up() {
        let mut mishaps = Mishaps::default();
        let at = |second| EventTime::from_parts(second, 0);
        for second in [5, 3, 9] {
            mishaps.add(Mishap::Split, Extent::one(at(second)));
        }
        let mut others = mishaps.clone();
        others.add(Mishap::Shortened, Extent::one(at(20)));
        mishaps.join(others);
        let extent = Extent { records: 6, from: at(3), to: at(9) };
        assert_eq!(mishaps.0.first(), Some(&(Mishap::Split, extent)));
        assert_eq!((mishaps.len(), mishaps.newest()), (2, Some(at(20))));
        assert_eq!((mishaps.split_off(1).len(), mishaps.len()), (1, 1));
    }
}
