//! The events of a `forward` step → the bytes a forward peer writes.
//!
//! Reference: Fluent Forward protocol v1.5, the four modes of an event stream.

use std::io::Write as _;

use firelane::clock;
use firelane::record::msgpack::Writer;
use flate2::{Compression, write::GzEncoder};

use super::format::Mode;
use super::json::Json;

const NANOS_PER_SECOND: u64 = 1_000_000_000;
const NANOS_PER_MICRO: u64 = 1_000;
const MICROS_PER_SECOND: f64 = 1_000_000.0;

/// An event of a step, which may stand for several.
struct Event {
    tag: String,
    time: Time,
    record: Json,
    /// What `%d` stands for in its texts.
    number: u64,
}

#[derive(Clone, Copy)]
enum Time {
    Seconds(u64),
    Nanos(u64),
    Float(f64),
}

/// The frames for `events` in one go, and how many there are.
pub(super) fn frames(events: &[Json], mode: Mode, ack: Option<&str>) -> (Vec<u8>, usize) {
    let events: Vec<Event> = events.iter().flat_map(expand).collect();
    let mut bytes = Vec::new();
    let mut frames = 0;
    let groups = events.chunk_by(|a, b| !matches!(mode, Mode::Message) && a.tag == b.tag);
    for group in groups {
        frame(&mut bytes, group, mode, ack);
        frames += 1;
    }
    (bytes, frames)
}

/// `[tag, time, record]`, or `[tag, time, record, count, step]`.
fn expand(event: &Json) -> Vec<Event> {
    let (tag, time, record, count, step) = match event.list() {
        [tag, time, record] => (tag, time, record, 1, 0.0),
        [tag, time, record, count, step] => (tag, time, record, whole(count), step.number()),
        other => panic!("not an event: {other:?}"),
    };
    let make = |number| Event {
        tag: tag.text().to_owned(),
        time: time_of(time, number, step),
        record: record.clone(),
        number,
    };
    (0..count).map(make).collect()
}

fn whole(number: &Json) -> u64 {
    if let Json::UInt(number) = number { *number } else { panic!("not a count: {number:?}") }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "times of this century and counts of thousands"
)]
fn time_of(time: &Json, number: u64, step: f64) -> Time {
    match time {
        Json::UInt(seconds) if step == 0.0 => Time::Seconds(*seconds),
        Json::UInt(_) | Json::Float(_) => {
            // A float holds a time of this century to less than a microsecond.
            let seconds = time.number() + number as f64 * step;
            Time::Nanos((seconds * MICROS_PER_SECOND).round() as u64 * NANOS_PER_MICRO)
        }
        Json::Text(text) if text == "now" => {
            Time::Nanos(u64::try_from(clock::unix_now().as_nanos()).unwrap())
        }
        Json::Map(map) => match map.as_slice() {
            [(key, value)] if key == "$float" => Time::Float(float(value)),
            other => panic!("not a time: {other:?}"),
        },
        Json::Null | Json::Bool(_) | Json::Int(_) | Json::Text(_) | Json::List(_) => {
            panic!("not a time: {time:?}")
        }
    }
}

fn frame(out: &mut Vec<u8>, events: &[Event], mode: Mode, ack: Option<&str>) {
    let [first, ..] = events else { return };
    let count = u32::try_from(events.len()).unwrap();
    let mut writer = Writer::new(out);
    let plain = matches!(mode, Mode::Message | Mode::Forward) && ack.is_none();
    let members = if matches!(mode, Mode::Message) { 3 } else { 2 };
    writer.array_header(members + u32::from(!plain));
    writer.str(first.tag.as_bytes());
    match mode {
        Mode::Message => write_time_and_record(&mut writer, first),
        Mode::Forward => {
            writer.array_header(count);
            writer.raw(&entries(events));
        }
        Mode::Packed => writer.bin(&entries(events)),
        Mode::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(&entries(events)).unwrap();
            writer.bin(&encoder.finish().unwrap());
        }
    }
    if !plain {
        write_option(&mut writer, count, mode, ack);
    }
}

