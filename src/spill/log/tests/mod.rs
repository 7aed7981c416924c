//! Tests of the log, over a disk that does what it is told.

mod basics;
mod crash;
mod failure;
mod model;

use std::sync::Arc;
use std::time::Duration;

use super::live::BLOCK_NOTES_MAX;
use super::*;
use crate::record::chunk::{Entries, Entry};
use crate::record::fields::{SharedField, SharedFields};
use crate::record::tag::Tag;
use crate::record::time::EventTime;
use crate::spill::block::Block;
use crate::spill::damage::Damage;
use crate::spill::disk::SimulatedDisk;

const SETTINGS: Settings = Settings { bytes_max: 1 << 20, segment_bytes_max: 1_000, syncs: false };

/// What the tests compare of a block.
type Seen = (u64, Vec<(i64, Vec<u8>)>);

/// With what has ended of it.
type Drained = (Seen, Vec<Range<u32>>);

/// A block of records of these lengths; what they hold follows from the number.
fn block(number: u64, records: &[usize]) -> Block {
    let (mut data, mut entries) = (b"#".to_vec(), Vec::new());
    for (at, length) in records.iter().enumerate() {
        let start = u32::try_from(data.len()).expect("small");
        let letter = b'a' + u8::try_from((number + at as u64) % 26).expect("small");
        data.resize(data.len() + length, letter);
        let end = u32::try_from(data.len()).expect("small");
        let nanos = i64::try_from(number).expect("small") * 1_000 + i64::from(end);
        entries.push(Entry { time: EventTime::from_nanos(nanos), start, end });
        // What lies between records is not written. Every second one follows at once.
        if at % 2 == 0 {
            data.extend_from_slice(b"##");
        }
    }
    let field = |key: &str, value: &str, yields| SharedField {
        key: key.as_bytes().into(),
        value: value.as_bytes().into(),
        yields,
    };
    let shared = SharedFields::new(vec![field("a", "1", false), field("", "", true)]);
    Block {
        number,
        lane: number % 3,
        input: 7,
        rewrites: 2,
        arrived_unix: Duration::new(1_700_000_000, 5),
        tag: Tag::from("app.x"),
        shared: if number.is_multiple_of(2) { shared } else { SharedFields::default() },
        entries: Arc::new(Entries { data: data.into(), entries }),
    }
}

fn seen(block: &Block) -> Seen {
    let records = block.entries.iter();
    (block.number, records.map(|(time, record)| (time.as_nanos(), record.to_vec())).collect())
}

fn open(disk: &SimulatedDisk, settings: Settings) -> Log {
    Log::open(Disk::Simulated(disk.clone()), settings).expect("a folder")
}

/// Appends blocks that nobody keeps; all are taken.
fn append(log: &mut Log, blocks: &[Block]) {
    let appended = log.append(blocks.iter().map(|block| (block, false)));
    assert!(appended.end.is_none(), "{:?}", appended.end);
    assert_eq!(appended.written, blocks.len());
}

/// Reads all that is unread: blocks, with what has ended of them, and damage.
fn drain(log: &mut Log) -> (Vec<Drained>, Vec<Damage>) {
    let (mut blocks, mut damages) = (Vec::new(), Vec::new());
    while let Some(read) = log.read() {
        match read {
            Ok(ReadBlock { block, ended }) => blocks.push((seen(&block), ended)),
            Err(damage) => damages.push(damage),
        }
    }
    assert!(!log.has_unread());
    (blocks, damages)
}

/// The numbers of all that is unread; nothing is damaged.
fn numbers(log: &mut Log) -> Vec<u64> {
    let (blocks, damages) = drain(log);
    assert!(damages.is_empty(), "{damages:?}");
    blocks.into_iter().map(|((number, _), _)| number).collect()
}

/// All records of these blocks have ended, and that is noted.
fn end_all(log: &mut Log, numbers: impl IntoIterator<Item = u64>) {
    numbers.into_iter().for_each(|number| log.ended(number, 0..u32::MAX));
    log.write_ended().expect("written");
}
