//! Step 6, output `forward`: records → frames of the Forward protocol, as Fluent Bit writes them.
//!
//! Pure. A frame is `[tag, [entry, …], option]`, its entries gzipped if that is wanted; where the tag
//! depends on the record, it is a message `[tag, time, record, option]` for each. The same records
//! give the same bytes, so that the ack's id is the same when they are sent again. Not known here:
//! who they are sent to. Reference: Forward protocol v1.5; `plugins/out_forward/forward_format.c`.

use std::io::Write as _;

use aws_smithy_types::base64;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha512};

use super::load::{Load, Position};
use crate::record::msgpack::Writer;
use crate::record::template::{Scene, Template};
use crate::record::time::EventTime;

/// Bytes of entries from which on a frame takes no more, before they are compressed. Peers take
/// frames of 6,144,000 bytes unless they are told otherwise, and most parcels fit into one frame.
pub const ENTRIES_BYTES_MAX: usize = 4_096_000;
/// Most messages that are sent before their acks are read: those fit into what any socket holds, so
/// that neither side waits for the other to read.
pub const MESSAGES_UNACKED_MAX: usize = 128;
/// EventTime's extension type (Forward protocol v1.5, "EventTime Ext Format").
const EVENT_TIME_EXT: i8 = 0;
/// The last second that is no mark of a group.
const SECONDS_MAX: i64 = 0xffff_fffd;
/// `fluent_signal` of logs.
const SIGNAL_LOGS: u64 = 0;
/// Bytes of the hash that an ack's id is made of.
const CHUNK_ID_BYTES: usize = 16;
/// Bytes before the entries of an array of any length.
const ARRAY_HEADER_BYTES_MAX: usize = 5;

/// How records are written for one node.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Format {
    /// In place of their tag.
    pub tag: Option<Template>,
    /// Whether times are whole seconds.
    pub time_as_integer: bool,
    /// Whether entries have a place for metadata, which is always empty.
    pub metadata: bool,
    /// Whether entries are compressed.
    pub gzip: bool,
    /// Whether frames end with options. Messages always do.
    pub options: bool,
    /// Whether the node is asked for an ack.
    pub ack: bool,
    /// Options that the user adds.
    pub extra: Vec<(String, String)>,
}

/// What is sent in one go.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Frame {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The ids of the acks that answer it, in this order.
    pub acks: Vec<String>,
    /// How many records it holds.
    pub records: u64,
    /// Where the next frame begins.
    pub next: Position,
}

impl Format {
    /// Whether each record has a tag of its own.
    #[must_use]
    pub fn is_by_record(&self) -> bool {
        // The tag alone, and parts of it, are the same for all.
        self.tag.as_ref().is_some_and(|tag| tag.keys().next().is_some())
    }

    /// The frame of the records from `from` on, or of as many as one frame takes; `None`: there are
    /// none.
    #[must_use]
    pub fn frame(&self, load: &Load, from: Position) -> Option<Frame> {
        load.next(from)?;
        Some(if self.is_by_record() { self.messages(load, from) } else { self.entries(load, from) })
    }

    fn entries(&self, load: &Load, from: Position) -> Frame {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        writer.array_header(if self.options { 3 } else { 2 });
        writer.str(&self.tag(load.tag.as_bytes(), &[]));
        let start = bytes.len();
        // Room for the longest header; the entries move up to the one they need.
        bytes.extend_from_slice(&[0; ARRAY_HEADER_BYTES_MAX]);
        let body = bytes.len();
        let (mut next, mut records) = (from, 0_u32);
        while let Some((record, behind)) = load.next(next) {
            let end = bytes.len();
            self.entry_head(record.time, &mut Writer::new(&mut bytes));
            record.write(&mut bytes);
            if bytes.len() - body > ENTRIES_BYTES_MAX && records > 0 {
                bytes.truncate(end);
                break;
            }
            (next, records) = (behind, records.saturating_add(1));
        }
        let entries = bytes.get(body..).unwrap_or_default();
        let ack = self.ack.then(|| chunk_id(entries));
        if self.gzip {
            let packed = gzip(entries);
            bytes.truncate(start);
            Writer::new(&mut bytes).bin(&packed);
        } else {
            let mut header = Vec::new();
            Writer::new(&mut header).array_header(records);
            bytes.splice(start..body, header);
        }
        if self.options {
            self.options(ack.as_deref(), records, &mut Writer::new(&mut bytes));
        }
        Frame { bytes, acks: ack.into_iter().collect(), records: records.into(), next }
    }

