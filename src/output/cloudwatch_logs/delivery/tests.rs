//! Delivery against a service that answers everything it can answer.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::chunk::Storage;
use crate::ledger::{Account, Mark, Marked, Permit, Reason, Share, Shortage};
use crate::output::cloudwatch_logs::message::Dialect;
use crate::output::cloudwatch_logs::sender::{Class, Put, Rejected, SendError};
use crate::record::chunk::{Entries, Entry};
use crate::record::fields::{SharedField, SharedFields};
use crate::record::msgpack::Writer;
use crate::record::time::EventTime;

pub(super) const FLUSH: Duration = Duration::from_secs(1);

pub(super) struct Bench {
    pub(super) delivery: Delivery,
    pub(super) counters: Arc<OutputCounters>,
    pub(super) now: Instant,
}

pub(super) fn settings(retry_limit: RetryLimit, log_key: Option<&str>) -> Settings {
    let messages = Messages { log_key: log_key.map(str::to_owned), ..Messages::default() };
    Settings {
        flush: FLUSH,
        retry_limit,
        messages,
        limits: Limits::default(),
        loss_markers: false,
        seed: 7,
    }
}

pub(super) fn bench(retry_limit: RetryLimit) -> Bench {
    let counters = Arc::new(OutputCounters::new("out"));
    let delivery = Delivery::new(settings(retry_limit, None), Arc::clone(&counters));
    Bench { delivery, counters, now: crate::clock::now() }
}

pub(super) fn target(stream: usize) -> Arc<Target> {
    Arc::new(Target::new("g", &format!("s{stream}")))
}

impl Bench {
    /// Pushes records numbered from `first` on.
    pub(super) fn push(&mut self, stream: usize, first: u64, count: u64) {
        let chunk = self.chunk(first, count, 0);
        self.delivery.push(&target(stream), chunk, self.now);
    }

    pub(super) fn chunk(&self, first: u64, count: u64, padding: usize) -> Chunk {
        let (mut data, mut entries) = (Vec::new(), Vec::new());
        for number in first..first + count {
            let start = u32::try_from(data.len()).expect("small");
            let mut writer = Writer::new(&mut data);
            writer.map_header(2);
            writer.str(b"n");
            writer.uint(number);
            writer.str(b"log");
            writer.str(&vec![b'x'; padding]);
            let end = u32::try_from(data.len()).expect("small");
            let time = EventTime::from_parts(1_700_000_000, 0);
            entries.push(Entry { time, start, end });
        }
        Chunk {
            tag: "app".into(),
            entries: Arc::new(Entries { data: Bytes::from(data), entries }),
            shared: SharedFields::default(),
            input: 0,
            rewrites: 0,
            storage: Storage::Memory,
            arrived: self.now,
            permit: Permit::new(self.counters.account.receive(count), Share::empty()),
        }
    }

    /// The next batch, if need be after its time has come.
    pub(super) fn batch(&mut self) -> Batch {
        if let Some(wake_at) = self.delivery.wake_at() {
            self.now = self.now.max(wake_at);
        }
        self.delivery.next_batch(self.now).expect("a batch is due")
    }

    pub(super) fn fail(&mut self, batch: Batch, class: Class, needs_room: bool) {
        let error = error(class, false);
        let shortage = if needs_room { Shortage::Whole } else { Shortage::None };
        self.delivery.failed(batch, &error, &shortage, self.now);
    }

    pub(super) fn abandon(&mut self) {
        self.delivery.abandon().into_iter().for_each(|chunk| chunk.dropped(Reason::Stopped));
    }

    pub(super) fn accept(&mut self, batch: Batch) {
        self.delivery.accepted(batch, &Put::default(), self.now);
    }
}

pub(super) fn error(class: Class, is_ambiguous: bool) -> SendError {
    SendError {
        class,
        code: "Code".to_owned(),
        message: String::new(),
        status: None,
        is_ambiguous,
        retry_after: None,
    }
}

