//! What the entries of a frame are compressed with. Must not know what is in them.

use super::frame_option::Codec;
use crate::input::inflate;
pub(super) use crate::input::inflate::InflateError;

const GZIP_MAGIC: &[u8] = b"\x1f\x8b";
const ZSTD_MAGIC: &[u8] = b"\x28\xb5\x2f\xfd";

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
    bytes: &[u8],
    bytes_max: usize,
) -> Result<Vec<u8>, InflateError> {
    let codec = match codec {
        Codec::Gzip => inflate::Codec::Gzip,
        Codec::Zstd => inflate::Codec::Zstd,
    };
    inflate::inflate(codec, bytes, bytes_max)
}
