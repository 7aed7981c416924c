//! What holds for the tcp decoder whatever arrives, and at the edges of its limits.

#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking"
)]

use bytes::{Bytes, BytesMut};
use firelane::{
    input::{
        item::{OddReason, Progress},
        tcp::decode as tcp,
    },
    record::time::EventTime,
};
use proptest::prelude::*;

use crate::forward_decode::{Event, Seen, cut};

const NOW: EventTime = EventTime::from_nanos(1_234_567_890_123_456_789);

fn tcp_lines(separator: &'static [u8]) -> tcp::Format {
    tcp::Format::None { separator: Bytes::from_static(separator) }
}

fn tcp_decode(options: tcp::DecodeOptions, bytes: &[u8]) -> (Vec<Vec<u8>>, Vec<(OddReason, u64)>) {
    let (mut decoder, mut items) = (tcp::Decoder::new(options), Vec::new());
    let (mut buffer, mut seen) = (BytesMut::from(bytes), Seen::default());
    while decoder.decode(&mut buffer, NOW, &mut items) == Ok(Progress::More) {}
    decoder.end(&mut buffer, NOW, &mut items);
    items.into_iter().for_each(|item| seen.add(item));
    let records = seen.events.into_iter().map(|event| match event {
        Event::Entry { record, .. } => record,
        Event::Ack(_) => panic!("no ack"),
    });
    (records.collect(), seen.odd)
}

#[test]
fn an_odd_line_of_json_costs_only_itself() {
    let options = || tcp::DecodeOptions::new(tcp::Format::Json, "t".into());
    let good = b"\xde\x00\x01\xa1a\x01".to_vec();
    for (line, reason) in [
        ("{bad json}", OddReason::LineNotJson),
        ("{\"a\":\"cut", OddReason::LineNotJson),
        ("{\"a\":1", OddReason::LineNotJson),
        ("[1,2", OddReason::LineNotJson),
        ("{\"a\":[1,2}", OddReason::LineNotJson),
        ("bad", OddReason::LineNotObject),
        ("123", OddReason::LineNotObject),
        ("\"{\"", OddReason::LineNotObject),
    ] {
        let text = format!("{{\"a\":1}}\n{line}\n{{\"a\":1}}\n{{\"a\":1}}\n");
        let (records, odd) = tcp_decode(options(), text.as_bytes());
        assert_eq!((records, odd), (vec![good.clone(); 3], vec![(reason, 1)]), "{line}");
    }
    let (records, odd) = tcp_decode(options(), b"{\"a\":1}{\"a\":");
    assert_eq!((records, odd), (vec![good], vec![(OddReason::LineTruncated, 1)]));
}

#[test]
fn the_source_address_is_the_last_field_of_every_record() {
    let options = |format| tcp::DecodeOptions {
        source_address: Some(tcp::SourceAddress {
            key: Bytes::from_static(b"peer"),
            address: Bytes::from_static(b"x"),
        }),
        ..tcp::DecodeOptions::new(format, "t".into())
    };
    let (records, _) = tcp_decode(options(tcp::Format::Json), b"{\"a\":1}[]");
    assert_eq!(
        records,
        [
            b"\xde\x00\x02\xa1a\x01\xa4peer\xa1x".to_vec(),
            b"\x82\xa3msg\xdc\x00\x00\xa4peer\xa1x".to_vec()
        ]
    );
    let (records, _) = tcp_decode(options(tcp_lines(b"||")), b"one|x||||two");
    assert_eq!(
        records,
        [
            b"\x82\xa3log\xa5one|x\xa4peer\xa1x".to_vec(),
            b"\x82\xa3log\xa3two\xa4peer\xa1x".to_vec()
        ]
    );
}

#[test]
fn a_separator_is_found_wherever_it_is_cut() {
    let bytes = b"one<>two<<>";
    for cut in 0..bytes.len() {
        let options = tcp::DecodeOptions::new(tcp_lines(b"<>"), "t".into());
        let (mut decoder, mut items) = (tcp::Decoder::new(options), Vec::new());
        let (mut buffer, mut seen) = (BytesMut::from(&bytes[..cut]), Seen::default());
        assert_eq!(decoder.decode(&mut buffer, NOW, &mut items), Ok(Progress::Drained));
        buffer.extend_from_slice(&bytes[cut..]);
        assert_eq!(decoder.decode(&mut buffer, NOW, &mut items), Ok(Progress::Drained));
        items.into_iter().for_each(|item| seen.add(item));
        assert_eq!((seen.events.len(), buffer.len()), (2, 0), "cut at {cut}");
    }
}

#[test]
fn an_object_takes_its_most_bytes_and_not_one_more() {
    for format in [tcp::Format::Json, tcp_lines(b"\n")] {
        let options = || tcp::DecodeOptions {
            object_bytes_max: 100,
            ..tcp::DecodeOptions::new(format.clone(), "t".into())
        };
        let object = |bytes: usize| format!("{{\"a\":\"{}\"}}\n", "x".repeat(bytes - 8));
        assert_eq!(tcp_decode(options(), object(100).repeat(3).as_bytes()).0.len(), 3);
        let mut decoder = tcp::Decoder::new(options());
        let mut buffer = BytesMut::from((object(100) + &object(101)).as_str());
        let mut items = Vec::new();
        let refused = Err(tcp::ConnectionError::ObjectTooLarge { bytes: 101, bytes_max: 100 });
        assert_eq!(decoder.decode(&mut buffer, NOW, &mut items), refused);
        assert_eq!(items.len(), 1);
    }
}

#[test]
fn a_value_that_is_no_json_is_not_walked_once_for_each_of_its_lines() {
    for (line, end) in [("[\n", "\"\n"), ("[\n{},\n", "\"\n"), ("[1,\n", "bad]\n")] {
        let text = line.repeat(30_000 / line.len()) + end;
        let options = tcp::DecodeOptions::new(tcp::Format::Json, "t".into());
        let (mut decoder, mut items) = (tcp::Decoder::new(options), Vec::new());
        let mut buffer = BytesMut::from((text.clone() + "{\"a\":1}\n").as_str());
        while decoder.decode(&mut buffer, NOW, &mut items) == Ok(Progress::More) {}
        let walked = decoder.walked_bytes();
        assert!(walked <= 12 * text.len() as u64, "{walked} bytes walked of {}", text.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn arbitrary_tcp_bytes_give_the_same_wherever_they_are_cut(
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"{}[]\",:\n\\1".as_slice())], 0..200),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        is_json: bool,
    ) {
        let run = |writes: Vec<&[u8]>| {
            let format = if is_json { tcp::Format::Json } else { tcp_lines(b":\n") };
            let mut decoder = tcp::Decoder::new(tcp::DecodeOptions::new(format, "t".into()));
            let (mut buffer, mut items, mut seen) = (BytesMut::new(), Vec::new(), Seen::default());
            for write in writes {
                buffer.extend_from_slice(write);
                assert_eq!(decoder.decode(&mut buffer, NOW, &mut items), Ok(Progress::Drained));
            }
            decoder.end(&mut buffer, NOW, &mut items);
            items.into_iter().for_each(|item| seen.add(item));
            (seen.events, seen.odd.iter().map(|(_, count)| count).sum::<u64>())
        };
        prop_assert_eq!(run(cut(&bytes, &cuts)), run(vec![&bytes]));
    }
}