/// The numbers of the records in a batch, in the order of the request.
fn numbers(batch: &Batch) -> Vec<u64> {
    let body: Value = serde_json::from_slice(&batch.sealed.body).expect("JSON");
    let number = |event: &Value| {
        let message = event["message"].as_str().expect("text");
        let record: Value = serde_json::from_str(message).expect("JSON in it");
        record["n"].as_u64().expect("a number")
    };
    body["logEvents"].as_array().expect("a list").iter().map(number).collect()
}

#[test]
fn a_stream_makes_room_once_its_retries_are_used_up_and_no_other_does() {
    let mut bench = bench(RetryLimit::Retries(0));
    bench.push(0, 0, 2);
    bench.push(1, 10, 3);
    assert!(
        !bench.delivery.make_room(&Shortage::Whole, bench.now) && !bench.delivery.may_give_up()
    );
    let batch = bench.batch();
    let failed = u64::try_from(numbers(&batch).len()).expect("few");
    bench.fail(batch, Class::Transient, false);
    assert!(bench.delivery.may_give_up() && bench.delivery.make_room(&Shortage::Whole, bench.now));
    assert!(
        !bench.delivery.make_room(&Shortage::Whole, bench.now),
        "the other stream did not fail"
    );
    let balance = bench.counters.account.balance();
    assert_eq!(balance.dropped_for(Reason::RetriesExhausted), failed);
    let batch = bench.batch();
    bench.accept(batch);
    assert!(bench.delivery.is_empty());
    assert_eq!(bench.counters.account.balance().held, 0);
}

#[test]
fn only_records_of_the_input_whose_memory_is_short_make_room() {
    let mut bench = bench(RetryLimit::Retries(0));
    let of_input =
        |bench: &Bench, input, first, count| Chunk { input, ..bench.chunk(first, count, 0) };
    for (stream, input, first, count) in [(0, 1, 0, 4), (0, 2, 4, 1), (0, 1, 5, 4), (1, 1, 9, 9)] {
        let chunk = of_input(&bench, input, first, count);
        bench.delivery.push(&target(stream), chunk, bench.now);
    }
    for _ in 0..2 {
        let batch = bench.batch();
        bench.fail(batch, Class::Transient, false);
    }
    let dropped =
        |bench: &Bench| bench.counters.account.balance().dropped_for(Reason::RetriesExhausted);
    for (shortage, records) in
        [(Shortage::None, 0), (Shortage::Of(vec![0, 3]), 0), (Shortage::Of(vec![2]), 1)]
    {
        assert_eq!(bench.delivery.make_room(&shortage, bench.now), records > 0);
        assert!(!bench.delivery.make_room(&shortage, bench.now), "no other");
        assert_eq!(dropped(&bench), records, "{shortage:?}");
    }
    let left = [bench.batch(), bench.batch()].map(|batch| {
        let left = numbers(&batch);
        bench.accept(batch);
        left
    });
    assert!(left.contains(&vec![0, 1, 2, 3, 5, 6, 7, 8]), "{left:?}");
    assert!(bench.delivery.is_empty());
}

#[test]
fn a_failure_gives_nothing_up_for_the_memory_of_others() {
    let mut bench = bench(RetryLimit::Retries(0));
    bench.push(0, 0, 2);
    for (input, lost) in [(1, 0), (0, 2)] {
        let batch = bench.batch();
        let shortage = Shortage::Of(vec![input]);
        let error = error(Class::Transient, false);
        bench.delivery.failed(batch, &error, &shortage, bench.now);
        let balance = bench.counters.account.balance();
        assert_eq!(balance.dropped_for(Reason::RetriesExhausted), lost);
    }
    assert!(bench.delivery.is_empty());
}

#[test]
fn a_batch_waits_for_more_until_the_flush_interval_and_no_longer() {
    let mut bench = bench(RetryLimit::Unlimited);
    bench.push(0, 0, 3);
    assert!(bench.delivery.next_batch(bench.now).is_none());
    assert_eq!(bench.delivery.wake_at(), Some(bench.now + FLUSH));
    let batch = bench.batch();
    assert_eq!(numbers(&batch), [0, 1, 2]);
    bench.accept(batch);
    assert!(bench.delivery.is_empty());
}

