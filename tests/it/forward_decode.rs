//! What holds for the forward decoder whatever arrives, and at the edges of their limits.

#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking"
)]

use std::io::Write;

use bytes::BytesMut;
use firelane::{
    input::{
        forward::decode::{ConnectionError, DecodeOptions, Decoder, Truncated},
        item::{CHUNK_ENTRIES_MAX, Item, OddReason, Progress},
    },
    record::{msgpack::Writer, time::EventTime},
};
use proptest::prelude::*;

const NOW: EventTime = EventTime::from_nanos(1_234_567_890_123_456_789);

/// Entries and acks without the chunks around them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    Entry { tag: Vec<u8>, time: EventTime, record: Vec<u8> },
    Ack(Vec<u8>),
}

#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) events: Vec<Event>,
    pub(crate) odd: Vec<(OddReason, u64)>,
    chunks: Vec<usize>,
}

impl Seen {
    pub(crate) fn add(&mut self, item: Item) {
        match item {
            Item::Entries(chunk) => {
                self.chunks.push(chunk.entries.len());
                let tag = chunk.tag.as_bytes().to_vec();
                self.events.extend(chunk.entries.iter().map(|(time, record)| Event::Entry {
                    tag: tag.clone(),
                    time,
                    record: record.to_vec(),
                }));
            }
            Item::Ack(bytes) => self.events.push(Event::Ack(bytes.to_vec())),
            Item::Odd(reason, count) => self.odd.push((reason, count)),
        }
    }
}

fn feed(
    decoder: &mut Decoder,
    buffer: &mut BytesMut,
    seen: &mut Seen,
) -> Result<(), ConnectionError> {
    loop {
        let mut items = Vec::new();
        let progress = decoder.decode(buffer, NOW, &mut items);
        items.into_iter().for_each(|item| seen.add(item));
        if progress? == Progress::Drained {
            return Ok(());
        }
    }
}

fn decode<'a>(
    options: DecodeOptions,
    writes: impl IntoIterator<Item = &'a [u8]>,
) -> (Seen, Result<(), ConnectionError>) {
    let (mut decoder, mut buffer) = (Decoder::new(options), BytesMut::new());
    let mut seen = Seen::default();
    for write in writes {
        buffer.extend_from_slice(write);
        if let Err(error) = feed(&mut decoder, &mut buffer, &mut seen) {
            return (seen, Err(error));
        }
    }
    assert_eq!(decoder.at_frame_boundary(), buffer.is_empty());
    (seen, Ok(()))
}

fn decode_whole(bytes: &[u8]) -> Seen {
    let (seen, result) = decode(DecodeOptions::default(), [bytes]);
    assert_eq!(result, Ok(()));
    seen
}

/// Cuts the bytes at these places.
pub(crate) fn cut<'a>(bytes: &'a [u8], at: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<_> = at.iter().map(|index| index.index(bytes.len() + 1)).collect();
    at.sort_unstable();
    let mut writes = Vec::new();
    let mut start = 0;
    for end in at.into_iter().chain([bytes.len()]) {
        writes.push(&bytes[start..end]);
        start = end;
    }
    writes
}

#[derive(Clone, Copy, Debug)]
enum Mode {
    Message,
    Forward,
    Packed,
    Gzip,
    Zstd,
}

#[derive(Clone, Debug)]
struct Frame {
    mode: Mode,
    tag: u8,
    /// The fields of each record and its time; Message mode has one record a frame.
    entries: Vec<(u32, Vec<u8>)>,
    chunk: Option<u8>,
}

