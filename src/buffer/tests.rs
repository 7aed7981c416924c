//! Buffer and storekeeper over a simulated disk, without a thread: against a list of what was pushed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use proptest::prelude::*;

use super::*;
use crate::chunk::fixture::chunk;
use crate::ledger::{Account, Mark, Marked, Permit};
use crate::record::map;
use crate::record::msgpack::Reader;
use crate::spill::{Crash, Disk, Log, Settings, SimulatedDisk};

const TAGS: [&str; 3] = ["a", "b", "c"];

/// Told of chunks by their number.
#[derive(Debug, Default)]
struct Told(Mutex<BTreeSet<u64>>);

impl Marked for Told {
    fn ended(&self, number: u64) {
        self.0.lock().expect("no panic").insert(number);
    }
}

/// One process: buffer, storekeeper and what an output holds.
struct Bench {
    disk: SimulatedDisk,
    left: SimulatedDisk,
    account: Arc<Account>,
    budget: Budget,
    buffer: Buffer,
    keeper: Storekeeper,
    told: Arc<Told>,
    held: Vec<Chunk>,
}

impl Bench {
    fn on(disks: [SimulatedDisk; 2], survives: bool) -> Self {
        Self::with(disks, survives, 4_000, LaneRule::OfTag)
    }

    fn with(
        [disk, left]: [SimulatedDisk; 2],
        survives: bool,
        memory_bytes: u64,
        rule: LaneRule,
    ) -> Self {
        let account = Arc::new(Account::default());
        let settings = Settings { bytes_max: 1_000_000, segment_bytes_max: 1_000, syncs: false };
        let open = |disk: &SimulatedDisk| {
            Log::open(Disk::Simulated(disk.clone()), settings).expect("it opens")
        };
        let log = open(&disk);
        let around = Surroundings {
            log,
            left: survives.then(|| open(&left)),
            account: Arc::clone(&account),
            name: "out".to_owned(),
            window_bytes: 8_000,
            counters: Arc::default(),
        };
        let budget = Budget::new(100_000);
        let (buffer, keeper) = Buffer::with_store(budget.clone(), memory_bytes, rule, around);
        let told = Arc::default();
        Self { disk, left, account, budget, buffer, keeper, told, held: Vec::new() }
    }

    /// The one who keeps the store is gone, by a defect or because there is no thread for him.
    fn lose_keeper(&mut self) {
        self.keeper = Self::on(Default::default(), false).keeper;
    }

    /// Pushes records `first..first + count` of a tag as one chunk.
    fn push(&mut self, tag: &str, first: u64, count: u64, storage: Storage) {
        self.push_paid(tag, first, count, (storage, Share::empty()));
    }

    /// The same, for which this share was taken.
    fn push_paid(&mut self, tag: &str, first: u64, count: u64, paid: (Storage, Share)) {
        let (storage, mut share) = paid;
        let numbers: Vec<String> = (first..first + count).map(|one| one.to_string()).collect();
        let fields: Vec<_> = numbers.iter().map(|number| [("n", number.as_str())]).collect();
        let records: Vec<_> = fields.iter().map(<[_; 1]>::as_slice).collect();
        let mut chunk = chunk(&self.account, tag, &records);
        let place = place(tag) as u64;
        let maker = Arc::clone(&self.told) as Arc<dyn Marked>;
        share.follow(Mark::new(maker, place * 1_000_000 + first));
        let records = chunk.records();
        chunk.permit = Permit::new(chunk.permit.receipt.split(records), share);
        self.buffer.push(Chunk { storage, ..chunk });
    }

    fn pop(&mut self) -> Option<(String, Vec<u64>)> {
        let chunk = self.buffer.try_pop()?;
        let seen = (chunk.tag.to_string(), numbers(&chunk));
        self.held.push(chunk);
        Some(seen)
    }

    fn end(self) {
        self.end_with(Vec::new());
    }

