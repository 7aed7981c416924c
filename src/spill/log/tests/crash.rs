//! What is found after a crash, and in files that are not what was written.

use super::*;
use crate::spill::damage::Why;
use crate::spill::disk::Crash;
use crate::spill::segment::HEADER_BYTES;

/// Where blocks lie in a file: number, from, to.
type Places = Vec<(u64, usize, usize)>;

const SMALL: Settings = Settings { segment_bytes_max: 300, ..SETTINGS };

/// Three segments; block 3 has ended, and of block 5 its second record.
fn written() -> SimulatedDisk {
    let disk = SimulatedDisk::default();
    let mut log = open(&disk, SMALL);
    append(&mut log, &(1..=6).map(|number| block(number, &[5, 9, 2])).collect::<Vec<_>>());
    assert_eq!((numbers(&mut log).len(), log.segments()), (6, 3));
    log.ended(5, 1..2);
    end_all(&mut log, [3]);
    disk
}

fn places(disk: &SimulatedDisk, name: &str) -> Places {
    let (first, _) = kind_of(name).expect("a segment");
    let bytes = disk.read(name);
    let (mut at, mut places) = (FILE_HEADER_BYTES, Vec::new());
    while let Some(header) = crate::spill::segment::BlockHeader::read(&bytes[at..], first) {
        let end = at + usize::try_from(header.block_bytes()).expect("small");
        places.push((header.number, at, end));
        at = end;
    }
    assert_eq!(at, bytes.len());
    places
}

/// What a start finds; what it finds is the same with the next one, but for damage.
fn found(disk: &SimulatedDisk) -> (Vec<u64>, Vec<Damage>) {
    let mut log = open(disk, SMALL);
    let (blocks, damages) = drain(&mut log);
    assert!(blocks.iter().all(|((number, _), _)| *number < log.next_number()));
    for ((number, records), ended) in &blocks {
        assert_eq!((*number, records), (*number, &seen(&block(*number, &[5, 9, 2])).1));
        let part: Range<u32> = 1..2;
        assert!(ended.is_empty() || (*number == 5 && *ended == [part]));
    }
    log.write_ended().expect("written");
    let (again, told_again) = drain(&mut open(disk, SMALL));
    assert_eq!((again, told_again.len()), (blocks.clone(), 0));
    (blocks.into_iter().map(|((number, _), _)| number).collect(), damages)
}

fn is_log(name: &&String) -> bool {
    name.ends_with(".log")
}