#[test]
fn a_full_batch_waits_for_its_flush_interval_while_memory_is_free() {
    let mut bench = bench(RetryLimit::Unlimited);
    let chunk = bench.chunk(0, 1_200, 1_000);
    bench.delivery.push(&target(0), chunk, bench.now);
    assert_eq!(bench.delivery.wake_at(), Some(bench.now + FLUSH));
    let batch = bench.batch();
    assert!(batch.records() < 1_200, "the rest waits for the next one");
    bench.accept(batch);
    let batch = bench.delivery.next_batch(bench.now).expect("as old as the first");
    bench.accept(batch);
    assert_eq!(bench.counters.account.balance().delivered, 1_200);
}

#[test]
fn a_full_batch_is_due_at_once_where_memory_is_used_to_more_than_half() {
    let mut bench = bench(RetryLimit::Unlimited);
    let (before, after) = (bench.chunk(0, 1_200, 1_000), bench.chunk(0, 1_200, 1_000));
    bench.delivery.push(&target(0), before, bench.now);
    bench.delivery.crowded(true, bench.now);
    bench.delivery.push(&target(1), after, bench.now);
    for _ in 0..2 {
        let batch = bench.delivery.next_batch(bench.now).expect("full");
        bench.accept(batch);
    }
    bench.abandon();
}

#[test]
fn parts_of_chunks_are_counted_until_they_have_their_outcome() {
    let mut bench = bench(RetryLimit::Unlimited);
    let part = bench.chunk(0, 4, 0);
    bench.delivery.push_part(&target(0), part, bench.now);
    bench.push(1, 0, 1);
    assert_eq!(bench.delivery.parts(), 1);
    bench.now += FLUSH;
    let (first, second) = (bench.batch(), bench.batch());
    bench.fail(first, Class::Transient, false);
    bench.accept(second);
    assert_eq!(bench.delivery.parts(), 1);
    let batch = bench.batch();
    bench.accept(batch);
    assert_eq!(bench.delivery.parts(), 0);
}

#[test]
fn parts_of_as_many_streams_as_there_may_be_are_due_at_once() {
    let mut bench = bench(RetryLimit::Unlimited);
    for stream in 1..STREAMS_MAX {
        let part = bench.chunk(0, 1, 0);
        bench.delivery.push_part(&target(stream), part, bench.now);
    }
    assert_eq!(bench.delivery.wake_at(), Some(bench.now + FLUSH));
    let mut room = bench.delivery.room();
    assert!(room.takes(&target(1)) && room.takes(&target(0)) && !room.takes(&target(STREAMS_MAX)));
    let part = bench.chunk(0, 1, 0);
    bench.delivery.push_part(&target(0), part, bench.now);
    assert_eq!(bench.delivery.wake_at(), Some(bench.now));
    let mut room = bench.delivery.room();
    assert!(room.is_any() && room.takes(&target(0)) && !room.takes(&target(STREAMS_MAX)));
    let batch = bench.delivery.next_batch(bench.now).expect("due");
    bench.accept(batch);
    assert!(bench.delivery.room().takes(&target(STREAMS_MAX)));
    bench.abandon();
}

#[test]
fn there_is_no_room_for_more_parts_than_the_most() {
    let mut bench = bench(RetryLimit::Unlimited);
    for _ in 1..PARTS_MAX {
        let part = bench.chunk(0, 1, 0);
        bench.delivery.push_part(&target(0), part, bench.now);
    }
    let mut room = bench.delivery.room();
    assert!(room.takes(&target(0)) && !room.takes(&target(0)) && !room.is_any());
    let part = bench.chunk(0, 1, 0);
    bench.delivery.push_part(&target(0), part, bench.now);
    assert!(!bench.delivery.room().is_any());
    assert_eq!(bench.delivery.wake_at(), Some(bench.now));
    bench.abandon();
    assert_eq!(bench.delivery.parts(), 0);
}

