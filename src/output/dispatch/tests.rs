//! The dispatch by its rules one by one, and as a whole against what it may do.

use bytes::Bytes;
use proptest::prelude::*;

use super::room::STALLED;
use super::*;
use crate::chunk::fixture::chunk;
use crate::ledger::{Account, Shortage};
use crate::option::RetryLimit;
use crate::record::chunk::Entries;
use crate::telemetry::OutputCounters;

const FLUSH: Duration = Duration::from_secs(1);
const AGAIN: FailureKind = FailureKind::Again { after: None, is_ambiguous: false };
const LONG: Duration = Duration::from_secs(600);

fn settings(retry_limit: RetryLimit) -> Settings {
    Settings { in_flight_max: 2, ..Settings::new(FLUSH, retry_limit, 25_000_000, 7) }
}

struct Bench {
    dispatch: Dispatch,
    counters: Arc<OutputCounters>,
    now: Instant,
}

impl Bench {
    fn new(settings: Settings) -> Self {
        let counters = Arc::new(OutputCounters::new("out"));
        let dispatch = Dispatch::new(settings, Arc::clone(&counters));
        Self { dispatch, counters, now: crate::clock::now() }
    }

    fn with(retry_limit: RetryLimit) -> Self {
        Self::new(settings(retry_limit))
    }

    fn push(&mut self, tag: &str, text: &str) {
        let chunk = chunk(&self.counters.account, tag, &[&[("n", text)]]);
        self.dispatch.push(Chunk { arrived: self.now, ..chunk });
    }

    fn next(&mut self) -> Option<Parcel> {
        self.dispatch.next_parcel(self.now)
    }

    fn fail(&mut self, parcel: Parcel, needs_room: bool) {
        self.dispatch.failed(parcel, (AGAIN, "no"), needs_room, self.now);
    }

    fn deliver(&mut self, parcel: Parcel) {
        self.dispatch.delivered(parcel, 1, self.now);
    }

    fn dropped(&self, reason: Reason) -> u64 {
        self.counters.account.balance().dropped_for(reason)
    }

    fn end(mut self) {
        drop_all(self.dispatch.abandon(), Reason::Stopped);
        assert_eq!(self.counters.account.balance().held, 0);
    }
}

/// The last byte of each record's text.
fn texts(parcel: &Parcel) -> Vec<u8> {
    let entries = parcel.chunks.iter().flat_map(|chunk| chunk.entries.iter());
    entries.map(|(_, record)| *record.last().expect("not empty")).collect()
}

#[test]
fn a_lane_is_due_a_flush_after_its_oldest_chunk() {
    let mut bench = Bench::with(RetryLimit::Retries(1));
    bench.push("a", "1");
    bench.push("a", "2");
    assert_eq!(bench.dispatch.wake_at(), Some(bench.now + FLUSH));
    bench.now += FLUSH - Duration::from_nanos(1);
    assert!(bench.next().is_none());
    bench.now += Duration::from_nanos(1);
    let parcel = bench.next().expect("due");
    assert_eq!((texts(&parcel), parcel.records()), (b"12".to_vec(), 2));
    bench.deliver(parcel);
    assert!(bench.dispatch.is_empty());
    bench.end();
}

#[test]
fn nothing_waits_for_more_where_memory_is_half_used_or_the_process_stops() {
    for stops in [false, true] {
        let mut bench = Bench::with(RetryLimit::Retries(1));
        bench.push("a", "1");
        match stops {
            true => bench.dispatch.stop(bench.now),
            false => bench.dispatch.crowded(true),
        }
        bench.push("b", "2");
        for _ in 0..2 {
            let parcel = bench.next().expect("due");
            bench.deliver(parcel);
        }
        bench.end();
    }
}

