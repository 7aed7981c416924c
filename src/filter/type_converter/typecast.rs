//! A value of one type as a value of another.
//!
//! As in Fluent Bit (`flb_typecast.c`), which reads texts as C does: blanks before a number and
//! anything behind it do not matter, a number that comes to 0 is none, and a float is always one.
//! Must not know records or rules.

use std::io::Write as _;

use crate::record::msgpack::{Reader, Token, Writer};
use crate::record::number;

use super::config::{Source, Target};

/// Appends the value, which is msgpack, as one of another type. `None`: it is not what it should be,
/// or cannot be converted; nothing is written then.
pub(super) fn convert(
    value: &[u8],
    source: Source,
    target: Target,
    writer: &mut Writer<'_>,
) -> Option<()> {
    match (source, Reader::new(value).token().ok()?) {
        (Source::Text, Token::Str(text)) => from_text(text, target, writer),
        (Source::Int, Token::UInt(number)) => from_int(number.cast_signed(), target, writer),
        (Source::Int, Token::Int(number)) => from_int(number, target, writer),
        (Source::Uint, Token::UInt(number)) => from_uint(number, target, writer),
        (Source::Uint, Token::Int(number)) => from_uint(number.cast_unsigned(), target, writer),
        (Source::Float, Token::F32(number)) => from_float(number.into(), target, writer),
        (Source::Float, Token::F64(number)) => from_float(number, target, writer),
        (Source::Text | Source::Int | Source::Uint | Source::Float, _) => None,
    }
}

fn from_text(text: &[u8], target: Target, writer: &mut Writer<'_>) -> Option<()> {
    match target {
        Target::Int => writer.int(not_zero(number::whole(text, 10)?.signed())?),
        Target::Uint => writer.uint(not_zero(number::whole(text, 10)?.unsigned())?),
        Target::Hex => writer.uint(not_zero(number::whole(text, 16)?.unsigned())?),
        Target::Float => writer.f64(number::float(text).unwrap_or(0.0)),
        Target::Bool => writer.bool(truth(text)?),
        Target::Text => return None,
    }
    Some(())
}

fn not_zero<T: Default + PartialEq>(number: T) -> Option<T> {
    (number != T::default()).then_some(number)
}

/// What a text begins with counts: `trueish` is true.
fn truth(text: &[u8]) -> Option<bool> {
    let begins =
        |word: &[u8]| text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    begins(b"true").then_some(true).or_else(|| begins(b"false").then_some(false))
}

#[expect(clippy::cast_precision_loss, reason = "the nearest float is what was asked for")]
fn from_int(number: i64, target: Target, writer: &mut Writer<'_>) -> Option<()> {
    match target {
        Target::Text => writer.str(itoa::Buffer::new().format(number).as_bytes()),
        Target::Float => writer.f64(number as f64),
        Target::Uint => writer.uint(number.cast_unsigned()),
        Target::Int | Target::Hex | Target::Bool => return None,
    }
    Some(())
}

