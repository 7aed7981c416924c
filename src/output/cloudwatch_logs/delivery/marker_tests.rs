//! Streams are told what became of their records: against a service that takes, fails and rejects.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;

use super::markers::{ALONE_WAIT, MARKER_INTERVAL};
use super::slots::FAILING_MAX;
use super::tests::{Bench, bench, settings, target};
use super::*;
use crate::ledger::{Account, Permit, Reason, Share, Shortage};
use crate::output::cloudwatch_logs::sender::{Class, Put, Rejected};

/// 2023-11-14T22:15:00Z, a hundred seconds after the records.
const TIME: EventTime = EventTime::from_parts(1_700_000_100, 0);

fn marked(limit: RetryLimit, log_key: Option<&str>) -> Bench {
    let settings = Settings { loss_markers: true, ..settings(limit, log_key) };
    let mut bench = bench(limit);
    bench.delivery = Delivery::new(settings, Arc::clone(&bench.counters));
    bench.delivery.time_is(TIME);
    bench
}

/// The events of a batch: their times and texts.
fn events(batch: &Batch) -> Vec<(i64, String)> {
    let body: Value = serde_json::from_slice(&batch.sealed.body).expect("JSON");
    let event = |event: &Value| {
        let text = event["message"].as_str().expect("text").to_owned();
        (event["timestamp"].as_i64().expect("a time"), text)
    };
    body["logEvents"].as_array().expect("a list").iter().map(event).collect()
}

/// The markers of a batch, each with its time.
fn markers(batch: &Batch) -> Vec<(i64, Value)> {
    let marker = |(time, text): (i64, String)| {
        let value: Value = serde_json::from_str(&text).ok()?;
        value.get("firelane").is_some().then_some((time, value))
    };
    events(batch).into_iter().filter_map(marker).collect()
}

#[test]
fn what_is_given_up_is_told_before_the_streams_next_records() {
    let mut bench = marked(RetryLimit::NoRetries, None);
    bench.push(0, 0, 3);
    let batch = bench.batch();
    bench.fail(batch, Class::Transient, false);
    bench.push(1, 0, 1);
    bench.push(0, 3, 2);
    let other = bench.batch();
    assert!(markers(&other).is_empty(), "another stream lost nothing");
    bench.accept(other);
    let batch = bench.batch();
    let texts = events(&batch);
    assert_eq!(texts.len(), 3);
    let marker: Value = serde_json::from_str(&texts[0].1).expect("JSON");
    assert_eq!((texts[0].0, texts[1].0), (1_700_000_000_000, 1_700_000_000_000));
    assert_eq!((&marker["records"], &marker["reason"]), (&3.into(), &"retries_exhausted".into()));
    assert_eq!(batch.records(), 2, "a marker owes nothing");
    bench.accept(batch);
    assert!(bench.delivery.is_empty());
}

#[test]
fn a_marker_waits_for_a_batch_and_then_goes_alone() {
    let mut bench = marked(RetryLimit::NoRetries, None);
    bench.push(0, 0, 3);
    let batch = bench.batch();
    bench.fail(batch, Class::Transient, false);
    let lost = bench.now;
    assert!(!bench.delivery.is_empty());
    let batch = bench.batch();
    assert_eq!(bench.now, lost + ALONE_WAIT);
    assert_eq!((markers(&batch).len(), batch.records(), events(&batch).len()), (1, 0, 1));
    bench.accept(batch);
    assert!(bench.delivery.is_empty() && bench.delivery.streams.is_empty());
}

#[test]
fn a_marker_that_cannot_be_sent_is_kept_and_makes_no_other() {
    let mut bench = marked(RetryLimit::NoRetries, None);
    bench.push(0, 0, 3);
    let batch = bench.batch();
    bench.fail(batch, Class::Transient, false);
    for class in [Class::Transient, Class::Throttled, Class::NotFound] {
        let batch = bench.batch();
        assert_eq!(markers(&batch).len(), 1);
        bench.fail(batch, class, true);
        assert!(bench.delivery.streams.is_empty(), "nothing stays behind");
    }
    let batch = bench.batch();
    let told = markers(&batch);
    assert_eq!((told.len(), &told[0].1["records"]), (1, &3.into()));
    bench.accept(batch);
    assert!(bench.delivery.is_empty());
}