#[test]
fn a_segment_that_is_cut_anywhere_gives_the_whole_blocks_and_tells_of_the_rest_once() {
    let whole = written();
    for name in whole.names().iter().filter(is_log) {
        let (bytes, places) = (whole.read(name), places(&whole, name));
        for cut in 1..bytes.len() {
            let disk = whole.copied();
            disk.write(name, &bytes[..cut]);
            let (numbers, damages) = found(&disk);
            let is_gone = |number| places.iter().any(|(one, _, end)| *one == number && *end > cut);
            let expected = [1, 2, 4, 5, 6].into_iter().filter(|number| !is_gone(*number));
            assert_eq!(numbers, expected.collect::<Vec<_>>(), "{name} cut at {cut}");
            let broken = places.iter().find(|(_, from, to)| *from < cut && cut < *to);
            let at = match broken {
                Some((3, from, _)) if cut - from >= 52 => None,
                Some((_, from, _)) => Some(*from),
                None => (cut < FILE_HEADER_BYTES).then_some(0),
            };
            let told = damages.iter().map(|damage| (damage.offset, damage.bytes, &damage.file));
            let file = Disk::Simulated(disk).path_of(name);
            let expected = at.map(|at| (at as u64, (cut - at) as u64, &file));
            assert_eq!(told.collect::<Vec<_>>(), expected.into_iter().collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_byte_that_changed_costs_its_block_alone_and_is_told_of_once() {
    let whole = written();
    for name in whole.names().iter().filter(is_log) {
        let (bytes, places) = (whole.read(name), places(&whole, name));
        for at in 0..bytes.len() {
            for bits in [1, 0x80, 0xff] {
                let disk = whole.copied();
                let mut changed = bytes.clone();
                changed[at] ^= bits;
                disk.write(name, &changed);
                let (numbers, damages) = found(&disk);
                let broken = places.iter().find(|(_, from, to)| (*from..*to).contains(&at));
                let gone = broken.map(|(number, _, _)| *number);
                let expected = [1, 2, 4, 5, 6].into_iter().filter(|number| Some(*number) != gone);
                assert_eq!(numbers, expected.collect::<Vec<_>>(), "{name} changed at {at}");
                let is_payload = broken.is_some_and(|(_, from, _)| at - from >= 52);
                if gone == Some(3) && is_payload {
                    assert!(damages.is_empty(), "what has ended is not missed");
                    continue;
                }
                let [damage] = damages.as_slice() else { panic!("{damages:?} at {at}") };
                let (from, to) =
                    broken.map_or((0, FILE_HEADER_BYTES), |(_, from, to)| (*from, *to));
                assert_eq!((damage.offset, damage.bytes), (from as u64, (to - from) as u64));
                let left = if gone == Some(5) { 2 } else { 3 };
                let known = (is_payload.then_some(left), is_payload.then_some(gone).flatten());
                let known = if broken.is_none() { (Some(0), None) } else { known };
                assert_eq!((damage.records, damage.number), known);
            }
        }
    }
}

#[test]
fn the_next_block_is_found_where_two_reads_meet() {
    for shift in 0..2 * HEADER_BYTES {
        let disk = SimulatedDisk::default();
        let mut log = open(&disk, Settings { segment_bytes_max: 1 << 20, ..SETTINGS });
        append(&mut log, &[block(1, &[AHEAD_BYTES - shift]), block(2, &[1])]);
        let mut bytes = disk.read(&name_of(1, Kind::Log));
        bytes[FILE_HEADER_BYTES] ^= 1;
        disk.write(&name_of(1, Kind::Log), &bytes);
        let (blocks, damages) = drain(&mut log);
        assert_eq!(blocks.len(), 1, "{shift}");
        let expected = disk_bytes(&block(1, &[AHEAD_BYTES - shift])).expect("short");
        assert_eq!(damages.iter().map(|damage| damage.bytes).collect::<Vec<_>>(), [expected]);
    }
}

#[test]
fn notes_that_are_cut_or_changed_cost_nothing_but_a_second_delivery() {
    let whole = written();
    for name in whole.names().iter().filter(|name| !is_log(name)) {
        let bytes = whole.read(name);
        let changed = (0..bytes.len()).flat_map(|at| {
            let mut changed = bytes.clone();
            changed[at] ^= 0xff;
            [changed, bytes[..at].to_vec()]
        });
        for changed in changed {
            let disk = whole.copied();
            disk.write(name, &changed);
            let (numbers, damages) = found(&disk);
            assert!(damages.is_empty());
            let missing = [1, 2, 3, 4, 5, 6].into_iter().find(|number| !numbers.contains(number));
            assert!(missing.is_none_or(|number| number == 3), "{missing:?}");
            // Notes that are written behind are read.
            let mut log = open(&disk, SMALL);
            drain(&mut log);
            end_all(&mut log, [4, 6]);
            let left = super::numbers(&mut open(&disk, SMALL));
            assert!(!left.contains(&4) && !left.contains(&6), "{left:?}");
        }
    }
}

#[test]
fn a_crash_in_a_write_leaves_what_was_written_before_it() {
    for bytes in 0..400 {
        let disk = SimulatedDisk::default();
        let mut log = open(&disk, SETTINGS);
        append(&mut log, &[block(1, &[50]), block(2, &[50])]);
        append(&mut log, &[block(3, &[50]), block(4, &[50])]);
        let disk = disk.crashed(Crash::Within(bytes));
        let mut log = open(&disk, SETTINGS);
        let (blocks, damages) = drain(&mut log);
        let numbers: Vec<_> = blocks.into_iter().map(|((number, _), _)| number).collect();
        assert!([2, 3, 4].contains(&numbers.len()), "{numbers:?}");
        assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
        assert!(damages.len() <= 1 && damages.iter().all(|damage| damage.offset > 0));
        assert!(log.next_number() > *numbers.last().expect("some"));
        let next = log.next_number();
        append(&mut log, &[block(next, &[1])]);
    }
}

#[test]
fn what_was_synced_survives_the_machine() {
    let disk = SimulatedDisk::default();
    let mut log = open(&disk, Settings { syncs: true, ..SMALL });
    for number in 1..=9 {
        append(&mut log, &[block(number, &[10])]);
        let crashed = disk.crashed(Crash::Unsynced);
        assert_eq!(numbers(&mut open(&crashed, SMALL)), (1..=number).collect::<Vec<_>>());
    }
    assert_eq!(numbers(&mut log).len(), 9);
    for number in 1..=9 {
        end_all(&mut log, [number]);
        let crashed = disk.crashed(Crash::Unsynced);
        assert_eq!(numbers(&mut open(&crashed, SMALL)), (number + 1..=9).collect::<Vec<_>>());
    }
    let mut log = open(&disk, SETTINGS);
    append(&mut log, &[block(1, &[10])]);
    assert!(numbers(&mut open(&disk.crashed(Crash::Unsynced), SMALL)).is_empty(), "not synced");
}

#[test]
fn a_segment_of_another_version_is_told_of_and_stays() {
    let disk = written();
    let name = name_of(1, Kind::Log);
    let mut bytes = disk.read(&name);
    bytes[4] = 2;
    let checksum = crc32fast::hash(&bytes[..16]);
    bytes[16..20].copy_from_slice(&checksum.to_le_bytes());
    disk.write(&name, &bytes);
    for _ in 0..2 {
        let mut log = open(&disk, SMALL);
        let (blocks, damages) = drain(&mut log);
        let [Damage { offset: 0, why: Why::Version(2), .. }] = damages.as_slice() else {
            panic!("{damages:?}")
        };
        end_all(&mut log, blocks.into_iter().map(|((number, _), _)| number));
        assert_eq!((disk.names(), disk.read(&name) == bytes), (vec![name.clone()], true));
        assert_eq!(log.bytes(), disk.bytes());
    }
}

#[test]
fn notes_without_a_segment_are_deleted_before_their_number_comes_again() {
    let disk = written();
    for name in disk.names().iter().filter(is_log) {
        Disk::Simulated(disk.clone()).remove(name).expect("gone");
    }
    let mut log = open(&disk, SMALL);
    assert!(!log.has_unread() && log.next_number() > 5);
    let next = log.next_number();
    append(&mut log, &[block(next, &[4])]);
    log.write_ended().expect("written");
    assert_eq!(disk.names().len(), 1);
    assert_eq!(numbers(&mut log).len(), 1);
}

#[test]
fn files_of_others_are_left_alone() {
    let disk = written();
    for name in ["x", "1.log", "0000000000000001.log.bak", "000000000000000A.log", "lock"] {
        disk.write(name, b"theirs");
    }
    let log = open(&disk, SMALL);
    assert_eq!(log.segments(), 3);
    log.remove_all().expect("gone");
    assert_eq!(disk.names().len(), 5);
}
