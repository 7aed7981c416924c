//! zstd: frames in a row, skippable ones among them. Must not know what is in them.

use std::fmt;
use std::io::Read as _;

use ruzstd::decoding::{
    BlockDecodingStrategy, FrameDecoder,
    errors::{FrameDecoderError, ReadFrameHeaderError},
};

use super::{InflateError, STEP_BYTES, Step};

/// The largest window that is taken whatever the cap: what RFC 8878 asks of every decoder.
const WINDOW_BYTES_MIN: usize = 8 * 1_024 * 1_024;
/// A larger one is never taken: it is memory.
const WINDOW_BYTES_MAX: usize = 32 * 1_024 * 1_024;
/// Most bytes of a block (RFC 8878, section 3.1.1.2.4).
const BLOCK_BYTES_MAX: usize = 128 * 1_024;

/// A walk over frames.
pub(super) struct Frames {
    decoder: Box<FrameDecoder>,
    is_within: bool,
    window_bytes_max: usize,
    /// Of the frame: how far it looks back, which the decoder has to keep.
    window_bytes: usize,
    /// How many bytes it says it is.
    content_bytes: Option<u64>,
    /// How many came out of it.
    given_bytes: u64,
    /// Bytes that the decoder has decoded and not given yet, at most.
    held_bytes: usize,
}

impl fmt::Debug for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frames").field("is_within", &self.is_within).finish_non_exhaustive()
    }
}

impl Frames {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            decoder: Box::new(FrameDecoder::new()),
            is_within: false,
            window_bytes_max: bytes_max.clamp(WINDOW_BYTES_MIN, WINDOW_BYTES_MAX),
            window_bytes: 0,
            content_bytes: None,
            given_bytes: 0,
            held_bytes: 0,
        }
    }

    /// Bytes that the decoder holds after the next step, at most: its buffer doubles as it fills.
    pub(super) const fn held_bytes(&self) -> usize {
        if self.is_within {
            (self.held_bytes + self.decoded_bytes_max()).next_power_of_two()
        } else {
            self.held_bytes
        }
    }

    /// Most bytes that one step decodes: it ends behind the block that makes it long enough.
    const fn decoded_bytes_max(&self) -> usize {
        let all = STEP_BYTES + BLOCK_BYTES_MAX;
        let small = 2 * self.window_bytes;
        if small < all { small } else { all }
    }

    pub(super) fn step(
        &mut self,
        rest: &mut &[u8],
        bytes_max: usize,
        out: &mut Vec<u8>,
    ) -> Result<Step, InflateError> {
        if !self.is_within {
            if rest.is_empty() {
                return Ok(Step::Done);
            }
            return self.begin(rest);
        }
        if self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
            let step = BlockDecodingStrategy::UptoBytes(STEP_BYTES);
            self.decoder.decode_blocks(&mut *rest, step).map_err(|_| InflateError::Corrupt)?;
            self.held_bytes += self.decoded_bytes_max();
        }
        if out.len() + self.decoder.can_collect() > bytes_max {
            return Err(InflateError::TooLarge);
        }
        let known = self.given_bytes + self.decoder.can_collect() as u64;
        if self.content_bytes.is_some_and(|bytes| known > bytes) {
            return Err(InflateError::Corrupt);
        }
        self.give(out)?;
        let left = self.decoder.can_collect();
        // What can be collected is all there is, or all but the window.
        let kept = if self.decoder.is_finished() { left } else { self.window_bytes + left };
        self.held_bytes = self.held_bytes.min(kept);
        if self.decoder.is_finished() && left == 0 {
            self.end()?;
        }
        Ok(Step::More)
    }

    /// Moves what is decoded, as much as there is room for.
    fn give(&mut self, out: &mut Vec<u8>) -> Result<(), InflateError> {
        let (start, room) = (out.len(), out.capacity() - out.len());
        let room = if room == 0 { STEP_BYTES } else { room };
        let bytes = self.decoder.can_collect().min(room);
        out.reserve_exact(bytes);
        out.resize(start + bytes, 0);
        let given = self.decoder.read(out.get_mut(start..).unwrap_or_default());
        let given = given.map_err(|_| InflateError::Corrupt)?;
        out.truncate(start + given);
        self.given_bytes += given as u64;
        Ok(())
    }

    /// The frame ends here, and is what it says it is.
    fn end(&mut self) -> Result<(), InflateError> {
        let is_long = self.content_bytes.is_none_or(|bytes| bytes == self.given_bytes);
        let checksum = self.decoder.get_checksum_from_data();
        let is_same = checksum.is_none() || checksum == self.decoder.get_calculated_checksum();
        self.is_within = false;
        self.held_bytes = 0;
        if is_long && is_same { Ok(()) } else { Err(InflateError::Corrupt) }
    }

    fn begin(&mut self, rest: &mut &[u8]) -> Result<Step, InflateError> {
        let header = *rest;
        // A new one for each frame: one that is used again takes the whole window at once.
        *self.decoder = FrameDecoder::new();
        let window_bytes_max = self.window_bytes_max.try_into().unwrap_or(u64::MAX);
        self.decoder.set_max_window_size(window_bytes_max);
        match self.decoder.init(&mut *rest) {
            Ok(()) => {
                let content = self.decoder.content_size();
                let (window, has_size) = window_of(header, content).ok_or(InflateError::Corrupt)?;
                self.window_bytes = usize::try_from(window).unwrap_or(usize::MAX);
                self.content_bytes = has_size.then_some(content);
                self.given_bytes = 0;
                self.is_within = true;
            }
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length,
                ..
            })) => {
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                *rest = rest.get(length..).ok_or(InflateError::Corrupt)?;
            }
            Err(FrameDecoderError::WindowSizeTooBig { .. }) => return Err(InflateError::TooLarge),
            Err(_) => return Err(InflateError::Corrupt),
        }
        Ok(Step::More)
    }
}

/// The window of a frame with this header, and whether it says how many bytes it is (RFC 8878,
/// section 3.1.1.1), which the decoder does not tell from a size of zero.
fn window_of(header: &[u8], content_bytes: u64) -> Option<(u64, bool)> {
    const SINGLE_SEGMENT: u8 = 1 << 5;
    const SIZE: u8 = 0b1100_0000;
    let [_, _, _, _, descriptor, window, ..] = header else { return None };
    if descriptor & SINGLE_SEGMENT != 0 {
        return Some((content_bytes, true));
    }
    let base = 1_u64 << (10 + (window >> 3));
    Some((base + base / 8 * u64::from(window & 7), descriptor & SIZE != 0))
}
