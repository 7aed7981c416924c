//! What becomes of records, and what stays as it is.

use proptest::prelude::*;

use super::*;
use crate::chunk::fixture::{Fields, chunk, lines};
use crate::ledger::Account;
use crate::parser::fixture::parser;
use crate::record::accessor::Accessor;
use crate::record::fields::SharedField;

fn filter(key: &str, reserve_data: bool, preserve_key: bool) -> ParserFilter {
    let timed = [("format", "logfmt"), ("time_key", "t"), ("time_format", "%s")];
    let parsers = vec![
        Arc::new(parser("numbers", &[("format", "regex"), ("regex", r"^(?<n>\d+)$")])),
        Arc::new(parser("pairs", &[&timed[..], &[("logfmt_no_bare_keys", "on")]].concat())),
    ];
    let key = match key.strip_prefix('$') {
        Some(path) => Key::Path(Accessor::parse(path).expect("a path")),
        None => Key::Field(key.as_bytes().into()),
    };
    ParserFilter::new(Config { key, parsers, reserve_data, preserve_key })
}

fn shared(fields: Fields<'_>) -> SharedFields {
    let field = |(key, value): &(&str, &str)| SharedField {
        key: key.as_bytes().into(),
        value: value.as_bytes().into(),
        yields: false,
    };
    SharedFields::new(fields.iter().map(field).collect())
}