    /// The end of the process, at which the output still has these.
    fn end_with(mut self, left: Vec<Chunk>) {
        self.held.drain(..).for_each(|chunk| chunk.dropped(Reason::Stopped));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.expect("a runtime");
        self.buffer.close();
        runtime.block_on(self.buffer.leave(left));
        let (sender, _closed) = oneshot::channel();
        let _ = self.buffer.store.as_ref().map(|store| store.orders.give(Order::Close(sender)));
        drop(self.buffer);
        runtime.block_on(self.keeper.run());
    }
}

fn numbers(chunk: &Chunk) -> Vec<u64> {
    let number = |record: &[u8]| {
        let pair = map::pairs(record).expect("a map").next().expect("a field");
        let text = Reader::new(pair.value).text().expect("text");
        String::from_utf8_lossy(text).parse::<u64>().expect("a number")
    };
    chunk.entries.iter().map(|(_, record)| number(record)).collect()
}

#[test]
fn what_an_output_has_no_room_for_waits_in_memory_and_comes_as_it_makes_room() {
    let mut bench = Bench::on(Default::default(), false);
    let mut seen = Vec::new();
    for number in 0..20 {
        for tag in ["a", "b"] {
            bench.push(tag, number, 1, Storage::Memory);
        }
        if let Some((_, numbers)) = bench.pop() {
            seen.extend(numbers);
        }
    }
    assert!(seen.len() < 20, "the output has no more than its part");
    loop {
        bench.held.drain(..).for_each(Chunk::delivered);
        let Some((_, numbers)) = bench.pop() else { break };
        seen.extend(numbers);
    }
    assert_eq!(seen, (0..20).flat_map(|number| [number, number]).collect::<Vec<_>>());
    assert_eq!(bench.disk.bytes(), 0, "nobody was held up");
    bench.end();
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_written_once_a_reader_was_held_up_for_the_time_and_no_sooner() {
    let mut bench = Bench::on(Default::default(), false);
    while let Some(share) = bench.budget.try_take(5_000) {
        bench.push_paid("a", 0, 1, (Storage::Memory, share));
    }
    let Bench { budget, disk, keeper, held, buffer, .. } = bench;
    let keeping = tokio::spawn(keeper.run());
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(disk.bytes(), 0, "nobody is held up");
    let began = tokio::time::Instant::now();
    let share = budget.take(5_000).await;
    assert_eq!(began.elapsed(), HELD_UP_MAX);
    assert!(disk.bytes() > 0);
    drop((share, held));
    buffer.close();
    buffer.leave(Vec::new()).await;
    buffer.end().await;
    keeping.await.expect("no panic");
}

#[test]
fn what_an_output_cannot_hold_goes_to_disk_and_its_memory_is_free() {
    let mut bench = Bench::on(Default::default(), false);
    for first in 0..10 {
        bench.push("a", first, 1, Storage::Memory);
    }
    bench.keeper.work();
    assert!(bench.disk.bytes() > 0);
    assert_eq!(bench.account.balance().held, 10, "what is on disk is held");
    let mut seen = Vec::new();
    while let Some((_, numbers)) = bench.pop() {
        seen.extend(numbers);
        bench.held.drain(..).for_each(Chunk::delivered);
        bench.keeper.work();
    }
    assert_eq!(seen, (0..10).collect::<Vec<_>>());
    bench.keeper.work();
    assert_eq!(bench.disk.bytes(), 0, "all was delivered: nothing stays on disk");
    assert_eq!(bench.account.balance().delivered, 10);
    bench.end();
}

#[test]
fn a_lane_that_is_stuck_does_not_keep_the_others_on_disk() {
    let mut bench = Bench::on(Default::default(), false);
    for first in 0..40 {
        bench.push("a", first, 1, Storage::Memory);
    }
    bench.push("b", 0, 1, Storage::Memory);
    bench.keeper.work();
    let mut seen = Vec::new();
    while let Some((tag, _)) = bench.pop() {
        seen.push(tag);
    }
    // Nothing of `a` was delivered, and it lies before `b`.
    assert!(seen.contains(&"b".to_owned()), "{seen:?}");
    assert!(seen.len() < 41, "{}", seen.len());
    bench.end();
}

#[test]
fn a_durable_chunk_is_told_of_when_it_is_written_and_is_gone_from_disk_when_it_is_delivered() {
    let mut bench = Bench::on(Default::default(), true);
    bench.push("a", 7, 2, Storage::Filesystem);
    bench.push("a", 9, 1, Storage::Memory);
    assert_eq!(bench.pop(), Some(("a".to_owned(), vec![7, 8])), "it need not wait for the disk");
    assert!(bench.told.0.lock().expect("no panic").is_empty());
    bench.keeper.work();
    assert_eq!(*bench.told.0.lock().expect("no panic"), BTreeSet::from([7]));
    bench.held.drain(..).for_each(Chunk::delivered);
    bench.keeper.work();
    assert_eq!(bench.disk.bytes(), 0);
    bench.end();
}

#[test]
fn of_a_disk_that_does_not_survive_nothing_is_told_before_it_is_delivered() {
    let mut bench = Bench::with(Default::default(), false, 1, LaneRule::One);
    bench.push("a", 7, 1, Storage::Memory);
    bench.push("a", 8, 1, Storage::Memory);
    bench.keeper.work();
    bench.pop();
    bench.pop();
    assert!(bench.told.0.lock().expect("no panic").is_empty());
    bench.held.drain(..).for_each(Chunk::delivered);
    bench.keeper.work();
    assert_eq!(*bench.told.0.lock().expect("no panic"), BTreeSet::from([7, 8]));
    bench.end();
}

#[test]
fn what_is_left_at_the_end_comes_before_what_was_on_disk() {
    let mut bench = Bench::with(Default::default(), true, 1_400, LaneRule::One);
    for first in 0..6 {
        bench.push("a", first, 1, Storage::Memory);
    }
    bench.keeper.work();
    let first = bench.buffer.try_pop().expect("it went straight");
    let disks = [bench.disk.clone(), bench.left.clone()];
    let account = Arc::clone(&bench.account);
    bench.end_with(vec![first]);
    let balance = account.balance();
    assert_eq!((balance.received, balance.stored, balance.held), (6, 6, 0), "{balance}");
    let mut again = Bench::on(disks, true);
    let mut seen = Vec::new();
    again.keeper.work();
    while let Some((_, numbers)) = again.pop() {
        seen.extend(numbers);
        again.held.drain(..).for_each(Chunk::delivered);
        again.keeper.work();
    }
    assert_eq!(seen, [0, 1, 2, 3, 4, 5]);
    assert_eq!(again.account.balance().replayed, 6);
    again.end();
}

#[test]
fn what_a_slow_disk_has_not_taken_holds_its_memory_though_the_output_is_done_with_it() {
    let mut bench = Bench::on(Default::default(), true);
    for first in 0..3 {
        let share = bench.budget.try_take(700).expect("free");
        bench.push_paid("a", first, 1, (Storage::Filesystem, share));
        bench.pop().expect("it need not wait for the disk");
        bench.held.drain(..).for_each(Chunk::delivered);
        assert_eq!(bench.budget.used_bytes(), 700 * (first + 1), "the disk has not taken it");
    }
    bench.keeper.work();
    assert_eq!(bench.budget.used_bytes(), 0);
    bench.end();
}

#[test]
fn a_block_that_is_written_holds_memory_only_as_long_as_the_output_does() {
    let mut bench = Bench::on(Default::default(), true);
    let share = bench.budget.try_take(700).expect("free");
    bench.push_paid("a", 0, 1, (Storage::Filesystem, share));
    bench.keeper.work();
    assert_eq!(bench.budget.used_bytes(), 700, "the output has it");
    bench.pop();
    bench.held.drain(..).for_each(Chunk::delivered);
    assert_eq!(bench.budget.used_bytes(), 0);
    bench.end();
}

#[test]
fn without_a_storekeeper_nothing_is_promised_and_nothing_is_waited_for() {
    let mut bench = Bench::with(Default::default(), true, 1, LaneRule::One);
    (0..2).for_each(|first| bench.push("a", first, 1, Storage::Memory));
    let disks = [bench.disk.clone(), bench.left.clone()];
    bench.end();
    let mut bench = Bench::on(disks, true);
    bench.lose_keeper();
    bench.push("a", 7, 1, Storage::Filesystem);
    assert!(bench.told.0.lock().expect("no panic").is_empty(), "it lies nowhere but here");
    assert_eq!(bench.pop(), Some(("a".to_owned(), vec![7])));
    assert!(!bench.held[0].permit.is_on_disk());
    bench.buffer.close();
    let pop = std::pin::pin!(bench.buffer.pop());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(pop.poll(&mut context).is_ready(), "nobody reads what an earlier process left");
    bench.held.drain(..).for_each(Chunk::delivered);
    assert_eq!(*bench.told.0.lock().expect("no panic"), BTreeSet::from([7]));
}

#[test]
fn what_has_its_outcome_before_it_is_written_is_not_written_and_its_memory_is_free() {
    let mut bench = Bench::on(Default::default(), true);
    bench.disk.die(true);
    for first in 0..3 {
        let share = bench.budget.try_take(700).expect("free");
        bench.push_paid("a", first, 1, (Storage::Filesystem, share));
        bench.pop().expect("it need not wait for the disk");
    }
    bench.keeper.work();
    bench.held.remove(1).delivered();
    bench.keeper.work();
    assert_eq!(bench.budget.used_bytes(), 1_400);
    assert_eq!(*bench.told.0.lock().expect("no panic"), BTreeSet::from([1]));
    bench.disk.heal();
    bench.keeper.work();
    assert_eq!(*bench.told.0.lock().expect("no panic"), BTreeSet::from([0, 1, 2]));
    bench.held.drain(..).for_each(Chunk::delivered);
    bench.keeper.work();
    assert_eq!((bench.budget.used_bytes(), bench.disk.bytes()), (0, 0));
    bench.end();
}

#[test]
fn no_more_is_written_than_marks_may_be_kept_for_and_the_rest_when_some_have_gone() {
    let mut bench = Bench::with(Default::default(), false, 1, LaneRule::One);
    bench.keeper.keep_marks(2);
    for first in 0..6 {
        let share = bench.budget.try_take(700).expect("free");
        bench.push_paid("a", first, 1, (Storage::Memory, share));
    }
    bench.keeper.work();
    assert_eq!(bench.budget.used_bytes(), 4 * 700, "one went straight, two are on disk");
    assert!(bench.buffer.store.as_ref().expect("there is one").shown.is_full());
    let mut seen = Vec::new();
    for _ in 0..10 {
        bench.keeper.work();
        seen.extend(bench.pop().into_iter().flat_map(|(_, numbers)| numbers));
        bench.held.drain(..).for_each(Chunk::delivered);
    }
    assert_eq!(seen, [0, 1, 2, 3, 4, 5]);
    assert_eq!(bench.told.0.lock().expect("no panic").len(), 6);
    assert!(!bench.buffer.store.as_ref().expect("there is one").shown.is_full());
    bench.end();
}

#[test]
fn what_is_left_goes_on_behind_a_chunk_that_is_longer_than_the_store_takes() {
    let mut bench = Bench::on(Default::default(), true);
    let long = "x".repeat(1_000_000);
    // Takes memory, so that the long one has not all there is.
    bench.push("a", 0, 1, Storage::Memory);
    bench.buffer.push(chunk(&bench.account, "a", &[&[("n", long.as_str())]]));
    bench.keeper.work();
    bench.push("a", 1, 1, Storage::Memory);
    let held: Vec<Chunk> = std::iter::from_fn(|| bench.buffer.try_pop()).collect();
    assert_eq!((held.len(), bench.disk.bytes()), (3, 0));
    let account = Arc::clone(&bench.account);
    bench.end_with(held);
    let balance = account.balance();
    assert_eq!((balance.stored, balance.dropped_for(Reason::Stopped)), (2, 1), "{balance}");
}

#[test]
fn what_the_disk_has_not_taken_at_the_end_goes_where_the_rest_is_left() {
    let mut bench = Bench::with(Default::default(), true, 1_400, LaneRule::One);
    bench.disk.die(true);
    bench.push("a", 0, 3, Storage::Filesystem);
    let mut kept = bench.buffer.try_pop().expect("it went straight");
    bench.push("a", 3, 1, Storage::Filesystem);
    let other = bench.buffer.try_pop().expect("it went straight");
    // Too much for the output's memory.
    (4..8).for_each(|first| bench.push("a", first, 1, Storage::Memory));
    let ended = Entries { data: kept.entries.data.clone(), entries: vec![kept.entries.entries[0]] };
    kept.split(ended).delivered();
    let kept_entries = kept.entries.entries[1..].to_vec();
    let data = kept.entries.data.clone();
    kept.entries = Arc::new(Entries { data, entries: kept_entries });
    let disks = [bench.disk.clone(), bench.left.clone()];
    let (account, told) = (Arc::clone(&bench.account), Arc::clone(&bench.told));
    bench.end_with(vec![kept, other]);
    let balance = account.balance();
    assert_eq!((balance.delivered, balance.stored, balance.held), (1, 7, 0), "{balance}");
    assert_eq!(told.0.lock().expect("no panic").len(), 6, "all of it survives");
    disks.iter().for_each(SimulatedDisk::heal);
    let mut again = Bench::on(disks, true);
    let mut seen = Vec::new();
    for _ in 0..10 {
        again.keeper.work();
        seen.extend(again.pop().into_iter().flat_map(|(_, numbers)| numbers));
        again.held.drain(..).for_each(Chunk::delivered);
    }
    assert_eq!(seen, [1, 2, 3, 4, 5, 6, 7]);
    again.keeper.work();
    assert_eq!(again.disk.bytes() + again.left.bytes(), 0);
    again.end();
}

#[test]
fn what_was_never_written_is_not_stored() {
    let mut bench = Bench::on(Default::default(), true);
    [&bench.disk, &bench.left].into_iter().for_each(|disk| disk.die(true));
    bench.push("a", 0, 2, Storage::Filesystem);
    let kept = bench.buffer.try_pop().expect("it went straight");
    let (account, told) = (Arc::clone(&bench.account), Arc::clone(&bench.told));
    bench.end_with(vec![kept]);
    let balance = account.balance();
    assert_eq!((balance.stored, balance.dropped_for(Reason::Stopped)), (0, 2), "{balance}");
    assert!(told.0.lock().expect("no panic").is_empty());
}

#[derive(Clone, Debug)]
enum Step {
    Push {
        tag: usize,
        count: u64,
        is_durable: bool,
    },
    Pop,
    /// Delivers one of the chunks that the output holds.
    Deliver(usize),
    Work,
    Full(bool),
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..3_usize, 1..4_u64, any::<bool>())
            .prop_map(|(tag, count, is_durable)| Step::Push { tag, count, is_durable }),
        4 => Just(Step::Pop),
        4 => (0..8_usize).prop_map(Step::Deliver),
        4 => Just(Step::Work),
        1 => any::<bool>().prop_map(Step::Full),
        1 => Just(Step::Crash),
    ]
}

