//! A line with fields of a record in it: `{time} {message}`.
//!
//! Reference: Fluent Bit's manual, "File", format `template`; `plugins/out_file`. Must not know where
//! the line goes.

use std::io::Write as _;

use crate::record::map;
use crate::record::text_out;
use crate::record::time::EventTime;

/// The name that stands for the time of the event.
const TIME: &str = "time";
const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// A line with places to fill.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LineTemplate {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Piece {
    Literal(Box<str>),
    Time,
    /// A key, with its braces.
    Field(Box<str>),
}

impl LineTemplate {
    /// Reads a text in which `{key}` stands for a value. Braces that are not closed are text, and of
    /// two open ones the later counts.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let (mut pieces, mut literal) = (Vec::new(), String::new());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('}') {
            let Some(open) = before.rfind('{') else {
                literal.push_str(before);
                literal.push('}');
                rest = after;
                continue;
            };
            let (plain, key) = before.split_at_checked(open).unwrap_or((before, ""));
            literal.push_str(plain);
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal).into()));
            }
            let key = key.strip_prefix('{').unwrap_or(key);
            pieces.push(match key {
                TIME => Piece::Time,
                key => Piece::Field(format!("{{{key}}}").into()),
            });
            rest = after;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal.into()));
        }
        Self { pieces }
    }

    /// Appends the filled line, without its end. A key that the record does not have stays as it
    /// stands in the template.
    pub fn write(&self, time: EventTime, record: &[u8], out: &mut Vec<u8>) {
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Time => write_seconds(time, out),
                Piece::Field(written) => {
                    let key = written.trim_start_matches('{').trim_end_matches('}');
                    match map::get(record, key.as_bytes()) {
                        Some(value) => write_value(value, out),
                        None => out.extend_from_slice(written.as_bytes()),
                    }
                }
            }
        }
    }
}

/// A text as it is, anything else as people read it.
fn write_value(value: &[u8], out: &mut Vec<u8>) {
    match map::text(value) {
        Some(text) => out.extend_from_slice(text),
        None => text_out::write(value, out),
    }
}

/// Seconds since 1970 with six digits behind the point, as C's `%f` rounds them.
#[expect(clippy::cast_precision_loss, reason = "a time of this era to less than a microsecond")]
pub(super) fn write_seconds(time: EventTime, out: &mut Vec<u8>) {
    let nanos = time.as_nanos();
    let whole = nanos.div_euclid(NANOS_PER_SECOND) as f64;
    let seconds = whole + nanos.rem_euclid(NANOS_PER_SECOND) as f64 / NANOS_PER_SECOND as f64;
    // Writing to a `Vec` cannot fail.
    let _ = write!(out, "{seconds:.6}");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `{"a": "x\"y", "n": 5, "m": {"k": nil}, "a": "z", "t": true}`
    const RECORD: &[u8] = b"\x85\xa1a\xa3x\"y\xa1n\x05\xa1m\x81\xa1k\xc0\xa1a\xa1z\xa1t\xc3";

    fn filled(template: &str) -> String {
        let mut out = Vec::new();
        let time = EventTime::from_parts(1_700_000_000, 123_456_789);
        LineTemplate::parse(template).write(time, RECORD, &mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn values_stand_where_their_keys_stood() {
        assert_eq!(filled("{time} a={a} n={n}!"), "1700000000.123457 a=z n=5!");
        assert_eq!(filled("{m}{n}"), "{\"k\"=>nil}5");
        assert_eq!(filled(""), "");
    }

    #[test]
    fn what_is_no_key_of_the_record_stays_as_it_stands() {
        assert_eq!(filled("{b} {} { a } {}}"), "{b} {} { a } {}}");
    }

    #[test]
    fn only_the_whole_word_is_the_time() {
        assert_eq!(filled("{t} {ti} {timer}"), "true {ti} {timer}");
    }

    #[test]
    fn of_two_open_braces_the_later_counts_and_an_open_one_is_text() {
        assert_eq!(filled("{x{n} }{n"), "{x5 }{n");
        assert_eq!(filled("a}b"), "a}b");
    }

    proptest::proptest! {
        #[test]
        fn a_text_without_keys_of_the_record_stays_as_it_is(text in "[{}bx ]{0,24}") {
            proptest::prop_assert_eq!(filled(&text), text);
        }
    }
}