fn filtered(filter: &mut ParserFilter, records: &[Fields<'_>]) -> Vec<String> {
    let account = Arc::new(Account::default());
    lines(filter.apply(chunk(&account, "t", records)))
}

const RECORD: Fields<'_> = &[("log", "a=1 k=in"), ("k", "out"), ("z", "0")];

#[test]
fn what_is_found_comes_first_and_takes_the_place_of_the_record() {
    assert_eq!(filtered(&mut filter("log", false, false), &[RECORD]), ["a=1 k=in"]);
    assert_eq!(filtered(&mut filter("log", true, false), &[RECORD]), ["a=1 k=in k=out z=0"]);
}

#[test]
fn the_field_that_was_taken_apart_stays_on_request() {
    let preserved = filtered(&mut filter("log", false, true), &[RECORD]);
    assert_eq!(preserved, ["a=1 k=in log=a=1 k=in"]);
    let both = filtered(&mut filter("log", true, true), &[RECORD]);
    assert_eq!(both, ["a=1 k=in log=a=1 k=in k=out z=0"]);
}

#[test]
fn the_field_that_a_path_begins_with_stays_with_the_others() {
    assert_eq!(
        filtered(&mut filter("$log", true, false), &[RECORD]),
        ["a=1 k=in log=a=1 k=in k=out z=0"]
    );
    assert_eq!(filtered(&mut filter("$log", false, true), &[RECORD]), ["a=1 k=in log=a=1 k=in"]);
    assert_eq!(filtered(&mut filter("$log", false, false), &[RECORD]), ["a=1 k=in"]);
}

#[test]
fn the_first_parser_that_can_is_the_one() {
    let records: [Fields<'_>; 3] = [&[("log", "12")], &[("log", "a=1")], &[("log", "text")]];
    assert_eq!(filtered(&mut filter("log", false, false), &records), ["n=12", "a=1", "log=text"]);
}

#[test]
fn a_time_that_is_told_is_the_record_s() {
    let account = Arc::new(Account::default());
    let records: [Fields<'_>; 3] =
        [&[("log", "t=5 a=1")], &[("log", "a=1")], &[("log", "t=x a=1")]];
    let chunk = filter("log", false, false).apply(chunk(&account, "t", &records));
    let seconds = chunk.entries.iter().map(|(time, _)| time.as_nanos() / 1_000_000_000);
    assert_eq!(seconds.collect::<Vec<_>>(), [5, 1_700_000_001, 1_700_000_002]);
    assert_eq!(lines(chunk), ["a=1", "a=1", "log=t=x a=1"]);
}

#[test]
fn of_two_fields_of_the_name_the_last_is_taken_apart_and_both_go() {
    let twice: Fields<'_> = &[("log", "1"), ("log", "2"), ("z", "0")];
    assert_eq!(filtered(&mut filter("log", true, false), &[twice]), ["n=2 z=0"]);
}

#[test]
fn bytes_are_taken_apart_like_text_and_other_values_are_not() {
    let account = Arc::new(Account::default());
    for (value, expected) in
        [(&b"\xc4\x0212"[..], &b"\x81\xa1n\xa212"[..]), (b"\x05", b"\x81\xa3log\x05")]
    {
        let mut chunk = chunk(&account, "t", &[&[]]);
        let record = [b"\x81\xa3log", value].concat();
        let mut records = EntriesWriter::default();
        records.copy(EventTime::default(), &record);
        chunk.entries = Arc::new(records.finish());
        let chunk = filter("log", false, false).apply(chunk);
        assert_eq!(chunk.entries.iter().next().map(|(_, record)| record), Some(expected));
        chunk.delivered();
    }
}

#[test]
fn shared_fields_stay_shared_where_the_others_stay() {
    let account = Arc::new(Account::default());
    let mut chunk = chunk(&account, "t", &[&[("log", "12")], &[("log", "text")]]);
    chunk.shared = shared(&[("task", "t1"), ("n", "shared")]);
    let before = chunk.shared.clone();
    let chunk = filter("log", true, false).apply(chunk);
    assert!(chunk.shared.is_same(&before));
    assert_eq!(lines(chunk), ["n=12 task=t1 n=shared", "log=text task=t1 n=shared"]);
}

#[test]
fn shared_fields_go_with_the_others_of_the_records_that_are_taken_apart() {
    let account = Arc::new(Account::default());
    let mut chunk = chunk(&account, "t", &[&[("log", "12")], &[("log", "text")]]);
    chunk.shared = shared(&[("task", "t1")]);
    let chunk = filter("log", false, false).apply(chunk);
    assert_eq!(lines(chunk), ["n=12", "log=text task=t1"]);
}

#[test]
fn a_shared_field_can_be_taken_apart_itself() {
    let account = Arc::new(Account::default());
    let mut chunk = chunk(&account, "t", &[&[("log", "x")]]);
    chunk.shared = shared(&[("task", "t1"), ("id", "7")]);
    let chunk = filter("id", true, false).apply(chunk);
    assert_eq!(lines(chunk), ["n=7 log=x task=t1"]);
}

proptest! {
    #[test]
    fn what_no_parser_can_read_keeps_its_memory(
        texts in prop::collection::vec("[a-z ]{0,12}", 1..6),
        reserve_data: bool,
    ) {
        let account = Arc::new(Account::default());
        let records: Vec<_> = texts.iter().map(|text| [("log", text.as_str())]).collect();
        let records: Vec<&[_]> = records.iter().map(|one| one.as_slice()).collect();
        let mut chunk = chunk(&account, "t", &records);
        chunk.shared = shared(&[("task", "t1")]);
        let before = Arc::clone(&chunk.entries);
        let chunk = filter("log", reserve_data, false).apply(chunk);
        prop_assert!(Arc::ptr_eq(&before, &chunk.entries) && !chunk.shared.is_empty());
        chunk.delivered();
    }

    #[test]
    fn records_beside_those_that_are_taken_apart_stay_byte_for_byte(
        texts in prop::collection::vec(prop_oneof!["[a-z]{1,8}", "[0-9]{1,8}"], 1..8),
    ) {
        let account = Arc::new(Account::default());
        let records: Vec<_> = texts.iter().map(|text| [("log", text.as_str())]).collect();
        let records: Vec<&[_]> = records.iter().map(|one| one.as_slice()).collect();
        let before = chunk(&account, "t", &records);
        let untouched = before.entries.iter().map(|(_, record)| record.to_vec());
        let untouched: Vec<_> = untouched.collect();
        let after = filter("log", true, false).apply(before);
        for ((text, before), (_, after)) in texts.iter().zip(untouched).zip(after.entries.iter()) {
            let is_parsed = text.bytes().all(|byte| byte.is_ascii_digit());
            prop_assert_eq!(is_parsed, before != after);
        }
        after.delivered();
    }

    #[test]
    fn no_record_makes_it_panic(record in prop::collection::vec(any::<u8>(), 0..40)) {
        let account = Arc::new(Account::default());
        for key in ["log", "$log['a']"] {
            let mut chunk = chunk(&account, "t", &[&[]]);
            let mut records = EntriesWriter::default();
            records.copy(EventTime::default(), &[b"\x82\xa3log\xa17", record.as_slice()].concat());
            chunk.entries = Arc::new(records.finish());
            filter(key, true, false).apply(chunk).delivered();
        }
    }
}
