//! Recorded and made traffic, replayed through the decoders: whole, in the recorded segments, and
//! cut at every byte.

#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking"
)]

use std::{fs, path::PathBuf};

use bytes::{Bytes, BytesMut};
use firelane::{
    input::{forward::decode as forward, item::Item, tcp::decode as tcp},
    record::{
        msgpack::{Reader, Token},
        tag::Tag,
        time::EventTime,
    },
};
use serde::Deserialize;
use serde_json::Value;

/// Larger files are cut at a few places only.
const CUT_EVERYWHERE_BYTES_MAX: usize = 4_000;
const NOW: EventTime = EventTime::from_nanos(1_234_567_890_123_456_789);

#[derive(Deserialize)]
struct File {
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    profile: String,
    #[serde(default)]
    segments: Vec<usize>,
    #[serde(default)]
    client_shutdown_after_send: bool,
    expect: Expect,
}

#[derive(Deserialize)]
struct Expect {
    events: Option<Vec<Event>>,
    #[serde(default)]
    acks: Vec<Value>,
    connection: String,
}

#[derive(Deserialize)]
struct Event {
    tag: Value,
    record: Value,
    sec: Option<i64>,
    nsec: Option<u32>,
    time: Option<String>,
}

/// What one replay came to.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    events: Vec<(Vec<u8>, EventTime, Vec<u8>)>,
    acks: Vec<Bytes>,
    odd: Vec<(&'static str, u64)>,
    error: Option<&'static str>,
}

#[allow(clippy::large_enum_variant, reason = "one at a time")]
enum AnyDecoder {
    Forward(forward::Decoder),
    Tcp(tcp::Decoder),
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn vectors() -> Vec<Vector> {
    let text = fs::read_to_string(folder().join("vectors.json")).expect("vectors.json");
    serde_json::from_str::<File>(&text).expect("vectors.json").vectors
}

impl Vector {
    fn bytes(&self) -> Vec<u8> {
        fs::read(folder().join(format!("{}.bin", self.name))).expect("the bytes of the vector")
    }

    fn events(&mut self) -> Vec<Event> {
        self.expect.events.take().unwrap_or_else(|| {
            let path = folder().join(format!("{}.events.json", self.name));
            serde_json::from_str(&fs::read_to_string(path).expect("events")).expect("events")
        })
    }

    fn decoder(&self) -> AnyDecoder {
        let forward = |options| AnyDecoder::Forward(forward::Decoder::new(options));
        let defaults = forward::DecodeOptions::default;
        let json = |tag: &str| tcp::DecodeOptions::new(tcp::Format::Json, tag.into());
        match self.profile.as_str() {
            "default" => forward(defaults()),
            "tag_prefix" => {
                let tag_prefix = Some(Tag::from("pfx."));
                forward(forward::DecodeOptions { tag_prefix, ..defaults() })
            }
            "small" => forward(forward::DecodeOptions { frame_bytes_max: 32_000, ..defaults() }),
            "tcp_json" => AnyDecoder::Tcp(tcp::Decoder::new(json("tcp.json"))),
            "tcp_json_small" => AnyDecoder::Tcp(tcp::Decoder::new(json("tcp.small"))),
            "tcp_none" => {
                let format = tcp::Format::None { separator: Bytes::from_static(b"\n") };
                let options = tcp::DecodeOptions::new(format, "tcp.none".into());
                AnyDecoder::Tcp(tcp::Decoder::new(options))
            }
            other => panic!("no profile {other}"),
        }
    }

    fn replay<'a>(&self, writes: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
        let (mut decoder, mut buffer, mut items) = (self.decoder(), BytesMut::new(), Vec::new());
        let mut outcome = Outcome::default();
        for write in writes {
            buffer.extend_from_slice(write);
            outcome.error = drain(&mut decoder, &mut buffer, &mut items);
            if outcome.error.is_some() {
                break;
            }
        }
        if self.client_shutdown_after_send && outcome.error.is_none() {
            match &mut decoder {
                AnyDecoder::Forward(decoder) => drop(decoder.end(&mut buffer)),
                AnyDecoder::Tcp(decoder) => decoder.end(&mut buffer, NOW, &mut items),
            }
        }
        items.into_iter().for_each(|item| outcome.add(item));
        outcome
    }
}

/// The name of the error that ended the connection: its numbers depend on the cuts.
fn drain(
    decoder: &mut AnyDecoder,
    buffer: &mut BytesMut,
    items: &mut Vec<Item>,
) -> Option<&'static str> {
    loop {
        let progress = match decoder {
            AnyDecoder::Forward(decoder) => match decoder.decode(buffer, NOW, items) {
                Ok(progress) => progress,
                Err(forward::ConnectionError::NotForward { .. }) => return Some("not_forward"),
                Err(forward::ConnectionError::IllegalByte { .. }) => return Some("illegal_byte"),
                Err(forward::ConnectionError::FrameTooLarge { .. }) => return Some("too_large"),
                Err(forward::ConnectionError::InflatedTooLarge { .. }) => return Some("inflated"),
                Err(forward::ConnectionError::JsonDisorder { .. }) => return Some("disorder"),
            },
            AnyDecoder::Tcp(decoder) => match decoder.decode(buffer, NOW, items) {
                Ok(progress) => progress,
                Err(tcp::ConnectionError::ObjectTooLarge { .. }) => return Some("too_large"),
            },
        };
        if progress == forward::Progress::Drained {
            return None;
        }
    }
}