#[test]
fn streams_of_whole_chunks_are_as_few_as_those_of_parts_and_the_oldest_make_room() {
    let mut bench = bench(RetryLimit::Unlimited);
    for stream in 1..STREAMS_MAX {
        bench.push(stream, 0, 1);
    }
    assert_eq!(bench.delivery.wake_at(), Some(bench.now + FLUSH), "they wait for their time");
    assert!(bench.delivery.room().has_stream());
    bench.push(0, 0, 1);
    assert!(!bench.delivery.room().has_stream());
    assert_eq!(bench.delivery.wake_at(), Some(bench.now), "all are due");
    for stream in 1..9 {
        let batch = bench.delivery.next_batch(bench.now).expect("due");
        assert!(!bench.delivery.room().has_stream() || stream > 1);
        bench.accept(batch);
        assert!(bench.delivery.room().has_stream());
    }
    bench.abandon();
}

/// The shell takes a chunk while there is room.
#[test]
fn a_hundred_thousand_streams_are_never_more_at_once_than_the_most() {
    let mut bench = bench(RetryLimit::Unlimited);
    let (mut most, mut next) = (0, 0);
    while next < 100_000 || !bench.delivery.is_empty() {
        while next < 100_000 && bench.delivery.room().has_stream() {
            bench.push(next, 0, 1);
            next += 1;
        }
        most = most.max(bench.delivery.streams.len());
        let batch = bench.batch();
        bench.accept(batch);
    }
    assert_eq!((most, bench.counters.account.balance().delivered), (STREAMS_MAX, 100_000));
    assert!(bench.delivery.streams.is_empty() && bench.delivery.agenda.is_empty());
    assert!(bench.delivery.streams.capacity() <= 4 * STREAMS_MAX);
}

#[test]
fn a_run_of_failures_is_timed_from_its_first_to_the_next_success() {
    let mut bench = bench(RetryLimit::NoRetries);
    assert_eq!(bench.delivery.fails_since(), None);
    bench.push(0, 0, 1);
    let batch = bench.batch();
    let begin = bench.now;
    bench.fail(batch, Class::Transient, false);
    bench.push(0, 1, 1);
    let batch = bench.batch();
    bench.fail(batch, Class::Transient, false);
    assert_eq!(bench.delivery.fails_since(), Some(begin));
    bench.push(0, 2, 1);
    let batch = bench.batch();
    bench.accept(batch);
    assert_eq!(bench.delivery.fails_since(), None);
}

#[test]
fn a_stream_has_one_batch_on_its_way_and_streams_go_in_parallel() {
    let mut bench = bench(RetryLimit::Unlimited);
    bench.push(0, 0, 1);
    bench.push(1, 0, 1);
    let first = bench.batch();
    let second = bench.batch();
    assert_ne!(first.target, second.target);
    bench.push(0, 1, 1);
    bench.now += FLUSH * 2;
    assert!(bench.delivery.next_batch(bench.now).is_none(), "both streams are busy");
    let freed = first.target.clone();
    bench.accept(first);
    if freed == target(0) {
        let next = bench.batch();
        assert_eq!((next.target.clone(), numbers(&next)), (freed, vec![1]));
        bench.accept(next);
    }
    bench.accept(second);
    bench.delivery.stop(bench.now);
    while let Some(batch) = bench.delivery.next_batch(bench.now) {
        bench.accept(batch);
    }
    assert!(bench.delivery.is_empty());
}

#[test]
fn what_comes_while_a_batch_fails_goes_with_its_next_attempt_behind_it() {
    let mut bench = bench(RetryLimit::Unlimited);
    bench.push(0, 0, 2);
    let batch = bench.batch();
    bench.push(0, 2, 2);
    bench.fail(batch, Class::Throttled, false);
    let batch = bench.batch();
    assert_eq!(numbers(&batch), [0, 1, 2, 3]);
    bench.accept(batch);
}

#[test]
fn throttling_slows_all_streams_of_the_output() {
    let mut bench = bench(RetryLimit::Unlimited);
    bench.push(0, 0, 1);
    bench.push(1, 0, 1);
    let batch = bench.batch();
    bench.fail(batch, Class::Throttled, false);
    assert!(bench.delivery.next_batch(bench.now).is_none(), "the other stream waits too");
    let batch = bench.batch();
    bench.accept(batch);
    let batch = bench.batch();
    bench.accept(batch);
    assert_eq!(bench.counters.throttled.get(), 1);
}