#[test]
fn a_parcel_takes_what_its_limit_allows_and_a_full_one_is_due_at_once() {
    let bytes_max = 100;
    let mut bench =
        Bench::new(Settings { parcel_bytes_max: bytes_max, ..settings(RetryLimit::Unlimited) });
    let push = |bench: &mut Bench, bytes: usize| {
        let mut chunk = chunk(&bench.counters.account, "a", &[&[("n", "x")]]);
        let entries = chunk.entries.entries.clone();
        chunk.entries = Arc::new(Entries { data: Bytes::from(vec![0x80; bytes]), entries });
        bench.dispatch.push(Chunk { arrived: bench.now, ..chunk });
    };
    for bytes in [60, 40, 1, 150] {
        push(&mut bench, bytes);
    }
    let mut sizes = Vec::new();
    bench.now += FLUSH;
    while let Some(parcel) = bench.next() {
        sizes.push(parcel.chunks.len());
        bench.deliver(parcel);
    }
    assert_eq!(sizes, [2, 1, 1], "100 bytes; 1, because 151 are too many; 150 alone");
    push(&mut bench, bytes_max - 1);
    assert!(bench.next().is_none());
    push(&mut bench, 1);
    let parcel = bench.next().expect("full");
    bench.deliver(parcel);
    bench.end();
}

#[test]
fn a_parcel_that_failed_goes_first_again_as_it_was() {
    let mut bench = Bench::with(RetryLimit::Unlimited);
    bench.push("a", "1");
    bench.now += FLUSH;
    let first = bench.next().expect("due");
    bench.push("a", "2");
    assert!(bench.dispatch.wake_at().is_none_or(|at| at > bench.now), "one at a time");
    bench.fail(first, true);
    assert!(bench.next().is_none(), "it waits");
    bench.now += LONG;
    for expected in [b"1", b"2"] {
        let parcel = bench.next().expect("due");
        assert_eq!(texts(&parcel), expected);
        bench.deliver(parcel);
    }
    assert_eq!((bench.counters.retries.get(), bench.counters.retried_records.get()), (1, 1));
    bench.end();
}

#[test]
fn a_peer_that_fails_is_tried_with_one_parcel_at_a_time() {
    let mut bench = Bench::with(RetryLimit::Unlimited);
    ["a", "b", "c", "d"].into_iter().for_each(|tag| bench.push(tag, "1"));
    bench.now += FLUSH;
    let (first, second) = (bench.next().expect("due"), bench.next().expect("due"));
    assert!(bench.next().is_none(), "two are allowed");
    bench.fail(first, false);
    bench.fail(second, false);
    assert_eq!(bench.dispatch.backoff.failures(), 1, "they were on their way together");
    bench.now += LONG;
    let third = bench.next().expect("one");
    assert!(bench.next().is_none());
    bench.deliver(third);
    assert!(bench.next().is_some_and(|parcel| {
        bench.deliver(parcel);
        true
    }));
    bench.end();
}

#[test]
fn what_one_lane_cannot_get_through_does_not_hold_the_others_up() {
    let mut bench = Bench::with(RetryLimit::Unlimited);
    for round in 0..5 {
        bench.push("bad", "1");
        bench.push("good", "2");
        bench.now += LONG;
        while let Some(parcel) = bench.next() {
            match parcel.tag.as_bytes() {
                b"bad" => bench.fail(parcel, false),
                _ => bench.deliver(parcel),
            }
            bench.now += Duration::from_secs(16);
        }
        assert_eq!(bench.counters.account.balance().delivered, round + 1);
    }
    bench.end();
}

#[test]
fn a_wait_that_the_peer_asks_for_is_kept_but_not_for_ever() {
    for (asked, kept) in [(60, 60), (301, 300)] {
        let mut bench = Bench::with(RetryLimit::Unlimited);
        bench.push("a", "1");
        bench.now += FLUSH;
        let parcel = bench.next().expect("due");
        let kind =
            FailureKind::Again { after: Some(Duration::from_secs(asked)), is_ambiguous: true };
        bench.dispatch.failed(parcel, (kind, "no"), false, bench.now);
        assert_eq!(bench.dispatch.wake_at(), Some(bench.now + Duration::from_secs(kept)));
        assert_eq!(bench.counters.ambiguous_records.get(), 1);
        bench.end();
    }
}

