//! Decompresses the entries of a frame: gzip and zstd, several members or frames in a row, checked
//! and capped. Must not know what is in them.
//!
//! Sources: RFC 1952 (gzip), RFC 8878 (zstd).

use flate2::{Crc, Decompress, FlushDecompress, Status};
use ruzstd::decoding::{
    BlockDecodingStrategy, FrameDecoder,
    errors::{FrameDecoderError, ReadFrameHeaderError},
};

use super::frame_option::Codec;

/// How much room is made at a time: no allocation follows a size that the peer claims.
const STEP_BYTES: usize = 64 * 1024;
/// The largest zstd window that is taken whatever the cap: what RFC 8878 asks of every decoder.
const ZSTD_WINDOW_BYTES_MIN: usize = 8 * 1024 * 1024;
const GZIP_MAGIC: &[u8] = b"\x1f\x8b";
const ZSTD_MAGIC: &[u8] = b"\x28\xb5\x2f\xfd";

/// Why there are no entries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum InflateError {
    /// More than the cap would come out.
    TooLarge,
    /// Cut off, damaged, or not of this codec.
    Corrupt,
}

/// What the bytes are compressed with: their first bytes beat the claim. Neither magic can begin
/// an entry, which is an array.
pub(super) fn codec(bytes: &[u8], claimed: Option<Codec>) -> Option<Codec> {
    match bytes {
        [] => None,
        bytes if bytes.starts_with(GZIP_MAGIC) => Some(Codec::Gzip),
        bytes if bytes.starts_with(ZSTD_MAGIC) => Some(Codec::Zstd),
        _ => claimed,
    }
}

/// Decompresses all of the bytes to at most `bytes_max`.
///
/// # Errors
///
/// [`InflateError`]: then nothing of it may be used, as nobody can say what is missing.
pub(super) fn inflate(
    codec: Codec,
    mut bytes: &[u8],
    bytes_max: usize,
) -> Result<Vec<u8>, InflateError> {
    let mut out = Vec::new();
    match codec {
        Codec::Gzip => {
            let mut inflater = Decompress::new(false);
            while !bytes.is_empty() {
                bytes = gzip_member(&mut inflater, bytes, bytes_max, &mut out)?;
            }
        }
        Codec::Zstd => {
            let mut decoder = FrameDecoder::new();
            let window_bytes_max = bytes_max.max(ZSTD_WINDOW_BYTES_MIN);
            decoder.set_max_window_size(window_bytes_max.try_into().unwrap_or(u64::MAX));
            while !bytes.is_empty() {
                bytes = zstd_frame(&mut decoder, bytes, bytes_max, &mut out)?;
            }
        }
    }
    // What is kept is what is counted.
    out.shrink_to_fit();
    Ok(out)
}

/// Appends one member to `out` and returns what follows it.
fn gzip_member<'a>(
    inflater: &mut Decompress,
    bytes: &'a [u8],
    bytes_max: usize,
    out: &mut Vec<u8>,
) -> Result<&'a [u8], InflateError> {
    let mut rest = gzip_body(bytes).ok_or(InflateError::Corrupt)?;
    let start = out.len();
    inflater.reset(false);
    loop {
        out.reserve(STEP_BYTES);
        let (read, written) = (inflater.total_in(), inflater.total_out());
        let status = inflater.decompress_vec(rest, out, FlushDecompress::None);
        let read = usize::try_from(inflater.total_in() - read).unwrap_or(usize::MAX);
        rest = rest.get(read..).unwrap_or_default();
        if out.len() > bytes_max {
            return Err(InflateError::TooLarge);
        }
        match status {
            Ok(Status::StreamEnd) => break,
            Ok(Status::Ok | Status::BufError) if read > 0 || inflater.total_out() > written => {}
            Ok(Status::Ok | Status::BufError) | Err(_) => return Err(InflateError::Corrupt),
        }
    }
    let member = out.get(start..).unwrap_or_default();
    let (footer, rest) = rest.split_first_chunk::<8>().ok_or(InflateError::Corrupt)?;
    let mut crc = Crc::new();
    crc.update(member);
    // The length is modulo 2^32, as `Crc::amount` is.
    let expected = [crc.sum().to_le_bytes(), crc.amount().to_le_bytes()];
    if footer.as_slice() == expected.as_flattened() { Ok(rest) } else { Err(InflateError::Corrupt) }
}

/// What follows a member's header.
fn gzip_body(bytes: &[u8]) -> Option<&[u8]> {
    const DEFLATE: u8 = 8;
    const HEADER_CRC: u8 = 1 << 1;
    const EXTRA: u8 = 1 << 2;
    const NAME: u8 = 1 << 3;
    const COMMENT: u8 = 1 << 4;
    const RESERVED: u8 = 0b1110_0000;
    let ([_, _, DEFLATE, flags, ..], mut rest) =
        bytes.strip_prefix(GZIP_MAGIC).and(bytes.split_first_chunk::<10>())?
    else {
        return None;
    };
    if flags & RESERVED != 0 {
        return None;
    }
    if flags & EXTRA != 0 {
        let (length, extra) = rest.split_first_chunk::<2>()?;
        rest = extra.get(usize::from(u16::from_le_bytes(*length))..)?;
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            rest = rest.get(memchr::memchr(0, rest)? + 1..)?;
        }
    }
    if flags & HEADER_CRC != 0 { rest.get(2..) } else { Some(rest) }
}

/// Appends one frame to `out` and returns what follows it.
fn zstd_frame<'a>(
    decoder: &mut FrameDecoder,
    mut rest: &'a [u8],
    bytes_max: usize,
    out: &mut Vec<u8>,
) -> Result<&'a [u8], InflateError> {
    match decoder.init(&mut rest) {
        Ok(()) => {}
        Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
            length,
            ..
        })) => {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            return rest.get(length..).ok_or(InflateError::Corrupt);
        }
        Err(FrameDecoderError::WindowSizeTooBig { .. }) => return Err(InflateError::TooLarge),
        Err(_) => return Err(InflateError::Corrupt),
    }
    while !decoder.is_finished() {
        let step = BlockDecodingStrategy::UptoBytes(STEP_BYTES);
        decoder.decode_blocks(&mut rest, step).map_err(|_| InflateError::Corrupt)?;
        if out.len() + decoder.can_collect() > bytes_max {
            return Err(InflateError::TooLarge);
        }
        decoder.collect_to_writer(&mut *out).map_err(|_| InflateError::Corrupt)?;
    }
    Ok(rest)
}