#[test]
fn a_stop_does_not_wait_long_for_the_pace_of_throttling() {
    let mut bench = bench(RetryLimit::Unlimited);
    bench.push(0, 0, 1);
    let batch = bench.batch();
    let asked =
        SendError { retry_after: Some(Duration::from_secs(300)), ..error(Class::Throttled, false) };
    bench.delivery.failed(batch, &asked, &Shortage::None, bench.now);
    bench.delivery.stop(bench.now);
    let wake_at = bench.delivery.wake_at().expect("something to send");
    assert!(wake_at <= bench.now + BACKOFF_STOPPING_MAX);
    let batch = bench.batch();
    bench.accept(batch);
}

#[test]
fn a_failing_stream_does_not_hold_up_another() {
    let mut bench = bench(RetryLimit::Unlimited);
    bench.push(0, 0, 1);
    let batch = bench.batch();
    bench.fail(batch, Class::AccessDenied, false);
    bench.push(1, 5, 1);
    bench.delivery.stop(bench.now);
    let other = bench.delivery.next_batch(bench.now).expect("due at once");
    bench.accept(other);
    bench.abandon();
}

#[test]
fn one_refused_event_is_found_and_costs_only_itself() {
    let mut bench = bench(RetryLimit::Unlimited);
    bench.push(0, 0, 40);
    let (mut accepted, poison) = (Vec::new(), 13);
    while !bench.delivery.is_empty() {
        let batch = bench.batch();
        let numbers = numbers(&batch);
        if numbers.contains(&poison) {
            bench.fail(batch, Class::Invalid, false);
        } else {
            accepted.extend(numbers);
            bench.accept(batch);
        }
    }
    assert_eq!(accepted, (0..40).filter(|n| *n != poison).collect::<Vec<_>>());
    let balance = bench.counters.account.balance();
    assert_eq!((balance.delivered, balance.dropped_for(Reason::Refused)), (39, 1));
}

#[test]
fn rejected_events_are_counted_by_reason_and_never_sent_again() {
    let mut bench = bench(RetryLimit::Unlimited);
    bench.push(0, 0, 10);
    let batch = bench.batch();
    let rejected = Rejected { too_old_end: Some(2), expired_end: Some(3), too_new_start: Some(9) };
    let put = Put { rejected, ..Put::default() };
    bench.delivery.accepted(batch, &put, bench.now);
    let balance = bench.counters.account.balance();
    let dropped = [Reason::TooOld, Reason::Expired, Reason::TooNew].map(|r| balance.dropped_for(r));
    assert_eq!((balance.delivered, dropped), (6, [2, 1, 1]));
    assert!(bench.delivery.is_empty());
}

#[test]
fn a_batch_beyond_its_retry_limit_is_kept_until_room_is_needed() {
    let mut bench = bench(RetryLimit::Retries(1));
    bench.push(0, 0, 1);
    for _ in 0..5 {
        let batch = bench.batch();
        bench.fail(batch, Class::Transient, false);
    }
    let batch = bench.batch();
    bench.fail(batch, Class::Transient, true);
    assert_eq!(bench.counters.account.balance().dropped_for(Reason::RetriesExhausted), 1);
    assert!(bench.delivery.is_empty());
}

#[test]
fn attempts_beyond_the_retry_limit_are_counted_although_the_batch_is_kept() {
    let mut bench = bench(RetryLimit::Retries(2));
    bench.push(0, 0, 1);
    for _ in 0..2 {
        let batch = bench.batch();
        bench.fail(batch, Class::NotFound, false);
    }
    assert_eq!(bench.counters.retries_failed.get(), 0);
    let batch = bench.batch();
    bench.fail(batch, Class::NotFound, false);
    assert_eq!(bench.counters.retries_failed.get(), 1);
    let batch = bench.batch();
    bench.accept(batch);
    assert_eq!(bench.counters.account.balance().delivered, 1);
}

#[test]
fn no_retries_is_meant_literally() {
    let mut bench = bench(RetryLimit::NoRetries);
    bench.push(0, 0, 1);
    let batch = bench.batch();
    bench.fail(batch, Class::Transient, false);
    assert_eq!(bench.counters.account.balance().dropped_for(Reason::RetriesExhausted), 1);
}

