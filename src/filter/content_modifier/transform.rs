//! A value as its hash, or as a value of another type.
//!
//! As in Fluent Bit (`cm_utils.c`), which takes numbers of 32 bits only: here they may have 64. Must
//! not know records.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::record::json_out;
use crate::record::msgpack::{Reader, Token, Writer};
use crate::record::number;

use super::config::Type;

/// Digits of a float's text, as in Fluent Bit.
const DIGITS: usize = 17;

/// The SHA-256 of a value's text, in hexadecimal digits; of a map or an array, of its JSON: what is to
/// be hashed must not stay readable. `None` for an empty text, which stays.
pub(super) fn digest(value: &[u8]) -> Option<String> {
    let mut text = Vec::new();
    let token = Reader::new(value).token().ok()?;
    if let Token::Ext(_, bytes) = token {
        text.extend_from_slice(bytes);
    } else if matches!(token, Token::Array(_) | Token::Map(_)) {
        json_out::write(value, &mut text)?;
    } else {
        text_of(&token, &mut text)?;
    }
    if text.is_empty() {
        return None;
    }
    let mut digits = String::with_capacity(64);
    for byte in Sha256::digest(&text) {
        // Writing to a `String` cannot fail.
        let _ = write!(digits, "{byte:02x}");
    }
    Some(digits)
}

/// Appends the value as one of another type. `None`: it cannot be one, and nothing is written.
pub(super) fn convert(value: &[u8], to: Type, out: &mut Vec<u8>) -> Option<()> {
    let token = Reader::new(value).token().ok()?;
    match to {
        Type::Text => {
            let mut text = Vec::new();
            text_of(&token, &mut text)?;
            Writer::new(out).str(&text);
        }
        Type::Bool => {
            let truth = truth_of(&token)?;
            Writer::new(out).bool(truth);
        }
        Type::Int => match int_of(&token)? {
            Int::Signed(number) => Writer::new(out).int(number),
            Int::Unsigned(number) => Writer::new(out).uint(number),
        },
        Type::Double => {
            let number = double_of(&token)?;
            Writer::new(out).f64(number);
        }
    }
    Some(())
}

enum Int {
    Signed(i64),
    Unsigned(u64),
}