impl Outcome {
    fn add(&mut self, item: Item) {
        match item {
            Item::Entries(chunk) => {
                assert!(!chunk.entries.is_empty(), "no item without entries");
                let tag = chunk.tag.as_bytes();
                self.events.extend(
                    chunk.entries.iter().map(|(time, record)| (tag.into(), time, record.into())),
                );
            }
            Item::Ack(bytes) => self.acks.push(bytes),
            Item::Odd(reason, count) => {
                match self.odd.iter_mut().find(|(known, _)| *known == reason.as_str()) {
                    Some((_, sum)) => *sum += count,
                    None => self.odd.push((reason.as_str(), count)),
                }
            }
        }
    }
}

#[test]
fn every_vector_gives_its_events_acks_and_end_of_connection() {
    let mut vectors = vectors();
    assert!(vectors.len() > 100, "the vectors are there");
    for vector in &mut vectors {
        let bytes = vector.bytes();
        let mut rest = bytes.as_slice();
        let mut writes: Vec<&[u8]> = Vec::new();
        for length in &vector.segments {
            writes.push(rest.split_off(..*length).expect("segments are within the bytes"));
        }
        writes.push(rest);
        let outcome = vector.replay(writes);
        check(vector, &outcome);
    }
}

fn check(vector: &mut Vector, outcome: &Outcome) {
    let name = vector.name.clone();
    let events = vector.events();
    let counts = (outcome.events.len(), events.len());
    assert_eq!(counts.0, counts.1, "{name}: events decoded and expected, odd: {:?}", outcome.odd);
    for (event, (tag, time, record)) in events.iter().zip(&outcome.events) {
        assert!(is_text(&event.tag, tag), "{name}: tag {tag:02x?}, not {}", event.tag);
        let expected_time = match (event.time.as_deref(), event.sec, event.nsec) {
            (Some("now"), None, None) => NOW,
            (None, Some(seconds), nanos) => EventTime::from_parts(seconds, nanos.unwrap_or(0)),
            odd => panic!("{name}: time {odd:?}"),
        };
        assert_eq!(*time, expected_time, "{name}");
        let mut reader = Reader::new(record);
        let record = Msgpack::read(&mut reader);
        assert!(reader.rest().is_empty(), "{name}: the record ends where it ends");
        assert!(record.is(&event.record), "{name}: {record:?}, not {}", event.record);
    }
    assert_eq!(outcome.acks.len(), vector.expect.acks.len(), "{name}: acks");
    for (ack, expected) in outcome.acks.iter().zip(&vector.expect.acks) {
        let mut reader = Reader::new(ack);
        let ack = Msgpack::read(&mut reader);
        assert!(reader.rest().is_empty() && ack.is(&serde_json::json!({ "ack": expected })));
    }
    let is_closed = outcome.error.is_some() || vector.client_shutdown_after_send;
    match vector.expect.connection.as_str() {
        "any" => {}
        expected => assert_eq!(is_closed, expected == "closed", "{name}: {:?}", outcome.error),
    }
}

#[test]
fn every_vector_gives_the_same_wherever_it_is_cut() {
    for vector in vectors() {
        let bytes = vector.bytes();
        let whole = vector.replay([bytes.as_slice()]);
        let step = if bytes.len() <= CUT_EVERYWHERE_BYTES_MAX { 1 } else { bytes.len() / 16 };
        for cut in (0..bytes.len()).step_by(step) {
            let (head, tail) = bytes.split_at(cut);
            assert_eq!(vector.replay([head, tail]), whole, "{} cut at {cut}", vector.name);
        }
        if bytes.len() <= CUT_EVERYWHERE_BYTES_MAX {
            assert_eq!(vector.replay(bytes.chunks(1)), whole, "{} byte by byte", vector.name);
        }
    }
}

#[test]
fn the_recording_of_dockers_driver_gives_its_six_messages_in_one_chunk() {
    let bytes = fs::read(folder().join("docker-fluentd-driver.bin")).expect("the recording");
    let mut buffer = BytesMut::from(bytes.as_slice());
    let mut items = Vec::new();
    let mut decoder = forward::Decoder::new(forward::DecodeOptions::default());
    assert_eq!(decoder.decode(&mut buffer, NOW, &mut items), Ok(forward::Progress::Drained));
    let [Item::Entries(chunk)] = items.as_slice() else { panic!("{items:?}") };
    assert_eq!(chunk.tag, "app-firelens-0123".into());
    let logs = chunk.entries.iter().map(|(_, record)| {
        let Msgpack::Map(pairs) = Msgpack::read(&mut Reader::new(record)) else { panic!() };
        let log = pairs.into_iter().find(|(key, _)| *key == Msgpack::Str(b"log".into()));
        if let Some((_, Msgpack::Str(log))) = log { log.len() } else { panic!() }
    });
    assert_eq!(logs.collect::<Vec<_>>(), [5, 3, 16_384, 16_384, 7_232, 4]);
    assert!(decoder.at_frame_boundary() && buffer.is_empty());
}

