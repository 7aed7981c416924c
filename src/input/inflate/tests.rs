//! What was packed by others, and what was damaged.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use proptest::prelude::*;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::*;

/// The bytes in every form that is understood.
fn packed(bytes: &[u8]) -> Vec<(&'static str, Codec, Vec<u8>)> {
    let level = Compression::fast();
    let mut gzip = GzEncoder::new(Vec::new(), level);
    let mut zlib = ZlibEncoder::new(Vec::new(), level);
    let mut raw = DeflateEncoder::new(Vec::new(), level);
    let mut framed = snap::write::FrameEncoder::new(Vec::new());
    gzip.write_all(bytes).unwrap();
    zlib.write_all(bytes).unwrap();
    raw.write_all(bytes).unwrap();
    framed.write_all(bytes).unwrap();
    vec![
        ("gzip", Codec::Gzip, gzip.finish().unwrap()),
        ("zlib", Codec::Deflate, zlib.finish().unwrap()),
        ("raw deflate", Codec::Deflate, raw.finish().unwrap()),
        ("zstd", Codec::Zstd, compress_to_vec(bytes, CompressionLevel::Fastest)),
        ("framed snappy", Codec::Snappy, framed.into_inner().unwrap()),
        ("snappy", Codec::Snappy, snap::raw::Encoder::new().compress_vec(bytes).unwrap()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_was_packed_comes_out_again(
        part in prop::collection::vec(any::<u8>(), 1..300),
        times in 1..300_usize,
    ) {
        let bytes = part.repeat(times);
        for (name, codec, packed) in packed(&bytes) {
            prop_assert_eq!(inflate(codec, &packed, bytes.len()), Ok(bytes.clone()), "{}", name);
            let short = inflate(codec, &packed, bytes.len() - 1);
            prop_assert_eq!(short, Err(InflateError::TooLarge), "{}", name);
        }
    }

    #[test]
    fn damage_is_an_error_or_other_bytes_but_never_a_panic(
        bytes in prop::collection::vec(any::<u8>(), 1..300),
        at in any::<prop::sample::Index>(),
        flip in 1..=u8::MAX,
    ) {
        for (_, codec, mut packed) in packed(&bytes) {
            let at = at.index(packed.len());
            packed[at] ^= flip;
            if let Ok(out) = inflate(codec, &packed, 10_000) {
                prop_assert!(out.len() <= 10_000);
            }
        }
    }
}

#[test]
fn what_is_cut_anywhere_is_an_error() {
    let bytes = b"{\"log\":\"one line of a log\"}\n".repeat(9);
    for (name, codec, packed) in packed(&bytes) {
        for cut in 1..packed.len() {
            // Behind its header framed snappy is whole wherever a chunk ends.
            let is_whole = name == "framed snappy" && cut == 10;
            let found = inflate(codec, &packed[..cut], 10_000);
            assert!(found.is_err() || is_whole, "{name} cut at {cut} of {}", packed.len());
        }
    }
}

#[test]
fn members_and_frames_in_a_row_are_one() {
    let packs = |bytes| packed(bytes).into_iter();
    for ((name, codec, one), (_, _, two)) in packs(b"one").zip(packs(b"two")) {
        let both = inflate(codec, &[one, two].concat(), 100);
        match name {
            "gzip" | "zstd" | "framed snappy" => assert_eq!(both, Ok(b"onetwo".into()), "{name}"),
            _ => assert_eq!(both, Err(InflateError::Corrupt), "{name}"),
        }
    }
}

#[test]
fn a_block_that_claims_more_than_it_can_hold_gets_no_memory() {
    // A length of 1 MiB, and nothing behind it.
    let claims = [0x80, 0x80, 0x40];
    let inflater = Inflater::new(Codec::Snappy, &claims, 1 << 21);
    assert_eq!(inflater.room_bytes(), Err(InflateError::Corrupt));
    let inflater = Inflater::new(Codec::Snappy, &claims, 1 << 19);
    assert_eq!(inflater.room_bytes(), Err(InflateError::TooLarge));
}

#[test]
fn a_step_gives_no_more_than_there_is_room_for() {
    let bytes = vec![b'x'; 1_000_000];
    for (name, codec, packed) in packed(&bytes) {
        let mut inflater = Inflater::new(codec, &packed, bytes.len());
        let mut out = Vec::with_capacity(inflater.room_bytes().unwrap());
        loop {
            if out.len() == out.capacity() {
                out.reserve_exact(STEP_BYTES);
            }
            let (before, room) = (out.len(), out.capacity());
            let goes_on = inflater.step(&mut out).unwrap();
            assert!(out.len() <= room, "{name}: {} after {before}", out.len());
            if !goes_on {
                break;
            }
        }
        assert_eq!(out.len(), bytes.len(), "{name}");
    }
}

#[test]
fn a_block_whose_length_begins_as_frames_do_is_a_block() {
    for length in [127, 128, 255, 383, 511, 1_023] {
        let bytes = vec![b'x'; length];
        let packed = snap::raw::Encoder::new().compress_vec(&bytes).unwrap();
        assert_eq!(inflate(Codec::Snappy, &packed, 2_000), Ok(bytes), "{length}");
    }
}

/// A frame of one raw block: `hello`, with the size and the checksum that it says.
fn hello(size: u8, checksum: [u8; 4]) -> Vec<u8> {
    let head = [0x28, 0xb5, 0x2f, 0xfd, 0x24, size, 5 << 3 | 1, 0, 0];
    [&head, b"hello".as_slice(), &checksum].concat()
}

#[test]
fn a_zstd_frame_is_what_its_checksum_and_its_size_say() {
    let checksum = [0xa3, 0x6d, 0x9f, 0x88];
    assert_eq!(inflate(Codec::Zstd, &hello(5, checksum), 9), Ok(b"hello".to_vec()));
    for bit in 0..32 {
        let wrong = (u32::from_le_bytes(checksum) ^ 1 << bit).to_le_bytes();
        assert_eq!(inflate(Codec::Zstd, &hello(5, wrong), 9), Err(InflateError::Corrupt));
    }
    for size in [0, 4, 6] {
        let found = inflate(Codec::Zstd, &hello(size, checksum), 9);
        assert_eq!(found, Err(InflateError::Corrupt), "{size}");
    }
}

#[test]
fn the_window_of_a_zstd_frame_is_counted_as_long_as_it_is_held() {
    // 32 blocks of 128 KiB of one byte, and a window of 2 MiB.
    let (block, blocks) = (128 * 1_024_u32, 32);
    let mut packed = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 11 << 3];
    for number in 1..=blocks {
        let header = block << 3 | 1 << 1 | u32::from(number == blocks);
        packed.extend(&header.to_le_bytes()[..3]);
        packed.push(b'x');
    }
    let all = (block * blocks) as usize;
    let mut inflater = Inflater::new(Codec::Zstd, &packed, all);
    let (mut out, mut held_bytes_max) = (Vec::new(), 0);
    loop {
        let before = inflater.own_bytes();
        let goes_on = inflater.step(&mut out).unwrap();
        // Four bytes for each block that was taken out.
        let decoded = (packed.len() - inflater.rest.len()).saturating_sub(6) / 4 * block as usize;
        assert!(decoded <= out.len() + inflater.own_bytes(), "{decoded}");
        if out.len() < decoded {
            assert!(decoded - out.len() <= before, "paid before it is held");
        }
        held_bytes_max = held_bytes_max.max(inflater.own_bytes());
        if !goes_on {
            break;
        }
    }
    assert_eq!(out.len(), all);
    assert!(held_bytes_max >= 2 << 20, "{held_bytes_max}");
}