/// What is known outside of the records of one tag.
#[derive(Debug, Default)]
struct Known {
    next: u64,
    /// The first of each chunk and how many it has, while not delivered.
    owed: BTreeMap<u64, u64>,
    /// The first of each chunk that an earlier process had stored.
    stored: BTreeSet<u64>,
    /// The newest that was taken since the start.
    taken: Option<u64>,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// In one process every record comes once and in the order of its lane. After a crash all come
    /// again that were told of and not delivered, in order, and no others.
    #[test]
    fn nothing_is_lost_doubled_or_overtaken(steps in prop::collection::vec(step(), 1..120)) {
        let mut bench = Bench::on(Default::default(), true);
        let mut known: [Known; 3] = Default::default();
        let taken = steps.into_iter().try_for_each(|step| take(step, &mut bench, &mut known));
        let emptied = taken.and_then(|()| empty(&mut bench, &mut known));
        bench.end();
        emptied?;
    }
}

/// Takes a step, and checks the ledger behind it.
fn take(step: Step, bench: &mut Bench, known: &mut [Known; 3]) -> Result<(), TestCaseError> {
    match step {
        Step::Push { tag, count, is_durable } => {
            let storage = if is_durable { Storage::Filesystem } else { Storage::Memory };
            let first = known[tag].next;
            bench.push(TAGS[tag], first, count, storage);
            known[tag].owed.insert(first, count);
            known[tag].next += count;
        }
        Step::Pop => check_pop(bench, known)?,
        Step::Deliver(which) if !bench.held.is_empty() => {
            let chunk = bench.held.remove(which % bench.held.len());
            known[place(&chunk.tag.to_string())].owed.remove(&numbers(&chunk)[0]);
            chunk.delivered();
        }
        Step::Deliver(_) => {}
        Step::Work => bench.keeper.work(),
        Step::Full(is_full) => {
            let used = bench.disk.bytes();
            bench.disk.limit(is_full.then_some(used + 100));
        }
        Step::Crash => {
            // What is delivered and not noted would be in doubt.
            bench.disk.limit(None);
            bench.keeper.work();
            let told = bench.told.0.lock().expect("no panic").clone();
            let disk = bench.disk.crashed(Crash::Within(usize::MAX));
            let left = bench.left.crashed(Crash::Within(usize::MAX));
            std::mem::replace(bench, Bench::on([disk, left], true)).end();
            for (tag, known) in (0..).zip(known) {
                let is_told = |first: &u64| told.contains(&(tag * 1_000_000 + first));
                known.owed.retain(|first, _| known.stored.contains(first) || is_told(first));
                known.stored = known.owed.keys().copied().collect();
                known.taken = None;
            }
        }
    }
    let balance = bench.account.balance();
    let ended = balance.delivered + balance.dropped.iter().sum::<u64>() + balance.held;
    prop_assert_eq!(balance.received + balance.replayed, ended);
    Ok(())
}