fn frame() -> impl Strategy<Value = Frame> {
    let mode = prop_oneof![
        8 => Just(Mode::Message),
        2 => Just(Mode::Forward),
        2 => Just(Mode::Packed),
        1 => Just(Mode::Gzip),
        1 => Just(Mode::Zstd),
    ];
    let entry = (any::<u32>(), prop::collection::vec(any::<u8>(), 0..300));
    let entries = prop::collection::vec(entry, 1..5);
    let chunk = prop_oneof![4 => Just(None), 1 => any::<u8>().prop_map(Some)];
    (mode, 0u8..2, entries, chunk).prop_map(|(mode, tag, entries, chunk)| Frame {
        mode,
        tag,
        entries,
        chunk,
    })
}

impl Frame {
    fn messages(&self) -> &[(u32, Vec<u8>)] {
        match self.mode {
            Mode::Message => &self.entries[..1],
            Mode::Forward | Mode::Packed | Mode::Gzip | Mode::Zstd => &self.entries,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        let elements = 2 + u32::from(matches!(self.mode, Mode::Message));
        Writer::new(out).array_header(elements + u32::from(self.chunk.is_some()));
        Writer::new(out).str(&[b't', self.tag]);
        let mut packed = Vec::new();
        for (seconds, log) in self.messages() {
            packed.extend(if let Mode::Message = self.mode { &[][..] } else { &[0x92] });
            Writer::new(&mut packed).uint((*seconds).into());
            packed.extend(record(log));
        }
        match self.mode {
            Mode::Message => out.extend(packed),
            Mode::Forward => {
                Writer::new(out).array_header(self.entries.len().try_into().expect("few"));
                out.extend(packed);
            }
            Mode::Packed => Writer::new(out).bin(&packed),
            Mode::Gzip => Writer::new(out).bin(&gzip(&packed)),
            Mode::Zstd => Writer::new(out).bin(&zstd(&packed)),
        }
        if let Some(chunk) = self.chunk {
            out.extend(b"\x81\xa5chunk");
            Writer::new(out).uint(chunk.into());
        }
    }

    fn events(&self) -> Vec<Event> {
        let entries = self.messages().iter().map(|(seconds, log)| Event::Entry {
            tag: vec![b't', self.tag],
            time: EventTime::from_parts((*seconds).into(), 0),
            record: record(log),
        });
        let ack = self.chunk.map(|chunk| {
            let mut ack = b"\x81\xa3ack".to_vec();
            Writer::new(&mut ack).uint(chunk.into());
            Event::Ack(ack)
        });
        entries.chain(ack).collect()
    }
}

fn record(log: &[u8]) -> Vec<u8> {
    let mut record = b"\x82\xa6source\xa6stdout\xa3log".to_vec();
    Writer::new(&mut record).str(log);
    record
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

fn message(tag: &[u8], record: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x93];
    Writer::new(&mut frame).str(tag);
    frame.push(7);
    frame.extend(record);
    frame
}

fn packed(entries: &[u8]) -> Vec<u8> {
    let mut frame = b"\x93\xa1t".to_vec();
    Writer::new(&mut frame).bin(entries);
    frame.extend(b"\x81\xa5chunk\xa1c");
    frame
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn frames_give_their_events_wherever_the_stream_is_cut(
        frames in prop::collection::vec(frame(), 0..12),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let mut bytes = Vec::new();
        frames.iter().for_each(|frame| frame.write(&mut bytes));
        let expected: Vec<_> = frames.iter().flat_map(Frame::events).collect();
        let (seen, result) = decode(DecodeOptions::default(), cut(&bytes, &cuts));
        prop_assert_eq!(result, Ok(()));
        prop_assert_eq!(seen.events, expected);
        prop_assert_eq!(seen.odd, []);
    }

    #[test]
    fn damaged_frames_neither_panic_nor_grow_and_give_the_same_wherever_they_are_cut(
        frames in prop::collection::vec(frame(), 1..6),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let mut bytes = Vec::new();
        frames.iter().for_each(|frame| frame.write(&mut bytes));
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let options = || DecodeOptions { frame_bytes_max: 2_000, ..DecodeOptions::default() };
        let (whole, end) = decode(options(), [bytes.as_slice()]);
        let (seen, result) = decode(options(), cut(&bytes, &cuts));
        prop_assert_eq!(&seen.events, &whole.events);
        let kind = |result: Result<_, ConnectionError>| result.map_err(|error| std::mem::discriminant(&error));
        prop_assert_eq!(kind(result), kind(end));
    }

    #[test]
    fn arbitrary_bytes_give_bounded_items(
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0x80u8..0xa3, Just(b'['), Just(b'"')], 0..600),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        is_json: bool,
    ) {
        let bytes = if is_json { [b"[", bytes.as_slice()].concat() } else { bytes };
        let (seen, _) = decode(DecodeOptions::default(), cut(&bytes, &cuts));
        prop_assert!(seen.events.len() <= bytes.len());
        prop_assert!(seen.odd.iter().map(|(_, count)| count).sum::<u64>() <= bytes.len() as u64);
    }
}