#[test]
fn a_parcel_is_given_up_only_beyond_its_retries_and_for_room() {
    let mut bench = Bench::with(RetryLimit::Retries(1));
    bench.push("a", "1");
    for (needs_room, is_given_up) in [(true, false), (false, false), (true, true)] {
        bench.now += LONG;
        let parcel = bench.next().expect("due");
        bench.fail(parcel, needs_room);
        assert_eq!(bench.dropped(Reason::RetriesExhausted) == 1, is_given_up);
    }
    assert!(bench.dispatch.is_empty());
    bench.end();
}

#[test]
fn a_refused_parcel_is_dropped_and_the_next_goes() {
    let mut bench = Bench::with(RetryLimit::Unlimited);
    for (kind, reason) in
        [(FailureKind::Refused, Reason::Refused), (FailureKind::Closed, Reason::Closed)]
    {
        bench.push("a", "1");
        bench.now += FLUSH;
        let parcel = bench.next().expect("due, nothing rests");
        bench.dispatch.failed(parcel, (kind, "no"), false, bench.now);
        assert_eq!(bench.dropped(reason), 1);
    }
    bench.end();
}

#[test]
fn an_output_whose_retries_are_used_up_makes_room_oldest_first() {
    let mut bench = Bench::with(RetryLimit::Retries(0));
    ["a", "b"].into_iter().for_each(|tag| bench.push(tag, "1"));
    assert!(!bench.dispatch.make_room(&Shortage::Whole, bench.now), "nothing failed");
    bench.now += FLUSH;
    let parcel = bench.next().expect("due");
    bench.fail(parcel, false);
    assert!(
        bench.dispatch.make_room(&Shortage::Whole, bench.now)
            && bench.dispatch.make_room(&Shortage::Whole, bench.now)
    );
    assert!(!bench.dispatch.make_room(&Shortage::Whole, bench.now), "nothing is left");
    assert_eq!(bench.dropped(Reason::RetriesExhausted), 2);
    assert!(bench.dispatch.is_empty());
    bench.end();
}

#[test]
fn a_lane_that_fails_by_itself_makes_room_and_those_beside_it_do_not() {
    let mut bench = Bench::with(RetryLimit::Retries(0));
    ["bad", "good"].into_iter().for_each(|tag| bench.push(tag, "1"));
    bench.now += FLUSH;
    let (bad, good) = (bench.next().expect("due"), bench.next().expect("due"));
    bench.fail(bad, false);
    bench.deliver(good);
    ["bad", "good"].into_iter().for_each(|tag| bench.push(tag, "2"));
    assert!(
        bench.dispatch.make_room(&Shortage::Whole, bench.now)
            && bench.dispatch.make_room(&Shortage::Whole, bench.now)
    );
    assert!(!bench.dispatch.make_room(&Shortage::Whole, bench.now), "the good one stays");
    assert_eq!(bench.dropped(Reason::RetriesExhausted), 2);
    bench.end();
}

#[test]
fn only_lanes_of_the_input_whose_memory_is_short_make_room() {
    let mut bench = Bench::with(RetryLimit::Retries(0));
    let inputs = [("a", 1), ("b", 2), ("c", 1)];
    for (tag, input) in inputs {
        let chunk = chunk(&bench.counters.account, tag, &[&[("n", "1")]]);
        bench.dispatch.push(Chunk { input, arrived: bench.now, ..chunk });
    }
    bench.now += FLUSH;
    // The one that failed, and what waits behind it while the peer takes nothing.
    let parcel = bench.next().expect("due");
    bench.fail(parcel, false);
    for (shortage, lost) in [
        (Shortage::None, 0),
        (Shortage::Of(vec![3]), 0),
        (Shortage::Of(vec![2]), 1),
        (Shortage::Of(vec![1]), 3),
    ] {
        while bench.dispatch.make_room(&shortage, bench.now) {}
        assert_eq!(bench.dropped(Reason::RetriesExhausted), lost, "{shortage:?}");
    }
    bench.end();
}

