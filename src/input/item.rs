//! What the decoders of the stream inputs hand on: entries, acks, and what had to be dropped.
//!
//! Must not know a protocol, nor what becomes of an item.

use bytes::Bytes;

use crate::record::chunk::TaggedEntries;

/// Most entries of one [`Item::Entries`], so that chunks stay bounded in a burst.
pub const CHUNK_ENTRIES_MAX: usize = 4_096;

/// What came out of the bytes of a connection, in the order of the wire.
#[derive(Clone, Debug)]
pub enum Item {
    /// Records, at least one.
    Entries(TaggedEntries),
    /// The exact bytes of one ack, to be written in one piece once all items before it are taken
    /// in: peers read an ack with a single read.
    Ack(Bytes),
    /// So many records or frames were dropped, and why. Comes after the entries they stood among.
    Odd(OddReason, u64),
}

/// Why something whole but unusable was dropped. It cost only itself.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum OddReason {
    /// A frame that is a map, a str or a bin.
    FrameNotArray,
    /// A frame that is an array of no or one element.
    FrameTooShort,
    /// A frame whose tag is neither str nor bin.
    FrameTagNotText,
    /// A frame of metrics, of traces, or of a signal that does not exist.
    FrameNotLogs,
    /// A compressed frame that cannot be decompressed, or fails its checksum. It is not acked.
    FrameNotInflatable,
    /// The rest of a frame's packed entries: an illegal byte, or cut off within an entry.
    FrameTailUnreadable,
    /// A frame that is no JSON although its brackets match. It is not acked.
    FrameNotJson,
    /// A message without a record.
    RecordMissing,
    /// A record that is not a map.
    RecordNotMap,
    /// A record with more containers in each other than `depth_max`.
    RecordTooDeep,
    /// An entry that is not an array of time and record.
    EntryNotPair,
    /// The start or the end of a group of OpenTelemetry records: an entry, but no record.
    GroupMarker,
    /// A line of JSON that is neither an object nor an array.
    LineNotObject,
    /// A line that is no JSON.
    LineNotJson,
    /// JSON that was not complete when the connection ended.
    LineTruncated,
}

impl OddReason {
    /// How many reasons there are.
    pub const COUNT: usize = Self::ALL.len();

    /// Every reason, in the order of its number.
    pub const ALL: [Self; 15] = [
        Self::FrameNotArray,
        Self::FrameTooShort,
        Self::FrameTagNotText,
        Self::FrameNotLogs,
        Self::FrameNotInflatable,
        Self::FrameTailUnreadable,
        Self::FrameNotJson,
        Self::RecordMissing,
        Self::RecordNotMap,
        Self::RecordTooDeep,
        Self::EntryNotPair,
        Self::GroupMarker,
        Self::LineNotObject,
        Self::LineNotJson,
        Self::LineTruncated,
    ];

    /// The value of the metric label `reason`. Those that begin with `frame_` count frames, those
    /// with `line_` lines, all others records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FrameNotArray => "frame_not_array",
            Self::FrameTooShort => "frame_too_short",
            Self::FrameTagNotText => "frame_tag_not_text",
            Self::FrameNotLogs => "frame_not_logs",
            Self::FrameNotInflatable => "frame_not_inflatable",
            Self::FrameTailUnreadable => "frame_tail_unreadable",
            Self::FrameNotJson => "frame_not_json",
            Self::RecordMissing => "record_missing",
            Self::RecordNotMap => "record_not_map",
            Self::RecordTooDeep => "record_too_deep",
            Self::EntryNotPair => "entry_not_pair",
            Self::GroupMarker => "group_marker",
            Self::LineNotObject => "line_not_object",
            Self::LineNotJson => "line_not_json",
            Self::LineTruncated => "line_truncated",
        }
    }
}

/// Whether a decoder took everything out of its buffer that is whole.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use = "whole frames may be left in the buffer: hand the items on and decode again"]
pub enum Progress {
    /// All that is left needs more bytes.
    Drained,
    /// Enough for one call, so that little input cannot become a lot of memory at once. Hand the
    /// items on, then decode again before reading more.
    More,
}

/// Counts what is dropped until it becomes items.
#[derive(Debug, Default)]
pub(crate) struct Tally(Vec<(OddReason, u64)>);

impl Tally {
    /// Counts one more. There are as many counters as reasons met, so a search costs little.
    pub(crate) fn add(&mut self, reason: OddReason) {
        match self.0.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => self.0.push((reason, 1)),
        }
    }

    /// The counts as items, in the order in which their reasons were met first.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Item> {
        self.0.drain(..).map(|(reason, count)| Item::Odd(reason, count))
    }
}