#[test]
fn what_is_left_when_the_time_is_up_is_counted_as_left() {
    let mut bench = bench(RetryLimit::Unlimited);
    bench.push(0, 0, 3);
    let batch = bench.batch();
    bench.push(0, 3, 2);
    bench.push(1, 0, 4);
    let other = bench.batch();
    bench.delivery.abandon_batch(batch, true);
    bench.delivery.abandon_batch(other, false);
    bench.abandon();
    assert_eq!(bench.counters.account.balance().dropped_for(Reason::Stopped), 9);
    assert_eq!(bench.counters.ambiguous_records.get(), 3);
}

#[test]
fn a_message_too_long_for_an_event_arrives_in_numbered_parts_and_is_one_record() {
    let counters = Arc::new(OutputCounters::new("out"));
    let settings = settings(RetryLimit::Unlimited, Some("log"));
    let delivery = Delivery::new(settings, Arc::clone(&counters));
    let mut bench = Bench { delivery, counters, now: crate::clock::now() };
    let chunk = bench.chunk(0, 3, 1_500_000);
    bench.delivery.push(&target(0), chunk, bench.now);
    let mut texts = Vec::new();
    while !bench.delivery.is_empty() {
        let batch = bench.batch();
        let body: Value = serde_json::from_slice(&batch.sealed.body).expect("JSON");
        let events = body["logEvents"].as_array().expect("a list").clone();
        texts
            .extend(events.iter().map(|event| event["message"].as_str().expect("text").to_owned()));
        bench.accept(batch);
    }
    let ends: Vec<_> = texts.iter().map(|text| text.split_once(" [").expect("a note").1).collect();
    assert_eq!(ends, ["firelane: part 1 of 2]", "firelane: part 2 of 2]"].repeat(3));
    let xs: usize =
        texts.iter().map(|text| text.bytes().filter(|byte| *byte == b'x').count()).sum();
    assert_eq!(xs, 3 * 1_500_000, "no byte of the text is missing");
    assert_eq!(
        (bench.counters.account.balance().delivered, bench.counters.oversized_records.get()),
        (3, 3)
    );
}

#[test]
fn a_record_too_long_for_the_go_plugin_arrives_cut_and_is_one_record() {
    let mut bench = bench(RetryLimit::Unlimited);
    bench.delivery.writer = MessageWriter::new(None, Dialect::Go);
    let chunk = bench.chunk(0, 2, 300_000);
    bench.delivery.push(&target(0), chunk, bench.now);
    let batch = bench.batch();
    let body: Value = serde_json::from_slice(&batch.sealed.body).expect("JSON");
    for event in body["logEvents"].as_array().expect("a list") {
        let message = event["message"].as_str().expect("text");
        assert_eq!(message.len(), 262_118);
        assert!(message.starts_with("{\"log\":\"x") && message.ends_with("x[Truncated...]"));
    }
    assert_eq!(batch.records(), 2);
    bench.accept(batch);
    assert_eq!(bench.counters.oversized_records.get(), 2);
    assert_eq!(bench.counters.account.balance().delivered, 2);
}

#[test]
fn a_record_with_its_log_key_twice_arrives_as_two_events_and_is_one_record() {
    let counters = Arc::new(OutputCounters::new("out"));
    let settings = settings(RetryLimit::Unlimited, Some("log"));
    let delivery = Delivery::new(settings, Arc::clone(&counters));
    let mut bench = Bench { delivery, counters, now: crate::clock::now() };
    let field = SharedField { key: (*b"log").into(), value: (*b"added").into(), yields: false };
    let shared = SharedFields::new(vec![field]);
    let chunk = Chunk { shared, ..bench.chunk(0, 2, 3) };
    bench.delivery.push(&target(0), chunk, bench.now);
    let batch = bench.batch();
    let body: Value = serde_json::from_slice(&batch.sealed.body).expect("JSON");
    let events = body["logEvents"].as_array().expect("a list").iter();
    let texts: Vec<_> = events.map(|event| event["message"].as_str().expect("text")).collect();
    assert_eq!(texts, ["xxx", "added", "xxx", "added"]);
    bench.accept(batch);
    assert_eq!(bench.counters.account.balance().delivered, 2);
    assert!(bench.delivery.is_empty());
}