fn text_of(token: &Token<'_>, out: &mut Vec<u8>) -> Option<()> {
    match *token {
        Token::Str(text) | Token::Bin(text) => out.extend_from_slice(text),
        Token::UInt(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Token::Int(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Token::F32(number) => digits_of(number.into(), out),
        Token::F64(number) => digits_of(number, out),
        Token::Bool(true) => out.extend_from_slice(b"true"),
        Token::Bool(false) => out.extend_from_slice(b"false"),
        Token::Nil => out.extend_from_slice(b"null"),
        Token::Ext(..) | Token::Array(_) | Token::Map(_) => return None,
    }
    Some(())
}

fn digits_of(number: f64, out: &mut Vec<u8>) {
    out.extend_from_slice(number::Significant { number, digits: DIGITS }.to_string().as_bytes());
}

fn truth_of(token: &Token<'_>) -> Option<bool> {
    Some(match *token {
        // Whatever does not say that it is true is false.
        Token::Str(text) | Token::Bin(text) => text.eq_ignore_ascii_case(b"true"),
        Token::UInt(number) => number != 0,
        Token::Int(number) => number != 0,
        Token::F32(number) => number != 0.0,
        Token::F64(number) => number != 0.0,
        Token::Bool(truth) => truth,
        Token::Nil => false,
        Token::Ext(..) | Token::Array(_) | Token::Map(_) => return None,
    })
}

#[expect(clippy::cast_possible_truncation, reason = "what is beyond the range becomes its end")]
fn int_of(token: &Token<'_>) -> Option<Int> {
    Some(match *token {
        Token::Str(text) | Token::Bin(text) => {
            let text = std::str::from_utf8(text).ok()?.trim_ascii_start();
            let signed = text.parse().map(Int::Signed);
            signed.or_else(|_| text.parse().map(Int::Unsigned)).ok()?
        }
        Token::UInt(number) => Int::Unsigned(number),
        Token::Int(number) => Int::Signed(number),
        Token::F32(number) => Int::Signed(number.round() as i64),
        Token::F64(number) => Int::Signed(number.round() as i64),
        Token::Bool(truth) => Int::Signed(truth.into()),
        Token::Nil => Int::Signed(0),
        Token::Ext(..) | Token::Array(_) | Token::Map(_) => return None,
    })
}

#[expect(clippy::cast_precision_loss, reason = "the nearest float is what was asked for")]
fn double_of(token: &Token<'_>) -> Option<f64> {
    Some(match *token {
        Token::Str(text) | Token::Bin(text) => number::float(text)?,
        Token::UInt(number) => number as f64,
        Token::Int(number) => number as f64,
        Token::F32(number) => number.into(),
        Token::F64(number) => number,
        Token::Bool(truth) => f64::from(u8::from(truth)),
        Token::Nil => 0.0,
        Token::Ext(..) | Token::Array(_) | Token::Map(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(write: impl FnOnce(&mut Writer<'_>), to: Type) -> Option<String> {
        let (mut value, mut out, mut json) = (Vec::new(), Vec::new(), Vec::new());
        write(&mut Writer::new(&mut value));
        let converted = convert(&value, to, &mut out);
        assert!(converted.is_some() || out.is_empty(), "what fails writes nothing");
        converted?;
        json_out::write(&out, &mut json).expect("a whole value");
        Some(String::from_utf8(json).expect("text"))
    }

    fn of_text(text: &str, to: Type) -> Option<String> {
        converted(|writer| writer.str(text.as_bytes()), to)
    }

    fn said(json: &str) -> Option<String> {
        Some(json.to_owned())
    }

    #[test]
    fn a_text_is_converted_as_a_whole() {
        assert_eq!(of_text("-12", Type::Int), said("-12"));
        assert_eq!(of_text("1700000000250", Type::Int), said("1700000000250"));
        assert_eq!(of_text("18446744073709551615", Type::Int), said("18446744073709551615"));
        assert_eq!((of_text("12x", Type::Int), of_text("", Type::Int)), (None, None));
        assert_eq!(of_text("2.5kg", Type::Double), said("2.5"));
        assert_eq!(of_text("kg", Type::Double), None);
        assert_eq!(
            (of_text("True", Type::Bool), of_text("yes", Type::Bool)),
            (said("true"), said("false"))
        );
        assert_eq!(of_text("x", Type::Text), said("\"x\""));
    }

    #[test]
    fn numbers_and_words_are_converted_into_each_other() {
        assert_eq!(converted(|writer| writer.f64(2.5), Type::Int), said("3"));
        assert_eq!(converted(|writer| writer.f64(0.5), Type::Bool), said("true"));
        assert_eq!(converted(|writer| writer.f64(2.0), Type::Text), said("\"2\""));
        assert_eq!(converted(|writer| writer.uint(5), Type::Double), said("5.0"));
        assert_eq!(converted(|writer| writer.int(-5), Type::Text), said("\"-5\""));
        assert_eq!(converted(|writer| writer.bool(true), Type::Int), said("1"));
        assert_eq!(converted(|writer| writer.nil(), Type::Text), said("\"null\""));
        assert_eq!(converted(|writer| writer.map_header(0), Type::Text), None);
    }

    #[test]
    fn a_hash_is_of_the_text_that_a_value_has() {
        let digest = |write: fn(&mut Writer<'_>)| {
            let mut value = Vec::new();
            write(&mut Writer::new(&mut value));
            digest(&value)
        };
        let of_5 = digest(|writer| writer.str(b"5"));
        assert!(of_5.as_ref().is_some_and(|digits| digits.starts_with("ef2d127de37b942b")));
        assert_eq!(
            (digest(|writer| writer.uint(5)), digest(|writer| writer.bin(b"5"))),
            (of_5.clone(), of_5)
        );
        assert_eq!(digest(|writer| writer.str(b"")), None);
        let of_map = digest(|writer| writer.map_header(0));
        assert_eq!(of_map, digest(|writer| writer.str(b"{}")), "never readable");
    }
}