#[test]
fn consecutive_messages_of_one_tag_share_a_chunk_and_are_not_copied() {
    let record = record(b"hello");
    let bytes = [
        message(b"a", &record),
        message(b"a", &record),
        message(b"b", &record),
        message(b"a", &record),
    ]
    .concat();
    let mut buffer = BytesMut::from(bytes.as_slice());
    let place = buffer.as_ptr_range();
    let mut items = Vec::new();
    let progress = Decoder::new(DecodeOptions::default()).decode(&mut buffer, NOW, &mut items);
    assert_eq!(progress, Ok(Progress::Drained));
    let chunks: Vec<_> = items
        .iter()
        .map(|item| {
            let Item::Entries(chunk) = item else { panic!("{item:?}") };
            assert!(place.contains(&chunk.entries.data.as_ptr()), "the bytes stay where they are");
            (chunk.tag.as_bytes(), chunk.entries.len())
        })
        .collect();
    assert_eq!(chunks, [(b"a".as_slice(), 2), (b"b", 1), (b"a", 1)]);
}

#[test]
fn a_chunk_takes_4096_entries() {
    assert_eq!(CHUNK_ENTRIES_MAX, 4_096);
    let bytes = |count| message(b"a", b"\x80").repeat(count);
    assert_eq!(decode_whole(&bytes(4_096)).chunks, [4_096]);
    assert_eq!(decode_whole(&bytes(4_097)).chunks, [4_096, 1]);
    let entries = packed(&b"\x92\x01\x80".repeat(10_000));
    assert_eq!(decode_whole(&entries).chunks, [4_096, 4_096, 1_808]);
    let entries = packed(&gzip(&b"\x92\x01\x80".repeat(10_000)));
    assert_eq!(decode_whole(&entries).chunks, [4_096, 4_096, 1_808]);
}

#[test]
fn one_byte_writes_behind_a_megabyte_cost_the_same_each() {
    let entries = b"\x92\x01\x81\xa1k\xa1v".repeat(1_000_000 / 7);
    let count = u32::try_from(entries.len() / 7).expect("few");
    let mut bytes = b"\x92\xa1t".to_vec();
    Writer::new(&mut bytes).array_header(count);
    bytes.extend(&entries);
    let (megabyte, last) = bytes.split_at(bytes.len() - 5_000);
    let mut decoder = Decoder::new(DecodeOptions::default());
    let (mut buffer, mut seen) = (BytesMut::from(megabyte), Seen::default());
    feed(&mut decoder, &mut buffer, &mut seen).expect("legal");
    for byte in last {
        let walked_before = decoder.walked_bytes();
        buffer.extend_from_slice(&[*byte]);
        feed(&mut decoder, &mut buffer, &mut seen).expect("legal");
        assert!(decoder.walked_bytes() - walked_before <= 2, "a value of two bytes at most");
    }
    assert_eq!(seen.events.len(), 1_000_000 / 7);
    assert_eq!(decoder.walked_bytes(), bytes.len() as u64);

    let mut decoder = Decoder::new(DecodeOptions::default());
    let text = [b"[\"t\",[[1,{\"k\":\"", vec![b'x'; 1_000_000].as_slice(), b"\"}]]]"].concat();
    for write in text[..900_000].chunks(300_000).chain(text[900_000..].chunks(1)).take(2_000) {
        let walked_before = decoder.walked_bytes();
        buffer.extend_from_slice(write);
        feed(&mut decoder, &mut buffer, &mut seen).expect("legal");
        assert_eq!(decoder.walked_bytes() - walked_before, write.len() as u64);
    }
}