#[expect(clippy::cast_precision_loss, reason = "the nearest float is what was asked for")]
fn from_uint(number: u64, target: Target, writer: &mut Writer<'_>) -> Option<()> {
    match target {
        Target::Text => writer.str(itoa::Buffer::new().format(number).as_bytes()),
        Target::Float => writer.f64(number as f64),
        Target::Int => writer.int(number.cast_signed()),
        Target::Uint | Target::Hex | Target::Bool => return None,
    }
    Some(())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what is beyond the range becomes its end"
)]
fn from_float(number: f64, target: Target, writer: &mut Writer<'_>) -> Option<()> {
    match target {
        Target::Text => {
            let mut text = Vec::new();
            // Writing to a `Vec` cannot fail.
            let _ = write!(text, "{}", number::Decimal(number));
            writer.str(&text);
        }
        Target::Int => writer.int(number as i64),
        Target::Uint => writer.uint(number as u64),
        Target::Float | Target::Hex | Target::Bool => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::json_out;

    /// The new value as JSON; the value is written by `write`.
    fn converted(
        write: impl FnOnce(&mut Writer<'_>),
        source: Source,
        target: Target,
    ) -> Option<String> {
        let (mut value, mut out, mut json) = (Vec::new(), Vec::new(), Vec::new());
        write(&mut Writer::new(&mut value));
        let converted = convert(&value, source, target, &mut Writer::new(&mut out));
        assert!(converted.is_some() || out.is_empty(), "what fails writes nothing");
        converted?;
        json_out::write(&out, &mut json).expect("a whole value");
        Some(String::from_utf8(json).expect("text"))
    }

    fn text(text: &str, target: Target) -> Option<String> {
        converted(|writer| writer.str(text.as_bytes()), Source::Text, target)
    }

    fn said(json: &str) -> Option<String> {
        Some(json.to_owned())
    }

    #[test]
    fn a_text_is_a_number_as_far_as_it_reads_as_one() {
        assert_eq!(text("42", Target::Int), said("42"));
        assert_eq!(text("  -3.9 apples", Target::Int), said("-3"));
        assert_eq!((text("abc", Target::Int), text("", Target::Int)), (None, None));
        assert_eq!(text("0", Target::Int), None, "as in Fluent Bit");
        assert_eq!(text("99999999999999999999", Target::Int), said("9223372036854775807"));
        assert_eq!(text("7", Target::Uint), said("7"));
        assert_eq!(text("-1", Target::Uint), said("18446744073709551615"));
        assert_eq!((text("0x1f", Target::Hex), text("1F", Target::Hex)), (said("31"), said("31")));
        assert_eq!(text("zz", Target::Hex), None);
    }

    #[test]
    fn a_text_is_always_a_float_and_a_truth_value_by_its_start() {
        assert_eq!(text("3.9", Target::Float), said("3.9"));
        assert_eq!(text("1e3x", Target::Float), said("1000.0"));
        assert_eq!(text("abc", Target::Float), said("0.0"));
        assert_eq!(text("TRUEish", Target::Bool), said("true"));
        assert_eq!(text("false", Target::Bool), said("false"));
        assert_eq!((text("yes", Target::Bool), text("tru", Target::Bool)), (None, None));
        assert_eq!(text("a", Target::Text), None);
    }

    #[test]
    fn whole_numbers_become_texts_and_floats() {
        let int = |target| converted(|writer| writer.int(-5), Source::Int, target);
        assert_eq!((int(Target::Text), int(Target::Float)), (said("\"-5\""), said("-5.0")));
        assert_eq!(int(Target::Uint), said("18446744073709551611"));
        assert_eq!((int(Target::Int), int(Target::Hex), int(Target::Bool)), (None, None, None));
        let uint = |target| converted(|writer| writer.uint(7), Source::Uint, target);
        assert_eq!((uint(Target::Text), uint(Target::Int)), (said("\"7\""), said("7")));
    }

    #[test]
    fn floats_become_texts_and_whole_numbers() {
        let float = |number, target| converted(|writer| writer.f64(number), Source::Float, target);
        assert_eq!(float(2.75, Target::Text), said("\"2.75\""));
        assert_eq!(float(2.0, Target::Text), said("\"2.0\""));
        assert_eq!((float(2.75, Target::Int), float(-1.0, Target::Uint)), (said("2"), said("0")));
        assert_eq!(float(2.0, Target::Float), None);
        let single = converted(|writer| writer.f32(1.5), Source::Float, Target::Text);
        assert_eq!(single, said("\"1.5\""));
    }

    #[test]
    fn a_value_of_another_type_is_not_converted() {
        assert_eq!(converted(|writer| writer.str(b"5"), Source::Int, Target::Text), None);
        assert_eq!(converted(|writer| writer.uint(5), Source::Float, Target::Text), None);
        assert_eq!(converted(|writer| writer.nil(), Source::Text, Target::Int), None);
    }
}
