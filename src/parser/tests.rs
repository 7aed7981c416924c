//! Texts of each format → fields, as Fluent Bit 5.1.1 gives them, and where it loses some.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::record::{json_out, map};

/// 2023-11-14T22:13:20Z.
const NOW: EventTime = EventTime::from_parts(1_700_000_000, 0);

fn parser(options: &[(&str, &str)]) -> Parser {
    fixture::parser("p", options)
}

/// The pairs as JSON, in their order, and what else the text came to.
fn parsed(parser: &Parser, text: &[u8]) -> Option<(String, Parsed)> {
    let mut out = b"before".to_vec();
    let parsed = parser.parse(text, NOW, &mut out);
    assert!(out.starts_with(b"before"));
    let pairs = out.split_off(6);
    let Some(parsed) = parsed else {
        assert!(pairs.is_empty(), "a text of another format leaves nothing");
        return None;
    };
    let mut record = Vec::new();
    crate::record::msgpack::Writer::new(&mut record).map_header(parsed.pairs);
    record.extend_from_slice(&pairs);
    assert_eq!(map::pairs(&record).expect("a map").count() as u64, u64::from(parsed.pairs));
    let mut text = Vec::new();
    json_out::write(&record, &mut text).expect("a whole map");
    Some((String::from_utf8(text).expect("utf-8"), parsed))
}

fn fields(parser: &Parser, text: &str) -> Option<String> {
    parsed(parser, text.as_bytes()).map(|(fields, _)| fields)
}