#[test]
fn records_behind_a_marker_that_failed_alone_wait_as_after_any_failure() {
    let mut bench = marked(RetryLimit::NoRetries, None);
    // A marker of now cannot go with records of the day before yesterday.
    bench.delivery.time_is(EventTime::from_parts(1_700_000_000 + 48 * 3_600, 0));
    bench.push(0, 0, 1);
    let batch = bench.batch();
    bench.fail(batch, Class::Transient, false);
    bench.push(0, 1, 1);
    let batch = bench.batch();
    assert_eq!((events(&batch).len(), batch.records()), (1, 0));
    bench.fail(batch, Class::Transient, false);
    assert!(bench.delivery.next_batch(bench.now).is_none(), "not at once");
    assert!(bench.delivery.wake_at() > Some(bench.now));
    for records in [0, 1] {
        let batch = bench.batch();
        assert_eq!(batch.records(), records);
        bench.accept(batch);
    }
    assert!(bench.delivery.is_empty());
}

#[test]
fn a_marker_that_is_refused_for_good_is_forgotten() {
    let mut bench = marked(RetryLimit::NoRetries, None);
    bench.push(0, 0, 3);
    let batch = bench.batch();
    bench.fail(batch, Class::Transient, false);
    let batch = bench.batch();
    bench.fail(batch, Class::Invalid, false);
    assert!(bench.delivery.is_empty() && bench.delivery.streams.is_empty());
    assert_eq!(bench.counters.account.balance().dropped_for(Reason::Refused), 0);
}

#[test]
fn several_markers_that_are_refused_together_are_forgotten_together() {
    let mut bench = marked(RetryLimit::Unlimited, None);
    bench.push(0, 0, 4);
    let batch = bench.batch();
    let rejected = Rejected { too_old_end: Some(1), expired_end: Some(2), too_new_start: None };
    bench.delivery.accepted(batch, &Put { rejected, ..Put::default() }, bench.now);
    let batch = bench.batch();
    assert_eq!((markers(&batch).len(), batch.records()), (2, 0));
    bench.fail(batch, Class::Invalid, false);
    assert!(bench.delivery.is_empty() && bench.delivery.streams.is_empty());
}

/// So many streams, all of whose records were given up as requests failed.
fn failed_streams(count: usize) -> Bench {
    let mut bench = marked(RetryLimit::NoRetries, None);
    (0..count).for_each(|stream| bench.push(stream, 0, 1));
    let batches: Vec<_> = (0..count).map(|_| bench.batch()).collect();
    batches.into_iter().for_each(|batch| bench.fail(batch, Class::Transient, false));
    bench.now += ALONE_WAIT;
    bench
}

#[test]
fn markers_of_streams_that_hang_leave_places_to_others() {
    let mut bench = failed_streams(IN_FLIGHT_MAX);
    let next = |bench: &mut Bench| bench.delivery.next_batch(bench.now);
    let hanging: Vec<_> = std::iter::from_fn(|| next(&mut bench)).collect();
    assert_eq!(hanging.len(), FAILING_MAX);
    assert!(bench.delivery.wake_at().is_none_or(|at| at > bench.now), "nobody asks in vain");
    bench.push(99, 0, 1);
    let other = bench.batch();
    assert_eq!(other.records(), 1, "a healthy stream has its place");
    bench.accept(other);
    let mut told = 0;
    for batch in hanging {
        bench.accept(batch);
        told += 1;
    }
    while !bench.delivery.is_empty() {
        let batch = bench.batch();
        bench.accept(batch);
        told += 1;
    }
    assert_eq!(told, IN_FLIGHT_MAX, "all are told in the end");
}

#[test]
fn a_stop_waits_for_no_marker_of_a_stream_that_fails_and_has_no_place() {
    let mut bench = failed_streams(IN_FLIGHT_MAX);
    bench.delivery.stop(bench.now);
    let next = |bench: &mut Bench| bench.delivery.next_batch(bench.now);
    let away: Vec<_> = std::iter::from_fn(|| next(&mut bench)).collect();
    assert_eq!(away.len(), FAILING_MAX);
    away.into_iter().for_each(|batch| bench.fail(batch, Class::Transient, false));
    assert!(next(&mut bench).is_none() && bench.delivery.is_empty());
}

