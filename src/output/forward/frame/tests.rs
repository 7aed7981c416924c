//! What is written reads back the same, in every mode, and is what Fluent Bit writes.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::chunk::Chunk;
use crate::chunk::fixture::chunk;
use crate::input::forward::decode::{DecodeOptions, Decoder, Item, Progress};
use crate::ledger::Account;
use crate::record::chunk::{Entries, Entry};
use crate::record::fields::{SharedField, SharedFields};
use crate::record::msgpack::{Reader, Token};

pub(crate) const PLAIN: Format = Format {
    tag: None,
    time_as_integer: false,
    metadata: true,
    gzip: false,
    options: false,
    ack: false,
    extra: Vec::new(),
};

/// A load of these chunks, which are settled.
fn load(tag: &[u8], chunks: Vec<Chunk>) -> Load {
    let load = Load::new(&tag.into(), &chunks);
    chunks.into_iter().for_each(Chunk::delivered);
    load
}

fn one_record() -> Load {
    let account = Arc::new(Account::default());
    load(b"t", vec![chunk(&account, "t", &[&[("a", "1")]])])
}

/// All frames of a load.
fn frames(format: &Format, load: &Load) -> Vec<Frame> {
    let mut frames: Vec<Frame> = Vec::new();
    let mut at = Position::default();
    while let Some(frame) = format.frame(load, at) {
        assert_ne!(frame.next, at, "every frame holds a record");
        at = frame.next;
        frames.push(frame);
    }
    frames
}

/// What a peer makes of it: tag, nanoseconds and map of each record, and the acks it sends.
type Seen = (Vec<(Vec<u8>, i64, Vec<u8>)>, Vec<Vec<u8>>);

fn decoded(frames: &[Frame]) -> Seen {
    let mut decoder = Decoder::new(DecodeOptions { json: false, ..DecodeOptions::default() });
    let (mut records, mut acks) = (Vec::new(), Vec::new());
    for frame in frames {
        let mut buffer = BytesMut::from(&frame.bytes[..]);
        loop {
            let mut items = Vec::new();
            let now = EventTime::from_nanos(-1);
            let progress = decoder.decode(&mut buffer, now, &mut items).expect("a frame");
            for item in items {
                match item {
                    Item::Entries(tagged) => {
                        records.extend(tagged.entries.iter().map(|(time, record)| {
                            (tagged.tag.as_bytes().to_vec(), time.as_nanos(), record.to_vec())
                        }));
                    }
                    Item::Ack(ack) => acks.push(ack.to_vec()),
                    Item::Odd(reason, _) => panic!("{reason:?}"),
                }
            }
            if progress == Progress::Drained {
                break;
            }
        }
        assert!(buffer.is_empty(), "frames are whole");
    }
    (records, acks)
}

#[test]
fn without_options_a_frame_is_what_fluent_bit_writes() {
    let frame = &frames(&PLAIN, &one_record())[0];
    let expected =
        b"\x92\xa1t\x91\x92\x92\xd7\x00\x65\x53\xf1\x00\x00\x00\x00\x00\x80\x81\xa1a\xa11";
    assert_eq!(frame.bytes, expected);
    let bare = Format { metadata: false, ..PLAIN };
    let expected = b"\x92\xa1t\x91\x92\xd7\x00\x65\x53\xf1\x00\x00\x00\x00\x00\x81\xa1a\xa11";
    assert_eq!(frames(&bare, &one_record())[0].bytes, expected);
    let seconds = Format { time_as_integer: true, ..PLAIN };
    let expected = b"\x92\xa1t\x91\x92\xce\x65\x53\xf1\x00\x81\xa1a\xa11";
    assert_eq!(frames(&seconds, &one_record())[0].bytes, expected);
}

#[test]
fn options_stand_in_fluent_bits_order_with_those_of_the_user_last() {
    let extra = vec![("k".to_owned(), "v".to_owned())];
    let format = Format { options: true, ack: true, extra, ..PLAIN };
    let frame = &frames(&format, &one_record())[0];
    // Base64 of the first 16 bytes of the SHA-512 of the entries.
    let id = chunk_id(&frame.bytes[4..frame.bytes.len() - 57]);
    assert_eq!((id.len(), &frame.acks), (24, &vec![id.clone()]));
    let options = [
        b"\x84\xa5chunk\xb8".as_slice(),
        id.as_bytes(),
        b"\xa4size\x01\xadfluent_signal\x00\xa1k\xa1v",
    ]
    .concat();
    assert!(frame.bytes.ends_with(&options), "{:?}", frame.bytes.escape_ascii().to_string());
    assert_eq!(frame.bytes[0], 0x93);
}

