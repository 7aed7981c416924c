//! Decodes one frame that is whole: its mode, its option, its entries.
//!
//! Must not know how frames are found in a stream, nor where its bytes lie once they are frozen.

use bytes::Bytes;

use super::{
    collect::Collector,
    entries::{self, Count, Rules},
    error::ConnectionError,
    frame_option::FrameOption,
    inflate::{self, InflateError},
    scan::{FrameScan, Root},
    time,
};
use crate::{
    input::{LARGE_BYTES, item::OddReason},
    record::{
        json_in::{JsonError, Transcoder},
        msgpack::Reader,
    },
};

/// Items after which a call ends, so that hostile tiny frames cannot fill memory in one call.
const ITEMS_MAX: usize = 1_024;
/// A JSON frame nests its records in its own array and that of the entries and the entry.
const JSON_DEPTH_MORE: usize = 3;

/// Decodes frame after frame into a collector.
#[derive(Debug)]
pub(super) struct FrameDecoder<'a> {
    pub(super) rules: Rules,
    /// Most bytes that a compressed frame may inflate to.
    pub(super) frame_bytes_max: usize,
    /// Whether the peer speaks JSON and wants its acks so.
    pub(super) is_json: bool,
    pub(super) collector: &'a mut Collector,
    /// Whether a frame may unpack to more than [`LARGE_BYTES`].
    pub(super) may_be_large: bool,
    /// Whether the last frame would have, and was left alone.
    pub(super) is_held_back: bool,
    /// Bytes that did not come from the wire but from compressed entries or JSON.
    pub(super) unpacked_bytes: usize,
}