    fn messages(&self, load: &Load, from: Position) -> Frame {
        let mut frame = Frame { bytes: Vec::new(), acks: Vec::new(), records: 0, next: from };
        let mut own = Vec::new();
        while let Some((record, behind)) = load.next(frame.next) {
            let start = frame.bytes.len();
            own.clear();
            record.write(&mut own);
            let mut writer = Writer::new(&mut frame.bytes);
            writer.array_header(4);
            writer.str(&self.tag(load.tag.as_bytes(), &own));
            self.time(record.time, &mut writer);
            writer.raw(&own);
            let message = frame.bytes.get(start..).unwrap_or_default();
            let ack = self.ack.then(|| chunk_id(message));
            self.options(ack.as_deref(), 0, &mut Writer::new(&mut frame.bytes));
            if frame.bytes.len() > ENTRIES_BYTES_MAX && frame.records > 0 {
                frame.bytes.truncate(start);
                break;
            }
            frame.acks.extend(ack);
            (frame.next, frame.records) = (behind, frame.records + 1);
            if frame.acks.len() == MESSAGES_UNACKED_MAX {
                break;
            }
        }
        frame
    }

    /// The tag of a record, or of all.
    fn tag(&self, tag: &[u8], record: &[u8]) -> Vec<u8> {
        let Some(template) = &self.tag else { return tag.to_vec() };
        let mut filled = Vec::new();
        template.render_or_empty(&Scene { tag, record, captures: &[] }, &mut filled);
        filled
    }

    /// Of an entry all but its record.
    fn entry_head(&self, time: EventTime, writer: &mut Writer<'_>) {
        writer.array_header(2);
        if self.metadata && !self.time_as_integer {
            writer.array_header(2);
            self.time(time, writer);
            writer.map_header(0);
        } else {
            self.time(time, writer);
        }
    }

    /// A time before 1970 is 1970, one that the protocol cannot say the last it can.
    fn time(&self, time: EventTime, writer: &mut Writer<'_>) {
        let nanos = time.as_nanos();
        let (seconds, fraction) = match nanos.div_euclid(1_000_000_000) {
            ..0 => (0, 0),
            seconds if seconds > SECONDS_MAX => (SECONDS_MAX, 0),
            seconds => (seconds, nanos.rem_euclid(1_000_000_000)),
        };
        let [seconds, fraction] = [seconds, fraction].map(|part| u32::try_from(part).unwrap_or(0));
        if self.time_as_integer {
            writer.uint(seconds.into());
        } else {
            let parts = u64::from(seconds) << 32 | u64::from(fraction);
            writer.ext(EVENT_TIME_EXT, &parts.to_be_bytes());
        }
    }

    /// The option map, in Fluent Bit's order; its peers look for the id in the first place.
    fn options(&self, ack: Option<&str>, entries: u32, writer: &mut Writer<'_>) {
        let is_packed = self.gzip && entries > 0;
        let own = [ack.is_some(), entries > 0, is_packed, true].into_iter().filter(|is| *is);
        let pairs = own.count() + self.extra.len();
        writer.map_header(u32::try_from(pairs).unwrap_or(u32::MAX));
        if let Some(id) = ack {
            writer.str(b"chunk");
            writer.str(id.as_bytes());
        }
        if entries > 0 {
            writer.str(b"size");
            writer.uint(entries.into());
        }
        if is_packed {
            writer.str(b"compressed");
            writer.str(b"gzip");
        }
        writer.str(b"fluent_signal");
        writer.uint(SIGNAL_LOGS);
        for (key, value) in &self.extra {
            writer.str(key.as_bytes());
            writer.str(value.as_bytes());
        }
    }
}

/// Base64 of the start of a hash: what is sent again has the same id.
fn chunk_id(bytes: &[u8]) -> String {
    let hash = Sha512::digest(bytes);
    base64::encode(hash.get(..CHUNK_ID_BYTES).unwrap_or_default())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // Writing to a `Vec` cannot fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

#[cfg(test)]
mod tests;