#[test]
fn a_record_that_was_made_to_fit_is_told_of_once_it_arrived() {
    let made = |rejected: Option<Rejected>| {
        let mut bench = marked(RetryLimit::Unlimited, None);
        let chunk = bench.chunk(0, 1, 1_500_000);
        bench.delivery.push(&target(0), chunk, bench.now);
        let batch = bench.batch();
        let put = Put { rejected: rejected.unwrap_or_default(), ..Put::default() };
        bench.delivery.accepted(batch, &put, bench.now);
        let batch = bench.batch();
        let told = markers(&batch);
        bench.accept(batch);
        assert!(bench.delivery.is_empty());
        told.into_iter().map(|(_, one)| one["action"].clone()).collect::<Vec<_>>()
    };
    let too_old = Rejected { too_old_end: Some(1), ..Rejected::default() };
    assert_eq!(made(None), ["shortened"]);
    assert_eq!(made(Some(too_old)), ["dropped"], "it did not arrive with less text");
}

#[test]
fn at_a_stop_a_marker_goes_at_once_and_nobody_waits_for_a_second_attempt() {
    let mut bench = marked(RetryLimit::NoRetries, None);
    bench.push(0, 0, 3);
    let batch = bench.batch();
    bench.delivery.stop(bench.now);
    bench.fail(batch, Class::Transient, false);
    let batch = bench.delivery.next_batch(bench.now).expect("now");
    assert_eq!(markers(&batch).len(), 1);
    bench.fail(batch, Class::Transient, false);
    assert!(bench.delivery.is_empty());
}

#[test]
fn nothing_is_asked_for_in_vain_while_a_marker_waits_for_its_streams_batch() {
    let mut bench = marked(RetryLimit::NoRetries, None);
    bench.push(0, 0, 3);
    let batch = bench.batch();
    bench.push(0, 3, 1);
    bench.fail(batch, Class::Transient, false);
    let batch = bench.batch();
    assert_eq!(markers(&batch).len(), 1);
    bench.fail(batch, Class::Transient, false);
    bench.push(0, 4, 1);
    let away = bench.batch();
    bench.delivery.stop(bench.now);
    assert!(bench.delivery.next_batch(bench.now).is_none());
    assert!(bench.delivery.wake_at().is_none_or(|at| at > bench.now));
    bench.accept(away);
    assert!(bench.delivery.is_empty());
}

#[test]
fn a_line_sent_in_parts_and_a_record_cut_are_told_once() {
    let mut bench = marked(RetryLimit::Unlimited, Some("log"));
    let chunk = bench.chunk(0, 1, 1_500_000);
    bench.delivery.push(&target(0), chunk, bench.now);
    let mut told = Vec::new();
    let mut attempts = 0;
    while !bench.delivery.is_empty() {
        let batch = bench.batch();
        attempts += 1;
        if attempts == 1 {
            bench.fail(batch, Class::Transient, false);
            continue;
        }
        told.extend(markers(&batch));
        bench.accept(batch);
    }
    assert_eq!(told.len(), 1);
    assert_eq!((&told[0].1["action"], &told[0].1["records"]), (&"split".into(), &1.into()));

    let mut bench = marked(RetryLimit::Unlimited, None);
    let chunk = bench.chunk(0, 1, 1_500_000);
    bench.delivery.push(&target(0), chunk, bench.now);
    let (first, second) = (bench.batch(), ());
    bench.accept(first);
    let ((), batch) = (second, bench.batch());
    assert_eq!(markers(&batch)[0].1["action"], "shortened");
    bench.accept(batch);
}

#[test]
fn what_the_service_rejects_is_told_with_the_times_of_just_these() {
    let mut bench = marked(RetryLimit::Unlimited, None);
    let mut chunk = bench.chunk(0, 6, 0);
    for (at, entry) in Arc::make_mut(&mut chunk.entries).entries.iter_mut().enumerate() {
        // Backwards, so that the body has them in another order.
        entry.time = EventTime::from_parts(1_700_000_006 - i64::try_from(at).expect("few"), 0);
    }
    bench.delivery.push(&target(0), chunk, bench.now);
    let batch = bench.batch();
    let rejected = Rejected { too_old_end: Some(2), expired_end: None, too_new_start: Some(5) };
    bench.delivery.accepted(batch, &Put { rejected, ..Put::default() }, bench.now);
    let batch = bench.batch();
    let told = markers(&batch);
    let texts = |key: &str| told.iter().map(|(_, one)| one[key].clone()).collect::<Vec<_>>();
    assert_eq!(texts("reason"), ["too_old", "too_new"]);
    assert_eq!(texts("from"), ["2023-11-14T22:13:21.000000Z", "2023-11-14T22:13:26.000000Z"]);
    assert_eq!(texts("to"), ["2023-11-14T22:13:22.000000Z", "2023-11-14T22:13:26.000000Z"]);
    bench.accept(batch);
}

