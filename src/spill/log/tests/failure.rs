//! A disk that is full or fails.

use super::*;
use crate::spill::damage::Why;
use crate::spill::disk::Failure;

/// Appends what is left of the blocks from `from` on; gives where it ended.
fn append_some(log: &mut Log, blocks: &[Block], from: usize) -> (usize, bool) {
    let appended = log.append(blocks[from..].iter().map(|block| (block, false)));
    assert_eq!(appended.end.is_none(), from + appended.written == blocks.len());
    (from + appended.written, appended.end.is_some())
}

/// Writes, reads and ends, whatever fails, until all is through; gives what was read.
fn play(disk: &SimulatedDisk, settings: Settings) -> Vec<u64> {
    let mut log = open(disk, settings);
    let blocks: Vec<Block> = (1..=20)
        .map(|number| block(number, &[40, usize::try_from(number).expect("small")]))
        .collect();
    let (mut at, mut read) = (0, Vec::new());
    for round in 0..60 {
        if round == 30 {
            disk.heal();
        }
        at = append_some(&mut log, &blocks[..blocks.len().min(3 * (round + 1))], at.min(20)).0;
        assert!(disk.bytes() <= settings.bytes_max + 100, "a failed write may leave a part");
        // Some wait before they are read, some before they have ended.
        while let Some(Peeked::Header(header)) = log.peek()
            && header.number < u64::try_from(round * 2).expect("small")
        {
            let found = log.read().expect("peeked").expect("whole");
            assert_eq!(seen(&found.block), seen(&blocks[read.len()]));
            read.push(header.number);
            log.ended(header.number, 0..1);
        }
        for number in read.iter().rev().skip(2) {
            log.ended(*number, 1..2);
        }
        let _may_fail = log.write_ended();
    }
    read.iter().for_each(|number| log.ended(*number, 0..2));
    log.write_ended().expect("healed");
    assert_eq!((log.bytes(), log.segments(), disk.bytes()), (0, 0, 0), "{:?}", disk.names());
    read
}

#[test]
fn any_operation_may_fail_and_nothing_is_lost_or_comes_twice() {
    let whole = SimulatedDisk::default();
    let all: Vec<u64> = (1..=20).collect();
    assert_eq!(play(&whole, SETTINGS), all);
    for syncs in [false, true] {
        let settings = Settings { segment_bytes_max: 400, syncs, ..SETTINGS };
        for at in 1..whole.changes() * 2 {
            for failures in [1, 2, 3] {
                for failure in [Failure::Whole, Failure::Behind(30), Failure::Behind(200)] {
                    let disk = SimulatedDisk::default();
                    (0..failures).for_each(|more| disk.fail_after(at + more, failure));
                    let read = std::panic::catch_unwind(|| play(&disk, settings));
                    assert_eq!(read.ok(), Some(all.clone()), "{failures} at {at}: {failure:?}");
                }
            }
        }
    }
}

#[test]
fn a_disk_that_fails_for_long_takes_nothing_and_all_once_it_is_well() {
    let disk = SimulatedDisk::default();
    let mut log = open(&disk, SETTINGS);
    let blocks: Vec<Block> = (1..=8).map(|number| block(number, &[100])).collect();
    let (at, _) = append_some(&mut log, &blocks[..4], 0);
    disk.die(true);
    for _ in 0..3 {
        assert_eq!(append_some(&mut log, &blocks, at), (4, true));
    }
    disk.die(false);
    assert_eq!(append_some(&mut log, &blocks, at), (8, false));
    assert_eq!(numbers(&mut log), (1..=8).collect::<Vec<_>>());
}

