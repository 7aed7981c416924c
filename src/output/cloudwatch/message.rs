//! Step 6, output: a record becomes the message text of a log event as `cloudwatch` makes it.
//!
//! The message is the record as Go's JSON, or with `log_key` the value of that key alone: text as
//! it is, anything else as JSON. White space around it goes. Longer than 256 KiB it is cut, at a
//! character, and says so. Must not know batches or requests.
//! Source: `AddEvent` and `processRecord` in `cloudwatch/cloudwatch.go` of
//! <https://github.com/aws/amazon-cloudwatch-logs-for-fluent-bit>.

use crate::ledger::Reason;
use crate::output::cloudwatch_logs::escape::{Depth, escape};
use crate::output::cloudwatch_logs::field::{self, Value};
use crate::output::cloudwatch_logs::limits::EVENT_OVERHEAD_BYTES;
use crate::output::cloudwatch_logs::message::NoMessage;
use crate::record::fields::SharedFields;

use super::json;
use super::template::character_boundary;

/// Most bytes of an event of this output: of its text, a line feed that never leaves the plugin,
/// and what the service adds.
const EVENT_BYTES_MAX: usize = 256 * 1_024;
/// Longest text that is not cut.
const TEXT_BYTES_MAX: usize = EVENT_BYTES_MAX - EVENT_OVERHEAD_BYTES - 1;
/// What stands at the end of a text that was cut.
const TRUNCATED: &str = "[Truncated...]";
/// Bytes that are left of a text that is cut.
const CUT_BYTES: usize = EVENT_BYTES_MAX - EVENT_OVERHEAD_BYTES - TRUNCATED.len();

/// Appends the record's message to the body, without the quotes around it, and returns how many
/// bytes the message has.
///
/// # Errors
///
/// [`NoMessage`]; the body is as it was.
pub(crate) fn write(
    log_key: Option<&[u8]>,
    record: &[u8],
    shared: &SharedFields,
    body: &mut Vec<u8>,
) -> Result<usize, NoMessage> {
    let start = body.len();
    let json = match source(log_key, record, shared)? {
        Source::Record => json::record(record, shared, body),
        Source::Json(value) => json::value(value, body),
        Source::Text(text) if text.len() > TEXT_BYTES_MAX => return Err(NoMessage::TooLong),
        Source::Text(text) => {
            let text = String::from_utf8_lossy(text);
            return match escape(text.trim().as_bytes(), Depth::Once, body) {
                0 => Err(NoMessage::None(Reason::Empty)),
                bytes => Ok(bytes),
            };
        }
    };
    let written = match json {
        Some(bytes) if bytes <= TEXT_BYTES_MAX => return Ok(bytes),
        Some(_) => NoMessage::TooLong,
        // Cannot come: decoders check records whole.
        None => NoMessage::None(Reason::Refused),
    };
    body.truncate(start);
    Err(written)
}

/// The text of a message that is too long, cut.
pub(crate) fn truncated(
    log_key: Option<&[u8]>,
    record: &[u8],
    shared: &SharedFields,
) -> Option<String> {
    let mut body = b"\"".to_vec();
    let text = match source(log_key, record, shared).ok()? {
        Source::Text(text) => return Some(cut(text)),
        Source::Record => json::record(record, shared, &mut body),
        Source::Json(value) => json::value(value, &mut body),
    };
    text?;
    body.push(b'"');
    let text: String = serde_json::from_slice(&body).ok()?;
    Some(cut(text.as_bytes()))
}

/// What the message is made of.
enum Source<'a> {
    /// The whole record.
    Record,
    Text(&'a [u8]),
    Json(&'a [u8]),
}

fn source<'a>(
    log_key: Option<&[u8]>,
    record: &'a [u8],
    shared: &'a SharedFields,
) -> Result<Source<'a>, NoMessage> {
    let Some(key) = log_key else { return Ok(Source::Record) };
    match field::last(record, shared, key) {
        Some(Value::Text(text)) => Ok(Source::Text(text)),
        Some(Value::Packed(value)) => Ok(Source::Json(value)),
        None => Err(NoMessage::None(Reason::LogKeyMissing)),
    }
}

