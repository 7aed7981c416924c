//! Bodies, and the records in them.

use proptest::prelude::*;

use super::*;
use crate::input::http::tagged::Stamp;
use crate::record::json_in::Transcoder;
use crate::record::time::EventTime;

/// A small record, its tag and its chunk: what a step may give beyond its room.
const SLACK: usize = 2 * 1_024;

/// The records of a body as msgpack, and how many values were none.
fn read(form: Form, body: &[u8]) -> Result<(Vec<Vec<u8>>, u64), Fault> {
    let time = EventTime::from_nanos(7);
    let stamp = Stamp { time, tag: "t".into(), tag_key: None, remote_addr: None };
    let (mut decoder, mut out) = (Decoder::new(form, body), Tagged::new(stamp));
    // No step gives much more than was paid for before it.
    while {
        let paid = out.bytes() + decoder.room_bytes();
        let goes_on = decoder.step(&mut out)?;
        assert!(out.bytes() <= paid + SLACK, "{} of {paid}", out.bytes());
        goes_on
    } {}
    let skipped = out.skipped();
    let chunks = out.finish();
    let records = chunks.iter().flat_map(|chunk| chunk.entries.iter());
    Ok((records.map(|(_, record)| record.to_vec()).collect(), skipped))
}

fn json(body: &str) -> Result<(Vec<Vec<u8>>, u64), Fault> {
    read(Form::Json, body.as_bytes())
}

fn msgpack_of(json: &str) -> Vec<u8> {
    let mut out = Vec::new();
    Transcoder::new(9).transcode(json.as_bytes(), None, &mut out).unwrap();
    out
}

