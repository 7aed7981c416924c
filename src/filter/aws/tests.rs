//! Chunks that wait for an answer, and what becomes of them.

use std::sync::Arc;

use proptest::prelude::*;
use tokio::sync::watch;

use super::*;
use crate::chunk::fixture::{Fields, chunk, lines};
use crate::ec2::Item;
use crate::ledger::Account;

const MS: Duration = Duration::from_millis(1);

struct Bench {
    filter: Aws,
    sender: watch::Sender<Option<Arc<Metadata>>>,
    account: Arc<Account>,
    started: Instant,
}

fn bench() -> Bench {
    let (sender, latest) = Latest::fixture();
    let started = crate::clock::now();
    Bench { filter: Aws::new(latest, started), sender, account: Arc::default(), started }
}

impl Bench {
    fn apply(&mut self, records: &[Fields<'_>], now: Instant) -> Option<Vec<String>> {
        self.filter.apply(chunk(&self.account, "t", records), now).map(lines)
    }

    fn learn(&self, values: &[(Item, &str)]) {
        let mut metadata = Metadata::default();
        values.iter().for_each(|(item, value)| metadata.set(*item, (*value).into()));
        self.sender.send_replace(Some(Arc::new(metadata)));
    }

    fn expired(&mut self, now: Instant) -> Vec<String> {
        std::iter::from_fn(|| self.filter.expired(now)).flat_map(lines).collect()
    }
}

#[test]
fn what_is_known_follows_the_records_in_fluent_bits_order_and_no_byte_is_copied() {
    let mut bench = bench();
    let mut metadata = Metadata::default();
    for (key, item) in KEYS.iter().rev() {
        metadata.set(*item, format!("{key}!").into());
    }
    metadata.set_tags(vec![("Name".into(), "web one".into()), ("az".into(), "mine".into())]);
    bench.sender.send_replace(Some(Arc::new(metadata)));
    let came = chunk(&bench.account, "t", &[&[("log", "x"), ("az", "own")], &[]]);
    let entries = Arc::clone(&came.entries);
    let gone = bench.filter.apply(came, bench.started).expect("something is known");
    assert!(Arc::ptr_eq(&entries, &gone.entries));
    let added = "az=az! ec2_instance_id=ec2_instance_id! ec2_instance_type=ec2_instance_type! \
                 private_ip=private_ip! vpc_id=vpc_id! ami_id=ami_id! account_id=account_id! \
                 hostname=hostname! Name=web one az=mine";
    assert_eq!(lines(gone), [format!("log=x az=own {added}"), added.to_owned()]);
}

#[test]
fn chunks_that_come_before_the_first_answer_wait_for_it_and_go_on_in_order() {
    let mut bench = bench();
    assert_eq!(bench.filter.wakes_at(), None);
    assert_eq!(bench.apply(&[&[("log", "1")]], bench.started), None);
    assert_eq!(bench.apply(&[&[("log", "2")]], bench.started + MS), None);
    assert_eq!(bench.filter.wakes_at(), Some(bench.started + WAIT_MAX));
    bench.learn(&[(Item::AvailabilityZone, "a")]);
    let now = bench.started + 2 * MS;
    assert_eq!(bench.apply(&[&[("log", "3")]], now), None, "not before the others");
    assert_eq!(bench.filter.wakes_at(), Some(now), "at once");
    assert_eq!(bench.expired(now), ["log=1 az=a", "log=2 az=a", "log=3 az=a"]);
    assert_eq!(bench.apply(&[&[("log", "4")]], now), Some(vec!["log=4 az=a".to_owned()]));
    assert_eq!(bench.filter.wakes_at(), None);
}

#[test]
fn without_an_answer_chunks_go_on_as_they_are_after_their_wait() {
    let mut bench = bench();
    assert_eq!(bench.apply(&[&[("log", "1")]], bench.started), None);
    assert!(bench.expired(bench.started + WAIT_MAX - MS).is_empty());
    let late = bench.started + WAIT_MAX;
    assert_eq!(bench.expired(late), ["log=1"]);
    assert_eq!(bench.apply(&[&[("log", "2")]], late), Some(vec!["log=2".to_owned()]));
    bench.learn(&[(Item::AvailabilityZone, "a")]);
    assert_eq!(bench.apply(&[&[("log", "3")]], late), Some(vec!["log=3 az=a".to_owned()]));
}

#[test]
fn an_attempt_that_failed_ends_the_wait() {
    let mut bench = bench();
    assert_eq!(bench.apply(&[&[("log", "1")]], bench.started), None);
    bench.learn(&[]);
    assert_eq!(bench.expired(bench.started + MS), ["log=1"]);
    assert_eq!(bench.apply(&[&[("log", "2")]], bench.started + MS), Some(vec!["log=2".to_owned()]));
}

#[test]
fn no_more_chunks_wait_than_the_bound() {
    let mut bench = bench();
    for _ in 1..CHUNKS_MAX {
        assert_eq!(bench.apply(&[&[]], bench.started), None);
    }
    assert!(bench.expired(bench.started).is_empty());
    assert_eq!(bench.apply(&[&[]], bench.started), None);
    assert_eq!(bench.filter.wakes_at(), Some(bench.started));
    assert_eq!(bench.expired(bench.started).len(), CHUNKS_MAX);
}

#[test]
fn two_chunks_alike_share_one_list_of_fields() {
    let mut bench = bench();
    bench.learn(&[(Item::Hostname, "h")]);
    let chunks = [(); 2].map(|()| {
        let chunk = chunk(&bench.account, "t", &[&[]]);
        bench.filter.apply(chunk, bench.started).expect("known")
    });
    assert!(chunks[0].shared.is_same(&chunks[1].shared));
    chunks.into_iter().for_each(Chunk::delivered);
}

proptest! {
    /// Whenever the answers come and whenever it is looked, no chunk is lost or overtakes another.
    #[test]
    fn every_chunk_goes_on_once_and_in_order(
        steps in proptest::collection::vec((0..4_u8, 0..900_u32), 0..40),
    ) {
        let mut bench = bench();
        let (mut now, mut sent, mut got) = (bench.started, 0, Vec::new());
        for (step, ms) in steps {
            now += MS * ms;
            match step {
                0 => bench.learn(&[(Item::Hostname, "h")]),
                1 => got.extend(bench.expired(now)),
                _ => {
                    let number = sent.to_string();
                    sent += 1;
                    got.extend(bench.apply(&[&[("n", &number)]], now).into_iter().flatten());
                }
            }
        }
        got.extend(std::iter::from_fn(|| bench.filter.pending()).flat_map(lines));
        let number = |line: &String| line.split(['=', ' ']).nth(1).map(str::to_owned);
        let numbers: Vec<_> = got.iter().filter_map(number).collect();
        prop_assert_eq!(numbers, (0..sent).map(|n: u32| n.to_string()).collect::<Vec<_>>());
        prop_assert_eq!(bench.account.balance().held, 0);
    }
}
