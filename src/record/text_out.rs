//! Events as text for people, in the form that Fluent Bit prints them:
//! `{"log"=>"x", "n"=>[1, nil, 2.500000]}`.
//!
//! Reference: `msgpack_object_print` of msgpack-c. Texts stand as they are, line breaks too. Must not
//! know where the text goes.

use std::io::Write as _;

use super::msgpack::{Reader, Token};
use super::time::EventTime;

/// Containers in each other that are written; what is deeper becomes `nil`.
pub const DEPTH_MAX: usize = 128;

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// Appends a value, which is msgpack. Bytes that are no whole value end where they do.
pub fn write(value: &[u8], out: &mut Vec<u8>) {
    // What is cut is shown as far as it goes.
    let _ = next(&mut Reader::new(value), out, 0);
}

/// Appends a time: seconds since 1970, with nine digits behind the point.
pub fn write_time(time: EventTime, out: &mut Vec<u8>) {
    let nanos = time.as_nanos();
    let (seconds, nanos) = (nanos.div_euclid(NANOS_PER_SECOND), nanos.rem_euclid(NANOS_PER_SECOND));
    // Writing to a `Vec` cannot fail.
    let _ = write!(out, "{seconds}.{nanos:09}");
}

fn next(reader: &mut Reader<'_>, out: &mut Vec<u8>, depth: usize) -> Option<()> {
    if depth > DEPTH_MAX {
        reader.skip_value().ok()?;
        out.extend_from_slice(b"nil");
        return Some(());
    }
    match reader.token().ok()? {
        Token::Nil => out.extend_from_slice(b"nil"),
        Token::Bool(value) => write!(out, "{value}").ok()?,
        Token::UInt(value) => write!(out, "{value}").ok()?,
        Token::Int(value) => write!(out, "{value}").ok()?,
        Token::F32(value) => float(value.into(), out),
        Token::F64(value) => float(value, out),
        Token::Str(text) => {
            out.push(b'"');
            out.extend_from_slice(text);
            out.push(b'"');
        }
        Token::Bin(bytes) => quoted(bytes, out),
        Token::Ext(kind, bytes) => {
            write!(out, "(ext: {kind})").ok()?;
            quoted(bytes, out);
        }
        Token::Array(values) => {
            out.push(b'[');
            for place in 0..values {
                separate(place, out);
                next(reader, out, depth + 1)?;
            }
            out.push(b']');
        }
        Token::Map(pairs) => {
            out.push(b'{');
            for place in 0..pairs {
                separate(place, out);
                next(reader, out, depth + 1)?;
                out.extend_from_slice(b"=>");
                next(reader, out, depth + 1)?;
            }
            out.push(b'}');
        }
    }
    Some(())
}

fn separate(place: u32, out: &mut Vec<u8>) {
    if place > 0 {
        out.extend_from_slice(b", ");
    }
}

/// As C's `%f`, which has small letters for what is no number.
fn float(value: f64, out: &mut Vec<u8>) {
    let _ = if value.is_nan() { write!(out, "nan") } else { write!(out, "{value:.6}") };
}

/// Bytes between quotes: those that can be printed as they are, others in hexadecimal digits.
fn quoted(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in bytes {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b' '..=b'~' => out.push(*byte),
            byte => {
                let _ = write!(out, "\\x{byte:02x}");
            }
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::msgpack::Writer;

    fn text(write_value: impl FnOnce(&mut Writer<'_>)) -> String {
        let (mut value, mut out) = (Vec::new(), Vec::new());
        write_value(&mut Writer::new(&mut value));
        write(&value, &mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn every_kind_of_value_has_its_text() {
        let written = text(|writer| {
            writer.map_header(3);
            writer.str(b"l");
            writer.array_header(5);
            writer.uint(1);
            writer.nil();
            writer.f64(2.5);
            writer.bool(true);
            writer.int(-7);
            writer.str(b"s");
            writer.str("\u{e9}\"\n".as_bytes());
            writer.uint(5);
            writer.map_header(0);
        });
        assert_eq!(written, "{\"l\"=>[1, nil, 2.500000, true, -7], \"s\"=>\"\u{e9}\"\n\", 5=>{}}");
        assert_eq!(text(|writer| writer.bin(b"a\"\x00\xff")), r#""a\"\x00\xff""#);
        assert_eq!(text(|writer| writer.ext(-1, b"\x01z")), r#"(ext: -1)"\x01z""#);
        assert_eq!(text(|writer| writer.f64(f64::NAN)), "nan");
        assert_eq!(text(|writer| writer.f32(f32::NEG_INFINITY)), "-inf");
    }

    #[test]
    fn a_time_has_nine_digits_behind_the_point_before_1970_too() {
        let time = |nanos| {
            let mut out = Vec::new();
            write_time(EventTime::from_nanos(nanos), &mut out);
            String::from_utf8(out).expect("text")
        };
        assert_eq!(time(1_700_000_000_250_000_000), "1700000000.250000000");
        assert_eq!((time(7).as_str(), time(-1).as_str()), ("0.000000007", "-1.999999999"));
    }

    #[test]
    fn what_is_nested_deeper_than_the_limit_is_nil() {
        let nested = |depth: usize| {
            let mut out = Vec::new();
            write(&[vec![0x91; depth], vec![0x05]].concat(), &mut out);
            String::from_utf8(out).expect("text")
        };
        assert!(nested(DEPTH_MAX).contains('5'));
        assert!(nested(DEPTH_MAX + 1).contains("nil"));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            value in proptest::collection::vec(proptest::num::u8::ANY, 0..32),
        ) {
            write(&value, &mut Vec::new());
        }
    }
}