#[test]
fn a_json_record_too_long_for_an_event_stays_valid_json() {
    let mut bench = bench(RetryLimit::Unlimited);
    let chunk = bench.chunk(7, 1, 1_500_000);
    bench.delivery.push(&target(0), chunk, bench.now);
    let batch = bench.batch();
    assert_eq!(numbers(&batch), [7]);
    assert!(batch.sealed.body.len() > 1_000_000, "only the excess is cut");
    bench.accept(batch);
    assert_eq!(bench.counters.account.balance().delivered, 1);
}

/// What the simulated service does with a request.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Accept,
    /// Takes the events, and the answer is lost.
    AcceptUnheard,
    Fail(Class),
}

fn any_answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        6 => Just(Answer::Accept),
        1 => Just(Answer::AcceptUnheard),
        2 => Just(Answer::Fail(Class::Throttled)),
        2 => Just(Answer::Fail(Class::Transient)),
        1 => Just(Answer::Fail(Class::NotFound)),
        1 => Just(Answer::Fail(Class::Credentials)),
    ]
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Push { stream: usize, count: u64 },
    Send,
    Answer(usize, Answer),
    Wait(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..4_usize, 1..30_u64).prop_map(|(stream, count)| Step::Push { stream, count }),
        Just(Step::Send),
        (0..8_usize, any_answer()).prop_map(|(which, answer)| Step::Answer(which, answer)),
        (0..3_000_u64).prop_map(Step::Wait),
    ]
}

/// The service's side: what each stream took, in order.
#[derive(Default)]
struct Service {
    taken: HashMap<Arc<Target>, Vec<u64>>,
    in_doubt: HashMap<Arc<Target>, HashSet<u64>>,
}

impl Service {
    fn answer(&mut self, bench: &mut Bench, batch: Batch, answer: Answer) {
        match answer {
            Answer::Accept => {
                self.taken.entry(batch.target.clone()).or_default().extend(numbers(&batch));
                bench.accept(batch);
            }
            Answer::AcceptUnheard => {
                let numbers = numbers(&batch);
                self.in_doubt.entry(batch.target.clone()).or_default().extend(&numbers);
                self.taken.entry(batch.target.clone()).or_default().extend(numbers);
                bench.delivery.failed(
                    batch,
                    &error(Class::Transient, true),
                    &Shortage::None,
                    bench.now,
                );
            }
            Answer::Fail(class) => bench.fail(batch, class, false),
        }
    }

    /// Every record there; in order, and once, but for those whose answer was lost.
    fn check(&self, pushed: &[u64; 4]) {
        for (stream, count) in pushed.iter().enumerate() {
            let target = target(stream);
            let taken = self.taken.get(&target).cloned().unwrap_or_default();
            let in_doubt = self.in_doubt.get(&target).cloned().unwrap_or_default();
            let mut first = HashSet::new();
            let firsts: Vec<u64> = taken.iter().copied().filter(|n| first.insert(*n)).collect();
            assert_eq!(firsts, (0..*count).collect::<Vec<_>>(), "all, and in order");
            let mut seen = HashSet::new();
            for number in taken {
                assert!(seen.insert(number) || in_doubt.contains(&number), "{number} came twice");
            }
        }
    }
}