impl FrameDecoder<'_> {
    /// Whether so much came together that it should be handed on first.
    pub(super) const fn has_enough(&self) -> bool {
        self.collector.len() >= ITEMS_MAX || self.unpacked_bytes >= LARGE_BYTES
    }

    /// Decodes a frame that begins at `at` in its region.
    #[inline]
    pub(super) fn decode(
        &mut self,
        frame: &FrameScan,
        rest: &[u8],
        at: usize,
    ) -> Result<(), ConnectionError> {
        let elements = frame.elements();
        let unusable = match frame.root() {
            Some(Root::Array) if elements >= 2 => None,
            Some(Root::Array) => Some(OddReason::FrameTooShort),
            Some(Root::Other) => Some(OddReason::FrameNotArray),
            Some(Root::Heartbeat) | None => return Ok(()),
        };
        if let Some(reason) = unusable {
            self.collector.drop_one(reason);
            return Ok(());
        }
        let [tag_at, second_at, third_at, fourth_at, end] = frame.starts();
        let element = |start, end| rest.get(start..end).unwrap_or_default();
        let second = element(second_at, third_at);
        let mode = Mode::of(second);
        let option = match (mode, elements) {
            (Mode::Message, 4..) => element(fourth_at, end),
            (Mode::Forward | Mode::Packed, 3..) => element(third_at, fourth_at),
            (Mode::Message, _) | (Mode::Forward | Mode::Packed, _) => &[],
        };
        // `{}` and nil are by far the most frequent.
        let option = match option {
            [] | [0x80 | 0xc0] => FrameOption::default(),
            option => FrameOption::read(option),
        };
        let Ok(tag) = Reader::new(element(tag_at, second_at)).text() else {
            self.collector.drop_one(OddReason::FrameTagNotText);
            self.ack(&option);
            return Ok(());
        };
        if option.is_not_logs {
            self.collector.drop_one(OddReason::FrameNotLogs);
            self.ack(&option);
            return Ok(());
        }
        self.collector.set_tag(tag);
        match mode {
            Mode::Message if elements < 3 => self.collector.drop_one(OddReason::RecordMissing),
            Mode::Message => {
                let time = time::wire_time(second).unwrap_or(self.rules.now);
                match self.rules.check(element(third_at, fourth_at), frame.containers()) {
                    Ok(()) => self.collector.push(time, at + third_at..at + fourth_at),
                    Err(reason) => self.collector.drop_one(reason),
                }
            }
            Mode::Forward => self.forward(rest, second_at, at),
            Mode::Packed => return self.packed(second, at + third_at, &option),
        }
        self.ack(&option);
        Ok(())
    }

    /// Turns the text into a msgpack frame, which is then like any other.
    pub(super) fn decode_json(&mut self, text: &[u8]) -> Result<(), ConnectionError> {
        let mut msgpack = Vec::new();
        let depth_max = self.rules.depth_max.saturating_add(JSON_DEPTH_MORE);
        match Transcoder::new(depth_max).transcode(text, None, &mut msgpack) {
            Ok(_) => {}
            Err(JsonError::TooDeep { .. }) => {
                self.collector.drop_one(OddReason::RecordTooDeep);
                return Ok(());
            }
            Err(JsonError::Truncated | JsonError::Malformed { .. }) => {
                self.collector.drop_one(OddReason::FrameNotJson);
                return Ok(());
            }
        }
        msgpack.shrink_to_fit();
        let region = Bytes::from(msgpack);
        self.unpacked_bytes = self.unpacked_bytes.saturating_add(region.len());
        self.collector.close_run();
        let first = self.collector.len();
        let mut scan = FrameScan::default();
        if scan.advance(&region, usize::MAX)?.is_some() {
            self.decode(&scan, &region, 0)?;
        }
        self.collector.bind(first, &region);
        Ok(())
    }

    /// Forward mode: the entries lie in an array.
    fn forward(&mut self, rest: &[u8], array_at: usize, at: usize) {
        let array = rest.get(array_at..).unwrap_or_default();
        let mut reader = Reader::new(array);
        let Ok(entries) = reader.array_header() else { return };
        let first_at = array_at + array.len() - reader.rest().len();
        let count = Count::Exactly(entries);
        entries::walk(&self.rules, rest, first_at, count, at, self.collector);
    }

    /// The packed modes: the entries lie one behind the other in a str or bin that ends at `end`.
    fn packed(
        &mut self,
        value: &[u8],
        end: usize,
        option: &FrameOption<'_>,
    ) -> Result<(), ConnectionError> {
        let packed = Reader::new(value).text().unwrap_or_default();
        match inflate::codec(packed, option.compressed) {
            None => {
                let base = end - packed.len();
                entries::walk(&self.rules, packed, 0, Count::ToTheEnd, base, self.collector);
            }
            Some(codec) => match inflate::inflate(codec, packed, self.unpacked_bytes_max()) {
                Ok(inflated) => self.inflated(inflated.into()),
                Err(InflateError::TooLarge) if self.unpacked_bytes_max() < self.frame_bytes_max => {
                    self.is_held_back = true;
                    return Ok(());
                }
                Err(InflateError::TooLarge) => {
                    let bytes_max = self.frame_bytes_max;
                    return Err(ConnectionError::InflatedTooLarge { bytes_max });
                }
                // Not acked: what was lost on the way may come whole the next time.
                Err(InflateError::Corrupt) => {
                    self.collector.drop_one(OddReason::FrameNotInflatable);
                    return Ok(());
                }
            },
        }
        self.ack(option);
        Ok(())
    }

    /// Most bytes that a frame may inflate to as things are.
    fn unpacked_bytes_max(&self) -> usize {
        if self.may_be_large { self.frame_bytes_max } else { self.frame_bytes_max.min(LARGE_BYTES) }
    }

    fn inflated(&mut self, region: Bytes) {
        self.unpacked_bytes = self.unpacked_bytes.saturating_add(region.len());
        self.collector.close_run();
        let first = self.collector.len();
        entries::walk(&self.rules, &region, 0, Count::ToTheEnd, 0, self.collector);
        self.collector.bind(first, &region);
    }

    #[inline]
    fn ack(&mut self, option: &FrameOption<'_>) {
        if let Some(ack) = option.ack(self.is_json) {
            self.collector.ack(ack);
        }
    }
}

/// What a frame holds, which the type of its second element alone says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Mode {
    /// `[tag, time, record, option?]`
    Message,
    /// `[tag, [entry…], option?]`
    Forward,
    /// `[tag, packed entries, option?]`, compressed or not.
    Packed,
}

impl Mode {
    #[inline]
    fn of(second: &[u8]) -> Self {
        match second.first() {
            Some(0x90..=0x9f | 0xdc | 0xdd) => Self::Forward,
            Some(0xa0..=0xbf | 0xc4..=0xc6 | 0xd9..=0xdb) => Self::Packed,
            // Whatever it is, it stands where the time stands.
            _ => Self::Message,
        }
    }
}
