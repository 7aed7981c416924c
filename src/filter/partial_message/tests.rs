//! Lines that Docker cut, in every order in which they can come.

use proptest::prelude::*;

use super::*;
use crate::chunk::fixture::{Fields, chunk, lines};
use crate::ledger::Account;

fn part<'a>(id: &'a str, text: &'a str, last: &'a str) -> [(&'a str, &'a str); 5] {
    [
        ("source", "stdout"),
        ("log", text),
        ("partial_message", "true"),
        ("partial_id", id),
        ("partial_last", last),
    ]
}

struct Bench {
    partial: PartialMessage,
    account: Arc<Account>,
    now: Instant,
}

fn bench() -> Bench {
    Bench {
        partial: PartialMessage::default(),
        account: Arc::new(Account::default()),
        now: crate::clock::now(),
    }
}

impl Bench {
    fn join(&mut self, records: &[Fields<'_>]) -> Vec<String> {
        self.join_tag("app", records)
    }

    fn join_tag(&mut self, tag: &str, records: &[Fields<'_>]) -> Vec<String> {
        let chunk = chunk(&self.account, tag, records);
        self.partial.join(chunk, self.now).map(lines).unwrap_or_default()
    }
}

#[test]
fn the_parts_of_a_line_become_one_record_with_the_first_parts_time_and_fields() {
    let mut bench = bench();
    let parts =
        [part("a", "one ", "false"), part("a", "two ", "false"), part("a", "three", "true")];
    let records: Vec<Fields<'_>> = parts.iter().map(|part| part.as_slice()).collect();
    let joined = bench.partial.join(chunk(&bench.account, "app", &records), bench.now);
    let joined = joined.expect("the line is whole");
    assert_eq!(joined.entries.entries[0].time, EventTime::from_parts(1_700_000_000, 0));
    assert_eq!(lines(joined), ["source=stdout log=one two three"]);
    let balance = bench.account.balance();
    assert_eq!((balance.delivered, balance.merged, balance.held), (1, 2, 0));
}

#[test]
fn other_records_pass_in_their_order_and_the_line_stands_where_its_last_part_stood() {
    let mut bench = bench();
    let (first, last) = (part("a", "x", "false"), part("a", "y", "true"));
    let joined = bench.join(&[&[("log", "1")], &first, &[("log", "2")], &last, &[("log", "3")]]);
    assert_eq!(joined, ["log=1", "log=2", "source=stdout log=xy", "log=3"]);
}

#[test]
fn lines_of_two_ids_and_of_two_tags_do_not_mix() {
    let mut bench = bench();
    assert_eq!(bench.join(&[&part("a", "1", "false"), &part("b", "2", "false")]), [""; 0]);
    assert_eq!(bench.join_tag("other", &[&part("a", "3", "true")]), ["source=stdout log=3"]);
    assert_eq!(bench.join(&[&part("b", "4", "true")]), ["source=stdout log=24"]);
    assert_eq!(bench.join(&[&part("a", "5", "true")]), ["source=stdout log=15"]);
}

#[test]
fn a_line_whose_rest_does_not_come_goes_on_after_its_wait() {
    let mut bench = bench();
    assert_eq!(bench.join(&[&part("a", "cut", "false")]), [""; 0]);
    let just_before = bench.now + PART_WAIT - Duration::from_millis(1);
    assert!(bench.partial.expired(just_before).is_none() && bench.partial.is_waiting());
    let late = bench.partial.expired(bench.now + PART_WAIT).expect("its time is up");
    assert_eq!(lines(late), ["source=stdout log=cut"]);
    assert!(!bench.partial.is_waiting());
}

#[test]
fn at_the_end_everything_that_waits_goes_on() {
    let mut bench = bench();
    bench.join(&[&part("a", "1", "false"), &part("b", "2", "false")]);
    while let Some(chunk) = bench.partial.pending() {
        lines(chunk);
    }
    assert_eq!(bench.account.balance().delivered, 2);
}

#[test]
fn a_line_beyond_its_bound_goes_on_in_records_of_that_size() {
    let mut bench = bench();
    let text = "x".repeat(LINE_BYTES_MAX / 2);
    assert_eq!(bench.join(&[&part("a", &text, "false")]), [""; 0]);
    assert_eq!(bench.join(&[&part("a", &text, "false")]).len(), 1, "the bound is reached");
    assert_eq!(bench.join(&[&part("a", "end", "true")]), ["source=stdout log=end"]);
}

#[test]
fn beyond_the_most_lines_the_parts_of_new_ones_go_on_as_they_are() {
    let mut bench = bench();
    for id in 0..LINES_MAX {
        assert_eq!(bench.join(&[&part(&id.to_string(), "x", "false")]), [""; 0]);
    }
    assert_eq!(bench.join(&[&part("one more", "y", "false")]).len(), 1);
    assert_eq!(bench.join(&[&part("0", "y", "true")]), ["source=stdout log=xy"]);
    while let Some(chunk) = bench.partial.pending() {
        lines(chunk);
    }
}

#[test]
fn a_record_that_only_speaks_of_partial_messages_is_left_alone() {
    let mut bench = bench();
    let spoken = [("log", "partial_message"), ("partial_message", "false")];
    assert_eq!(bench.join(&[&spoken]), ["log=partial_message partial_message=false"]);
}

#[test]
fn lines_that_go_over_from_chunk_to_chunk_hold_no_more_memory_than_those_chunks() {
    let mut bench = bench();
    let id = |line: usize| line.to_string();
    for number in 0..50 {
        // The end of one line, a whole one, and the beginning of the next.
        let (before, whole, after) = (id(2 * number), id(2 * number + 1), id(2 * number + 2));
        let parts = [
            part(&before, "x", "true"),
            part(&whole, "y", "false"),
            part(&whole, "y", "true"),
            part(&after, "x", "false"),
        ];
        let records: Vec<Fields<'_>> = parts.iter().map(|part| part.as_slice()).collect();
        let chunk = chunk(&bench.account, "app", &records);
        let joined = bench.partial.join(chunk, bench.now).expect("a whole line");
        assert!(joined.permit.absorbed() <= 1, "{} shares", joined.permit.absorbed());
        lines(joined);
    }
    while let Some(chunk) = bench.partial.pending() {
        lines(chunk);
    }
}

proptest! {
    /// Against the definition: whatever comes in whatever order, no byte of text is lost or
    /// doubled, and each record has its outcome.
    #[test]
    fn every_text_goes_on_exactly_once(
        parts in proptest::collection::vec((0..4_u8, "[a-z]{1,5}", any::<bool>(), any::<bool>()), 0..40),
    ) {
        let mut bench = bench();
        let (mut sent, mut got) = (0, Vec::new());
        for (id, text, is_last, is_plain) in &parts {
            sent += text.len();
            let id = id.to_string();
            let part = part(&id, text, if *is_last { "true" } else { "false" });
            let plain = [("log", text.as_str())];
            got.extend(if *is_plain { bench.join(&[&plain]) } else { bench.join(&[&part]) });
        }
        while let Some(chunk) = bench.partial.pending() {
            got.extend(lines(chunk));
        }
        let text = |line: &String| line.split_once("log=").map_or(0, |(_, text)| text.len());
        prop_assert_eq!(got.iter().map(text).sum::<usize>(), sent);
        let balance = bench.account.balance();
        prop_assert_eq!((balance.received, balance.held), (parts.len() as u64, 0));
        prop_assert_eq!(balance.delivered + balance.merged, parts.len() as u64);
    }
}