#[test]
fn what_a_failed_write_left_is_not_read_by_the_next_process() {
    for syncs in [false, true] {
        let disk = SimulatedDisk::default();
        let settings = Settings { syncs, ..SETTINGS };
        let mut log = open(&disk, settings);
        let blocks: Vec<Block> = (1..=4).map(|number| block(number, &[100])).collect();
        append(&mut log, &blocks[..1]);
        // The write ends behind block 3, and can not be taken back.
        let bytes: u64 = blocks[1..3].iter().filter_map(disk_bytes).sum();
        disk.fail_after(0, Failure::Behind(usize::try_from(bytes).expect("small")));
        disk.fail_after(1, Failure::Whole);
        let (at, failed) = append_some(&mut log, &blocks, 1);
        assert_eq!((at, failed), (1, true));
        assert_eq!(numbers(&mut open(&disk.copied(), settings)).len(), 3, "there, and not counted");
        append(&mut log, &blocks[1..]);
        let (found, _) = drain(&mut open(&disk.copied(), settings));
        let found: Vec<u64> = found.into_iter().map(|((number, _), _)| number).collect();
        assert_eq!(found, [1, 2, 3, 4]);
        log.write_ended().expect("cut");
        assert_eq!(numbers(&mut open(&disk.copied(), settings)), [1, 2, 3, 4]);
        assert_eq!(log.bytes(), disk.bytes());
    }
}

#[test]
fn no_more_bytes_are_used_than_there_may_be_notes_included() {
    for bytes_max in [0, 50, 300, 1_000, 4_000] {
        let disk = SimulatedDisk::default();
        let settings = Settings { bytes_max, segment_bytes_max: 500, ..SETTINGS };
        let mut log = open(&disk, settings);
        for number in 1..200 {
            let one = block(number, &[10; 20]);
            let appended = log.append([(&one, false)]);
            let needed = disk_bytes(&one).expect("short");
            assert_eq!(appended.written == 1, appended.end.is_none());
            match appended.end {
                Some(AppendError::TooLong { bytes, .. }) => {
                    assert!(bytes == needed && needed + 100 > bytes_max - bytes_max / 16);
                }
                Some(AppendError::Full { bytes, .. }) => {
                    assert!(log.is_full_for(needed) && bytes == log.bytes());
                }
                Some(AppendError::Failed { .. }) => panic!("the disk is well"),
                None => {}
            }
            assert!(disk.bytes() <= bytes_max && log.bytes() == disk.bytes());
            if number % 7 == 0 {
                while let Some(found) = log.read() {
                    let number = found.expect("whole").block.number;
                    (0..10).for_each(|at| log.ended(number, 2 * at..2 * at + 1));
                }
                log.write_ended().expect("written");
                assert!(disk.bytes() <= bytes_max && log.bytes() == disk.bytes());
            }
            if number % 21 == 0 {
                (1..=number).for_each(|number| log.ended(number, 0..20));
                log.write_ended().expect("written");
                assert_eq!(disk.bytes(), 0);
            }
        }
    }
}

#[test]
fn a_log_of_too_many_segments_takes_blocks_again_when_one_is_gone() {
    let disk = SimulatedDisk::default();
    let mut log = open(&disk, Settings { bytes_max: 1 << 30, segment_bytes_max: 1, syncs: false });
    let one = block(1, &[]);
    for number in 1..=SEGMENTS_MAX as u64 {
        let one = Block { number, ..one.clone() };
        assert_eq!(log.append([(&one, true)]).written, 1);
    }
    let one = Block { number: log.next_number(), ..one };
    assert!(matches!(log.append([(&one, true)]).end, Some(AppendError::Full { .. })));
    log.write_ended().expect("deleted");
    assert_eq!((log.append([(&one, true)]).written, log.segments()), (1, 1));
}

#[test]
fn there_is_room_for_notes_when_there_is_none_for_blocks() {
    for bytes_max in 4_000..4_100 {
        let disk = SimulatedDisk::default();
        let settings = Settings { bytes_max, ..SETTINGS };
        let mut log = open(&disk, settings);
        let blocks: Vec<Block> = (1..=99).map(|number| block(number, &[10])).collect();
        let (written, is_full) = append_some(&mut log, &blocks, 0);
        assert!(is_full && numbers(&mut log).len() == written);
        log.ended(1, 0..1);
        log.ended(3, 0..1);
        log.write_ended().expect("written");
        let left = numbers(&mut open(&disk, settings));
        assert_eq!((left[..2].to_vec(), left.len()), (vec![2, 4], written - 2));
    }
}

