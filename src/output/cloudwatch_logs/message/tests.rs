//! What a record's message is, read back through the body it was written into.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::json::PAIRS_INLINE;
use super::layout::LAYOUTS_MAX;
use super::*;
use crate::record::fields::SharedField;
use crate::record::msgpack::Writer;

fn record(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut record = Vec::new();
    write(&mut Writer::new(&mut record));
    record
}

fn shared(fields: &[(&str, &str, bool)]) -> SharedFields {
    let field = |&(key, value, yields): &(&str, &str, bool)| SharedField {
        key: key.as_bytes().into(),
        value: value.as_bytes().into(),
        yields,
    };
    SharedFields::new(fields.iter().map(field).collect())
}

/// The message as the service would store it, checked against the bytes that were counted.
fn message(
    log_key: Option<&str>,
    record: &[u8],
    shared: &SharedFields,
) -> Result<String, NoMessage> {
    let mut body = b"\"".to_vec();
    let bytes = MessageWriter::new(log_key, Dialect::FluentBit).write(record, shared, &mut body)?;
    body.push(b'"');
    let message: String = serde_json::from_slice(&body).expect("a JSON string");
    assert_eq!(bytes, message.len(), "bytes are counted as the service counts them: {message}");
    Ok(message)
}

fn whole(record: &[u8]) -> String {
    message(None, record, &SharedFields::default()).expect("a message")
}

#[test]
fn a_record_is_one_line_of_json_in_the_order_of_its_keys() {
    let record = record(|writer| {
        writer.map_header(3);
        writer.str(b"log");
        writer.str(b"say \"hi\"\n");
        writer.str(b"n");
        writer.array_header(3);
        writer.uint(u64::MAX);
        writer.int(i64::MIN);
        writer.nil();
        writer.str(b"m");
        writer.map_header(1);
        writer.str(b"\x01");
        writer.bool(true);
    });
    let expected = r#"{"log":"say \"hi\"\n","n":[18446744073709551615,-9223372036854775808,null],"m":{"\u0001":true}}"#;
    assert_eq!(whole(&record), expected);
}

#[test]
fn floats_read_back_the_same_and_those_that_json_lacks_are_null() {
    let record = record(|writer| {
        writer.map_header(5);
        for (key, float) in [("a", 0.1 + 0.2), ("b", 1.0), ("c", f64::NAN), ("d", f64::INFINITY)] {
            writer.str(key.as_bytes());
            writer.f64(float);
        }
        writer.str(b"e");
        writer.f32(1.5);
    });
    let expected = r#"{"a":0.30000000000000004,"b":1.0,"c":null,"d":null,"e":1.5}"#;
    assert_eq!(whole(&record), expected);
}