#[test]
fn a_marker_is_of_now_where_its_records_are_of_another_day() {
    for (time, expected) in [
        (EventTime::from_parts(1_700_000_000 + 23 * 3_600, 0), 1_700_000_000_000),
        (EventTime::from_parts(1_700_000_001 + 23 * 3_600, 0), 1_700_082_801_000),
        (EventTime::from_parts(1_699_999_999, 0), 1_699_999_999_000),
    ] {
        let mut bench = marked(RetryLimit::NoRetries, None);
        bench.delivery.time_is(time);
        bench.push(0, 0, 1);
        let batch = bench.batch();
        bench.fail(batch, Class::Transient, false);
        let batch = bench.batch();
        assert_eq!(markers(&batch)[0].0, expected);
        bench.accept(batch);
    }
}

#[test]
fn markers_that_find_no_room_in_a_batch_come_later() {
    let mut bench = marked(RetryLimit::Unlimited, None);
    bench.push(0, 0, 4);
    let batch = bench.batch();
    let rejected = Rejected { too_old_end: Some(1), expired_end: Some(2), too_new_start: None };
    bench.delivery.accepted(batch, &Put { rejected, ..Put::default() }, bench.now);
    bench.push(0, 4, 2);
    // Halved down to one event: a marker alone.
    let mut batch = bench.batch();
    while batch.sealed.records.len() > 1 {
        bench.fail(batch, Class::Invalid, false);
        batch = bench.batch();
    }
    assert_eq!(markers(&batch).len(), 1);
    bench.accept(batch);
    let mut told = 1;
    while !bench.delivery.is_empty() {
        let batch = bench.batch();
        told += markers(&batch).len();
        bench.accept(batch);
    }
    assert_eq!((told, bench.counters.account.balance().delivered), (2, 4));
}