#[test]
fn what_other_outputs_hold_too_is_given_up_slowly_as_that_alone_makes_no_room() {
    let mut bench = Bench::with(RetryLimit::Retries(0));
    let other = Arc::new(Account::default());
    let mut theirs = Vec::new();
    for tag in ["a", "b"] {
        let chunk = chunk(&other, tag, &[&[("n", "1")]]);
        let chunk = Chunk { arrived: bench.now, ..chunk };
        bench.dispatch.push(chunk.receive_at(&bench.counters.account));
        theirs.push(chunk);
    }
    bench.now += FLUSH;
    let parcel = bench.next().expect("due");
    bench.fail(parcel, false);
    assert!(
        bench.dispatch.make_room(&Shortage::Whole, bench.now)
            && !bench.dispatch.make_room(&Shortage::Whole, bench.now)
    );
    bench.now += Duration::from_secs(1);
    assert!(bench.dispatch.make_room(&Shortage::Whole, bench.now));
    theirs.into_iter().for_each(Chunk::delivered);
    bench.end();
}

#[test]
fn while_attempts_fail_lanes_that_did_not_go_first() {
    let mut bench = Bench::with(RetryLimit::Unlimited);
    ["bad", "worse"].into_iter().for_each(|tag| bench.push(tag, "1"));
    bench.now += FLUSH;
    let (bad, worse) = (bench.next().expect("due"), bench.next().expect("due"));
    bench.fail(bad, false);
    bench.fail(worse, false);
    bench.push("good", "1");
    bench.now += LONG;
    let next = bench.next().expect("due");
    assert_eq!(next.tag.as_bytes(), b"good", "though it came last");
    bench.deliver(next);
    bench.end();
}

#[test]
fn a_peer_that_never_answers_makes_room_once_it_has_been_silent_too_long() {
    for (limit, gives) in [(RetryLimit::Retries(9), true), (RetryLimit::Unlimited, false)] {
        let mut bench = Bench::with(limit);
        bench.push("a", "1");
        bench.now += FLUSH;
        let away = bench.next().expect("due");
        bench.push("a", "2");
        assert_eq!(bench.dispatch.stalls_at(), Some(bench.now + STALLED));
        bench.now += STALLED - Duration::from_nanos(1);
        assert!(!bench.dispatch.make_room(&Shortage::Whole, bench.now));
        bench.now += Duration::from_nanos(1);
        assert_eq!(
            bench.dispatch.make_room(&Shortage::Whole, bench.now),
            gives,
            "what waits behind it"
        );
        assert!(!bench.dispatch.make_room(&Shortage::Whole, bench.now), "what is on its way stays");
        bench.deliver(away);
        bench.end();
    }
}

#[test]
fn waits_are_short_while_the_process_stops() {
    let mut bench = Bench::with(RetryLimit::Unlimited);
    bench.push("a", "1");
    for stops in [false, true, true] {
        bench.now += LONG;
        let parcel = bench.next().expect("due");
        if stops {
            bench.dispatch.stop(bench.now);
        }
        let kind = FailureKind::Again { after: Some(LONG), is_ambiguous: false };
        bench.dispatch.failed(parcel, (kind, "no"), false, bench.now);
        let wake_at = bench.dispatch.wake_at().expect("waits");
        assert_eq!(wake_at <= bench.now + BACKOFF_STOPPING_MAX, stops);
    }
    bench.end();
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Push { lane: u8 },
    Send,
    Answer { which: usize, outcome: u8 },
    Pass { millis: u64 },
    Crowded(bool),
    MakeRoom,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..4_u8).prop_map(|lane| Step::Push { lane }),
        4 => Just(Step::Send),
        4 => (0..4_usize, 0..10_u8).prop_map(|(which, outcome)| Step::Answer { which, outcome }),
        3 => (0..3_000_u64).prop_map(|millis| Step::Pass { millis }),
        1 => any::<bool>().prop_map(Step::Crowded),
        1 => Just(Step::MakeRoom),
    ]
}