#[test]
fn a_frame_takes_its_most_bytes_and_not_one_more() {
    let frame = |log: usize| message(b"t", &record(&vec![b'x'; log]));
    let overhead = frame(1_000).len() - 1_000;
    let options =
        || DecodeOptions { frame_bytes_max: 1_000 + overhead, ..DecodeOptions::default() };
    let (seen, result) = decode(options(), [[frame(1_000), frame(1_000)].concat().as_slice()]);
    assert_eq!((seen.events.len(), result), (2, Ok(())));
    let bytes_max = 1_000 + overhead;
    let refused = Err(ConnectionError::FrameTooLarge { bytes: bytes_max + 1, bytes_max });
    let (seen, result) = decode(options(), [[frame(1_000), frame(1_001)].concat().as_slice()]);
    assert_eq!((seen.events.len(), result), (1, refused));
}

#[test]
fn compressed_entries_inflate_to_their_most_bytes_and_not_one_more() {
    let entries = |bytes: usize| {
        let mut entry = b"\x92\x01\x81\xa1k\xda".to_vec();
        let length = u16::try_from(bytes - entry.len() - 2).expect("few");
        entry.extend(length.to_be_bytes());
        entry.resize(bytes, b'x');
        entry
    };
    let options = || DecodeOptions { frame_bytes_max: 10_000, ..DecodeOptions::default() };
    for compress in [gzip, zstd] {
        let (seen, result) = decode(options(), [packed(&compress(&entries(10_000))).as_slice()]);
        assert_eq!((seen.events.len(), result), (2, Ok(())), "one record and its ack");
        let (seen, result) = decode(options(), [packed(&compress(&entries(10_001))).as_slice()]);
        assert_eq!(result, Err(ConnectionError::InflatedTooLarge { bytes_max: 10_000 }));
        assert!(seen.events.is_empty(), "neither stored nor acked");
    }
}

#[test]
fn a_record_may_nest_128_containers_and_a_deeper_one_costs_only_itself() {
    let nested = |depth: usize| [b"\x81\x01".repeat(depth - 1).as_slice(), b"\x80"].concat();
    let bytes = [128, 129, 100_000, 1].map(|depth| message(b"t", &nested(depth))).concat();
    let seen = decode_whole(&bytes);
    assert_eq!(seen.events.len(), 2);
    assert_eq!(seen.odd, [(OddReason::RecordTooDeep, 2)]);
    let beside = [b"\x81\x01\xdc\x03\xe8".as_slice(), &[0x80; 1_000]].concat();
    assert_eq!(decode_whole(&message(b"t", &beside)).odd, [], "beside is not within");
}

#[test]
fn a_call_ends_when_it_inflated_enough() {
    let frame = packed(&gzip(
        &[b"\x92\x01\x81\xa1k\xc6\x00\x0f\xff\xf0", [0; 1_048_560].as_slice()].concat(),
    ));
    let bytes = frame.repeat(20);
    let (mut buffer, mut calls, mut events) = (BytesMut::from(bytes.as_slice()), 0, 0);
    let mut decoder = Decoder::new(DecodeOptions::default());
    loop {
        let mut items = Vec::new();
        let progress = decoder.decode(&mut buffer, NOW, &mut items).expect("legal");
        let bytes = items.iter().map(|item| match item {
            Item::Entries(chunk) => chunk.entries.data.len(),
            Item::Ack(_) | Item::Odd(..) => 0,
        });
        assert!(
            bytes.sum::<usize>() <= 6_144_000 + firelane::input::LARGE_BYTES,
            "a call holds little at once"
        );
        events += items.len();
        calls += 1;
        if progress == Progress::Drained {
            break;
        }
    }
    assert_eq!((calls, events), (21, 40), "20 records and 20 acks");
}