#[test]
fn notes_that_cannot_be_written_are_taken_back_and_written_later() {
    let disk = SimulatedDisk::default();
    let mut log = open(&disk, SETTINGS);
    append(&mut log, &[block(1, &[1, 1]), block(2, &[1])]);
    assert_eq!(numbers(&mut log), [1, 2]);
    log.ended(1, 1..2);
    log.ended(2, 0..1);
    // The file can be made, and is full behind its header.
    disk.fail_after(1, Failure::Behind(30));
    let error = log.write_ended().expect_err("full").to_string();
    assert_eq!(error, "cannot write to 'simulated/0000000000000001.done': input/output error");
    assert_eq!((log.bytes(), disk.read("0000000000000001.done").len()), (disk.bytes(), 0));
    log.write_ended().expect("written");
    let (left, _) = drain(&mut open(&disk, SETTINGS));
    let part: Range<u32> = 1..2;
    assert_eq!(left, [(seen(&block(1, &[1, 1])), vec![part])]);
}

#[test]
fn what_is_broken_in_what_is_read_ahead_costs_nothing_before_it() {
    let disk = SimulatedDisk::default();
    let mut log = open(&disk, Settings { segment_bytes_max: 1 << 20, ..SETTINGS });
    append(&mut log, &(1..=6).map(|number| block(number, &[3_000])).collect::<Vec<_>>());
    // In that page block 3 ends and block 4 begins.
    disk.break_page(Some(8_192));
    let (blocks, damages) = drain(&mut log);
    let found: Vec<u64> = blocks.into_iter().map(|((number, _), _)| number).collect();
    assert_eq!(found, [1, 2, 5, 6]);
    assert!(damages.iter().all(|damage| matches!(damage.why, Why::Disk(_))), "{damages:?}");
    end_all(&mut log, [1, 2, 5, 6]);
    disk.heal();
    assert_eq!(numbers(&mut open(&disk, SETTINGS)), [3, 4]);
}

#[test]
fn a_full_disk_is_an_error_that_names_the_file_and_the_place() {
    let disk = SimulatedDisk::default();
    disk.limit(Some(300));
    let mut log = open(&disk, SETTINGS);
    let blocks = [block(1, &[100]), block(3, &[100])];
    assert_eq!(append_some(&mut log, &blocks[..1], 0), (1, false));
    let error = log.append([(&blocks[1], false)]).end.expect("full");
    let text = error.to_string();
    let start = "cannot write to 'simulated/0000000000000001.log' at byte 193: ";
    assert!(text.starts_with(start), "{text}");
    assert_eq!(disk.bytes(), 193, "taken back");
}

#[test]
fn a_segment_that_the_disk_does_not_give_stays_for_the_next_start() {
    let disk = SimulatedDisk::default();
    let mut log = open(&disk, SETTINGS);
    append(&mut log, &(1..=8).map(|number| block(number, &[300])).collect::<Vec<_>>());
    let segments = disk.names().len();
    assert_eq!(segments, 4);
    let mut log = open(&disk, SETTINGS);
    disk.refuse(Some(&name_of(1, Kind::Log)));
    let (blocks, damages) = drain(&mut log);
    assert_eq!((blocks.len(), damages.len()), (6, 1));
    end_all(&mut log, 3..=8);
    assert_eq!(disk.names().len(), 1);
    disk.heal();
    assert_eq!(numbers(&mut open(&disk, SETTINGS)), [1, 2]);
}

#[test]
fn a_newest_segment_that_cannot_be_read_does_not_lead_to_its_numbers_again() {
    let disk = SimulatedDisk::default();
    let mut log = open(&disk, SETTINGS);
    append(&mut log, &(1..=4).map(|number| block(number, &[3])).collect::<Vec<_>>());
    disk.refuse(Some(&name_of(1, Kind::Log)));
    let mut log = open(&disk, SETTINGS);
    let next = log.next_number();
    append(&mut log, &[block(next, &[3])]);
    disk.heal();
    assert_eq!(numbers(&mut open(&disk, SETTINGS)), [1, 2, 3, 4, next]);
}