#[test]
fn compressed_entries_say_so_and_have_the_id_of_what_is_in_them() {
    let format = Format { options: true, ack: true, ..PLAIN };
    let plain = &frames(&format, &one_record())[0];
    let packed = &frames(&Format { gzip: true, ..format }, &one_record())[0];
    assert_eq!(plain.acks, packed.acks);
    let options = b"\xa4size\x01\xaacompressed\xa4gzip\xadfluent_signal\x00";
    assert!(packed.bytes.ends_with(options));
    assert_eq!(packed.bytes[..4], *b"\x93\xa1t\xc4", "bytes, not text");
}

#[test]
fn a_message_has_the_tag_of_its_record_and_always_options() {
    let account = Arc::new(Account::default());
    let records: &[&[(&str, &str)]] = &[&[("a", "x")], &[("b", "y")]];
    let load = load(b"in", vec![chunk(&account, "in", records)]);
    let tag = Template::parse("app.$a.$TAG").ok();
    let frames = frames(&Format { tag, ..PLAIN }, &load);
    assert_eq!(frames.len(), 1);
    let expected = b"\x94\xa8app.x.in\xd7\x00\x65\x53\xf1\x00\x00\x00\x00\x00\x81\xa1a\xa1x\x81\xadfluent_signal\x00";
    assert!(frames[0].bytes.starts_with(expected));
    assert_eq!(decoded(&frames).0[1].0, b"app..in", "what is missing is empty");
}

#[test]
fn a_tag_without_values_of_records_stays_in_forward_mode() {
    let format = Format { tag: Template::parse("agg.$TAG[0].x").ok(), ..PLAIN };
    assert!(!format.is_by_record());
    let frames = frames(&format, &one_record());
    assert_eq!(frames[0].bytes[..10], *b"\x92\xa7agg.t.x\x91");
}

#[test]
fn times_that_the_protocol_cannot_say_are_the_nearest_it_can() {
    let times = [i64::MIN, -1, 0, 1, 0xffff_fffd_i64 * 1_000_000_000 + 5, i64::MAX];
    let entries = times.map(|nanos| Entry { time: EventTime::from_nanos(nanos), start: 0, end: 1 });
    let entries = Entries { data: Bytes::from_static(b"\x80"), entries: entries.to_vec() };
    let account = Arc::new(Account::default());
    let chunk = Chunk { entries: Arc::new(entries), ..chunk(&account, "t", &[&[]]) };
    let load = load(b"t", vec![chunk]);
    let seen: Vec<i64> = decoded(&frames(&PLAIN, &load)).0.iter().map(|seen| seen.1).collect();
    let last = 0xffff_fffd_i64 * 1_000_000_000;
    assert_eq!(seen, [0, 0, 0, 1, last + 5, last], "and never the mark of a group");
}

#[test]
fn a_frame_takes_entries_up_to_its_limit_and_at_least_one() {
    let sized = |records: &[usize]| {
        let account = Arc::new(Account::default());
        let one = |bytes: &usize| {
            let mut data = Vec::new();
            let mut writer = Writer::new(&mut data);
            writer.map_header(1);
            writer.str(b"k");
            // Around the text: an entry's head of 13 bytes, and 8 of the map.
            writer.str(&vec![b'x'; bytes - 21]);
            let end = u32::try_from(data.len()).expect("small");
            let entry = Entry { time: EventTime::from_nanos(0), start: 0, end };
            let entries = Entries { data: Bytes::from(data), entries: vec![entry] };
            Chunk { entries: Arc::new(entries), ..chunk(&account, "t", &[&[]]) }
        };
        let load = load(b"t", records.iter().map(one).collect());
        frames(&PLAIN, &load).iter().map(|frame| frame.records).collect::<Vec<_>>()
    };
    let half = ENTRIES_BYTES_MAX / 2;
    assert_eq!(sized(&[half, half]), [2]);
    assert_eq!(sized(&[half, half + 1]), [1, 1]);
    assert_eq!(sized(&[ENTRIES_BYTES_MAX + 1, half, half]), [1, 2]);
}

#[test]
fn messages_that_want_acks_go_in_groups() {
    let account = Arc::new(Account::default());
    let records = vec![&[("a", "x")][..]; MESSAGES_UNACKED_MAX + 1];
    let load = load(b"t", vec![chunk(&account, "t", &records)]);
    let format = Format { tag: Template::parse("$a").ok(), ack: true, options: true, ..PLAIN };
    let acks: Vec<_> = frames(&format, &load).iter().map(|frame| frame.acks.len()).collect();
    assert_eq!(acks, [MESSAGES_UNACKED_MAX, 1]);
    let unasked = Format { ack: false, ..format };
    assert_eq!(frames(&unasked, &load).len(), 1);
}

