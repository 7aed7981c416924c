//! What `modify` makes of records.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::chunk::fixture::{Fields, chunk, lines};
use crate::ledger::Account;
use crate::option::{Options, Policy, section};
use crate::record::fields::SharedField;

fn modify(options: &[(&str, &str)]) -> Modify {
    let mut options = Options::read(section(options), config::OPTIONS, &[], Policy::Plugin);
    Modify::new(Config::from_options(&mut options).expect("options that can be used"))
}

/// The records after the filter, as `key=value`.
fn modified(options: &[(&str, &str)], records: &[Fields<'_>]) -> Vec<String> {
    let account = Arc::new(Account::default());
    let lines = lines(modify(options).apply(chunk(&account, "t", records)));
    assert_eq!(account.balance().held, 0);
    lines
}

fn one(options: &[(&str, &str)], record: Fields<'_>) -> String {
    modified(options, &[record]).concat()
}

const ABC: Fields<'_> = &[("a", "1"), ("b", "2"), ("c", "3")];

#[test]
fn set_puts_a_field_at_the_end_and_add_only_where_there_is_none() {
    assert_eq!(one(&[("Set", "a x"), ("Set", "d y")], ABC), "b=2 c=3 a=x d=y");
    assert_eq!(one(&[("Add", "a x"), ("Add", "d y")], ABC), "a=1 b=2 c=3 d=y");
}

#[test]
fn set_takes_every_field_of_its_key_away() {
    assert_eq!(one(&[("Set", "a x")], &[("a", "1"), ("a", "2"), ("b", "3")]), "b=3 a=x");
}

#[test]
fn remove_takes_away_by_key_by_prefix_and_by_pattern() {
    assert_eq!(one(&[("Remove", "b"), ("Remove", "absent")], ABC), "a=1 c=3");
    let record = &[("wild", "1"), ("wild_2", "2"), ("wil", "3")];
    assert_eq!(one(&[("Remove_wildcard", "wild")], record), "wil=3");
    assert_eq!(one(&[("Remove_regex", "^[bc]$")], ABC), "a=1");
}

#[test]
fn rename_leaves_a_key_that_is_there_alone_and_hard_rename_takes_its_place() {
    assert_eq!(one(&[("Rename", "a d")], ABC), "d=1 b=2 c=3");
    assert_eq!(one(&[("Rename", "a c")], ABC), "a=1 b=2 c=3");
    assert_eq!(one(&[("Hard_rename", "a c")], ABC), "c=1 b=2");
    assert_eq!(one(&[("Hard_rename", "absent c")], ABC), "a=1 b=2 c=3");
    assert_eq!(one(&[("Hard_rename", "a a")], ABC), "a=1 b=2 c=3", "nothing is lost");
}

#[test]
fn copy_stands_behind_its_original_and_hard_copy_takes_the_place_of_another() {
    assert_eq!(one(&[("Copy", "a d")], ABC), "a=1 d=1 b=2 c=3");
    assert_eq!(one(&[("Copy", "a c")], ABC), "a=1 b=2 c=3");
    assert_eq!(one(&[("Hard_copy", "a c")], ABC), "a=1 c=1 b=2");
    assert_eq!(one(&[("Hard_copy", "a a")], ABC), "a=1 b=2 c=3", "nothing is lost");
    let twice = &[("a", "1"), ("a", "2"), ("c", "3")];
    assert_eq!(one(&[("Hard_copy", "a c")], twice), "a=1 a=2 c=3", "nobody knows which");
}

#[test]
fn keys_are_moved_by_their_start() {
    assert_eq!(one(&[("Move_to_start", "c")], ABC), "c=3 a=1 b=2");
    assert_eq!(one(&[("Move_to_end", "a"), ("Move_to_end", "absent")], ABC), "b=2 c=3 a=1");
}

#[test]
fn every_rule_sees_what_the_one_before_it_left() {
    let rules =
        [("Rename", "a q"), ("Set", "q 1"), ("Copy", "q r"), ("Remove", "q"), ("Set", "a back")];
    assert_eq!(one(&rules, &[("log", "x"), ("a", "A")]), "log=x r=1 a=back");
}

#[test]
fn all_conditions_must_hold_of_the_record_as_it_came() {
    let options = [
        ("Condition", "Key_exists a"),
        ("Remove", "a"),
        ("Condition", "Key_value_equals level error"),
        ("Set", "alarm 1"),
    ];
    let records: [Fields<'_>; 3] = [
        &[("a", "1"), ("level", "error")],
        &[("a", "1"), ("level", "info")],
        &[("level", "error")],
    ];
    assert_eq!(
        modified(&options, &records),
        ["level=error alarm=1", "a=1 level=info", "level=error"]
    );
}

#[test]
fn a_chunk_in_which_nothing_is_touched_keeps_its_memory() {
    let account = Arc::new(Account::default());
    let chunk = chunk(&account, "t", &[ABC, ABC]);
    let before = Arc::clone(&chunk.entries);
    let after = modify(&[("Rename", "absent d"), ("Remove", "absent")]).apply(chunk);
    assert!(Arc::ptr_eq(&before, &after.entries));
    after.delivered();
}

fn shared(keys: &[&str]) -> SharedFields {
    let field = |key: &&str| SharedField {
        key: key.as_bytes().into(),
        value: (*b"s").into(),
        yields: false,
    };
    SharedFields::new(keys.iter().map(field).collect())
}

/// The record of [`ABC`] with shared fields, and whether they still stand apart.
fn with_shared(options: &[(&str, &str)], keys: &[&str]) -> (String, bool) {
    let account = Arc::new(Account::default());
    let mut chunk = chunk(&account, "t", &[ABC]);
    chunk.shared = shared(keys);
    let chunk = modify(options).apply(chunk);
    let is_apart = !chunk.shared.is_empty();
    (lines(chunk).concat(), is_apart)
}

#[test]
fn fields_that_all_records_share_are_seen_and_keep_their_place() {
    let seen = |text: &str| (text.to_owned(), false);
    assert_eq!(with_shared(&[("Set", "d 4")], &["s"]), seen("a=1 b=2 c=3 s=s d=4"));
    assert_eq!(with_shared(&[("Remove_regex", "^s")], &["s"]), seen("a=1 b=2 c=3"));
    assert_eq!(with_shared(&[("Copy", "s t")], &["s"]), seen("a=1 b=2 c=3 s=s t=s"));
    let condition = [("Condition", "Key_value_equals s s"), ("Remove", "a")];
    assert_eq!(with_shared(&condition, &["s"]), seen("b=2 c=3 s=s"));
}

#[test]
fn fields_that_no_rule_can_meet_stay_apart() {
    let apart = |text: &str| (text.to_owned(), true);
    assert_eq!(with_shared(&[("Remove", "a")], &["s"]), apart("b=2 c=3 s=s"));
    assert_eq!(with_shared(&[("Rename", "a d")], &["s"]), apart("d=1 b=2 c=3 s=s"));
    assert_eq!(with_shared(&[("Move_to_start", "c")], &["s"]), apart("c=3 a=1 b=2 s=s"));
}

const OPTIONS_OF_ALL_KINDS: [(&str, &str); 22] = [
    ("Set", "a x"),
    ("Add", "b x"),
    ("Remove", "a"),
    ("Remove_wildcard", "a"),
    ("Remove_regex", "b|c"),
    ("Rename", "a b"),
    ("Hard_rename", "a b"),
    ("Copy", "b a"),
    ("Hard_copy", "a b"),
    ("Hard_copy", "s c"),
    ("Move_to_start", "b"),
    ("Move_to_end", "a"),
    ("Condition", "Key_exists $a[0]"),
    ("Condition", "Key_does_not_exist a"),
    ("Condition", "A_key_matches a"),
    ("Condition", "No_key_matches b"),
    ("Condition", "Key_value_equals a x"),
    ("Condition", "Key_value_does_not_equal a x"),
    ("Condition", "Key_value_matches a x"),
    ("Condition", "Key_value_does_not_match a x"),
    ("Condition", "Matching_keys_have_matching_values a x"),
    ("Condition", "Matching_keys_do_not_have_matching_values a x"),
];

proptest! {
    /// Whether shared fields are seen as a record's own or stay apart, the outcome is the same.
    #[test]
    fn shared_fields_make_no_difference_to_the_outcome(
        options in prop::collection::vec(prop::sample::select(&OPTIONS_OF_ALL_KINDS[..]), 0..5),
        records in prop::collection::vec(
            prop::collection::vec(("[abs]", "[xy]"), 0..4), 0..4),
        keys in prop::collection::vec(prop::sample::select(&["a", "s", "t"][..]), 0..3),
    ) {
        let account = Arc::new(Account::default());
        let records: Vec<Vec<(&str, &str)>> = records
            .iter()
            .map(|record| record.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect())
            .collect();
        let records: Vec<&[_]> = records.iter().map(Vec::as_slice).collect();
        let filter = modify(&options);
        let chunk_of = || {
            let mut chunk = chunk(&account, "t", &records);
            chunk.shared = shared(&keys);
            chunk
        };
        let apart = lines(filter.apply(chunk_of()));
        let own = lines(filter.apply(chunk_of().with_own_fields()));
        prop_assert_eq!(apart, own);
        prop_assert_eq!(account.balance().held, 0);
    }

    #[test]
    fn no_record_makes_it_panic(
        options in prop::collection::vec(prop::sample::select(&OPTIONS_OF_ALL_KINDS[..]), 0..5),
        record in prop::collection::vec(any::<u8>(), 0..32),
    ) {
        let filter = modify(&options);
        let mut pairs = PairList::default();
        if filter.edit(&record, &mut pairs) {
            pairs.write(&mut Vec::new());
        }
    }
}
