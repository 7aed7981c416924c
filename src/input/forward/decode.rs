//! Turns the bytes of a forward connection into items. Pure: no socket, no clock, no task.
//!
//! A frame is found by [`FrameScan`] in one pass, whatever its mode; its records stay where they
//! were read and become offsets. What is odd but whole costs only itself and is counted; only bytes
//! behind which no frame can be found end the connection.
//!
//! Not carried: the metadata of entries (`[[time, metadata], record]` and the option `metadata`).

use bytes::BytesMut;

pub use super::error::ConnectionError;
use super::{collect::Collector, entries::Rules, frame::FrameDecoder, scan::FrameScan};
use crate::input::LARGE_BYTES;
pub use crate::input::item::{Item, OddReason, Progress};
use crate::record::{chunk::RECORD_DEPTH_MAX, json_in::JsonScanner, tag::Tag, time::EventTime};

/// `Buffer_Max_Size` of the forward input (Fluent Bit's default): most bytes of one frame, and of
/// what a compressed frame inflates to.
pub const FRAME_BYTES_MAX: usize = 6_144_000;
/// Offsets in chunks have 32 bits, and JSON may grow on the way to msgpack: `1e9,` becomes 9 bytes.
const FRAME_BYTES_CEILING: usize = 1 << 30;
/// How a connection is decoded.
#[derive(Clone, Debug)]
pub struct DecodeOptions {
    /// Most bytes of one frame, inclusive (`Buffer_Max_Size`). At most 1 GiB is honoured.
    pub frame_bytes_max: usize,
    /// Most containers in each other that a record may have, its own map among them.
    pub depth_max: usize,
    /// Takes the place of every peer's tag (`Tag`), unless there is a prefix.
    pub tag: Option<Tag>,
    /// Goes before every peer's tag, with nothing in between (`Tag_Prefix`).
    pub tag_prefix: Option<Tag>,
    /// Whether a connection may be JSON if its first byte is `[` or `{`: not after a handshake.
    pub json: bool,
}

impl Default for DecodeOptions {
    fn default() -> Self {
        Self {
            frame_bytes_max: FRAME_BYTES_MAX,
            depth_max: RECORD_DEPTH_MAX,
            tag: None,
            tag_prefix: None,
            json: true,
        }
    }
}

/// The connection ended within a frame, which is dropped: its peer will send it again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Truncated {
    /// Bytes of the frame that had arrived.
    pub bytes: usize,
}

/// The state of one connection.
#[derive(Debug)]
pub struct Decoder {
    frame_bytes_max: usize,
    depth_max: usize,
    wire: Wire,
    collector: Collector,
    /// Whether a frame may unpack to more than [`LARGE_BYTES`].
    may_be_large: bool,
    /// Bytes left in the buffer, all of one frame.
    pending_bytes: usize,
    walked_bytes: u64,
}

/// How the frames of a connection are written, and the walk over the one that is not whole.
#[derive(Debug)]
enum Wire {
    /// Nothing came yet.
    Unknown,
    Msgpack(FrameScan),
    Json(Option<JsonScanner>),
}

impl Decoder {
    /// A decoder for a connection from its first byte on.
    #[must_use]
    pub fn new(options: DecodeOptions) -> Self {
        let DecodeOptions { frame_bytes_max, depth_max, tag, tag_prefix, json } = options;
        Self {
            frame_bytes_max: frame_bytes_max.min(FRAME_BYTES_CEILING),
            depth_max,
            wire: if json { Wire::Unknown } else { Wire::Msgpack(FrameScan::default()) },
            collector: Collector::new(tag, tag_prefix),
            may_be_large: true,
            pending_bytes: 0,
            walked_bytes: 0,
        }
    }

    /// Says whether a frame may unpack to more than [`LARGE_BYTES`], as it may at first. Where it may not,
    /// it stays in the buffer, and the call ends with [`Progress::Large`].
    pub fn allow_large(&mut self, may_be_large: bool) {
        self.may_be_large = may_be_large;
    }