fn write_option(writer: &mut Writer<'_>, entries: u32, mode: Mode, ack: Option<&str>) {
    let (sized, compressed) = (!matches!(mode, Mode::Message), matches!(mode, Mode::Gzip));
    writer.map_header([sized, compressed, ack.is_some()].into_iter().map(u32::from).sum());
    if sized {
        writer.str(b"size");
        writer.uint(u64::from(entries));
    }
    if compressed {
        writer.str(b"compressed");
        writer.str(b"gzip");
    }
    if let Some(ack) = ack {
        writer.str(b"chunk");
        writer.str(ack.as_bytes());
    }
}

fn entries(events: &[Event]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    for event in events {
        writer.array_header(2);
        write_time_and_record(&mut writer, event);
    }
    bytes
}

fn write_time_and_record(writer: &mut Writer<'_>, event: &Event) {
    match event.time {
        Time::Seconds(seconds) => writer.uint(seconds),
        Time::Float(seconds) => writer.f64(seconds),
        Time::Nanos(nanos) => {
            let seconds = u32::try_from(nanos / NANOS_PER_SECOND).unwrap();
            let nanos = u32::try_from(nanos % NANOS_PER_SECOND).unwrap();
            writer.ext(0, &[seconds.to_be_bytes(), nanos.to_be_bytes()].concat());
        }
    }
    write_value(writer, &event.record, event.number);
}

fn write_value(writer: &mut Writer<'_>, value: &Json, number: u64) {
    match value {
        Json::Null => writer.nil(),
        Json::Bool(value) => writer.bool(*value),
        Json::UInt(value) => writer.uint(*value),
        Json::Int(value) => writer.int(*value),
        Json::Float(value) => writer.f64(*value),
        Json::Text(text) => writer.str(text.replace("%d", &number.to_string()).as_bytes()),
        Json::List(values) => {
            writer.array_header(u32::try_from(values.len()).unwrap());
            values.iter().for_each(|value| write_value(writer, value, number));
        }
        Json::Map(map) => match map.as_slice() {
            [(marker, value)] if marker.starts_with('$') => {
                write_marked(writer, marker, value, number);
            }
            pairs => {
                writer.map_header(u32::try_from(pairs.len()).unwrap());
                for (key, value) in pairs {
                    writer.str(key.as_bytes());
                    write_value(writer, value, number);
                }
            }
        },
    }
}

/// What JSON cannot say. A key that only looks like a marker is a key.
fn write_marked(writer: &mut Writer<'_>, marker: &str, value: &Json, number: u64) {
    match (marker, value) {
        ("$bin", hex) => writer.bin(&bytes_of(hex.text())),
        ("$str", hex) => writer.str(&bytes_of(hex.text())),
        ("$float", value) => writer.f64(float(value)),
        #[expect(clippy::cast_possible_truncation, reason = "that is what the marker asks for")]
        ("$f32", value) => writer.f32(float(value) as f32),
        ("$rep", Json::List(list)) => match list.as_slice() {
            [text, count] => {
                let count = usize::try_from(whole(count)).unwrap();
                writer.str(text.text().repeat(count).as_bytes());
            }
            other => panic!("not a repetition: {other:?}"),
        },
        ("$ext", Json::List(list)) => match list.as_slice() {
            [Json::UInt(kind), hex] => {
                writer.ext(i8::try_from(*kind).unwrap(), &bytes_of(hex.text()));
            }
            other => panic!("not an extension: {other:?}"),
        },
        ("$map", Json::List(pairs)) => {
            writer.map_header(u32::try_from(pairs.len()).unwrap());
            for pair in pairs {
                pair.list().iter().for_each(|value| write_value(writer, value, number));
            }
        }
        (key, value) => {
            writer.map_header(1);
            writer.str(key.as_bytes());
            write_value(writer, value, number);
        }
    }
}

fn float(value: &Json) -> f64 {
    if let Json::Text(text) = value { text.parse().unwrap() } else { value.number() }
}

pub(super) fn bytes_of(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        hex.chars().map(|digit| u8::try_from(digit.to_digit(16).unwrap()).unwrap()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