#[test]
fn objects_are_records_however_they_stand_in_a_body() {
    let expected: Vec<_> = [r#"{"a":1}"#, r#"{"a":2}"#].map(msgpack_of).into();
    let bodies = [
        r#"[{"a":1},{"a":2}]"#,
        r#" [ {"a":1} , {"a":2} ] "#,
        r#"{"a":1}{"a":2}"#,
        "{\"a\":1}\n{\"a\":2}",
        "{\"a\":1}\r\n\r\n{\"a\":2}\r\n",
        "[{\"a\":1}]\n[{\"a\":2}]",
        "[{\"a\":1}] {\"a\":2} []",
    ];
    for body in bodies {
        assert_eq!(json(body), Ok((expected.clone(), 0)), "{body}");
    }
}

#[test]
fn elements_that_are_no_objects_are_left_out_and_counted() {
    let expected = vec![msgpack_of(r#"{"a":2}"#)];
    assert_eq!(json(r#"[[{"a":1}],{"a":2},5,"x",null]"#), Ok((expected, 4)));
    assert_eq!(json("[1,2]"), Ok((Vec::new(), 2)));
    assert_eq!(json("[]"), Ok((Vec::new(), 0)));
}

#[test]
fn a_fault_says_where_it_is_and_what_it_is() {
    let cases = [
        ("{bad", "line 1, byte 1: 'b' cannot stand there in json"),
        ("{\"a\":", "json ends at byte 5 within a value"),
        ("{\"a\":1}\n{\"b\":", "json ends at byte 13 within a value"),
        ("\"text\"", "line 1, byte 0: expected an object or an array of objects, found '\\\"'"),
        ("5", "line 1, byte 0: expected an object or an array of objects, found '5'"),
        ("{}\n{}\n,{}", "line 3, byte 6: expected an object or an array of objects, found ','"),
        ("[{}", "json ends at byte 3 within a value"),
        ("[{} {}]", "line 1, byte 4: '{' cannot stand there in json"),
        ("[{},]", "line 1, byte 4: ']' cannot stand there in json"),
        ("[{}\n\n,{\"a\" 1}]", "line 3, byte 11: '1' cannot stand there in json"),
        (" \n", "no payload found"),
    ];
    for (body, expected) in cases {
        assert_eq!(json(body).unwrap_err().to_string(), expected, "{body}");
    }
}

#[test]
fn a_record_may_be_nested_to_the_limit_and_no_deeper() {
    let nested = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    assert!(json(&nested(128)).is_ok());
    assert_eq!(json(&nested(129)), Err(Fault::TooDeep { at: 0, depth_max: 128 }));
    let maps = |depth: usize| [b"\x81\xa1a".repeat(depth), vec![1]].concat();
    assert!(read(Form::Msgpack, &maps(128)).is_ok());
    let fault = read(Form::Msgpack, &maps(129));
    assert_eq!(fault, Err(Fault::TooDeep { at: 0, depth_max: 128 }));
}

#[test]
fn maps_are_records_however_they_stand_in_a_body() {
    let (one, two): (&[u8], &[u8]) = (b"\x81\xa1a\x01", b"\x81\xa1a\x02");
    let expected = vec![one.to_vec(), two.to_vec()];
    let wide = [b"\xdd\0\0\0\x02".as_slice(), one, two].concat();
    let bodies = [
        [one, two].concat(),
        [b"\x92", one, two].concat(),
        [b"\x91", one, b"\x91", two].concat(),
        wide,
    ];
    for body in bodies {
        assert_eq!(read(Form::Msgpack, &body), Ok((expected.clone(), 0)), "{body:02x?}");
    }
    let body = [b"\x93\x05\xa1x".as_slice(), one].concat();
    assert_eq!(read(Form::Msgpack, &body), Ok((vec![one.to_vec()], 2)));
    assert_eq!(read(Form::Msgpack, b"\x05"), Err(Fault::NotMap { at: 0, byte: 5 }));
    assert_eq!(read(Form::Msgpack, b"\x80\xc1"), Err(Fault::NotMsgpack { at: 1 }));
    assert_eq!(read(Form::Msgpack, b""), Err(Fault::Empty));
    for cut in 1..wide_bytes().len() {
        let fault = read(Form::Msgpack, &wide_bytes()[..cut]);
        assert_eq!(fault, Err(Fault::Truncated { form: "msgpack", at: cut }));
    }
}

fn wide_bytes() -> Vec<u8> {
    b"\xdd\0\0\0\x02\x81\xa1a\x01\x81\xa1a\x02".to_vec()
}

#[test]
fn a_form_is_one_record_of_text() {
    let record = msgpack_fields(&[("log", "hello world!"), ("n", "5"), ("e", "")]);
    let body = b"log=hello+world%21&n=5&skipped&e=";
    assert_eq!(read(Form::Fields, body), Ok((vec![record], 0)));
    let long = "x".repeat(100_000);
    let record = msgpack_fields(&[("a", &long)]);
    assert_eq!(read(Form::Fields, format!("a={long}").as_bytes()), Ok((vec![record], 0)));
    assert_eq!(read(Form::Fields, b"no pair"), Err(Fault::NoPair));
    assert_eq!(read(Form::Fields, b""), Err(Fault::Empty));
}

#[test]
fn a_record_that_is_larger_than_a_step_is_read_as_any_other() {
    for bytes in [STEP_BYTES - 9, STEP_BYTES - 8, STEP_BYTES - 7, STEP_BYTES, 9 * STEP_BYTES] {
        let record = format!("{{\"a\":\"{}\"}}", "x".repeat(bytes));
        let packed = msgpack_of(&record);
        let expected = vec![packed.clone(), packed.clone()];
        let skipped = "7".repeat(bytes);
        assert_eq!(json(&format!("{record}{record}")), Ok((expected.clone(), 0)), "{bytes}");
        let array = format!("[{record},{skipped},[{record}],{record}]");
        assert_eq!(json(&array), Ok((expected.clone(), 2)), "{bytes}");
        assert_eq!(read(Form::Msgpack, &packed.repeat(2)), Ok((expected, 0)), "{bytes}");
    }
}

#[test]
fn a_step_ends_though_there_is_nothing_but_blanks() {
    let body = [b" ".repeat(3 * STEP_BYTES), b"{}".to_vec(), b"\n".repeat(2 * STEP_BYTES)].concat();
    let stamp =
        Stamp { time: EventTime::from_nanos(7), tag: "t".into(), tag_key: None, remote_addr: None };
    let (mut decoder, mut out) = (Decoder::new(Form::Json, &body), Tagged::new(stamp));
    let mut steps = 0;
    while decoder.step(&mut out).unwrap() {
        steps += 1;
    }
    assert_eq!((steps, out.records()), (5, 1));
}

#[test]
fn a_step_ends_when_its_room_is_full_whatever_fills_it() {
    let remote_addr = Some(crate::record::json_in::Pair { key: b"address", text: &[b'x'; 1_000] });
    for (form, body) in [(Form::Json, b"{}".repeat(1_000)), (Form::Msgpack, b"\x80".repeat(2_000))]
    {
        let stamp =
            Stamp { time: EventTime::from_nanos(7), tag: "t".into(), tag_key: None, remote_addr };
        let (mut decoder, mut out) = (Decoder::new(form, &body), Tagged::new(stamp));
        let mut goes_on = true;
        while goes_on {
            let paid = out.bytes() + decoder.room_bytes();
            goes_on = decoder.step(&mut out).unwrap();
            assert!(out.bytes() <= paid + SLACK, "{} of {paid}", out.bytes());
        }
        assert!(out.bytes() > 1_000_000);
    }
}

fn msgpack_fields(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut map = crate::record::edit::MapWriter::begin(&mut out);
    fields.iter().for_each(|(key, value)| map.text(key.as_bytes(), value.as_bytes()));
    map.end();
    out
}

proptest! {
    #[test]
    fn a_body_that_is_cut_is_refused_or_ends_between_two_records(
        numbers in prop::collection::vec(any::<u32>(), 1..20),
        is_array in any::<bool>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let records: Vec<_> = numbers.iter().map(|n| format!("{{\"n\":{n}}}")).collect();
        let body =
            if is_array { format!("[{}]", records.join(",")) } else { records.join("\n") };
        let cut = cut.index(body.len());
        let found = json(&body[..cut]);
        let whole = body[..cut].matches('}').count();
        match found {
            Ok((found, _)) => {
                let is_between = body[..cut].trim_end().ends_with('}');
                prop_assert!(!is_array && is_between);
                prop_assert_eq!(found.len(), whole);
            }
            Err(Fault::Empty | Fault::Truncated { .. }) => {}
            Err(other) => prop_assert!(false, "{}", other),
        }
        prop_assert_eq!(json(&body).unwrap().0.len(), numbers.len());
    }

    #[test]
    fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        for form in [Form::Json, Form::Msgpack, Form::Fields] {
            let _ = read(form, &body);
        }
    }
}
