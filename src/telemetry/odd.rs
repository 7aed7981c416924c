//! The closed list of reasons for which something whole that was read is not taken in.
//!
//! What the decoders count by. Must not know them.

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
    /// A line that a parser could not take apart.
    LineNotParsed,
    /// A line of a file that was left out because it is longer than `Buffer_Max_Size`.
    LineTooLong,
    /// Such a line of which the start went on.
    LineCut,
}

impl OddReason {
    /// How many reasons there are.
    pub const COUNT: usize = Self::ALL.len();

    /// Every reason, in the order of its number.
    pub const ALL: [Self; 18] = [
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
        Self::LineNotParsed,
        Self::LineTooLong,
        Self::LineCut,
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
            Self::LineNotParsed => "line_not_parsed",
            Self::LineTooLong => "line_too_long",
            Self::LineCut => "line_cut",
        }
    }
}
