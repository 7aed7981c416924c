//! snappy: frames with checksums, or one bare block. Must not know what is in them.

use std::fmt;
use std::io::Read;

use super::{InflateError, STEP_BYTES, Step};

/// A copy of 64 bytes takes three: a block cannot give more than this for each of its bytes.
const EXPANSION_MAX: usize = 22;

/// What a stream of frames begins with. A block may begin with its first byte too.
pub(super) const IDENTIFIER: &[u8] = b"\xff\x06\x00\x00sNaPpY";

/// Frames.
pub(super) struct Framed<'a>(snap::read::FrameDecoder<&'a [u8]>);

impl fmt::Debug for Framed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Framed").finish_non_exhaustive()
    }
}

impl<'a> Framed<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(snap::read::FrameDecoder::new(bytes))
    }

    pub(super) fn step(&mut self, out: &mut Vec<u8>) -> Result<Step, InflateError> {
        let (start, room) = (out.len(), out.capacity() - out.len());
        let room = if room == 0 { STEP_BYTES } else { room.min(STEP_BYTES) };
        // Not `read_to_end`, which doubles what there is.
        out.reserve_exact(room);
        out.resize(start + room, 0);
        let read = self.0.read(out.get_mut(start..).unwrap_or_default());
        let read = read.map_err(|_| InflateError::Corrupt)?;
        out.truncate(start + read);
        Ok(if read == 0 { Step::Done } else { Step::More })
    }
}

/// One block.
#[derive(Debug, Default)]
pub(super) struct Block {
    is_done: bool,
}

impl Block {
    /// How many bytes the block says it is.
    pub(super) fn bytes(&self, rest: &[u8], bytes_max: usize) -> Result<usize, InflateError> {
        if self.is_done {
            return Ok(0);
        }
        let bytes = snap::raw::decompress_len(rest).map_err(|_| InflateError::Corrupt)?;
        if bytes > bytes_max {
            return Err(InflateError::TooLarge);
        }
        // No memory for a size that is only claimed.
        let is_possible = bytes <= rest.len().saturating_mul(EXPANSION_MAX);
        is_possible.then_some(bytes).ok_or(InflateError::Corrupt)
    }

    pub(super) fn step(
        &mut self,
        rest: &[u8],
        bytes_max: usize,
        out: &mut Vec<u8>,
    ) -> Result<Step, InflateError> {
        let bytes = self.bytes(rest, bytes_max)?;
        out.reserve_exact(bytes.saturating_sub(out.len()));
        out.resize(bytes, 0);
        let mut decoder = snap::raw::Decoder::new();
        let written = decoder.decompress(rest, out).map_err(|_| InflateError::Corrupt)?;
        out.truncate(written);
        self.is_done = true;
        Ok(Step::Done)
    }
}
