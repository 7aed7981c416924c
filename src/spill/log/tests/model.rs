//! The log against a list.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    /// Appends blocks of these numbers of records, kept or not.
    Append(Vec<usize>, bool),
    Read,
    Skip,
    /// Reads one of those that were passed over.
    ReadAt(prop::sample::Index),
    /// Entries of one of those in hand have ended.
    Ended(prop::sample::Index, u32, u32),
    WriteEnded,
    /// The process is gone, and another one begins.
    Start,
}

/// What is known of a block that was written.
#[derive(Clone, Debug, Default)]
struct Known {
    records: u32,
    ended: BTreeSet<u32>,
    noted: BTreeSet<u32>,
}

#[derive(Debug, Default)]
struct Model {
    blocks: BTreeMap<u64, Known>,
    unread: VecDeque<u64>,
    in_hand: Vec<u64>,
    skipped: Vec<(u64, Position)>,
}

impl Model {
    fn left(&self, noted: bool) -> impl Iterator<Item = u64> {
        let left = self.blocks.iter().filter(move |(_, known)| {
            let over = if noted { &known.noted } else { &known.ended };
            over.len() < known.records as usize
        });
        left.map(|(number, _)| *number)
    }

    fn start(&mut self) {
        self.unread = self.left(true).collect();
        self.blocks.values_mut().for_each(|known| known.ended = known.noted.clone());
        self.in_hand.clear();
        self.skipped.clear();
    }

    fn ended_of(&self, number: u64) -> BTreeSet<u32> {
        self.blocks[&number].ended.clone()
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (prop::collection::vec(1_usize..6, 0..6), any::<bool>())
            .prop_map(|(records, kept)| Step::Append(records, kept)),
        6 => Just(Step::Read),
        2 => Just(Step::Skip),
        2 => any::<prop::sample::Index>().prop_map(Step::ReadAt),
        9 => (any::<prop::sample::Index>(), 0_u32..5, 1_u32..6)
            .prop_map(|(index, from, count)| Step::Ended(index, from, count)),
        3 => Just(Step::WriteEnded),
        1 => Just(Step::Start),
    ]
}

fn made(number: u64, records: usize) -> Block {
    block(number, &vec![usize::try_from(number % 90).expect("small"); records])
}

fn check_read(model: &Model, read: ReadBlock, number: u64) {
    let records = model.blocks[&number].records as usize;
    assert_eq!(seen(&read.block), seen(&made(number, records)));
    assert_eq!(read.ended.into_iter().flatten().collect::<BTreeSet<_>>(), model.ended_of(number));
}

fn take(log: &mut Log, model: &mut Model, step: Step, disk: &SimulatedDisk, settings: Settings) {
    match step {
        Step::Append(records, kept) => {
            let first = log.next_number();
            let blocks: Vec<Block> =
                (first..).zip(records).map(|(number, records)| made(number, records)).collect();
            let appended = log.append(blocks.iter().map(|block| (block, kept)));
            let is_full = matches!(appended.end, Some(AppendError::Full { .. }));
            assert_eq!(is_full, appended.written < blocks.len(), "{:?}", appended.end);
            for block in &blocks[..appended.written] {
                let records = u32::try_from(block.entries.len()).expect("small");
                model.blocks.insert(block.number, Known { records, ..Known::default() });
                let place = if kept { None } else { Some(&mut model.unread) };
                place.map_or_else(
                    || model.in_hand.push(block.number),
                    |unread| {
                        unread.push_back(block.number);
                    },
                );
            }
        }
        Step::Read => match (log.read(), model.unread.pop_front()) {
            (Some(read), Some(number)) => {
                check_read(model, read.expect("whole"), number);
                model.in_hand.push(number);
            }
            (read, expected) => assert!(read.is_none() && expected.is_none()),
        },
        Step::Skip => match (log.skip(), model.unread.pop_front()) {
            (Some(position), Some(number)) => model.skipped.push((number, position)),
            (position, expected) => assert!(position.is_none() && expected.is_none()),
        },
        Step::ReadAt(index) if !model.skipped.is_empty() => {
            let (number, position) = model.skipped.remove(index.index(model.skipped.len()));
            check_read(model, log.read_at(position).expect("whole"), number);
            model.in_hand.push(number);
        }
        Step::Ended(index, from, count) if !model.in_hand.is_empty() => {
            let number = model.in_hand[index.index(model.in_hand.len())];
            log.ended(number, from..from + count);
            let known = model.blocks.get_mut(&number).expect("written");
            known.ended.extend(from..(from + count).min(known.records));
        }
        Step::ReadAt(_) | Step::Ended(..) => {}
        Step::WriteEnded => {
            log.write_ended().expect("the disk is well");
            model.blocks.values_mut().for_each(|known| known.noted = known.ended.clone());
            if model.left(false).next().is_none() && model.unread.is_empty() && !log.has_unread() {
                assert_eq!((disk.bytes(), log.segments()), (0, 0));
            }
        }
        Step::Start => {
            *log = open(disk, settings);
            model.start();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn a_log_does_what_a_list_does(
        steps in prop::collection::vec(step(), 1..120),
        bytes_max in prop_oneof![Just(1_u64 << 20), Just(1_u64 << 17)],
        segment_bytes_max in 100_u64..2_000,
    ) {
        let disk = SimulatedDisk::default();
        let settings = Settings { bytes_max, segment_bytes_max, syncs: false };
        let (mut log, mut model) = (open(&disk, settings), Model::default());
        for step in steps {
            take(&mut log, &mut model, step, &disk, settings);
            prop_assert_eq!(log.bytes(), disk.bytes());
            prop_assert!(disk.bytes() <= bytes_max);
            prop_assert!(log.has_unread() || model.unread.is_empty());
        }
        // Whatever was done: what has not ended is there in order.
        log.write_ended().expect("the disk is well");
        let expected: Vec<u64> = model.left(false).collect();
        prop_assert_eq!(numbers(&mut open(&disk, settings)), expected);
    }
}
