//! The msgpack writer against the reader, the skipper and arbitrary bytes.

#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking"
)]

use firelane::record::msgpack::{Reader, SkipError, Skipper, Token, Writer, exceeds_depth};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Value {
    Nil,
    Bool(bool),
    UInt(u64),
    Int(i64),
    F32(f32),
    F64(f64),
    Str(Vec<u8>),
    Bin(Vec<u8>),
    Ext(i8, Vec<u8>),
    Array(Vec<Value>),
    Map(Vec<(Value, Value)>),
}

fn value() -> impl Strategy<Value = Value> {
    let bytes = || {
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            prop::collection::vec(any::<u8>(), 250..300),
            (65_530usize..65_540).prop_map(|length| vec![7; length]),
        ]
    };
    // Every width of a number is as likely as every other.
    let uint = (0u32..64, any::<u64>()).prop_map(|(shift, number)| Value::UInt(number >> shift));
    let int = (0u32..63, any::<i64>()).prop_map(|(shift, number)| Value::Int(number >> shift));
    let scalar = prop_oneof![
        Just(Value::Nil),
        any::<bool>().prop_map(Value::Bool),
        uint,
        int,
        any::<u32>().prop_map(|bits| Value::F32(f32::from_bits(bits))),
        any::<u64>().prop_map(|bits| Value::F64(f64::from_bits(bits))),
        bytes().prop_map(Value::Str),
        bytes().prop_map(Value::Bin),
        (any::<i8>(), bytes()).prop_map(|(kind, bytes)| Value::Ext(kind, bytes)),
    ];
    scalar.prop_recursive(4, 48, 20, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..20).prop_map(Value::Array),
            prop::collection::vec((inner.clone(), inner), 0..20).prop_map(Value::Map),
        ]
    })
}

impl Value {
    fn write(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        match self {
            Self::Nil => writer.nil(),
            Self::Bool(value) => writer.bool(*value),
            Self::UInt(value) => writer.uint(*value),
            Self::Int(value) => writer.int(*value),
            Self::F32(value) => writer.f32(*value),
            Self::F64(value) => writer.f64(*value),
            Self::Str(bytes) => writer.str(bytes),
            Self::Bin(bytes) => writer.bin(bytes),
            Self::Ext(kind, bytes) => writer.ext(*kind, bytes),
            Self::Array(values) => {
                writer.array_header(values.len().try_into().expect("few"));
                values.iter().for_each(|value| value.write(out));
            }
            Self::Map(pairs) => {
                writer.map_header(pairs.len().try_into().expect("few"));
                for (key, value) in pairs {
                    key.write(out);
                    value.write(out);
                }
            }
        }
    }

    fn is_next(&self, reader: &mut Reader<'_>) -> bool {
        match (self, reader.token().expect("valid msgpack")) {
            (Self::Nil, Token::Nil) => true,
            (Self::Bool(value), Token::Bool(read)) => *value == read,
            (Self::UInt(value), Token::UInt(read)) => *value == read,
            (Self::Int(value), Token::UInt(read)) => u64::try_from(*value) == Ok(read),
            (Self::Int(value), Token::Int(read)) => *value == read && read < 0,
            (Self::F32(value), Token::F32(read)) => value.to_bits() == read.to_bits(),
            (Self::F64(value), Token::F64(read)) => value.to_bits() == read.to_bits(),
            (Self::Str(bytes), Token::Str(read)) | (Self::Bin(bytes), Token::Bin(read)) => {
                bytes == read
            }
            (Self::Ext(kind, bytes), Token::Ext(read_kind, read)) => {
                *kind == read_kind && bytes == read
            }
            (Self::Array(values), Token::Array(count)) => {
                values.len() == usize::try_from(count).expect("few")
                    && values.iter().all(|value| value.is_next(reader))
            }
            (Self::Map(pairs), Token::Map(count)) => {
                pairs.len() == usize::try_from(count).expect("few")
                    && pairs.iter().all(|(key, value)| key.is_next(reader) && value.is_next(reader))
            }
            _ => false,
        }
    }

    fn depth(&self) -> usize {
        let deepest = match self {
            Self::Array(values) => values.iter().map(Self::depth).max(),
            Self::Map(pairs) => pairs.iter().map(|(k, v)| k.depth().max(v.depth())).max(),
            _ => return 0,
        };
        1 + deepest.unwrap_or(0)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_written_reads_back_the_same(value in value()) {
        let mut bytes = Vec::new();
        value.write(&mut bytes);
        let mut reader = Reader::new(&bytes);
        prop_assert!(value.is_next(&mut reader));
        prop_assert!(reader.rest().is_empty());
    }

    #[test]
    fn a_value_is_skipped_whole_wherever_it_is_cut(value in value(), cuts: Vec<prop::sample::Index>) {
        let mut bytes = Vec::new();
        value.write(&mut bytes);
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        cuts.sort_unstable();
        let mut skipper = Skipper::new(0, 1);
        for cut in cuts {
            match skipper.advance(&bytes[..cut]) {
                Err(SkipError::NeedMore { needed }) => {
                    prop_assert!(cut < needed && needed <= bytes.len());
                }
                other => prop_assert!(false, "{other:?}"),
            }
        }
        prop_assert_eq!(skipper.advance(&bytes), Ok(bytes.len()));
    }

    #[test]
    fn depth_is_told_exactly_and_containers_are_never_fewer(value in value()) {
        let mut bytes = Vec::new();
        value.write(&mut bytes);
        let depth = value.depth();
        prop_assert!(!exceeds_depth(&bytes, depth));
        prop_assert!(depth == 0 || exceeds_depth(&bytes, depth - 1));
        let mut skipper = Skipper::new(0, 1);
        prop_assert_eq!(skipper.advance(&bytes), Ok(bytes.len()));
        prop_assert!(usize::try_from(skipper.containers()).expect("few") >= depth);
    }

    #[test]
    fn reader_and_skipper_agree_on_arbitrary_bytes(bytes: Vec<u8>) {
        let mut reader = Reader::new(&bytes);
        let mut values = 1u64;
        while values > 0 {
            match reader.token() {
                Ok(Token::Array(count)) => values = values - 1 + u64::from(count),
                Ok(Token::Map(count)) => values = values - 1 + 2 * u64::from(count),
                Ok(_) => values -= 1,
                Err(_) => break,
            }
        }
        let read = (values == 0).then_some(bytes.len() - reader.rest().len());
        prop_assert_eq!(Skipper::new(0, 1).advance(&bytes).ok(), read);
    }
}
