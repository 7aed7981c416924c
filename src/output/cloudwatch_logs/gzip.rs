//! A request body made smaller, piece by piece.
//!
//! The same body gives the same bytes. One compressor serves all bodies of an output, one after the
//! other: what it keeps between them is its own state alone. Pure. Must not know what a body says,
//! nor who waits for it.

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress, Status};

use super::limits::BATCH_BYTES_MAX;

/// How hard is looked for repetitions, from 1 to 9. Measured by `benches/gzip.rs`: 1 takes a quarter
/// less time and makes bodies of log lines a third larger; 3 takes a fifth more and saves a twentieth.
pub const LEVEL: u32 = 2;
/// Most bytes that a compressor and what it writes hold: its tables and its window (zlib's format
/// with 15 bits and memory level 8), and room for a body that hardly becomes smaller.
pub const BYTES_MAX: usize = 512 * 1_024 + BATCH_BYTES_MAX + BATCH_BYTES_MAX / 4;

/// A window of 32 KiB, the most there is.
const WINDOW_BITS: u8 = 15;
/// The part of the body's length for which there is room at first: text rarely needs more.
const FIRST_ROOM: usize = 4;
/// Bytes around the compressed ones: the header and the trailer (RFC 1952).
const FRAME_BYTES: usize = 18;

/// The body would not become smaller; it is better sent as it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("does not become smaller")]
pub struct NotSmaller;

/// A compressor.
#[derive(Debug)]
pub struct Gzip {
    stream: Compress,
    out: Vec<u8>,
    /// One more than the compressed body may have.
    plain_bytes: usize,
}

impl Gzip {
    /// A compressor of the level, see [`LEVEL`].
    #[must_use]
    pub fn new(level: u32) -> Self {
        let stream = Compress::new_gzip(Compression::new(level), WINDOW_BITS);
        Self { stream, out: Vec::new(), plain_bytes: 0 }
    }

    /// Begins a body of so many bytes, whatever became of the one before.
    pub fn begin(&mut self, plain_bytes: usize) {
        self.stream.reset();
        let room = (plain_bytes / FIRST_ROOM).max(FRAME_BYTES);
        (self.out, self.plain_bytes) = (Vec::with_capacity(room), plain_bytes);
    }

    /// Adds the next bytes of the body.
    ///
    /// # Errors
    ///
    /// [`NotSmaller`]; the body is over then.
    pub fn push(&mut self, mut piece: &[u8]) -> Result<(), NotSmaller> {
        while !piece.is_empty() {
            let before = self.stream.total_in();
            self.step(piece, FlushCompress::None)?;
            let taken = usize::try_from(self.stream.total_in() - before).unwrap_or(piece.len());
            piece = piece.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    /// Ends the body: its compressed bytes, which are fewer.
    ///
    /// # Errors
    ///
    /// [`NotSmaller`]
    pub fn finish(&mut self) -> Result<Bytes, NotSmaller> {
        while self.step(&[], FlushCompress::Finish)? != Status::StreamEnd {}
        let mut out = std::mem::take(&mut self.out);
        if out.len() >= self.plain_bytes {
            return Err(NotSmaller);
        }
        out.shrink_to_fit();
        Ok(Bytes::from(out))
    }

    /// Takes and writes as much as there is room for; makes room once there is none.
    fn step(&mut self, piece: &[u8], flush: FlushCompress) -> Result<Status, NotSmaller> {
        if self.out.len() == self.out.capacity() {
            let rest = self.plain_bytes.saturating_sub(self.out.len());
            if rest == 0 {
                self.out = Vec::new();
                return Err(NotSmaller);
            }
            self.out.reserve_exact(rest);
        }
        let status = self.stream.compress_vec(piece, &mut self.out, flush);
        // It fails only where it is used wrongly; then the body is sent as it is.
        status.map_err(|_| NotSmaller)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Read as _;

    use fastrand::Rng;
    use flate2::bufread::GzDecoder;
    use proptest::prelude::*;

    use super::*;

    /// What a server makes of it.
    pub(crate) fn inflate(compressed: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        GzDecoder::new(compressed).read_to_end(&mut plain).expect("a gzip stream");
        plain
    }

    fn compress(gzip: &mut Gzip, body: &[u8], piece_bytes: usize) -> Result<Bytes, NotSmaller> {
        gzip.begin(body.len());
        for piece in body.chunks(piece_bytes) {
            gzip.push(piece)?;
        }
        gzip.finish()
    }

    /// Bytes that nothing makes smaller.
    fn noise(seed: u64, bytes: usize) -> Vec<u8> {
        let mut chance = Rng::with_seed(seed);
        (0..bytes).map(|_| chance.u8(..)).collect()
    }

    #[test]
    fn bodies_of_any_length_read_back() {
        let line = br#"{"timestamp":1795000000000,"message":"GET /index.html 200"},"#;
        let mut gzip = Gzip::new(LEVEL);
        for length in [200, 32_767, 32_768, 32_769, 262_144, 1_300_000] {
            let body: Vec<u8> = line.iter().copied().cycle().take(length).collect();
            let compressed = compress(&mut gzip, &body, 32_768).expect("smaller");
            assert!(compressed.len() < length, "{length}");
            assert!(inflate(&compressed) == body, "{length}");
        }
    }

    #[test]
    fn what_does_not_become_smaller_is_told_and_the_next_body_is_not_spoilt() {
        let mut gzip = Gzip::new(LEVEL);
        let text = [b'x'; 4_000];
        for bytes in [0, 1, FRAME_BYTES, 100, 5_000, 1_000_000] {
            let told = compress(&mut gzip, &noise(7, bytes), 32_768);
            assert_eq!(told, Err(NotSmaller), "{bytes}");
            let next = compress(&mut gzip, &text, 32_768).expect("smaller");
            assert_eq!(inflate(&next), text);
        }
    }

    #[test]
    fn a_body_that_was_begun_and_left_does_not_spoil_the_next() {
        let mut gzip = Gzip::new(LEVEL);
        gzip.begin(100_000);
        gzip.push(&[b'y'; 50_000]).expect("smaller");
        let next = compress(&mut gzip, &[b'x'; 4_000], 1_000).expect("smaller");
        assert_eq!(inflate(&next), [b'x'; 4_000]);
    }

    /// Noise of which a little repeats: what is written passes its first room, and is still less.
    #[test]
    fn a_body_that_needs_more_than_its_first_room_reads_back() {
        let half = noise(3, 20_000);
        let body = [half.as_slice(), half.as_slice()].concat();
        let compressed = compress(&mut Gzip::new(LEVEL), &body, 32_768).expect("smaller");
        assert!(compressed.len() > body.len() / FIRST_ROOM);
        assert!(inflate(&compressed) == body);
    }

    proptest! {
        #[test]
        fn any_body_reads_back_however_it_is_cut_and_gives_the_same_bytes_again(
            words in prop::collection::vec("[a-e]{1,9}|[^a-e]{1,9}", 0..600),
            piece_bytes in 1_usize..4_000,
        ) {
            let body = words.concat().into_bytes();
            let mut gzip = Gzip::new(LEVEL);
            let first = compress(&mut gzip, &body, piece_bytes);
            if let Ok(compressed) = &first {
                prop_assert!(compressed.len() < body.len());
                prop_assert_eq!(inflate(compressed), body.clone());
            }
            let again = compress(&mut gzip, &body, 32_768);
            prop_assert_eq!(again.is_ok(), first.is_ok());
            prop_assert_eq!(compress(&mut gzip, &body, piece_bytes), first);
        }
    }
}
