//! The events of a `PutLogEvents` body, read in one pass and borrowed from it where they can be.
//! Must not know groups, streams or the time.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};

use super::limits::{
    BATCH_BYTES_MAX, BATCH_EVENTS_MAX, EVENT_OVERHEAD_BYTES, MESSAGE_BYTES_MAX, constraint, missing,
};
use super::response::ServiceError;
use super::violation::{Refusal, Violation};

/// A string of the body; owned only if it has escapes.
#[derive(Debug)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }
}

/// An event as it was sent.
#[derive(Debug, serde::Deserialize)]
struct InputLogEvent<'a> {
    timestamp: Option<i64>,
    #[serde(borrow)]
    message: Option<Text<'a>>,
}

/// The list as it was sent; what lies beyond the limit is counted and not held.
#[derive(Debug)]
pub(super) struct InputLogEvents<'a> {
    events: Vec<InputLogEvent<'a>>,
    beyond: usize,
}

impl<'de: 'a, 'a> Deserialize<'de> for InputLogEvents<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(InputLogEventsVisitor)
    }
}

struct InputLogEventsVisitor;

impl<'de> Visitor<'de> for InputLogEventsVisitor {
    type Value = InputLogEvents<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of log events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut events = Vec::new();
        while events.len() < BATCH_EVENTS_MAX {
            match seq.next_element()? {
                Some(event) => events.push(event),
                None => return Ok(InputLogEvents { events, beyond: 0 }),
            }
        }
        let mut beyond = 0;
        while seq.next_element::<IgnoredAny>()?.is_some() {
            beyond += 1;
        }
        Ok(InputLogEvents { events, beyond })
    }
}

/// An event that is valid on its own.
#[derive(Debug)]
pub(super) struct Event<'a> {
    /// Milliseconds since 1970; never negative.
    pub(super) timestamp: i64,
    pub(super) message: Cow<'a, str>,
}

/// Events that may be a batch as far as their number, size and order go; never empty.
#[derive(Debug)]
pub(super) struct Batch<'a> {
    pub(super) events: Vec<Event<'a>>,
}

impl<'a> Batch<'a> {
    /// Checks what can be checked without the log group and the time.
    ///
    /// # Errors
    ///
    /// The rule that is broken first; the service then takes none of the events.
    pub(super) fn new(input: InputLogEvents<'a>) -> Result<Self, Refusal> {
        check_count(input.events.len() + input.beyond)?;
        let mut events = Vec::with_capacity(input.events.len());
        let mut bytes = 0;
        let mut newest = 0;
        for (position, event) in input.events.into_iter().enumerate() {
            let event = check_event(event, position)?;
            if event.timestamp < newest {
                let text =
                    "Log events in a single PutLogEvents request must be in chronological order.";
                let error = ServiceError::invalid_parameter(text);
                return Err(Refusal { violation: Violation::Order, error });
            }
            newest = event.timestamp;
            bytes += event.message.len() + EVENT_OVERHEAD_BYTES;
            events.push(event);
        }
        if bytes > BATCH_BYTES_MAX {
            let text =
                format!("Upload too large: {bytes} bytes exceeds limit of {BATCH_BYTES_MAX}");
            let error = ServiceError::invalid_parameter(text);
            return Err(Refusal { violation: Violation::BatchBytes, error });
        }
        Ok(Self { events })
    }
}

fn check_count(count: usize) -> Result<(), Refusal> {
    if count == 0 {
        let text = "Member must have length greater than or equal to 1";
        return Err(constraint(Violation::EventsNone, "[]", "logEvents", text));
    }
    if count > BATCH_EVENTS_MAX {
        let text = "Member must have length less than or equal to 10000";
        let value = format!("[{count} events]");
        return Err(constraint(Violation::EventsTooMany, &value, "logEvents", text));
    }
    Ok(())
}