proptest! {
    #[test]
    fn whatever_the_service_answers_each_record_arrives_in_order_and_twice_only_if_in_doubt(
        steps in proptest::collection::vec(any_step(), 1..120),
    ) {
        let mut bench = bench(RetryLimit::Retries(1));
        let (mut service, mut on_the_way) = (Service::default(), Vec::<Batch>::new());
        let mut pushed = [0_u64; 4];
        for step in steps {
            match step {
                Step::Push { stream, count } => {
                    bench.push(stream, pushed[stream], count);
                    pushed[stream] += count;
                }
                Step::Send => on_the_way.extend(bench.delivery.next_batch(bench.now)),
                Step::Answer(which, answer) if !on_the_way.is_empty() => {
                    let batch = on_the_way.remove(which % on_the_way.len());
                    service.answer(&mut bench, batch, answer);
                }
                Step::Answer(..) => {}
                Step::Wait(ms) => bench.now += Duration::from_millis(ms),
            }
            let streams: HashSet<_> = on_the_way.iter().map(|batch| &batch.target).collect();
            prop_assert_eq!(streams.len(), on_the_way.len(), "one batch of a stream at a time");
            let balance = bench.counters.account.balance();
            prop_assert_eq!(balance.received, pushed.iter().sum::<u64>());
        }
        bench.delivery.stop(bench.now);
        for batch in on_the_way {
            service.answer(&mut bench, batch, Answer::Accept);
        }
        while !bench.delivery.is_empty() {
            let batch = bench.batch();
            service.answer(&mut bench, batch, Answer::Accept);
        }
        service.check(&pushed);
        let balance = bench.counters.account.balance();
        prop_assert_eq!((balance.delivered, balance.held), (pushed.iter().sum::<u64>(), 0));
    }
}

/// Is told of marks, and asks what became of the records behind each.
#[derive(Debug, Default)]
struct Follower {
    accounts: std::sync::Mutex<Vec<Arc<Account>>>,
    told: std::sync::Mutex<HashSet<usize>>,
}

impl Marked for Follower {
    fn ended(&self, number: u64) {
        let accounts = self.accounts.lock().expect("no panic");
        assert!(accounts.iter().all(|account| account.balance().dropped_for(Reason::Stopped) == 0));
        let number = usize::try_from(number).expect("small");
        assert_eq!(accounts[number].balance().left(), 0, "a record behind it is left or held");
        self.told.lock().expect("no panic").insert(number);
    }
}

proptest! {
    /// Every chunk has an account of its own here, so that it shows what a mark stands for.
    #[test]
    fn no_mark_is_told_whose_records_are_left_and_all_are_where_none_is(
        steps in proptest::collection::vec((0..9_u8, 0..4_usize, 1..30_u64), 1..80),
        stops in any::<bool>(),
    ) {
        let mut bench = bench(RetryLimit::Retries(1));
        let follower = Arc::new(Follower::default());
        let mut on_the_way = Vec::<Batch>::new();
        for (action, which, count) in steps {
            match action {
                0..3 => {
                    let account = Arc::new(bench.counters.account.beside());
                    let mut share = Share::empty();
                    let number = {
                        let mut accounts = follower.accounts.lock().expect("no panic");
                        accounts.push(Arc::clone(&account));
                        accounts.len() as u64 - 1
                    };
                    share.follow(Mark::new(Arc::clone(&follower) as Arc<dyn Marked>, number));
                    let mut chunk = bench.chunk(0, count, 0);
                    let permit = Permit::new(account.receive(count), share);
                    std::mem::replace(&mut chunk.permit, permit).receipt.delivered(count);
                    bench.delivery.push(&target(which), chunk, bench.now);
                }
                3 | 4 => on_the_way.extend(bench.delivery.next_batch(bench.now)),
                _ if on_the_way.is_empty() => bench.now += Duration::from_millis(count * 100),
                5 | 6 => {
                    let batch = on_the_way.remove(which % on_the_way.len());
                    bench.accept(batch);
                }
                7 => {
                    let batch = on_the_way.remove(which % on_the_way.len());
                    bench.fail(batch, Class::Invalid, true);
                }
                _ => {
                    let batch = on_the_way.remove(which % on_the_way.len());
                    match stops {
                        true => bench.delivery.abandon_batch(batch, true),
                        false => bench.fail(batch, Class::Transient, false),
                    }
                }
            }
        }
        for batch in on_the_way {
            match stops {
                true => bench.delivery.abandon_batch(batch, true),
                false => bench.accept(batch),
            }
        }
        if stops {
            bench.abandon();
        }
        while !bench.delivery.is_empty() {
            let batch = bench.batch();
            bench.accept(batch);
        }
        drop(bench);
        let accounts = follower.accounts.lock().expect("no panic");
        let left: u64 = accounts.iter().map(|account| account.balance().left()).sum();
        if left == 0 {
            prop_assert_eq!(follower.told.lock().expect("no panic").len(), accounts.len());
        }
    }
}