    /// Takes the whole frames out of the buffer, without copying records, and appends what they
    /// hold to `out` in the order of the wire. What is left in the buffer is the start of a frame.
    /// Between two calls the buffer may only grow.
    ///
    /// `now` is the time of receipt, for entries without a usable time.
    ///
    /// # Errors
    ///
    /// [`ConnectionError`]: the connection must be closed. Items decoded before are in `out`.
    pub fn decode(
        &mut self,
        buffer: &mut BytesMut,
        now: EventTime,
        out: &mut Vec<Item>,
    ) -> Result<Progress, ConnectionError> {
        if let (Wire::Unknown, Some(first)) = (&self.wire, buffer.first()) {
            self.wire = match first {
                b'[' | b'{' => Wire::Json(None),
                _ => Wire::Msgpack(FrameScan::default()),
            };
        }
        let frames = FrameDecoder {
            rules: Rules { now, depth_max: self.depth_max },
            frame_bytes_max: self.frame_bytes_max,
            is_json: matches!(self.wire, Wire::Json(_)),
            collector: &mut self.collector,
            may_be_large: self.may_be_large,
            is_held_back: false,
            unpacked_bytes: 0,
        };
        let mut call = Call { frames, taken_bytes: 0, walked_bytes: 0 };
        let result = match &mut self.wire {
            Wire::Unknown => Ok(Progress::Drained),
            Wire::Msgpack(scan) => call.msgpack(scan, buffer),
            Wire::Json(scanner) => call.json(scanner, buffer),
        };
        self.walked_bytes += u64::try_from(call.walked_bytes).unwrap_or(u64::MAX);
        let region = buffer.split_to(call.taken_bytes).freeze();
        self.collector.finish(&region, out);
        self.pending_bytes = buffer.len();
        result
    }

    /// Whether the last call left no incomplete frame in the buffer.
    #[must_use]
    pub const fn at_frame_boundary(&self) -> bool {
        self.pending_bytes == 0
    }

    /// The peer is done: drops what is left in the buffer. `None` if that was nothing.
    pub fn end(&mut self, buffer: &mut BytesMut) -> Option<Truncated> {
        let bytes = buffer.len();
        buffer.clear();
        self.pending_bytes = 0;
        self.wire = Wire::Unknown;
        (bytes > 0).then_some(Truncated { bytes })
    }

    /// Bytes walked to find the ends of frames since the start: no more than arrived, as nothing
    /// is walked twice however the bytes are cut, but for large frames of JSON that had to be allowed.
    #[must_use]
    pub const fn walked_bytes(&self) -> u64 {
        self.walked_bytes
    }
}

/// One call of [`Decoder::decode`].
struct Call<'a> {
    frames: FrameDecoder<'a>,
    /// Bytes of whole frames at the start of the buffer.
    taken_bytes: usize,
    walked_bytes: usize,
}

impl Call<'_> {
    fn msgpack(
        &mut self,
        scan: &mut FrameScan,
        buffer: &[u8],
    ) -> Result<Progress, ConnectionError> {
        loop {
            let rest = buffer.get(self.taken_bytes..).unwrap_or_default();
            let walked_before = scan.at();
            let end = scan.advance(rest, self.frames.frame_bytes_max);
            self.walked_bytes += scan.at() - walked_before;
            let Some(end) = end? else { return Ok(Progress::Drained) };
            self.frames.decode(scan, rest, self.taken_bytes)?;
            if self.frames.is_held_back {
                // The scan stays at its end, so that it is not walked again.
                return Ok(Progress::Large);
            }
            scan.reset();
            self.taken_bytes += end;
            if self.frames.has_enough() {
                return Ok(Progress::More);
            }
        }
    }

    fn json(
        &mut self,
        pending: &mut Option<JsonScanner>,
        buffer: &[u8],
    ) -> Result<Progress, ConnectionError> {
        loop {
            let rest = buffer.get(self.taken_bytes..).unwrap_or_default();
            let blank = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let rest = rest.get(blank..).unwrap_or_default();
            self.taken_bytes += blank;
            let mut scanner = match (pending.take(), rest.first()) {
                (Some(scanner), _) => scanner,
                (None, None) => return Ok(Progress::Drained),
                (None, Some(b'[' | b'{')) => JsonScanner::new(0),
                (None, Some(&first_byte)) => {
                    return Err(ConnectionError::NotForward { first_byte });
                }
            };
            let walked_before = scanner.at();
            let end = scanner.advance(rest);
            self.walked_bytes += scanner.at() - walked_before;
            let end = end.map_err(|at| ConnectionError::JsonDisorder { offset: at.0 })?;
            let (bytes, bytes_max) = (end.unwrap_or(rest.len()), self.frames.frame_bytes_max);
            if bytes > bytes_max {
                return Err(ConnectionError::FrameTooLarge { bytes, bytes_max });
            }
            let Some(end) = end else {
                *pending = Some(scanner);
                return Ok(Progress::Drained);
            };
            if end > LARGE_BYTES && !self.frames.may_be_large {
                // It is walked again then: a scanner does not stay at an end.
                return Ok(Progress::Large);
            }
            self.frames.decode_json(rest.get(..end).unwrap_or_default())?;
            self.taken_bytes += end;
            if self.frames.has_enough() {
                return Ok(Progress::More);
            }
        }
    }
}