fn check_event(event: InputLogEvent<'_>, position: usize) -> Result<Event<'_>, Refusal> {
    let member = |name: &str| format!("logEvents.{}.member.{name}", position + 1);
    let timestamp = event.timestamp.ok_or_else(|| missing(&member("timestamp")))?;
    let Text(message) = event.message.ok_or_else(|| missing(&member("message")))?;
    if timestamp < 0 {
        let (value, member) = (timestamp.to_string(), member("timestamp"));
        let text = "Member must have value greater than or equal to 0";
        return Err(constraint(Violation::TimestampNegative, &value, &member, text));
    }
    if message.is_empty() {
        let text = "Member must have length greater than or equal to 1";
        return Err(constraint(Violation::MessageEmpty, "", &member("message"), text));
    }
    if message.len() > MESSAGE_BYTES_MAX {
        let bytes = message.len() + EVENT_OVERHEAD_BYTES;
        let text = format!("Log event too large: {bytes} bytes exceeds limit of {BATCH_BYTES_MAX}");
        let error = ServiceError::invalid_parameter(text);
        return Err(Refusal { violation: Violation::MessageTooLong, error });
    }
    Ok(Event { timestamp, message })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(events: &str) -> Result<usize, Violation> {
        let input = serde_json::from_str::<InputLogEvents<'_>>(events).expect("valid JSON");
        let batch = Batch::new(input).map_err(|refusal| refusal.violation)?;
        Ok(batch.events.len())
    }

    fn batch(messages: &[(i64, usize)]) -> Result<usize, Violation> {
        let events: Vec<serde_json::Value> = messages
            .iter()
            .map(|(at, bytes)| serde_json::json!({"timestamp": at, "message": "x".repeat(*bytes)}))
            .collect();
        read(&serde_json::to_string(&events).unwrap())
    }

    #[test]
    fn a_batch_has_from_1_to_10_000_events() {
        assert_eq!(batch(&[]), Err(Violation::EventsNone));
        assert_eq!(batch(&[(0, 1)]), Ok(1));
        assert_eq!(batch(&[(0, 1); 10_000]), Ok(10_000));
        assert_eq!(batch(&[(0, 1); 10_001]), Err(Violation::EventsTooMany));
    }

    #[test]
    fn a_batch_takes_exactly_its_bytes() {
        let half = BATCH_BYTES_MAX / 2 - EVENT_OVERHEAD_BYTES;
        assert_eq!(batch(&[(0, half), (0, half)]), Ok(2));
        assert_eq!(batch(&[(0, half), (0, half + 1)]), Err(Violation::BatchBytes));
    }

    #[test]
    fn bytes_are_those_of_utf_8_and_escapes_do_not_count() {
        let quotes = format!(r#"[{{"timestamp":1,"message":"{}"}}]"#, "\\\"".repeat(1_048_550));
        assert_eq!(read(&quotes), Ok(1));
        let wide = format!(r#"[{{"timestamp":1,"message":"{}"}}]"#, "\u{e9}".repeat(524_275));
        assert_eq!(read(&wide), Ok(1));
        let wider = format!(r#"[{{"timestamp":1,"message":"{}"}}]"#, "\u{e9}".repeat(524_276));
        assert_eq!(read(&wider), Err(Violation::MessageTooLong));
    }

    #[test]
    fn a_message_has_from_1_byte_to_what_fills_a_batch() {
        assert_eq!(batch(&[(0, 0)]), Err(Violation::MessageEmpty));
        assert_eq!(batch(&[(0, MESSAGE_BYTES_MAX)]), Ok(1));
        assert_eq!(batch(&[(0, MESSAGE_BYTES_MAX + 1)]), Err(Violation::MessageTooLong));
    }

    #[test]
    fn a_timestamp_is_not_before_1970() {
        assert_eq!(batch(&[(0, 1)]), Ok(1));
        assert_eq!(batch(&[(-1, 1)]), Err(Violation::TimestampNegative));
    }

    #[test]
    fn timestamps_do_not_go_back() {
        assert_eq!(batch(&[(5, 1), (5, 1), (6, 1)]), Ok(3));
        assert_eq!(batch(&[(5, 1), (6, 1), (5, 1)]), Err(Violation::Order));
    }

    #[test]
    fn an_event_without_timestamp_or_message_is_refused() {
        assert_eq!(read(r#"[{"message":"x"}]"#), Err(Violation::MissingMember));
        assert_eq!(read(r#"[{"timestamp":1}]"#), Err(Violation::MissingMember));
        assert_eq!(read(r#"[{"timestamp":null,"message":"x"}]"#), Err(Violation::MissingMember));
    }

    #[test]
    fn a_timestamp_is_an_integer_and_a_message_a_string() {
        for bad in [
            r#"[{"timestamp":"1","message":"x"}]"#,
            r#"[{"timestamp":1.0,"message":"x"}]"#,
            r#"[{"timestamp":9223372036854775808,"message":"x"}]"#,
            r#"[{"timestamp":1,"message":{}}]"#,
            r#"[{"timestamp":1,"message":"\ud800"}]"#,
            r#"[{"timestamp":1,"timestamp":1,"message":"x"}]"#,
        ] {
            assert!(serde_json::from_str::<InputLogEvents<'_>>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_message_without_escapes_is_borrowed() {
        let body = r#"[{"timestamp":1,"message":"plain"},{"timestamp":1,"message":"a\nb"}]"#;
        let batch = Batch::new(serde_json::from_str(body).unwrap()).unwrap();
        let [plain, escaped] = batch.events.as_slice() else { panic!("two events") };
        assert!(matches!(plain.message, Cow::Borrowed("plain")));
        assert_eq!(escaped.message, "a\nb");
    }
}
