//! The bytes are as they are drawn, and come back as what they were.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::record::chunk::{Entries, Entry};
use crate::record::fields::{SharedField, SharedFields};
use crate::record::tag::Tag;
use crate::record::time::EventTime;
use crate::spill::block::Block;

const FIRST: u64 = 0x0102;

/// Records with so many bytes in front of each that belong to none.
fn block(records: &[(i64, Vec<u8>, usize)], fields: &[(Vec<u8>, Vec<u8>, bool)]) -> Block {
    let (mut data, mut entries) = (Vec::new(), Vec::new());
    for (nanos, record, gap) in records {
        data.resize(data.len() + gap, b'#');
        let start = u32::try_from(data.len()).expect("small");
        data.extend_from_slice(record);
        let end = u32::try_from(data.len()).expect("small");
        entries.push(Entry { time: EventTime::from_nanos(*nanos), start, end });
    }
    let field = |(key, value, yields): &(Vec<u8>, Vec<u8>, bool)| SharedField {
        key: key.as_slice().into(),
        value: value.as_slice().into(),
        yields: *yields,
    };
    Block {
        number: 0x0304,
        lane: 0x0506,
        input: 0x0708,
        rewrites: 9,
        arrived_unix: Duration::from_nanos(0x0a0b),
        tag: Tag::from("tag"),
        shared: SharedFields::new(fields.iter().map(field).collect()),
        entries: Arc::new(Entries { data: data.into(), entries }),
    }
}

fn bytes_of(block: &Block, buffer_bytes_max: usize) -> Vec<u8> {
    let sizes = Sizes::of(block).expect("short");
    let (mut out, mut buffer) = (Vec::new(), Vec::new());
    let full = |buffer: &mut Vec<u8>| {
        assert!(buffer.len() < HEADER_BYTES + 2 * buffer_bytes_max);
        out.append(buffer);
        Ok(())
    };
    encode(block, &sizes, FIRST, &mut buffer, buffer_bytes_max, full).expect("written");
    out.append(&mut buffer);
    assert_eq!(out.len() as u64, sizes.block_bytes());
    out
}

fn read(bytes: &[u8], lists: &mut SharedLists) -> Option<Result<Block, Invalid>> {
    let header = BlockHeader::read(bytes, FIRST)?;
    let front_end = HEADER_BYTES.checked_add(usize::try_from(header.front_bytes()).ok()?)?;
    let data_end = front_end.checked_add(usize::try_from(header.data_bytes).ok()?)?;
    let front = bytes.get(HEADER_BYTES..front_end)?;
    let data = Bytes::copy_from_slice(bytes.get(front_end..data_end)?);
    let checksum = *bytes.get(data_end..)?.first_chunk()?;
    Some(decode(&header, front, data, checksum, lists))
}

#[test]
fn the_bytes_of_a_block_are_as_they_are_drawn() {
    let block = block(&[(-2, b"\x80".to_vec(), 1)], &[(b"k".to_vec(), b"vv".to_vec(), true)]);
    let bytes = bytes_of(&block, 1_000);
    let drawn: &[&[u8]] = &[
        b"\x04\x03\0\0\0\0\0\0\x06\x05\0\0\0\0\0\0\x0b\x0a\0\0\0\0\0\0",
        b"\x01\0\0\0\x03\0\0\0\x0c\0\0\0\x01\0\0\0\x08\x07\x09\0",
        b"tag\x01\x01\0\0\0\x02\0\0\0kvv",
        b"\xfe\xff\xff\xff\xff\xff\xff\xff\x01\0\0\0\x80",
    ];
    assert_eq!(&bytes[..4], b"FLBK");
    assert_eq!(bytes[8..bytes.len() - 4], drawn.concat());
    let in_header = [&FIRST.to_le_bytes(), &bytes[8..52]].concat();
    assert_eq!(bytes[4..8], crc32fast::hash(&in_header).to_le_bytes());
    let mut hasher = crc32fast::Hasher::new_with_initial(crc32fast::hash(&in_header));
    hasher.update(&bytes[52..bytes.len() - 4]);
    assert_eq!(bytes[bytes.len() - 4..], hasher.finalize().to_le_bytes());
}

#[test]
fn the_header_of_a_file_names_its_version_and_its_first_block() {
    let mut bytes = Vec::new();
    write_file_header(FIRST, &mut bytes);
    assert_eq!(bytes[..16], *b"FLSG\x01\0\0\0\x02\x01\0\0\0\0\0\0");
    assert_eq!(read_file_header(&bytes, FIRST), FileHeader::Ours);
    assert_eq!(read_file_header(&bytes, FIRST + 1), FileHeader::Damaged);
    assert_eq!(read_file_header(&bytes[..19], FIRST), FileHeader::Damaged);
}