fn seconds(parser: &Parser, text: &str) -> Option<i64> {
    let time = parsed(parser, text.as_bytes()).expect("it parses").1.time?;
    Some(time.as_nanos() / 1_000_000_000)
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

const TIME: [(&str, &str); 2] = [("time_key", "t"), ("time_format", "%FT%T")];

#[test]
fn json_is_one_object_with_white_space_around_it() {
    let json = parser(&[("format", "json")]);
    assert_eq!(
        fields(&json, " {\"a\":{\"b\":[1,null]},\"a\":2}\n"),
        some(r#"{"a":{"b":[1,null]},"a":2}"#)
    );
    assert_eq!(fields(&json, "{}"), some("{}"));
    for text in ["", "[]", "1", "\"a\"", "{\"a\":1} rest", "{\"a\":1}}", "{\"a\":1}{\"b\":2}"] {
        assert_eq!(fields(&json, text), None, "{text}");
    }
    for text in ["{\"a\":1", "{\"a\":\"raw\ttab\"}", "{\"a\":1e400}"] {
        assert_eq!(fields(&json, text), None, "{text}");
    }
}

#[test]
fn the_time_of_json_goes_where_it_was_read_and_stays_where_it_was_not() {
    let json = parser(&[&[("format", "json")], &TIME[..]].concat());
    let text = r#"{"a":1,"t":"2023-11-14T20:00:00","b":2}"#;
    assert_eq!(
        (fields(&json, text), seconds(&json, text)),
        (some(r#"{"a":1,"b":2}"#), Some(1_699_992_000))
    );
    for text in [r#"{"t":"yesterday","b":2}"#, r#"{"t":1699992000}"#, r#"{"b":2}"#] {
        assert_eq!((fields(&json, text), seconds(&json, text)), (some(text), None));
    }
    let odd = |text: &str| parsed(&json, text.as_bytes()).expect("it parses").1.is_time_odd;
    assert!(odd(r#"{"t":"yesterday"}"#) && !odd(r#"{"t":1}"#) && !odd("{}") && !odd(text));
    let twice = r#"{"t":"2023-11-14T20:00:00","t":"x"}"#;
    assert_eq!(fields(&json, twice), some(r#"{"t":"x"}"#), "the first is the time");
}

#[test]
fn a_time_is_kept_on_request() {
    for format in
        [[("format", "json"), ("regex", "x")], [("format", "regex"), ("regex", "(?<t>.*)")]]
    {
        let keeping = parser(&[&format[..], &TIME, &[("time_keep", "on")]].concat());
        let text = if format[0].1 == "json" {
            r#"{"t":"2023-11-14T20:00:00"}"#
        } else {
            "2023-11-14T20:00:00"
        };
        assert_eq!(fields(&keeping, text), some(r#"{"t":"2023-11-14T20:00:00"}"#));
        assert_eq!(seconds(&keeping, text), Some(1_699_992_000));
    }
}

#[test]
fn the_first_instant_of_1970_is_no_time() {
    let epoch = parser(&[("format", "json"), ("time_key", "t"), ("time_format", "%s")]);
    assert_eq!((seconds(&epoch, r#"{"t":"0"}"#), seconds(&epoch, r#"{"t":"1"}"#)), (None, Some(1)));
}

#[test]
fn types_do_not_hold_for_json() {
    let json = parser(&[("format", "json"), ("types", "a:integer")]);
    assert_eq!(fields(&json, r#"{"a":"1"}"#), some(r#"{"a":"1"}"#));
}

#[test]
fn a_regex_gives_a_field_for_each_named_group_in_their_order() {
    let regex = parser(&[
        ("format", "regex"),
        ("regex", r"^(?<b>\w+) (x)?(?<a>\w*)$"),
        ("types", "a:integer"),
    ]);
    assert_eq!(fields(&regex, "k 12"), some(r#"{"b":"k","a":12}"#));
    assert_eq!(fields(&regex, "k "), some(r#"{"b":"k"}"#));
    assert_eq!(fields(&regex, "k"), None);
}

#[test]
fn a_pattern_is_found_only_if_one_of_its_names_took_part() {
    let optional = parser(&[("format", "regex"), ("regex", "^x(?<a>y)?")]);
    assert_eq!((fields(&optional, "xy"), fields(&optional, "x")), (some(r#"{"a":"y"}"#), None));
    let empty = parser(&[("format", "regex"), ("regex", "^(?<a>.*)$")]);
    assert_eq!(fields(&empty, ""), some("{}"));
    let unnamed = parser(&[("format", "regex"), ("regex", "^(.*)$")]);
    assert_eq!(fields(&unnamed, "x"), None);
}

#[test]
fn empty_values_are_kept_on_request_and_never_hide_another() {
    let options = [
        ("format", "regex"),
        ("regex", "^(?:(?<a>x)|(?<a>y))(?<b>z)?"),
        ("skip_empty_values", "off"),
    ];
    let regex = parser(&options);
    assert_eq!(fields(&regex, "x"), some(r#"{"a":"x","b":""}"#));
    assert_eq!(fields(&regex, "yz"), some(r#"{"a":"y","b":"z"}"#));
}

#[test]
fn the_time_of_a_regex_goes_also_where_it_was_not_read() {
    let options = [("format", "regex"), ("regex", r"^(?<t>\S+) (?<m>.*)$")];
    let regex = parser(&[&options[..], &TIME].concat());
    assert_eq!(fields(&regex, "2023-11-14T20:00:00.5Z m"), some(r#"{"m":"m"}"#));
    assert_eq!(seconds(&regex, "2023-11-14T20:00:00.5Z m"), Some(1_699_992_000));
    let (fields_of_odd, odd) = parsed(&regex, b"yesterday m").expect("it parses");
    assert_eq!((fields_of_odd.as_str(), odd.time, odd.is_time_odd), (r#"{"m":"m"}"#, None, true));
    let keeping = parser(&[&options[..], &TIME, &[("time_keep", "on")]].concat());
    assert_eq!(fields(&keeping, "yesterday m"), some(r#"{"t":"yesterday","m":"m"}"#));
}

#[test]
fn ltsv_is_labels_and_values_with_tabs_between() {
    let ltsv = parser(&[("format", "ltsv"), ("types", "size:integer")]);
    assert_eq!(
        fields(&ltsv, "host:127.0.0.1\tuser:-\tsize:12\treq:GET / HTTP/1.1\tempty:\r\n"),
        some(r#"{"host":"127.0.0.1","user":"-","size":12,"req":"GET / HTTP/1.1","empty":""}"#)
    );
    assert_eq!(fields(&ltsv, "a:1\t\tb:2\t"), some(r#"{"a":"1","b":"2"}"#));
    for text in ["", "text", "a:1\trest", "a:1\t:x", "a:1\nb:2", "a b:1", "a:1\0", "\t"] {
        assert_eq!(fields(&ltsv, text), None, "{text:?}");
    }
}

#[test]
fn logfmt_is_keys_with_values_or_without() {
    let logfmt = parser(&[("format", "logfmt")]);
    assert_eq!(
        fields(&logfmt, "a=1 b=\"x y\" c d= e=\"\" f=\"q \\\"w\\\" \\u00e9\"\n"),
        some(r#"{"a":"1","b":"x y","c":true,"d":true,"e":"","f":"q \"w\" é"}"#)
    );
    assert_eq!(fields(&logfmt, "  =\" a=\"open"), some(r#"{"a":"open"}"#));
    assert_eq!(fields(&logfmt, r#"a="x\"#), some(r#"{"a":"x\\"}"#));
    assert_eq!(fields(&logfmt, "a=b=c"), some(r#"{"a":"b","c":true}"#));
    for text in ["", " = \"", "a=1\nb=2"] {
        assert_eq!(fields(&logfmt, text), None, "{text:?}");
    }
}

#[test]
fn bare_keys_can_be_refused() {
    let strict = parser(&[("format", "logfmt"), ("logfmt_no_bare_keys", "on")]);
    assert_eq!(fields(&strict, "a=1 d="), some(r#"{"a":"1","d":true}"#));
    assert_eq!(fields(&strict, "a=1 c"), None);
}

#[test]
fn once_one_field_of_logfmt_has_a_type_the_others_are_as_written() {
    let typed = parser(&[("format", "logfmt"), ("types", "a:integer")]);
    assert_eq!(fields(&typed, r#"a=1 c e="\"""#), some(r#"{"a":1,"c":"","e":"\\\""}"#));
}

#[test]
fn a_time_that_does_not_fit_makes_ltsv_and_logfmt_fail() {
    for (format, good, bad, bare) in [
        ("ltsv", "t:2023-11-14T20:00:00\ta:1", "t:x\ta:1", "t:2023-11-14T20:00:00"),
        ("logfmt", "t=2023-11-14T20:00:00 a=1", "t=x a=1", "t=2023-11-14T20:00:00"),
    ] {
        let timed = parser(&[&[("format", format)], &TIME[..]].concat());
        assert_eq!(fields(&timed, good), some(r#"{"a":"1"}"#));
        assert_eq!(seconds(&timed, good), Some(1_699_992_000));
        assert_eq!((fields(&timed, bad), fields(&timed, bare)), (None, None), "{format}");
        let keeping = parser(&[&[("format", format), ("time_keep", "on")], &TIME[..]].concat());
        assert_eq!(fields(&keeping, bare), some(r#"{"t":"2023-11-14T20:00:00"}"#));
    }
}

#[test]
fn a_field_can_be_decoded_in_its_place() {
    let docker = parser(&[
        ("format", "json"),
        ("decode_field_as", "escaped_utf8 log do_next"),
        ("decode_field_as", "json log"),
    ]);
    assert_eq!(
        fields(&docker, r#"{"log":"{\"a\":1}\n","s":"x"}"#),
        some(r#"{"log":{"a":1},"s":"x"}"#)
    );
    assert_eq!(fields(&docker, r#"{"log":"plain\\ttext"}"#), some(r#"{"log":"plain\ttext"}"#));
    assert_eq!(fields(&docker, r#"{"log":5}"#), some(r#"{"log":5}"#));
    let json = parser(&[("format", "json"), ("decode_field_as", "json log")]);
    assert_eq!(fields(&json, r#"{"log":"{\"a\":1} rest"}"#), some(r#"{"log":"{\"a\":1} rest"}"#));
    assert_eq!(fields(&json, r#"{"log":"[1]"}"#), some(r#"{"log":"[1]"}"#));
}

#[test]
fn the_first_decoder_that_succeeds_is_the_last_unless_it_says_do_next() {
    let decode = |first: &str, second: &str, text: &str| {
        let lines = [("format", "json"), ("decode_field_as", first), ("decode_field_as", second)];
        fields(&parser(&lines), text)
    };
    let text = r#"{"a":"'{}\\n'"}"#;
    assert_eq!(decode("mysql_quoted a", "json a", text), some(r#"{"a":"{}\n"}"#));
    assert_eq!(decode("mysql_quoted a do_next", "json a", text), some(r#"{"a":{}}"#));
    assert_eq!(decode("json a", "escaped a", text), some(r#"{"a":"'{}\\n'"}"#));
    assert_eq!(decode("json a try_next", "escaped a", text), some(r#"{"a":"'{}\n'"}"#));
}

#[test]
fn decoded_fields_can_be_appended() {
    let lines = [
        ("format", "json"),
        ("decode_field", "json a"),
        ("decode_field", "json b"),
        ("time_key", "t"),
        ("time_format", "%s"),
    ];
    let appending = parser(&lines);
    assert_eq!(
        fields(&appending, r#"{"a":"{\"x\":1,\"t\":\"5\"}","b":"{\"y\":2}","c":3}"#),
        some(r#"{"a":"{\"x\":1,\"t\":\"5\"}","b":"{\"y\":2}","c":3,"x":1,"y":2}"#)
    );
    assert_eq!(seconds(&appending, r#"{"a":"{\"t\":\"5\"}"}"#), Some(5));
    assert_eq!(fields(&appending, r#"{"a":"text"}"#), some(r#"{"a":"text"}"#));
}

#[test]
fn bytes_that_are_no_utf_8_stay_as_they_are() {
    let regex = parser(&[("format", "regex"), ("regex", "^(?<a>.*)=(?<b>.*)$")]);
    let mut out = Vec::new();
    let parsed = regex.parse(b"\xff=\xc3x", NOW, &mut out).expect("it parses");
    assert_eq!((parsed.pairs, out.as_slice()), (2, &b"\xa1a\xa1\xff\xa1b\xa2\xc3x"[..]));
}

fn every_kind() -> Vec<Parser> {
    let time = [("time_key", "t"), ("time_format", "%b %d %H:%M:%S.%L %z")];
    let decode = [("decode_field_as", "escaped_utf8 a do_next"), ("decode_field", "json a")];
    let formats: [&[(&str, &str)]; 5] = [
        &[("format", "json")],
        &[("format", "regex"), ("regex", r"^(?<a>[^ ]*)(?: (?<t>.*))?"), ("types", "a:hex")],
        &[("format", "ltsv")],
        &[("format", "logfmt"), ("types", "a:float")],
        &[("format", "logfmt"), ("logfmt_no_bare_keys", "on")],
    ];
    formats.iter().map(|format| parser(&[format, &time[..], &decode].concat())).collect()
}

proptest! {
    #[test]
    fn no_text_makes_any_parser_panic(
        text in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..64),
            "[at:=\"\\\\ \t\n{}\\[\\],0-9u]{0,48}".prop_map(String::into_bytes),
        ],
    ) {
        for parser in every_kind() {
            let _ = parsed(&parser, &text);
        }
    }

    #[test]
    fn every_object_reads_back_as_it_was_written(
        pairs in prop::collection::btree_map("[a-z]{1,8}", value(), 0..20),
        white in "[ \t\r\n]{0,3}",
    ) {
        let object = json!(pairs);
        let text = format!("{white}{object}{white}");
        let written = fields(&parser(&[("format", "json")]), &text).expect("an object");
        let read: Value = serde_json::from_str(&written).expect("json");
        prop_assert_eq!(read, object);
    }
}

fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    scalar
        .prop_recursive(3, 16, 4, |inner| prop::collection::vec(inner, 0..4).prop_map(Value::from))
}