#[test]
fn a_key_that_is_no_text_becomes_its_text() {
    let record = record(|writer| {
        writer.map_header(3);
        writer.uint(7);
        writer.uint(1);
        writer.nil();
        writer.uint(2);
        writer.array_header(1);
        writer.str(b"x");
        writer.uint(3);
    });
    assert_eq!(whole(&record), r#"{"7":1,"null":2,"[\"x\"]":3}"#);
}

#[test]
fn of_equal_keys_the_last_one_is_written_in_small_and_in_large_maps() {
    for keys in [2, PAIRS_INLINE + 9] {
        let record = record(|writer| {
            writer.map_header(u32::try_from(keys).expect("small"));
            for at in 0..keys {
                writer.str(b"k");
                writer.uint(at as u64);
            }
        });
        assert_eq!(whole(&record), format!(r#"{{"k":{}}}"#, keys - 1));
    }
}

#[test]
fn shared_fields_follow_the_records_own_and_take_their_place() {
    let record = record(|writer| {
        writer.map_header(2);
        writer.str(b"log");
        writer.str(b"x");
        writer.str(b"ecs_cluster");
        writer.str(b"old");
    });
    let fields = shared(&[("ecs_cluster", "new", false), ("other", "\"", false)]);
    let expected = r#"{"log":"x","ecs_cluster":"new","other":"\""}"#;
    assert_eq!(message(None, &record, &fields).as_deref(), Ok(expected));
}

#[test]
fn a_shared_field_that_yields_leaves_the_records_own_alone() {
    let record = record(|writer| {
        writer.map_header(1);
        writer.str(b"container_id");
        writer.str(b"own");
    });
    let fields = shared(&[("container_id", "theirs", true), ("container_name", "app", true)]);
    let expected = r#"{"container_id":"own","container_name":"app"}"#;
    assert_eq!(message(None, &record, &fields).as_deref(), Ok(expected));
}

#[test]
fn an_empty_record_has_no_message_unless_fields_are_added() {
    let none = SharedFields::default();
    assert_eq!(message(None, b"\x80", &none), Err(NoMessage::None(Reason::Empty)));
    let one = shared(&[("a", "b", false)]);
    assert_eq!(message(None, b"\x80", &one).as_deref(), Ok(r#"{"a":"b"}"#));
}

#[test]
fn with_log_key_the_message_is_the_text_alone_and_other_values_are_json() {
    let none = SharedFields::default();
    let text = record(|writer| {
        writer.map_header(2);
        writer.str(b"a");
        writer.uint(1);
        writer.str(b"log");
        writer.str(b"{\"a\":\"b\\n\"}");
    });
    assert_eq!(message(Some("log"), &text, &none).as_deref(), Ok(r#"{"a":"b\n"}"#));
    assert_eq!(message(Some("a"), &text, &none).as_deref(), Ok("1"));
    assert_eq!(message(Some("lo"), &text, &none), Err(NoMessage::None(Reason::LogKeyMissing)));
    assert_eq!(
        message(Some("log"), b"\x81\xa3log\xa0", &none),
        Err(NoMessage::None(Reason::Empty))
    );
}

#[test]
fn each_value_under_a_repeated_log_key_is_a_message() {
    let none = SharedFields::default();
    let twice = record(|writer| {
        writer.map_header(4);
        for (key, value) in [("log", "one"), ("x", "no"), ("log", ""), ("log", "two")] {
            writer.str(key.as_bytes());
            writer.str(value.as_bytes());
        }
    });
    assert_eq!(message(Some("log"), &twice, &none), Err(NoMessage::Several));
    let texts = |record: &[u8], fields| {
        MessageWriter::new(Some("log"), Dialect::FluentBit).texts(record, fields)
    };
    assert_eq!(texts(&twice, &none), [b"one", b"two"]);

    let number = b"\x81\xa3log\x07";
    let added = shared(&[("log", "added", false)]);
    assert_eq!(message(Some("log"), number, &added), Err(NoMessage::Several));
    assert_eq!(texts(number, &added), [b"7".as_slice(), b"added"]);
    let yields = shared(&[("log", "theirs", true)]);
    assert_eq!(message(Some("log"), number, &yields).as_deref(), Ok("7"));
    assert_eq!(message(Some("log"), b"\x80", &yields).as_deref(), Ok("theirs"));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter("JSON has no others", |n| n.is_finite()).prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            proptest::collection::btree_map(".*", inner, 0..8)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn pack(value: &Value, writer: &mut Writer<'_>) {
    match value {
        Value::Null => writer.nil(),
        Value::Bool(value) => writer.bool(*value),
        Value::String(text) => writer.str(text.as_bytes()),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => writer.uint(number),
            (None, Some(number)) => writer.int(number),
            (None, None) => writer.f64(number.as_f64().expect("a float")),
        },
        Value::Array(values) => {
            writer.array_header(u32::try_from(values.len()).expect("small"));
            values.iter().for_each(|value| pack(value, writer));
        }
        Value::Object(map) => {
            writer.map_header(u32::try_from(map.len()).expect("small"));
            for (key, value) in map {
                writer.str(key.as_bytes());
                pack(value, writer);
            }
        }
    }
}

proptest! {
    #[test]
    fn any_json_record_reads_back_as_itself(value in any_json()) {
        let value = json!({ "value": value });
        let packed = record(|writer| pack(&value, writer));
        let read: Value = serde_json::from_str(&whole(&packed)).expect("the message is JSON");
        prop_assert_eq!(read, value);
    }

    #[test]
    fn any_bytes_are_a_record_or_none_and_never_a_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut body = Vec::new();
        let written = MessageWriter::new(None, Dialect::FluentBit).write(&bytes, &SharedFields::default(), &mut body);
        if written.is_err() {
            prop_assert!(body.is_empty(), "what has no message leaves no trace");
        }
    }
}

/// Records of few kinds: two keys that may repeat, so that kinds come again, and one begins with the other.
fn kinds() -> impl Strategy<Value = Vec<u8>> {
    let key = prop_oneof![Just(b"a".as_slice()), Just(b"ab".as_slice()), Just(b"\"".as_slice())];
    let value = prop_oneof![
        Just(b"\xa1x".as_slice()),
        Just(b"\x81\xa1m\x07".as_slice()),
        Just(b"\xc0".as_slice())
    ];
    let pairs = proptest::collection::vec((key, value), 0..4);
    (pairs, prop_oneof![Just(0_usize), Just(PAIRS_INLINE), Just(PAIRS_INLINE + 1)]).prop_map(
        |(pairs, more)| {
            let mut bytes = Vec::new();
            let mut writer = Writer::new(&mut bytes);
            writer.map_header(u32::try_from(pairs.len() + more).expect("few"));
            for (key, value) in pairs {
                writer.str(key);
                writer.raw(value);
            }
            for at in 0..more {
                writer.uint(at as u64);
                writer.nil();
            }
            bytes
        },
    )
}

proptest! {
    /// What a writer remembers of the records before shows in nothing that it writes.
    #[test]
    fn a_record_is_written_alike_whatever_was_written_before(
        records in proptest::collection::vec((kinds(), 0_usize..3), 0..5 * LAYOUTS_MAX),
    ) {
        let of_chunk = [
            SharedFields::default(),
            shared(&[("a", "of the task", false), ("z", "\"", false)]),
            shared(&[("ab", "if there is none", true), ("a", "first", false), ("a", "then", false)]),
        ];
        let mut used = MessageWriter::new(None, Dialect::FluentBit);
        for (record, at) in records {
            let (mut body, mut alone) = (b"before".to_vec(), b"before".to_vec());
            let written = used.write(&record, &of_chunk[at], &mut body);
            let expected =
                MessageWriter::new(None, Dialect::FluentBit).write(&record, &of_chunk[at], &mut alone);
            prop_assert_eq!(written, expected);
            prop_assert_eq!(body, alone);
        }
    }

    /// A record of a kind that is known, cut anywhere, is refused and leaves nothing.
    #[test]
    fn a_record_that_is_cut_is_refused_and_leaves_the_body_as_it_was(record in kinds(), cut: prop::sample::Index) {
        let mut writer = MessageWriter::new(None, Dialect::FluentBit);
        let mut body = Vec::new();
        let _known = writer.write(&record, &SharedFields::default(), &mut body);
        body.clear();
        let part = &record[..cut.index(record.len())];
        prop_assert!(writer.write(part, &SharedFields::default(), &mut body).is_err());
        prop_assert!(body.is_empty());
    }
}