#[test]
fn a_block_of_another_segment_is_none() {
    let bytes = bytes_of(&block(&[], &[]), 1_000);
    assert!(BlockHeader::read(&bytes, FIRST).is_some());
    assert!(BlockHeader::read(&bytes, FIRST + 1).is_none());
}

#[test]
fn parts_that_do_not_fit_together_are_no_block_even_with_a_right_checksum() {
    let bytes = bytes_of(&block(&[(1, b"\x80".to_vec(), 0)], &[]), 1_000);
    let header = BlockHeader::read(&bytes, FIRST).expect("whole");
    // Lengths of more, of fewer and of no records than there are bytes.
    for (records, data_bytes, tag_bytes) in [(2, 1, 3), (1, 0, 3), (0, 1, 3), (1, 1, 2), (1, 1, 9)]
    {
        let header = BlockHeader { records, data_bytes, tag_bytes, ..header };
        let front = &bytes[HEADER_BYTES..bytes.len() - 5];
        let data = Bytes::from(vec![0x80; usize::try_from(data_bytes).expect("small")]);
        let mut hasher = crc32fast::Hasher::new_with_initial(header.checksum);
        hasher.update(front);
        hasher.update(&data);
        let checksum = hasher.finalize().to_le_bytes();
        let found = decode(&header, front, data, checksum, &mut SharedLists::default());
        assert_eq!(found.err(), Some(Invalid::Parts));
    }
}

#[test]
fn blocks_that_came_alike_share_one_list_of_fields() {
    let fields = |number: u8| [(vec![number], b"v".to_vec(), false)];
    let mut lists = SharedLists::default();
    let mut shared = |number| {
        let bytes = bytes_of(&block(&[], &fields(number)), 1_000);
        read(&bytes, &mut lists).expect("a block").expect("whole").shared
    };
    let first = shared(0);
    assert!(shared(0).is_same(&first) && !shared(1).is_same(&first));
    // Only so many are remembered, and what is forgotten is read anew.
    (2..40).for_each(|number| drop(shared(number)));
    assert!(!shared(0).is_same(&first));
    assert_eq!(shared(0).as_slice(), first.as_slice());
}

#[test]
fn an_error_of_the_file_ends_the_writing_of_a_block() {
    let block = block(&[(1, vec![0x80; 100], 0)], &[]);
    let sizes = Sizes::of(&block).expect("short");
    let full = |_: &mut Vec<u8>| Err(io::ErrorKind::StorageFull.into());
    let written = encode(&block, &sizes, FIRST, &mut Vec::new(), 64, full);
    assert_eq!(written.expect_err("full").kind(), io::ErrorKind::StorageFull);
}

proptest! {
    #[test]
    fn a_block_comes_back_whatever_the_buffer_takes_at_once(
        records in prop::collection::vec(
            (any::<i64>(), prop::collection::vec(any::<u8>(), 0..30), 0_usize..3), 0..20),
        fields in prop::collection::vec(
            (prop::collection::vec(any::<u8>(), 0..9), prop::collection::vec(any::<u8>(), 0..9), any::<bool>()),
            0..5),
        buffer_bytes_max in 1_usize..300,
    ) {
        let block = block(&records, &fields);
        let bytes = bytes_of(&block, buffer_bytes_max);
        prop_assert!(bytes == bytes_of(&block, 1 << 20));
        let found = read(&bytes, &mut SharedLists::default()).expect("a block").expect("whole");
        let records_of = |block: &Block| -> Vec<(EventTime, Vec<u8>)> {
            block.entries.iter().map(|(time, record)| (time, record.to_vec())).collect()
        };
        prop_assert_eq!(records_of(&found), records_of(&block));
        prop_assert_eq!(found.shared.as_slice(), block.shared.as_slice());
        prop_assert_eq!((found.number, found.lane, found.input, found.rewrites), (0x0304, 0x0506, 0x0708, 9));
        prop_assert_eq!((found.tag, found.arrived_unix), (block.tag, block.arrived_unix));
    }

    #[test]
    fn no_bytes_are_read_beyond_what_is_there(
        mut bytes in prop::collection::vec(any::<u8>(), 0..200),
        lengths in prop::array::uniform4(prop_oneof![0_u32..40, any::<u32>()]),
    ) {
        let [records, tag_bytes, shared_bytes, data_bytes] = lengths;
        let header = BlockHeader { records, tag_bytes, shared_bytes, data_bytes, ..BlockHeader::default() };
        let mut whole = Vec::new();
        header.write(FIRST, &mut whole);
        whole.append(&mut bytes);
        let _any = read(&whole, &mut SharedLists::default());
    }
}