#[test]
fn without_a_loss_there_is_no_marker_and_where_they_are_off_there_is_none_either() {
    for (is_on, limit) in [(true, RetryLimit::Unlimited), (false, RetryLimit::NoRetries)] {
        let mut bench = marked(limit, None);
        bench.delivery.markers = Markers::new(is_on, 1_024);
        bench.push(0, 0, 3);
        let batch = bench.batch();
        bench.fail(batch, Class::Transient, false);
        bench.push(0, 3, 1);
        while !bench.delivery.is_empty() {
            let batch = bench.batch();
            assert!(markers(&batch).is_empty());
            bench.accept(batch);
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Push { stream: usize, count: u64 },
    Send,
    Fail(usize, Class, bool),
    Accept(usize),
    Reject(usize, u32, u32, u32),
    MakeRoom,
    Wait(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    let class = prop_oneof![
        3 => Just(Class::Transient),
        1 => Just(Class::Throttled),
        1 => Just(Class::NotFound),
        2 => Just(Class::Invalid),
    ];
    prop_oneof![
        4 => (0..3_usize, 1..20_u64).prop_map(|(stream, count)| Step::Push { stream, count }),
        4 => Just(Step::Send),
        3 => (0..8_usize, class, any::<bool>()).prop_map(|(at, class, room)| Step::Fail(at, class, room)),
        3 => (0..8_usize).prop_map(Step::Accept),
        2 => (0..8_usize, 0..6_u32, 0..6_u32, 0..30_u32)
            .prop_map(|(at, old, expired, new)| Step::Reject(at, old, expired, new)),
        1 => Just(Step::MakeRoom),
        2 => (0..20_000_u64).prop_map(Step::Wait),
    ]
}

/// What streams were told: by stream and reason the records, and when.
#[derive(Default)]
struct Heard {
    records: BTreeMap<(Arc<Target>, String), u64>,
    at: BTreeMap<Arc<Target>, Vec<Instant>>,
}

impl Heard {
    fn hear(&mut self, batch: &Batch, now: Instant) {
        let markers = markers(batch);
        if !markers.is_empty() {
            self.at.entry(Arc::clone(&batch.target)).or_default().push(now);
        }
        for (_, marker) in markers {
            let reason = marker["reason"].as_str().expect("text").to_owned();
            let records = marker["records"].as_u64().expect("a number");
            *self.records.entry((Arc::clone(&batch.target), reason)).or_default() += records;
        }
    }
}

proptest! {
    /// Each stream has an account of its own here. Whatever happens to batches, the markers of a
    /// stream add up to what its account says was dropped, once delivery works again.
    #[test]
    fn the_markers_of_a_stream_add_up_to_what_the_ledger_says_was_dropped(
        steps in proptest::collection::vec(any_step(), 1..150),
        limit in prop_oneof![
            Just(RetryLimit::NoRetries), Just(RetryLimit::Retries(0)), Just(RetryLimit::Retries(2))
        ],
        stops: bool,
    ) {
        let mut bench = marked(limit, None);
        let accounts: Vec<_> = (0..3).map(|_| Arc::new(Account::default())).collect();
        let (mut away, mut heard) = (Vec::<Batch>::new(), Heard::default());
        for step in steps {
            match step {
                Step::Push { stream, count } => {
                    let mut chunk = bench.chunk(0, count, 0);
                    let permit = Permit::new(accounts[stream].receive(count), Share::empty());
                    std::mem::replace(&mut chunk.permit, permit).receipt.delivered(count);
                    bench.delivery.push(&target(stream), chunk, bench.now);
                }
                Step::Send => away.extend(bench.delivery.next_batch(bench.now)),
                Step::MakeRoom => drop(bench.delivery.make_room(&Shortage::Whole, bench.now)),
                Step::Wait(ms) => bench.now += Duration::from_millis(ms),
                _ if away.is_empty() => {}
                Step::Accept(at) => {
                    let batch = away.remove(at % away.len());
                    heard.hear(&batch, bench.now);
                    bench.accept(batch);
                }
                Step::Reject(at, old, expired, new) => {
                    let batch = away.remove(at % away.len());
                    heard.hear(&batch, bench.now);
                    // What tells of others is not rejected here.
                    let is_bare = batch.told.is_empty();
                    let some = |index| is_bare.then_some(index);
                    let rejected = Rejected {
                        too_old_end: some(old), expired_end: some(expired), too_new_start: some(new),
                    };
                    bench.delivery.accepted(batch, &Put { rejected, ..Put::default() }, bench.now);
                }
                Step::Fail(at, class, needs_room) => {
                    let batch = away.remove(at % away.len());
                    // Nor is it refused.
                    let is_marker = batch.records() == 0;
                    let class = if is_marker { Class::Transient } else { class };
                    bench.fail(batch, class, needs_room);
                }
            }
        }
        for times in heard.at.values() {
            let distances = times.windows(2).map(|two| two[1] - two[0]);
            prop_assert!(distances.min().is_none_or(|least| least >= MARKER_INTERVAL));
        }
        if stops {
            bench.delivery.stop(bench.now);
        }
        let mut rounds = 0;
        while !bench.delivery.is_empty() || !away.is_empty() {
            for batch in away.drain(..) {
                heard.hear(&batch, bench.now);
                bench.delivery.accepted(batch, &Put::default(), bench.now);
            }
            if let Some(at) = bench.delivery.wake_at() {
                bench.now = bench.now.max(at);
            }
            away.extend(std::iter::from_fn(|| bench.delivery.next_batch(bench.now)));
            rounds += 1;
            prop_assert!(rounds < 1_000, "something is never sent");
        }
        let mut told = 0;
        for (stream, account) in accounts.iter().enumerate() {
            let balance = account.balance();
            for reason in Reason::ALL {
                let key = (target(stream), reason.as_str().to_owned());
                let records = heard.records.remove(&key).unwrap_or_default();
                prop_assert_eq!(records, balance.dropped_for(reason), "{:?}", reason);
                told += records;
            }
            prop_assert_eq!(balance.held, 0);
        }
        prop_assert!(heard.records.is_empty(), "nothing else is told");
        prop_assert!(told > 0 || heard.at.is_empty());
    }
}
