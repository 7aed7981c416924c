//! zstd: frames in a row, skippable ones among them. Must not know what is in them.

use std::fmt;

use ruzstd::decoding::{
    BlockDecodingStrategy, FrameDecoder,
    errors::{FrameDecoderError, ReadFrameHeaderError},
};

use super::{InflateError, STEP_BYTES, Step};

/// The largest window that is taken whatever the cap: what RFC 8878 asks of every decoder.
const WINDOW_BYTES_MIN: usize = 8 * 1_024 * 1_024;
/// A larger one is never taken: it is memory.
const WINDOW_BYTES_MAX: usize = 32 * 1_024 * 1_024;

/// A walk over frames.
pub(super) struct Frames {
    decoder: Box<FrameDecoder>,
    is_within: bool,
    /// Bytes that the decoder has in its window, about: what it has decoded and not given yet.
    held_bytes: usize,
}

impl fmt::Debug for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frames").field("is_within", &self.is_within).finish_non_exhaustive()
    }
}

impl Frames {
    pub(super) fn new(bytes_max: usize) -> Self {
        let mut decoder = Box::new(FrameDecoder::new());
        let window_bytes_max = bytes_max.clamp(WINDOW_BYTES_MIN, WINDOW_BYTES_MAX);
        decoder.set_max_window_size(window_bytes_max.try_into().unwrap_or(u64::MAX));
        Self { decoder, is_within: false, held_bytes: 0 }
    }

    pub(super) const fn held_bytes(&self) -> usize {
        self.held_bytes
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
        let step = BlockDecodingStrategy::UptoBytes(STEP_BYTES);
        self.decoder.decode_blocks(&mut *rest, step).map_err(|_| InflateError::Corrupt)?;
        if out.len() + self.decoder.can_collect() > bytes_max {
            return Err(InflateError::TooLarge);
        }
        let before = out.len();
        self.decoder.collect_to_writer(&mut *out).map_err(|_| InflateError::Corrupt)?;
        self.held_bytes = (self.held_bytes + STEP_BYTES).saturating_sub(out.len() - before);
        self.is_within = !self.decoder.is_finished();
        Ok(Step::More)
    }

    fn begin(&mut self, rest: &mut &[u8]) -> Result<Step, InflateError> {
        match self.decoder.init(&mut *rest) {
            Ok(()) => self.is_within = !self.decoder.is_finished(),
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