/// Any value, up to two levels deep.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        vec(any::<u8>(), 0..40).prop_map(|text| written(|w| w.str(&text))),
        vec(any::<u8>(), 0..300).prop_map(|bytes| written(|w| w.bin(&bytes))),
        any::<i64>().prop_map(|number| written(|w| w.int(number))),
        any::<u64>().prop_map(|number| written(|w| w.uint(number))),
        any::<f64>().prop_map(|number| written(|w| w.f64(number))),
        any::<f32>().prop_map(|number| written(|w| w.f32(number))),
        (any::<i8>(), vec(any::<u8>(), 0..20)).prop_map(|(k, b)| written(|w| w.ext(k, &b))),
        Just(written(|w| w.nil())),
        any::<bool>().prop_map(|value| written(|w| w.bool(value))),
    ];
    leaf.prop_recursive(2, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|values| written(|w| {
                w.array_header(u32::try_from(values.len()).expect("small"));
                values.iter().for_each(|value| w.raw(value));
            })),
            record_of(inner),
        ]
    })
}

fn record_of(value: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    vec(("[a-d]{1,2}", value), 0..5).prop_map(|pairs| {
        written(|w| {
            w.map_header(u32::try_from(pairs.len()).expect("small"));
            for (key, value) in &pairs {
                w.str(key.as_bytes());
                w.raw(value);
            }
        })
    })
}

fn written(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut Writer::new(&mut out));
    out
}

/// Records with their times, and the fields they share.
type Recorded = (Vec<(i64, Vec<u8>)>, Vec<(String, bool)>);

fn chunks() -> impl Strategy<Value = Vec<Recorded>> {
    let time = 0..SECONDS_MAX * 1_000_000_000;
    let records = vec((time, record_of(value())), 1..6);
    vec((records, vec(("[a-f]", any::<bool>()), 0..3)), 1..4)
}

fn chunk_of(records: &[(i64, Vec<u8>)], shared: &[(String, bool)]) -> Chunk {
    // Bytes between records are no records.
    let (mut data, mut entries) = (vec![0xc1], Vec::new());
    for (nanos, record) in records {
        let start = u32::try_from(data.len()).expect("small");
        data.extend_from_slice(record);
        let end = u32::try_from(data.len()).expect("small");
        entries.push(Entry { time: EventTime::from_nanos(*nanos), start, end });
        data.push(0xc1);
    }
    let field = |(key, yields): &(String, bool)| SharedField {
        key: key.as_bytes().into(),
        value: b"shared".as_slice().into(),
        yields: *yields,
    };
    let account = Arc::new(Account::default());
    let empty: Vec<&[(&str, &str)]> = vec![&[]; records.len()];
    Chunk {
        entries: Arc::new(Entries { data: Bytes::from(data), entries }),
        shared: SharedFields::new(shared.iter().map(field).collect()),
        ..chunk(&account, "t", &empty)
    }
}

/// The ids that a peer answers with.
fn ids(acks: &[Vec<u8>]) -> Vec<String> {
    let id = |ack: &Vec<u8>| {
        let mut reader = Reader::new(ack);
        assert_eq!((reader.map_header(), reader.token()), (Ok(1), Ok(Token::Str(b"ack"))));
        String::from_utf8(reader.text().expect("text").to_vec()).expect("base64")
    };
    acks.iter().map(id).collect()
}

proptest! {
    #[test]
    fn whatever_the_mode_a_peer_reads_the_same_records(
        chunks in chunks(),
        tag in vec(any::<u8>(), 1..40),
        (by_record, metadata, gzip, options, ack) in any::<(bool, bool, bool, bool, bool)>(),
    ) {
        let format = Format {
            tag: by_record.then(|| Template::parse("$TAG.$a").expect("a template")),
            metadata,
            gzip: gzip && !by_record,
            options: options || ack || gzip,
            ack,
            ..PLAIN
        };
        let whole: Vec<Chunk> = chunks.iter().map(|(records, shared)| chunk_of(records, shared)).collect();
        let mut expected = Vec::new();
        for chunk in &whole {
            for (time, record) in chunk.entries.iter() {
                let mut own = Vec::new();
                chunk.write_whole(record, &mut own);
                expected.push((time.as_nanos(), own));
            }
        }
        let load = load(&tag, whole);
        let frames = frames(&format, &load);
        let (seen, acks) = decoded(&frames);
        let records: Vec<_> = seen.iter().map(|(_, time, record)| (*time, record.clone())).collect();
        prop_assert_eq!(&records, &expected);
        prop_assert!(by_record || seen.iter().all(|seen| seen.0 == tag));
        let asked: Vec<String> = frames.iter().flat_map(|frame| frame.acks.clone()).collect();
        prop_assert_eq!(ids(&acks), asked);
        prop_assert_eq!(frames.iter().map(|frame| frame.records).sum::<u64>(), expected.len() as u64);
        prop_assert_eq!(self::frames(&format, &load), frames, "the same bytes when sent again");
    }
}
