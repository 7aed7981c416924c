//! What goes in comes out, once.

use super::*;
use crate::spill::block::Header;

#[test]
fn blocks_come_back_as_they_were_in_order_and_over_segments() {
    let disk = SimulatedDisk::default();
    let mut log = open(&disk, SETTINGS);
    let blocks: Vec<Block> = (1..40)
        .map(|number| block(number, &[3, 0, usize::try_from(number).expect("small")]))
        .collect();
    append(&mut log, &blocks[..20]);
    append(&mut log, &blocks[20..]);
    assert!(log.segments() > 1);
    assert_eq!(log.bytes(), disk.bytes());
    for expected in &blocks {
        let ReadBlock { block, ended } = log.read().expect("more").expect("whole");
        assert_eq!((seen(&block), ended), (seen(expected), vec![]));
        assert_eq!(
            (block.lane, block.input, block.rewrites, block.arrived_unix, &block.tag),
            (expected.lane, 7, 2, expected.arrived_unix, &expected.tag)
        );
        assert_eq!(block.shared.as_slice(), expected.shared.as_slice());
        let data: usize = expected.entries.iter().map(|(_, record)| record.len()).sum();
        assert_eq!(block.entries.data.len(), data, "packed");
    }
    assert!(log.read().is_none() && !log.has_unread());
}

#[test]
fn the_kernel_holds_no_more_unwritten_than_its_bound_and_one_buffer() {
    let disk = SimulatedDisk::default();
    let settings = Settings { bytes_max: 100 << 20, segment_bytes_max: 5 << 20, syncs: false };
    let mut log = open(&disk, settings);
    let mut most = 0;
    for number in 1..=200 {
        append(&mut log, &[block(number, &[100_000])]);
        most = most.max(disk.unsynced_bytes());
    }
    assert!(log.segments() > 3);
    let bound = usize::try_from(append::DIRTY_BYTES_MAX).expect("small");
    assert!((bound / 2..=bound + append::BUFFER_BYTES).contains(&most), "{most}");
}

#[test]
fn what_was_not_noted_as_ended_comes_again_after_a_start() {
    let disk = SimulatedDisk::default();
    let mut log = open(&disk, SETTINGS);
    let blocks: Vec<Block> = (1..=9).map(|number| block(number, &[100, 100, 100])).collect();
    append(&mut log, &blocks);
    assert_eq!(numbers(&mut log), (1..=9).collect::<Vec<_>>());
    log.ended(8, 1..3);
    log.ended(5, 2..3);
    end_all(&mut log, [1, 4, 7]);
    let mut log = open(&disk, SETTINGS);
    assert_eq!(log.next_number(), 10);
    let (blocks, damages) = drain(&mut log);
    assert!(damages.is_empty());
    let ended: Vec<_> = blocks.into_iter().map(|((number, _), ended)| (number, ended)).collect();
    let (none, one) = (Vec::new, |range: Range<u32>| Vec::from([range]));
    assert_eq!(
        ended,
        [(2, none()), (3, none()), (5, one(2..3)), (6, none()), (8, one(1..3)), (9, none())]
    );
    end_all(&mut log, [2, 3, 6, 9]);
    log.ended(5, 0..2);
    log.ended(8, 0..1);
    log.write_ended().expect("written");
    assert_eq!((log.segments(), log.bytes(), disk.names()), (0, 0, vec![]));
}

#[test]
fn a_kept_block_is_not_read_and_its_segment_goes_with_it() {
    let disk = SimulatedDisk::default();
    let mut log = open(&disk, SETTINGS);
    let blocks: Vec<Block> = (1..=4).map(|number| block(number, &[300])).collect();
    let appended = log.append(blocks.iter().map(|block| (block, block.number < 4)));
    assert_eq!(appended.written, 4);
    assert_eq!(numbers(&mut log), [4]);
    end_all(&mut log, [1, 2, 4]);
    assert_eq!(numbers(&mut open(&disk, SETTINGS)), [3]);
    end_all(&mut log, [3]);
    assert_eq!((log.segments(), disk.names()), (0, vec![]));
    append(&mut log, &[block(5, &[1])]);
    assert_eq!(numbers(&mut log), [5]);
}