/// With a disk that takes everything all is delivered, and nothing stays there.
fn empty(bench: &mut Bench, known: &mut [Known; 3]) -> Result<(), TestCaseError> {
    bench.disk.limit(None);
    for _ in 0..1_000 {
        bench.keeper.work();
        check_pop(bench, known)?;
        for chunk in bench.held.drain(..) {
            known[place(&chunk.tag.to_string())].owed.remove(&numbers(&chunk)[0]);
            chunk.delivered();
        }
    }
    prop_assert!(known.iter().all(|known| known.owed.is_empty()), "{known:?}");
    bench.keeper.work();
    prop_assert!(bench.disk.bytes() < 100, "no more than the header of a file");
    prop_assert_eq!(bench.account.balance().held, 0);
    Ok(())
}

fn place(tag: &str) -> usize {
    TAGS.iter().position(|one| *one == tag).expect("a known tag")
}

/// What is taken comes next in its lane.
fn check_pop(bench: &mut Bench, known: &mut [Known; 3]) -> Result<(), TestCaseError> {
    let Some((tag, numbers)) = bench.pop() else { return Ok(()) };
    let known = &mut known[place(&tag)];
    let first = numbers[0];
    let next = known.owed.keys().find(|owed| Some(**owed) > known.taken);
    prop_assert_eq!(next, Some(&first), "of {}", tag);
    prop_assert_eq!(known.owed.get(&first), Some(&(numbers.len() as u64)));
    known.taken = Some(first);
    Ok(())
}
