//! What gets which tag, and that every record comes out as often as the rules say.

use proptest::prelude::*;

use super::*;
use crate::chunk::EMITTERS;
use crate::chunk::fixture::{Fields, chunk, lines};
use crate::ledger::Account;
use crate::option::{Options, Policy, section};
use crate::record::fields::SharedField;

fn filter(rules: &[&str]) -> RewriteTag {
    let lines: Vec<_> = rules.iter().map(|rule| ("rule", *rule)).collect();
    let mut options = Options::read(section(&lines), config::OPTIONS, &[], Policy::Plugin);
    RewriteTag::new(Config::from_options(&mut options).expect("rules"), EMITTERS)
}

fn pass() -> Pass {
    Pass::new(crate::clock::now())
}

/// `tag: record` of each chunk that comes out, the one that goes on first.
fn applied(filter: &mut RewriteTag, chunk: Chunk) -> Vec<String> {
    let mut pass = pass();
    let kept = filter.apply(chunk, &mut pass);
    let chunks = kept.into_iter().chain(pass.emitted);
    let tagged = |chunk: Chunk| {
        let tag = chunk.tag.to_string();
        lines(chunk).into_iter().map(move |line| format!("{tag}: {line}"))
    };
    chunks.flat_map(tagged).collect()
}

fn of(rules: &[&str], records: &[Fields<'_>]) -> Vec<String> {
    let account = Arc::new(Account::default());
    let applied = applied(&mut filter(rules), chunk(&account, "app.web", records));
    assert_eq!(account.balance().held, 0);
    applied
}

#[test]
fn the_first_rule_that_fits_gives_the_tag() {
    let rules = ["$log ^a x.$0 false", "$log a y false", "$n .* z.$n false"];
    let records: &[Fields<'_>] = &[&[("log", "ab")], &[("log", "ba")], &[("n", "5")], &[("q", "")]];
    let expected = ["app.web: q=", "x.a: log=ab", "y: log=ba", "z.5: n=5"];
    assert_eq!(of(&rules, records), expected);
}

#[test]
fn a_tag_is_made_of_the_old_one_of_groups_and_of_fields() {
    let rules = [r"$log (\w)-(\d)? $1.$2.$TAG[1].$TAG.$none.$k! false"];
    assert_eq!(of(&rules, &[&[("log", "a-"), ("k", "v")]]), ["a..web.app.web..v!: log=a- k=v"]);
}

#[test]
fn records_of_one_new_tag_stay_together_and_in_order() {
    let records: Vec<_> = ["a1", "b1", "a2", "b2", "c"].map(|log| [("log", log)]).into();
    let records: Vec<&[_]> = records.iter().map(|record| record.as_slice()).collect();
    let expected = ["app.web: log=c", "t.a: log=a1", "t.a: log=a2", "t.b: log=b1", "t.b: log=b2"];
    assert_eq!(of(&["$log ^([ab]) t.$1 false"], &records), expected);
}

#[test]
fn keep_lets_the_record_go_on_under_both_tags_and_counts_one_as_made() {
    let account = Arc::new(Account::default());
    let chunk = chunk(&account, "app", &[&[("log", "ERR")], &[("log", "ok")]]);
    let applied = applied(&mut filter(&["$log ^ERR copy.$TAG true"]), chunk);
    assert_eq!(applied, ["app: log=ERR", "app: log=ok", "copy.app: log=ERR"]);
    let balance = account.balance();
    assert_eq!((balance.received, balance.made, balance.delivered), (2, 1, 3));
}

#[test]
fn a_field_that_is_no_text_fits_no_rule() {
    let account = Arc::new(Account::default());
    let mut chunk = chunk(&account, "app", &[&[("n", "5")]]);
    Arc::make_mut(&mut chunk.entries).data = Bytes::from_static(b"\x81\xa1n\x05.");
    let kept = filter(&["$n ^5$ t false"]).apply(chunk, &mut pass()).expect("goes on");
    kept.delivered();
}

#[test]
fn a_shared_field_can_be_looked_at_and_named() {
    let account = Arc::new(Account::default());
    let mut chunk = chunk(&account, "app", &[&[("log", "x")]]);
    let [key, value] = ["cluster", "blue"].map(|text| text.as_bytes().into());
    chunk.shared = SharedFields::new(vec![SharedField { key, value, yields: false }]);
    let applied = applied(&mut filter(&["$cluster ^b $cluster.$0 false"]), chunk);
    assert_eq!(applied, ["blue.b: log=x cluster=blue"]);
}

#[test]
fn what_the_filter_emitted_goes_past_it_and_other_filters_bound_the_circle() {
    let account = Arc::new(Account::default());
    let mut one = filter(&["$log .* x.$TAG false"]);
    let mut chunk = chunk(&account, "app", &[&[("log", "a")]]);
    let mut pass = pass();
    assert!(one.apply(chunk, &mut pass).is_none());
    chunk = pass.emitted.pop().expect("emitted");
    assert_eq!((chunk.tag.to_string().as_str(), chunk.rewrites), ("x.app", 1));
    chunk = one.apply(chunk, &mut pass).expect("not again");
    // As if other filters had given it its last tags.
    chunk.input = EMITTERS + 1;
    chunk.rewrites = REWRITES_MAX - 1;
    assert!(one.apply(chunk, &mut pass).is_none());
    chunk = pass.emitted.pop().expect("the last time");
    chunk.input = EMITTERS + 1;
    assert_eq!(chunk.rewrites, REWRITES_MAX);
    let chunk = one.apply(chunk, &mut pass).expect("goes on with its last tag");
    assert_eq!(chunk.tag.to_string(), "x.x.app");
    chunk.delivered();
}

#[test]
fn a_record_that_has_got_many_new_tags_is_not_copied_under_one_more() {
    let account = Arc::new(Account::default());
    let copies = |rewrites| {
        let mut chunk = chunk(&account, "app", &[&[("log", "a")]]);
        chunk.rewrites = rewrites;
        let mut pass = pass();
        let kept = filter(&["$log ^a x.$TAG true"]).apply(chunk, &mut pass).expect("kept");
        kept.delivered();
        let copies = pass.emitted.len();
        pass.emitted.into_iter().for_each(Chunk::delivered);
        copies
    };
    assert_eq!((copies(COPY_REWRITES_MAX), copies(COPY_REWRITES_MAX + 1)), (1, 0));
}

#[test]
fn an_empty_tag_is_none_and_a_long_one_is_cut() {
    assert_eq!(
        of(&["$log ^$ $log false", "$log ^$ t false"], &[&[("log", "")]]),
        ["app.web: log="]
    );
    let long = "x".repeat(NEW_TAG_BYTES_MAX + 1);
    let [line] = of(&["$log ^x $log false"], &[&[("log", &long)]]).try_into().expect("one");
    assert_eq!(line.split(": ").next().map(str::len), Some(NEW_TAG_BYTES_MAX));
}

#[test]
fn more_new_tags_than_the_limit_leave_records_under_their_old_one() {
    let logs: Vec<String> = (0..=NEW_TAGS_MAX).map(|number| number.to_string()).collect();
    let records: Vec<_> = logs.iter().map(|log| [("log", log.as_str())]).collect();
    let records: Vec<&[_]> = records.iter().map(|record| record.as_slice()).collect();
    let lines = of(&["$log .* t.$0 false"], &records);
    assert_eq!(lines.len(), NEW_TAGS_MAX + 1);
    assert_eq!(lines[0], format!("app.web: log={NEW_TAGS_MAX}"));
}

#[test]
fn a_chunk_that_nothing_fits_keeps_its_memory() {
    let account = Arc::new(Account::default());
    let chunk = chunk(&account, "app", &[&[("log", "x")]]);
    let before = Arc::clone(&chunk.entries);
    let after = filter(&["$log ^y t false"]).apply(chunk, &mut pass()).expect("goes on");
    assert!(Arc::ptr_eq(&before, &after.entries));
    after.delivered();
}

proptest! {
    #[test]
    fn every_record_comes_out_once_or_with_keep_twice_as_it_was(
        logs in proptest::collection::vec("[abc]{0,3}", 0..20),
    ) {
        let rules = ["$log ^(a.*)$ t.$1 false", "$log ^b u.$0 true"];
        let records: Vec<_> = logs.iter().map(|log| [("log", log.as_str())]).collect();
        let records: Vec<&[_]> = records.iter().map(|record| record.as_slice()).collect();
        let mut expected: Vec<String> = Vec::new();
        for log in &logs {
            match log.as_bytes().first() {
                Some(b'a') => expected.push(format!("t.{log}: log={log}")),
                Some(b'b') => {
                    expected.push(format!("app.web: log={log}"));
                    expected.push(format!("u.b: log={log}"));
                }
                _ => expected.push(format!("app.web: log={log}")),
            }
        }
        let mut found = of(&rules, &records);
        found.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn no_record_makes_it_panic(data in proptest::collection::vec(any::<u8>(), 0..40)) {
        let account = Arc::new(Account::default());
        let mut chunk = chunk(&account, "app", &[&[]]);
        let end = u32::try_from(data.len()).expect("small");
        let time = crate::record::time::EventTime::default();
        let entries = vec![Entry { time, start: 0, end }];
        chunk.entries = Arc::new(Entries { data: Bytes::from(data), entries });
        let mut pass = pass();
        let kept = filter(&["$a['b'][0] . $a.$b['c'] true"]).apply(chunk, &mut pass);
        kept.into_iter().chain(pass.emitted).for_each(Chunk::delivered);
        prop_assert_eq!(account.balance().held, 0);
    }
}
