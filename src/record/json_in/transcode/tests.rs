//! `transcode` against `serde_json`, and where it is kinder.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::record::msgpack::{Reader, Token};

fn transcode(text: &[u8]) -> Result<(usize, Vec<u8>), JsonError> {
    let mut out = Vec::new();
    Transcoder::new(8).transcode(text, None, &mut out).map(|end| (end, out))
}

fn read(reader: &mut Reader<'_>) -> Value {
    let text = |bytes: &[u8]| str::from_utf8(bytes).expect("utf-8").to_owned();
    match reader.token().expect("valid msgpack") {
        Token::Nil => Value::Null,
        Token::Bool(value) => value.into(),
        Token::UInt(value) => value.into(),
        Token::Int(value) => value.into(),
        Token::F32(value) => value.into(),
        Token::F64(value) => value.into(),
        Token::Str(value) => text(value).into(),
        Token::Bin(_) | Token::Ext(..) => panic!("JSON has no such value"),
        Token::Array(values) => (0..values).map(|_| read(reader)).collect(),
        Token::Map(pairs) => (0..pairs)
            .map(|_| (text(reader.text().expect("a key")), read(reader)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
    }
}

fn value(text: &str) -> Value {
    let (end, out) = transcode(text.as_bytes()).expect("valid JSON");
    assert_eq!(end, text.len());
    let mut reader = Reader::new(&out);
    let value = read(&mut reader);
    assert!(reader.rest().is_empty());
    value
}

#[test]
fn integers_are_exact_to_64_bits_and_doubles_beyond() {
    assert_eq!(value("18446744073709551615"), u64::MAX);
    assert_eq!(value("-9223372036854775808"), i64::MIN);
    assert_eq!(value("18446744073709551616"), 18_446_744_073_709_551_616.0);
    assert_eq!(value("-9223372036854775809"), -9_223_372_036_854_775_808.0);
    assert_eq!(transcode(b"-0").expect("valid"), (2, b"\0".to_vec()));
    assert_eq!(transcode(b"-0.0").expect("valid").1, b"\xcb\x80\0\0\0\0\0\0\0");
    assert_eq!(transcode(b"1e400").expect("valid").1, b"\xcb\x7f\xf0\0\0\0\0\0\0");
}

#[test]
fn half_a_surrogate_pair_becomes_the_replacement_character() {
    assert_eq!(value(r#""\ud83d\ude00""#), "\u{1f600}");
    assert_eq!(value(r#""a\ud800b""#), "a\u{fffd}b");
    assert_eq!(value(r#""\ud800\n\udc00""#), "\u{fffd}\n\u{fffd}");
    assert_eq!(value(r#""\ud800\ud83d\ude00""#), "\u{fffd}\u{1f600}");
}

#[test]
fn bytes_that_are_not_utf_8_and_control_characters_stay_as_they_are() {
    assert_eq!(transcode(b"\"\xff\x01\t\"").expect("kept").1, b"\xa3\xff\x01\t");
}

#[test]
fn keys_keep_their_order_and_may_repeat() {
    let (_, out) = transcode(br#"{"b":1,"a":2,"b":3}"#).expect("valid");
    assert_eq!(out, b"\xde\x00\x03\xa1b\x01\xa1a\x02\xa1b\x03");
}

#[test]
fn a_pair_more_goes_to_the_outermost_object_only() {
    let extra = Some(Pair { key: b"peer", text: b"x" });
    let mut out = Vec::new();
    let mut transcoder = Transcoder::new(8);
    transcoder.transcode(b"{}", extra, &mut out).expect("valid");
    transcoder.transcode(br#"{"a":{}}"#, extra, &mut out).expect("valid");
    transcoder.transcode(b"[{}]", extra, &mut out).expect("valid");
    let expected = b"\xde\x00\x01\xa4peer\xa1x\xde\x00\x02\xa1a\xde\x00\x00\xa4peer\xa1x\xdc\x00\x01\xde\x00\x00";
    assert_eq!(out, expected);
}

fn pairs(text: &str) -> Result<(Object, Vec<u8>), JsonError> {
    let mut out = b"before".to_vec();
    let object = Transcoder::new(8).transcode_pairs(text.as_bytes(), &mut out);
    assert!(out.starts_with(b"before") && (object.is_ok() || out.len() == 6));
    object.map(|object| (object, out.split_off(6)))
}

#[test]
fn the_pairs_of_an_object_come_without_its_header() {
    let (object, out) = pairs(r#" {"a":{"b":[1]} , "a" :2} x"#).expect("an object");
    assert_eq!(object, Object { end: 25, pairs: 2 });
    assert_eq!(out, b"\xa1a\xde\x00\x01\xa1b\xdc\x00\x01\x01\xa1a\x02");
    assert_eq!(pairs("{ }"), Ok((Object { end: 3, pairs: 0 }, Vec::new())));
    for text in
        ["", "[]", "1", "{", "{,}", "{\"a\"}", "{\"a\":1,}", "{\"a\":1 2}", "{\"a\":}", "{1:1}"]
    {
        assert!(pairs(text).is_err(), "{text}");
    }
}

#[test]
fn a_strict_transcoder_leaves_control_characters_and_infinite_numbers_alone() {
    let strict = |text: &str| {
        Transcoder::strict(8).transcode(text.as_bytes(), None, &mut Vec::new()).is_ok()
    };
    for text in ["\"a\tb\"", "{\"\u{1}\":1}", "\"\\n\n\"", "1e400", "[-1e400]"] {
        assert!(!strict(text) && transcode(text.as_bytes()).is_ok(), "{text:?}");
    }
    for text in ["{\n\"a\":\"\\u0001\\n é\u{7f}\"\t}", "1e308"] {
        assert!(strict(text), "{text:?}");
    }
}

#[test]
fn an_object_without_header_counts_as_a_container() {
    let nested = |depth| pairs(&format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth)));
    assert!(nested(7).is_ok());
    assert_eq!(nested(8).map(|_| ()), Err(JsonError::TooDeep { depth_max: 8 }));
}

#[test]
fn a_container_takes_more_values_than_16_bits_count() {
    let text = format!("[{}0]", "0,".repeat(65_535));
    assert_eq!(transcode(text.as_bytes()).expect("valid").1[..6], *b"\xdd\x00\x01\x00\x00\x00");
    assert_eq!(value(&text).as_array().map(Vec::len), Some(65_536));
}

#[test]
fn eight_containers_in_each_other_are_taken_and_nine_are_not() {
    let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(transcode(nested(8).as_bytes()).is_ok());
    assert_eq!(transcode(nested(9).as_bytes()), Err(JsonError::TooDeep { depth_max: 8 }));
}

#[test]
fn what_is_no_json_is_refused_and_leaves_no_bytes() {
    for text in ["{bad json}", "[1,]", "{,}", "{\"a\"}", "01x", "[01]", "[1 2]", "[}", "nul!", "-x"]
    {
        let mut out = b"before".to_vec();
        let result = Transcoder::new(8).transcode(text.as_bytes(), None, &mut out);
        assert!(result.is_err() || text == "01x", "{text}");
        assert_eq!(out[..6], *b"before");
    }
    assert_eq!(transcode(b"{\"a\":"), Err(JsonError::Truncated));
}

fn json() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    scalar.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..8)
                .prop_map(|pairs| pairs.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

proptest! {
    #[test]
    fn every_json_value_reads_back_as_serde_json_wrote_it(json in json(), pretty: bool) {
        let text = if pretty { format!("{json:#}") } else { json.to_string() };
        prop_assert_eq!(value(&text), json);
    }

    #[test]
    fn the_same_text_is_json_here_and_for_serde_json(text in r#"[\[\]{}",:0-9.eE+\-a\\n tru]{0,12}"#) {
        // A string cannot hold what the two judge differently: there is no control character.
        let ours = transcode(text.as_bytes()).ok().map(|(end, _)| text[end..].trim().is_empty());
        let range = text.contains(['e', 'E']);
        prop_assume!(!range || ours != Some(true));
        prop_assert_eq!(ours == Some(true), serde_json::from_str::<Value>(&text).is_ok());
    }

    #[test]
    fn an_object_has_the_same_pairs_with_its_header_and_without(
        text in r#"[{][\[\]{}",:0-9.eE+\-a\\n tru]{0,12}"#,
    ) {
        match (transcode(text.as_bytes()), pairs(&text)) {
            (Ok((end, out)), Ok((object, pairs))) => {
                prop_assert_eq!((end, &out[3..]), (object.end, &pairs[..]));
                prop_assert_eq!(out[2], u8::try_from(object.pairs).expect("few"));
            }
            (with, without) => prop_assert_eq!(with.map(|_| ()), without.map(|_| ())),
        }
    }

    #[test]
    fn arbitrary_text_neither_panics_nor_leaves_bytes_behind(text: Vec<u8>) {
        let mut out = Vec::new();
        if Transcoder::new(8).transcode(&text, None, &mut out).is_err() {
            prop_assert!(out.is_empty());
        }
    }
}
