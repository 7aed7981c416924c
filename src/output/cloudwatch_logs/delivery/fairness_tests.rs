//! No stream and no log group keeps the others from being served, and who holds most gives first.

use proptest::prelude::*;

use super::slots::{FAILING_MAX, OF_GROUP_MAX};
use super::tests::{Bench, FLUSH, bench, target};
use super::*;
use crate::ledger::{Reason, Shortage};
use crate::output::cloudwatch_logs::sender::Class;

fn of_group(group: &str, stream: usize) -> Arc<Target> {
    Arc::new(Target::new(group, &format!("s{stream}")))
}

fn push(bench: &mut Bench, target: &Arc<Target>, records: u64, padding: usize) {
    let chunk = bench.chunk(0, records, padding);
    bench.delivery.push(target, chunk, bench.now);
}

/// All that may go now.
fn sent(bench: &mut Bench) -> Vec<Batch> {
    std::iter::from_fn(|| bench.delivery.next_batch(bench.now)).collect()
}

fn end(mut bench: Bench, away: Vec<Batch>) {
    away.into_iter().for_each(|batch| bench.delivery.abandon_batch(batch, false));
    bench.abandon();
}

#[test]
fn a_group_that_hangs_leaves_places_for_another() {
    let mut bench = bench(RetryLimit::Unlimited);
    push(&mut bench, &of_group("alive", 0), 1, 0);
    (0..2 * IN_FLIGHT_MAX).for_each(|stream| push(&mut bench, &of_group("dead", stream), 1, 0));
    bench.now += FLUSH;
    let mut away = sent(&mut bench);
    let dead = away.iter().filter(|batch| batch.target.group == "dead").count();
    assert_eq!((away.len(), dead), (OF_GROUP_MAX + 1, OF_GROUP_MAX));
    assert!(bench.delivery.wake_at().is_none(), "nobody asks in vain");
    // Its requests hang from now on, and the other group goes on.
    let alive = away.iter().position(|batch| batch.target.group == "alive").expect("sent");
    bench.accept(away.remove(alive));
    for _ in 0..3 {
        push(&mut bench, &of_group("alive", 0), 1, 0);
        bench.now += FLUSH;
        let batch = bench.delivery.next_batch(bench.now).expect("a place is left");
        assert_eq!(batch.target.group, "alive");
        bench.accept(batch);
    }
    end(bench, away);
}

#[test]
fn a_group_that_is_the_only_one_has_all_places() {
    let mut bench = bench(RetryLimit::Unlimited);
    (0..2 * IN_FLIGHT_MAX).for_each(|stream| push(&mut bench, &target(stream), 1, 0));
    bench.now += FLUSH;
    let away = sent(&mut bench);
    assert_eq!(away.len(), IN_FLIGHT_MAX);
    end(bench, away);
}

#[test]
fn bodies_on_their_way_have_a_bound_together_and_go_on_as_one_comes_back() {
    let mut bench = bench(RetryLimit::Unlimited);
    for stream in 0..IN_FLIGHT_MAX {
        let mut chunk = bench.chunk(0, 1, 500_000);
        let entries = Arc::make_mut(&mut chunk.entries);
        let text = entries.data.iter().map(|byte| if *byte == b'x' { b'"' } else { *byte });
        entries.data = text.collect::<Vec<_>>().into();
        bench.delivery.push(&target(stream), chunk, bench.now);
    }
    bench.now += FLUSH;
    let mut away = sent(&mut bench);
    let bytes = |away: &[Batch]| away.iter().map(|batch| batch.sealed.body.len()).sum::<usize>();
    assert!(away[0].sealed.body.len() > 2_000_000, "each quote takes four bytes");
    assert_eq!(away.len(), 5);
    assert!(bytes(&away) <= BODIES_BYTES_MAX && bench.delivery.wake_at().is_none());
    let back = away.pop().expect("five");
    bench.accept(back);
    away.extend(sent(&mut bench));
    assert_eq!(away.len(), 5);
    end(bench, away);
}

#[test]
fn streams_that_fail_leave_half_of_the_places() {
    let mut bench = bench(RetryLimit::Unlimited);
    (0..2 * IN_FLIGHT_MAX).for_each(|stream| push(&mut bench, &target(stream), 1, 0));
    bench.now += FLUSH;
    for _ in 0..2 {
        for batch in sent(&mut bench) {
            bench.fail(batch, Class::Transient, false);
        }
    }
    bench.now += Duration::from_secs(60);
    let mut away = sent(&mut bench);
    assert_eq!(away.len(), FAILING_MAX);
    assert!(bench.delivery.wake_at().is_none(), "nobody asks in vain");
    push(&mut bench, &target(100), 1, 0);
    bench.now += FLUSH;
    let batch = bench.delivery.next_batch(bench.now).expect("a place is left");
    assert_eq!(batch.target, target(100));
    away.push(batch);
    end(bench, away);
}

#[test]
fn whoever_holds_most_gives_first_though_another_waits_longer() {
    let mut bench = bench(RetryLimit::Retries(0));
    push(&mut bench, &target(0), 1, 0);
    bench.now += Duration::from_millis(1);
    push(&mut bench, &target(1), 50, 1_000);
    bench.now += FLUSH;
    let [quiet, flood] = <[Batch; 2]>::try_from(sent(&mut bench)).expect("two");
    bench.fail(flood, Class::Transient, false);
    // Room is needed just when the quiet one fails.
    bench.fail(quiet, Class::Transient, true);
    assert_eq!(bench.counters.account.balance().dropped_for(Reason::RetriesExhausted), 50);
    assert!(bench.delivery.make_room(&Shortage::Whole, bench.now));
    assert_eq!(bench.counters.account.balance().dropped_for(Reason::RetriesExhausted), 51);
    end(bench, Vec::new());
}

proptest! {
    // Each request of the one that floods is a mebibyte.
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// One stream always has more than enough, others have a line now and then. A line of these that
    /// is due waits for no more requests than there are other streams and places.
    #[test]
    fn a_quiet_line_is_sent_within_a_bounded_number_of_requests(
        lines in proptest::collection::vec((1..9_usize, 0..400_u64), 1..20),
        answers in proptest::collection::vec((0..8_usize, 1..200_u64), 20..50),
    ) {
        let mut bench = bench(RetryLimit::Unlimited);
        bench.delivery.crowded(true, bench.now);
        let (mut away, mut lines) = (Vec::<Batch>::new(), lines.into_iter());
        let mut due: HashMap<Arc<Target>, (Instant, usize)> = HashMap::default();
        for (which, ms) in answers {
            push(&mut bench, &target(0), 2, 600_000);
            if let Some((stream, ms)) = lines.next() {
                push(&mut bench, &target(stream), 1, 0);
                due.entry(target(stream)).or_insert((bench.now + FLUSH, 0));
                bench.now += Duration::from_millis(ms);
            }
            bench.now += Duration::from_millis(ms);
            for batch in sent(&mut bench) {
                due.remove(&batch.target);
                for (_, passed) in due.values_mut().filter(|(at, _)| *at <= bench.now) {
                    *passed += 1;
                }
                away.push(batch);
            }
            prop_assert!(due.values().all(|(_, passed)| *passed <= 8 + IN_FLIGHT_MAX));
            if !away.is_empty() {
                let batch = away.remove(which % away.len());
                bench.accept(batch);
            }
        }
        end(bench, away);
    }
}