#[test]
fn a_call_ends_after_1024_chunks() {
    let bytes = [message(b"a", b"\x80"), message(b"b", b"\x80")].concat().repeat(1_000);
    let mut buffer = BytesMut::from(bytes.as_slice());
    let (mut decoder, mut items) = (Decoder::new(DecodeOptions::default()), Vec::new());
    assert_eq!(decoder.decode(&mut buffer, NOW, &mut items), Ok(Progress::More));
    // The frame that made it enough is in the open chunk.
    assert_eq!(items.len(), 1_024 + 1);
    assert_eq!(decoder.decode(&mut buffer, NOW, &mut items), Ok(Progress::Drained));
    assert_eq!((items.len(), buffer.len()), (2_000, 0));
}

#[test]
fn what_was_decoded_before_an_error_stays() {
    let bytes = [message(b"t", b"\x80").as_slice(), b"\xc0\x00GET / HTTP/1.1"].concat();
    let (seen, result) = decode(DecodeOptions::default(), [bytes.as_slice()]);
    assert_eq!(seen.events.len(), 1);
    let error = result.expect_err("not the protocol");
    assert_eq!(error, ConnectionError::NotForward { first_byte: b'G' });
    assert!(error.to_string().starts_with("frame begins with byte 0x47, expected"));
}

#[test]
fn the_end_of_a_connection_tells_what_was_cut_off() {
    let (mut decoder, mut buffer) = (Decoder::new(DecodeOptions::default()), BytesMut::new());
    assert_eq!(decoder.end(&mut buffer), None, "a connection without a byte is a heartbeat");
    buffer.extend_from_slice(&message(b"t", b"\x80")[..4]);
    feed(&mut decoder, &mut buffer, &mut Seen::default()).expect("legal");
    assert!(!decoder.at_frame_boundary());
    assert_eq!(decoder.end(&mut buffer), Some(Truncated { bytes: 4 }));
    assert!(buffer.is_empty() && decoder.at_frame_boundary());
}