proptest! {
    /// Whatever comes, fails and passes: of a lane one parcel is on its way at a time, nothing is
    /// overtaken, what failed comes again as it was, and every record has one outcome.
    #[test]
    fn a_lane_keeps_its_order_and_every_record_has_one_outcome(
        steps in proptest::collection::vec(step(), 0..200),
        limit in prop_oneof![
            Just(RetryLimit::NoRetries), Just(RetryLimit::Retries(1)), Just(RetryLimit::Unlimited)
        ],
    ) {
        let mut bench = Bench::with(limit);
        let mut number = 0_u64;
        let mut away: Vec<Parcel> = Vec::new();
        let mut seen: HashMap<Key, Seen> = HashMap::new();
        let numbers = |parcel: &Parcel| -> Vec<u64> {
            let number = |chunk: &Chunk| chunk.arrived.duration_since(bench_start()).subsec_nanos();
            parcel.chunks.iter().map(|chunk| u64::from(number(chunk))).collect()
        };
        for step in steps {
            match step {
                Step::Push { lane } => {
                    number += 1;
                    // The moment of arrival names the chunk.
                    let arrived = bench_start() + Duration::from_nanos(number);
                    let made = chunk(&bench.counters.account, ["a", "b"][usize::from(lane % 2)], &[&[("n", "1")]]);
                    bench.dispatch.push(Chunk { arrived, input: u16::from(lane / 2), ..made });
                }
                Step::Send => if let Some(parcel) = bench.next() {
                    prop_assert!(away.iter().all(|other| other.key() != parcel.key()));
                    prop_assert!(away.len() < 2);
                    let sent = numbers(&parcel);
                    let Seen { last, failed, made_room } = seen.entry(parcel.key()).or_default();
                    let is_again = sent == *failed;
                    prop_assert!(failed.is_empty() || is_again || *made_room, "as it was");
                    if !is_again {
                        prop_assert!(sent.first() > Some(last), "{:?} after {}", sent, last);
                    }
                    prop_assert!(sent.is_sorted());
                    *last = *sent.last().expect("not empty");
                    failed.clear();
                    away.push(parcel);
                },
                Step::Answer { which, outcome } => if which < away.len() {
                    let parcel = away.swap_remove(which);
                    let (key, sent) = (parcel.key(), numbers(&parcel));
                    match outcome {
                        0..5 => bench.deliver(parcel),
                        5 => bench.dispatch.failed(parcel, (FailureKind::Refused, "no"), true, bench.now),
                        _ => {
                            let before = bench.dropped(Reason::RetriesExhausted);
                            bench.fail(parcel, outcome == 6);
                            if bench.dropped(Reason::RetriesExhausted) == before {
                                *seen.get_mut(&key).expect("sent") = Seen { last: *sent.last().expect("not empty"), failed: sent, made_room: false };
                            }
                        }
                    }
                },
                Step::Pass { millis } => bench.now += Duration::from_millis(millis),
                Step::Crowded(is_crowded) => bench.dispatch.crowded(is_crowded),
                Step::MakeRoom => {
                    if bench.dispatch.make_room(&Shortage::Whole, bench.now) {
                        // It may have been one that failed.
                        seen.values_mut().for_each(|lane| lane.made_room = true);
                    }
                }
            }
        }
        away.into_iter().for_each(|parcel| bench.deliver(parcel));
        let mut rounds = 0;
        bench.dispatch.stop(bench.now);
        while !bench.dispatch.is_empty() {
            bench.now += LONG;
            while let Some(parcel) = bench.next() {
                bench.deliver(parcel);
            }
            rounds += 1;
            prop_assert!(rounds < 10, "something is never sent");
        }
        prop_assert_eq!(bench.counters.account.balance().held, 0);
    }
}

/// What a lane has sent.
#[derive(Default)]
struct Seen {
    last: u64,
    /// What failed last and was not sent since.
    failed: Vec<u64>,
    /// Whether that may have been given up since.
    made_room: bool,
}

/// A moment before every other of these tests.
fn bench_start() -> Instant {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    *START.get_or_init(|| crate::clock::now() - Duration::from_secs(100))
}