fn cut(text: &[u8]) -> String {
    let kept = text.get(..character_boundary(text, CUT_BYTES)).unwrap_or(text);
    let cut = String::from_utf8_lossy(kept).into_owned() + TRUNCATED;
    cut.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::msgpack::Writer;

    fn log(text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out);
        writer.map_header(1);
        writer.str(b"log");
        writer.str(text);
        out
    }

    fn written(log_key: Option<&str>, record: &[u8]) -> Result<String, NoMessage> {
        let mut body = b"\"".to_vec();
        let key = log_key.map(str::as_bytes);
        let bytes = write(key, record, &SharedFields::default(), &mut body)?;
        body.push(b'"');
        let message: String = serde_json::from_slice(&body).expect("a JSON string");
        assert_eq!(message.len(), bytes);
        Ok(message)
    }

    fn cut_of(log_key: Option<&str>, record: &[u8]) -> String {
        let key = log_key.map(str::as_bytes);
        truncated(key, record, &SharedFields::default()).expect("a text")
    }

    #[test]
    fn a_record_is_json_and_an_empty_one_too() {
        assert_eq!(written(None, &log(b" <a> ")).as_deref(), Ok(r#"{"log":" \u003ca\u003e "}"#));
        assert_eq!(written(None, b"\x80").as_deref(), Ok("{}"));
        assert_eq!(written(None, b"\xa1x"), Err(NoMessage::None(Reason::Refused)));
    }

    #[test]
    fn a_text_under_log_key_is_sent_as_it_is_but_for_space_around_it() {
        let key = Some("log");
        assert_eq!(written(key, &log("\u{3000} <a>\r\n".as_bytes())).as_deref(), Ok("<a>"));
        assert_eq!(written(key, &log(b" \n")), Err(NoMessage::None(Reason::Empty)));
        assert_eq!(written(key, &log(b"a\xff ")).as_deref(), Ok("a\u{fffd}"));
        assert_eq!(written(Some("lo"), &log(b"a")), Err(NoMessage::None(Reason::LogKeyMissing)));
    }

    #[test]
    fn any_other_value_under_log_key_is_json() {
        let cases: [(&[u8], &str); 4] = [
            (b"\x81\xa1k\x81\xa1a\xa1<", r#"{"a":"\u003c"}"#),
            (b"\x81\xa1k\xc0", "null"),
            (b"\x81\xa1k\xcb\x40\x24\x00\x00\x00\x00\x00\x00", "10"),
            (b"\x82\xa1k\x01\xa1k\x92\xc2\x02", "[false,2]"),
        ];
        for (record, text) in cases {
            assert_eq!(written(Some("k"), record).as_deref(), Ok(text));
        }
    }

    #[test]
    fn a_text_of_256_kib_with_all_that_is_added_is_whole_and_a_longer_one_is_cut() {
        let key = Some("log");
        let longest = log(&vec![b'x'; 262_117]);
        assert_eq!(written(key, &longest).map(|text| text.len()), Ok(262_117));
        let longer = log(&vec![b'x'; 262_118]);
        assert_eq!(written(key, &longer), Err(NoMessage::TooLong));
        let cut = cut_of(key, &longer);
        assert_eq!(cut.len(), 262_118);
        assert!(cut.ends_with("xx[Truncated...]"));
    }

    #[test]
    fn json_is_measured_and_cut_as_it_is_written() {
        // `{"log":""}` has 10 bytes, each `<` 6.
        let longest = log(&[vec![b'<'; 43_684], vec![b'x'; 3]].concat());
        assert_eq!(written(None, &longest).map(|text| text.len()), Ok(262_117));
        let longer = log(&[vec![b'<'; 43_684], vec![b'x'; 4]].concat());
        assert_eq!(written(None, &longer), Err(NoMessage::TooLong));
        let cut = cut_of(None, &longer);
        assert!(cut.starts_with(r#"{"log":"\u003c"#) && cut.ends_with("[Truncated...]"), "{cut}");
        assert_eq!(cut.len(), 262_118);
    }

    #[test]
    fn a_character_is_never_cut_in_two() {
        for lead in 0..4 {
            let text = "x".repeat(lead) + &"€".repeat(100_000);
            let cut = cut_of(Some("log"), &log(text.as_bytes()));
            assert!(cut.ends_with("€[Truncated...]") && cut.len() <= 262_118, "{lead}");
        }
        assert_eq!(cut(b"  a"), "a[Truncated...]");
        assert_eq!(cut(&[0x80; CUT_BYTES + 1]), TRUNCATED);
    }
}