#[test]
fn a_block_that_was_passed_over_is_read_later() {
    let disk = SimulatedDisk::default();
    let mut log = open(&disk, SETTINGS);
    append(&mut log, &(1..=4).map(|number| block(number, &[600, 2])).collect::<Vec<_>>());
    let Some(Peeked::Header(Header { number: 1, lane: 1, records: 2, bytes })) = log.peek() else {
        panic!("a block")
    };
    assert_eq!(bytes, 5 + 602 + 2 * 16);
    let (first, second) = (log.skip().expect("there"), log.skip().expect("there"));
    assert_eq!(numbers(&mut log), [3, 4]);
    end_all(&mut log, [3, 4]);
    assert_eq!(log.segments(), 2, "what was passed over stays");
    for (position, number) in [(second, 2), (first, 1)] {
        let read = log.read_at(position).expect("whole");
        assert_eq!(seen(&read.block), seen(&block(number, &[600, 2])));
        end_all(&mut log, [number]);
    }
    assert_eq!(disk.names(), Vec::<String>::new());
}

#[test]
fn a_block_longer_than_what_is_read_and_written_at_once_comes_back() {
    let disk = SimulatedDisk::default();
    let mut log = open(&disk, Settings { bytes_max: 1 << 24, ..SETTINGS });
    let long = [append::BUFFER_BYTES, 1, 3 * append::BUFFER_BYTES + 7];
    let blocks = [block(1, &[5]), block(2, &long), block(3, &vec![1; 30_000]), block(4, &[6])];
    append(&mut log, &blocks);
    for expected in &blocks {
        let read = log.read().expect("more").expect("whole");
        assert!(seen(&read.block) == seen(expected), "block {}", expected.number);
    }
}

#[test]
fn a_block_whose_records_end_one_by_one_gets_a_bounded_number_of_notes() {
    let disk = SimulatedDisk::default();
    let mut log = open(&disk, Settings { segment_bytes_max: 1 << 20, ..SETTINGS });
    append(&mut log, &[block(1, &[1; 5_000]), block(2, &[1])]);
    log.read().expect("unread").expect("whole");
    let max = u32::try_from(BLOCK_NOTES_MAX).expect("small");
    for at in 0..2 * max {
        log.ended(1, 2 * at..2 * at + 1);
        log.write_ended().expect("written");
    }
    let notes = disk.read("0000000000000001.done").len();
    assert_eq!(notes, FILE_HEADER_BYTES + BLOCK_NOTES_MAX * done::NOTE_BYTES);
    let (blocks, _) = drain(&mut open(&disk.copied(), SETTINGS));
    let ended: Vec<_> = (0..max).map(|at| 2 * at..2 * at + 1).collect();
    assert_eq!(blocks[0].1, ended, "the others come again");
    end_all(&mut log, [1]);
    let (blocks, _) = drain(&mut open(&disk.copied(), SETTINGS));
    assert_eq!(blocks.iter().map(|((number, _), _)| *number).collect::<Vec<_>>(), [2]);
}

#[test]
fn notes_of_entries_leave_room_for_those_of_blocks() {
    let disk = SimulatedDisk::default();
    let bytes_max = 1 << 26;
    let mut log = open(&disk, Settings { bytes_max, segment_bytes_max: bytes_max, ..SETTINGS });
    let numbers = 1..=25_u64;
    let blocks: Vec<Block> = numbers.clone().map(|number| block(number, &[1; 2_048])).collect();
    append(&mut log, &blocks);
    numbers.clone().for_each(|_| drop(log.read().expect("unread").expect("whole")));
    for number in numbers {
        (0..1_024).for_each(|at| log.ended(number, 2 * at..2 * at + 1));
        log.write_ended().expect("written");
    }
    let notes = disk.read("0000000000000001.done").len() as u64;
    assert!(notes <= done::DONE_BYTES_MAX / 2 && notes > done::DONE_BYTES_MAX / 3, "{notes}");
    end_all(&mut log, 1..=24);
    let (blocks, _) = drain(&mut open(&disk.copied(), SETTINGS));
    assert_eq!(blocks.iter().map(|((number, _), _)| *number).collect::<Vec<_>>(), [25]);
}