/// A msgpack value as a tree.
#[derive(Debug, PartialEq)]
pub enum Msgpack {
    Nil,
    Bool(bool),
    UInt(u64),
    Int(i64),
    Float(f64),
    Str(Vec<u8>),
    Bin(Vec<u8>),
    Ext(i8, Vec<u8>),
    Array(Vec<Msgpack>),
    Map(Vec<(Msgpack, Msgpack)>),
}

impl Msgpack {
    pub fn read(reader: &mut Reader<'_>) -> Self {
        match reader.token().expect("valid msgpack") {
            Token::Nil => Self::Nil,
            Token::Bool(value) => Self::Bool(value),
            Token::UInt(value) => Self::UInt(value),
            Token::Int(value) => Self::Int(value),
            Token::F32(value) => Self::Float(value.into()),
            Token::F64(value) => Self::Float(value),
            Token::Str(bytes) => Self::Str(bytes.into()),
            Token::Bin(bytes) => Self::Bin(bytes.into()),
            Token::Ext(kind, bytes) => Self::Ext(kind, bytes.into()),
            Token::Array(values) => Self::Array((0..values).map(|_| Self::read(reader)).collect()),
            Token::Map(pairs) => {
                Self::Map((0..pairs).map(|_| (Self::read(reader), Self::read(reader))).collect())
            }
        }
    }

    /// Whether this is the value as the vectors write it.
    pub fn is(&self, expected: &Value) -> bool {
        match (self, expected) {
            (Self::Nil, Value::Null) => true,
            (Self::Bool(value), Value::Bool(expected)) => value == expected,
            (Self::UInt(value), Value::Number(expected)) => expected.as_u64() == Some(*value),
            (Self::Int(value), Value::Number(expected)) => expected.as_i64() == Some(*value),
            (Self::Float(value), Value::Number(expected)) => {
                // Without its feature `float_roundtrip` serde_json is off by a bit at times.
                let expected = expected.as_f64().filter(|_| expected.is_f64());
                expected.is_some_and(|expected| value.to_bits().abs_diff(expected.to_bits()) <= 1)
            }
            (Self::Str(text), expected) => is_text(expected, text),
            (Self::Array(values), Value::Array(expected)) => {
                values.len() == expected.len()
                    && values.iter().zip(expected).all(|(value, expected)| value.is(expected))
            }
            (_, Value::Object(expected)) => self.is_object(expected),
            _ => false,
        }
    }

    fn is_object(&self, expected: &serde_json::Map<String, Value>) -> bool {
        let special = expected.iter().next().filter(|(key, _)| key.starts_with('$'));
        match (self, special.map(|(key, value)| (key.as_str(), value))) {
            (Self::Bin(bytes), Some(("$bin", expected))) => hex(expected) == *bytes,
            (Self::Ext(kind, bytes), Some(("$ext", expected))) => {
                expected[0].as_i64() == Some((*kind).into()) && hex(&expected[1]) == *bytes
            }
            (Self::Float(value), Some(("$f64", expected))) => match expected.as_str() {
                Some("nan") => value.is_nan(),
                Some(number) => number.parse() == Ok(*value),
                None => false,
            },
            (Self::Map(pairs), Some(("$map", expected))) => {
                let expected = expected.as_array().expect("pairs");
                let is_pair = |((key, value), expected): (&(Self, Self), &Value)| {
                    key.is(&expected[0]) && value.is(&expected[1])
                };
                pairs.len() == expected.len() && pairs.iter().zip(expected).all(is_pair)
            }
            (Self::Map(pairs), None) => {
                let is_pair = |(key, value): &(Self, Self)| {
                    let Self::Str(key) = key else { return false };
                    let key = str::from_utf8(key).unwrap_or_default();
                    expected.get(key).is_some_and(|expected| value.is(expected))
                };
                pairs.len() == expected.len() && pairs.iter().all(is_pair)
            }
            _ => false,
        }
    }
}

/// Text as a string, as hex where it is not UTF-8, or as a pattern `start*`.
pub fn is_text(expected: &Value, text: &[u8]) -> bool {
    match (expected, &expected["$str"], expected["$glob"].as_str()) {
        (Value::String(expected), ..) => expected.as_bytes() == text,
        (_, expected @ Value::String(_), _) => hex(expected) == text,
        (_, _, Some(pattern)) => text.starts_with(pattern.trim_end_matches('*').as_bytes()),
        _ => false,
    }
}

fn hex(digits: &Value) -> Vec<u8> {
    let digits = digits.as_str().expect("hex digits").as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).expect("ascii"), 16);
    digits.chunks(2).map(|pair| byte(pair).expect("hex digits")).collect()
}
