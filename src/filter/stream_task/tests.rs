//! What is copied where, and that the records themselves go on untouched.

use proptest::prelude::*;

use super::query::Query;
use super::*;
use crate::chunk::STREAMS;
use crate::chunk::fixture::{Fields, chunk, lines};
use crate::ledger::Account;
use crate::record::fields::SharedField;

fn task(query: &str) -> StreamTask {
    let query = Query::parse(&format!("CREATE STREAM s {query};")).expect("a query");
    StreamTask::new(Config { emitter: STREAMS, origin: Origin::Tag("*".to_owned()), query })
}

fn pass() -> Pass {
    Pass::new(crate::clock::now())
}

/// `tag: record` of the copies that are made of these records.
fn copied(query: &str, records: &[Fields<'_>]) -> Vec<String> {
    let account = Arc::new(Account::default());
    let mut pass = pass();
    let chunk = chunk(&account, "app", records);
    let before = Arc::clone(&chunk.entries);
    let after = task(query).apply(chunk, &mut pass);
    assert!(Arc::ptr_eq(&before, &after.entries), "the records go on as they are");
    after.delivered();
    let copies = pass.emitted.into_iter().flat_map(|chunk| {
        let tag = chunk.tag.to_string();
        lines(chunk).into_iter().map(move |line| format!("{tag}: {line}"))
    });
    let copies: Vec<_> = copies.collect();
    let balance = account.balance();
    assert_eq!((balance.made, balance.held), (copies.len() as u64, 0));
    copies
}

const RECORDS: &[Fields<'_>] =
    &[&[("level", "error"), ("log", "a")], &[("level", "info"), ("log", "b")], &[("log", "c")]];

#[test]
fn records_that_fulfil_the_condition_are_copied_to_the_tag_of_the_stream() {
    let query = "WITH (tag='logs.error') AS SELECT * FROM TAG:'app*' WHERE level = 'error'";
    assert_eq!(copied(query, RECORDS), ["logs.error: level=error log=a"]);
    assert_eq!(copied("AS SELECT * FROM TAG:'app'", RECORDS).len(), 3);
    assert!(copied("AS SELECT * FROM TAG:'app' WHERE level = 'none'", RECORDS).is_empty());
}

#[test]
fn fields_are_selected_and_named() {
    let query = "AS SELECT log AS text, level, RECORD_TAG() AS tag, none FROM TAG:'app'";
    let expected =
        ["s: text=a level=error tag=app", "s: text=b level=info tag=app", "s: text=c tag=app"];
    assert_eq!(copied(query, RECORDS), expected);
    assert_eq!(
        copied("AS SELECT level FROM TAG:'app'", RECORDS),
        ["s: level=error", "s: level=info"]
    );
    let query = "AS SELECT *, log AS again FROM TAG:'app' WHERE NOT @record.contains(level)";
    assert_eq!(copied(query, RECORDS), ["s: log=c again=c"]);
}

#[test]
fn the_time_of_a_record_is_seconds() {
    let account = Arc::new(Account::default());
    let mut pass = pass();
    let query = "AS SELECT RECORD_TIME() AS t FROM TAG:'app'";
    task(query).apply(chunk(&account, "app", &[&[]]), &mut pass).delivered();
    let copy = pass.emitted.pop().expect("a copy");
    let (_, record) = copy.entries.iter().next().expect("a record");
    assert_eq!(record, b"\x81\xa1t\xcb\x41\xd9\x54\xfc\x40\0\0\0");
    copy.delivered();
}

#[test]
fn shared_fields_are_looked_at_copied_and_selected() {
    for (query, expected) in [
        ("AS SELECT * FROM TAG:'a' WHERE cluster = 'blue'", "log=x cluster=blue"),
        ("AS SELECT cluster AS c FROM TAG:'a'", "c=blue"),
    ] {
        let account = Arc::new(Account::default());
        let mut chunk = chunk(&account, "a", &[&[("log", "x")]]);
        let [key, value] = ["cluster", "blue"].map(|text| text.as_bytes().into());
        chunk.shared = SharedFields::new(vec![SharedField { key, value, yields: false }]);
        let mut pass = pass();
        task(query).apply(chunk, &mut pass).delivered();
        assert_eq!(lines(pass.emitted.pop().expect("a copy")), [expected]);
    }
}

#[test]
fn a_task_of_a_stream_takes_its_records_only_and_none_its_own() {
    let query = Query::parse("CREATE STREAM s AS SELECT * FROM STREAM:x;").expect("a query");
    let copies = |origin, from| {
        let config = Config { emitter: STREAMS + 1, origin, query: query.clone() };
        let account = Arc::new(Account::default());
        let mut chunk = chunk(&account, "t", &[&[]]);
        chunk.input = from;
        let mut pass = pass();
        StreamTask::new(config).apply(chunk, &mut pass).delivered();
        pass.emitted.into_iter().map(Chunk::delivered).count()
    };
    assert_eq!((copies(Origin::Input(2), 2), copies(Origin::Input(2), 3)), (1, 0));
    assert_eq!(copies(Origin::Input(STREAMS), STREAMS), 1);
    assert_eq!(copies(Origin::Tag("*".to_owned()), STREAMS + 1), 0);
    assert_eq!(copies(Origin::Nothing, 0), 0);
}

#[test]
fn copies_of_copies_come_to_an_end() {
    let copies = |rewrites| {
        let account = Arc::new(Account::default());
        let mut chunk = chunk(&account, "t", &[&[]]);
        chunk.rewrites = rewrites;
        let mut pass = pass();
        task("AS SELECT * FROM TAG:'*'").apply(chunk, &mut pass).delivered();
        pass.emitted.into_iter().map(Chunk::delivered).count()
    };
    assert_eq!((copies(REWRITES_BEFORE_MAX), copies(REWRITES_BEFORE_MAX + 1)), (1, 0));
}

proptest! {
    #[test]
    fn each_record_goes_on_once_and_its_copy_has_the_same_bytes(
        levels in proptest::collection::vec("[ab]", 0..20),
    ) {
        let records: Vec<_> = levels.iter().map(|level| [("level", level.as_str())]).collect();
        let records: Vec<&[_]> = records.iter().map(|record| record.as_slice()).collect();
        let found = copied("AS SELECT * FROM TAG:'app' WHERE level = 'a'", &records);
        let expected = levels.iter().filter(|level| *level == "a").count();
        prop_assert_eq!(found, vec!["s: level=a".to_owned(); expected]);
    }
}