#[test]
fn a_fixed_tag_replaces_and_a_prefix_wins_over_it() {
    let tag = |tag: Option<&str>, prefix: Option<&str>| {
        let (tag, tag_prefix) = (tag.map(Into::into), prefix.map(Into::into));
        let options = DecodeOptions { tag, tag_prefix, ..DecodeOptions::default() };
        let frames = [message(b"", b"\x80"), message(b"a", b"\x80")].concat();
        let (seen, _) = decode(options, [frames.as_slice()]);
        seen.events
            .into_iter()
            .map(|event| match event {
                Event::Entry { tag, .. } => String::from_utf8(tag).expect("utf-8"),
                Event::Ack(_) => panic!("no ack"),
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(tag(None, None), ["", "a"]);
    assert_eq!(tag(Some("fixed"), None), ["fixed", "fixed"]);
    assert_eq!(tag(None, Some("p.")), ["p.", "p.a"]);
    assert_eq!(tag(Some("fixed"), Some("p.")), ["p.", "p.a"]);
}

#[test]
fn odd_frames_cost_only_themselves_and_are_counted_and_acked() {
    let good = message(b"t", b"\x80");
    let ack = Event::Ack(b"\x81\xa3ack\xa1c".to_vec());
    for (frame, reason, is_acked) in [
        (b"\x80".to_vec(), OddReason::FrameNotArray, false),
        (b"\xc4\x02ab".to_vec(), OddReason::FrameNotArray, false),
        (b"\x90".to_vec(), OddReason::FrameTooShort, false),
        (b"\x94\x05\x01\x80\x81\xa5chunk\xa1c".to_vec(), OddReason::FrameTagNotText, true),
        (b"\x93\xc0\xc4\x00\x81\xa5chunk\xa1c".to_vec(), OddReason::FrameTagNotText, true),
        (b"\x92\xa1t\x01".to_vec(), OddReason::RecordMissing, false),
        (b"\x94\xa1t\x01\x05\x81\xa5chunk\xa1c".to_vec(), OddReason::RecordNotMap, true),
        (packed(b"\xc1"), OddReason::FrameTailUnreadable, true),
        (packed(b"\x92\x01"), OddReason::FrameTailUnreadable, true),
        (packed(b"\x91\x01"), OddReason::EntryNotPair, true),
        (packed(b"\x90"), OddReason::EntryNotPair, true),
        (packed(b"\x1f\x8b\x08"), OddReason::FrameNotInflatable, false),
        (packed(b"\x28\xb5\x2f\xfd"), OddReason::FrameNotInflatable, false),
        (packed(b"\x92\x92\xd7\x00\xff\xff\xff\xff\0\0\0\0\x80\x80"), OddReason::GroupMarker, true),
    ] {
        let seen = decode_whole(&[good.clone(), frame.clone(), good.clone()].concat());
        assert_eq!(seen.odd, [(reason, 1)], "{frame:02x?}");
        assert_eq!(seen.events.contains(&ack), is_acked, "{frame:02x?}");
        assert_eq!(seen.events.len(), 2 + usize::from(is_acked), "{frame:02x?}");
    }
}

#[test]
fn a_damaged_or_shortened_gzip_member_never_gives_a_wrong_record() {
    let member = gzip(b"\x92\x01\x81\xa3log\xa5hello");
    let expected = Event::Entry {
        tag: b"t".into(),
        time: EventTime::from_parts(1, 0),
        record: b"\x81\xa3log\xa5hello".into(),
    };
    // One byte alone is not known as gzip yet.
    for cut in 2..member.len() {
        let seen = decode_whole(&packed(&member[..cut]));
        assert_eq!(seen.events, [], "cut at {cut}");
    }
    // Flags, time, level and system of the header say nothing about the content.
    for byte in (0..member.len()).filter(|byte| !(3..10).contains(byte)) {
        for bit in 0..8 {
            let mut damaged = member.clone();
            damaged[byte] ^= 1 << bit;
            let (seen, _) = decode(DecodeOptions::default(), [packed(&damaged).as_slice()]);
            // The padding bits behind the last block say nothing either.
            let mut entries =
                seen.events.iter().filter(|event| matches!(event, Event::Entry { .. }));
            assert!(entries.all(|entry| *entry == expected), "bit {bit} of byte {byte}");
        }
    }
}

#[test]
fn json_frames_are_frames_with_a_json_ack() {
    let text = br#" ["t",1700000000,{"k":[1]},{"chunk":"a\n"}]["t",[[1,{}],7]]
        ["t",1,{"k":01}] {"not":"a frame"}["t",1,{}]"#;
    let (seen, result) = decode(DecodeOptions::default(), [text[1..].as_ref()]);
    assert_eq!(result, Ok(()));
    assert_eq!(
        seen.odd,
        [(OddReason::EntryNotPair, 1), (OddReason::FrameNotJson, 1), (OddReason::FrameNotArray, 1)]
    );
    assert_eq!(seen.events[1], Event::Ack(br#"{"ack":"a\n"}"#.to_vec()));
    assert_eq!(seen.events.len(), 4);
    let no_json = DecodeOptions { json: false, ..DecodeOptions::default() };
    let (_, result) = decode(no_json, [text[1..].as_ref()]);
    assert_eq!(result, Err(ConnectionError::NotForward { first_byte: b'[' }));
}
