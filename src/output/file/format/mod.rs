//! An event as a line of a file, in each of the forms of `file`.
//!
//! As Fluent Bit writes them (`plugins/out_file`), but what has quotes, delimiters or line breaks in it
//! is quoted in CSV so that it reads back. Must not know which file it is.

use super::template::{LineTemplate, write_seconds};
use crate::output::format::json;
use crate::record::map::{self, Pair};
use crate::record::msgpack::Writer;
use crate::record::text_out;
use crate::record::time::EventTime;

/// The kind of a msgpack extension that is a time.
const TIME_EXTENSION: i8 = 0;
const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// The form of the lines.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Format {
    /// `tag: [1700000000.250000000, {"log":"x"}]`
    Tagged,
    /// `{"log":"x"}`
    Plain,
    /// `1700000000.250000000,"x"`
    Csv {
        /// What stands between two values.
        delimiter: Delimiter,
        /// Whether a file begins with the names of its columns.
        column_names: bool,
    },
    /// `"time":1700000000.250000`, then `"log":"x"` behind a tabulator
    Ltsv {
        /// What stands between two fields.
        delimiter: Delimiter,
        /// What stands between a key and its value.
        label_delimiter: Delimiter,
    },
    /// As its user wrote it.
    Template(LineTemplate),
    /// No lines: events one behind the other, as Fluent Bit holds them.
    Msgpack,
}

/// What stands between two things.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Delimiter {
    /// `,`
    Comma,
    /// `:`
    Colon,
    /// A blank.
    Space,
    /// A tabulator.
    Tab,
}

impl Delimiter {
    fn byte(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Colon => b':',
            Self::Space => b' ',
            Self::Tab => b'\t',
        }
    }
}

impl Format {
    /// Appends what a file begins with whose first record this is. Nothing for records without
    /// fields, which have no columns.
    pub fn write_header(&self, record: &[u8], out: &mut Vec<u8>) {
        let Self::Csv { delimiter, column_names: true } = self else { return };
        if is_empty(record) {
            return;
        }
        out.extend_from_slice(b"timestamp");
        for pair in pairs(record) {
            out.push(delimiter.byte());
            write_cell(pair.key, *delimiter, out);
        }
        out.push(b'\n');
    }

    /// Appends one event. A record without fields is no line of CSV or LTSV, as in Fluent Bit.
    pub fn write(
        &self,
        tag: &[u8],
        time: EventTime,
        record: &[u8],
        escape_unicode: bool,
        out: &mut Vec<u8>,
    ) {
        match self {
            Self::Tagged => {
                out.extend_from_slice(tag);
                out.extend_from_slice(b": [");
                text_out::write_time(time, out);
                out.extend_from_slice(b", ");
                json::write_object(record, escape_unicode, out);
                out.push(b']');
            }
            Self::Plain => json::write_object(record, escape_unicode, out),
            Self::Csv { .. } | Self::Ltsv { .. } if is_empty(record) => return,
            Self::Csv { delimiter, .. } => {
                text_out::write_time(time, out);
                for pair in pairs(record) {
                    out.push(delimiter.byte());
                    write_cell(pair.value, *delimiter, out);
                }
            }
            Self::Ltsv { delimiter, label_delimiter } => {
                out.extend_from_slice(b"\"time\"");
                out.push(label_delimiter.byte());
                write_seconds(time, out);
                for pair in pairs(record) {
                    out.push(delimiter.byte());
                    text_out::write(pair.key, out);
                    out.push(label_delimiter.byte());
                    text_out::write(pair.value, out);
                }
            }
            Self::Template(template) => template.write(time, record, out),
            Self::Msgpack => {
                write_event(time, record, out);
                return;
            }
        }
        out.push(b'\n');
    }
}

fn pairs(record: &[u8]) -> impl Iterator<Item = Pair<'_>> {
    map::pairs(record).into_iter().flatten()
}

fn is_empty(record: &[u8]) -> bool {
    pairs(record).next().is_none()
}

/// A value of CSV: a text in quotes, with its quotes doubled; anything else as people read it, in
/// quotes where it would not be one value without.
fn write_cell(value: &[u8], delimiter: Delimiter, out: &mut Vec<u8>) {
    if let Some(text) = map::text(value) {
        write_quoted(text, out);
        return;
    }
    let start = out.len();
    text_out::write(value, out);
    let shown = out.get(start..).unwrap_or_default();
    let breaks = |byte: &u8| matches!(byte, b'"' | b'\r' | b'\n') || *byte == delimiter.byte();
    if shown.iter().any(breaks) {
        // Maps and arrays are rare in CSV, and pay for themselves.
        let shown = shown.to_vec();
        out.truncate(start);
        write_quoted(&shown, out);
    }
}

fn write_quoted(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text {
        if *byte == b'"' {
            out.push(b'"');
        }
        out.push(*byte);
    }
    out.push(b'"');
}

/// `[[time, {}], record]`
fn write_event(time: EventTime, record: &[u8], out: &mut Vec<u8>) {
    let nanos = time.as_nanos();
    let (seconds, nanos) = (nanos.div_euclid(NANOS_PER_SECOND), nanos.rem_euclid(NANOS_PER_SECOND));
    // Of a time before 1970 or after 2106 the format has no room for all seconds.
    let seconds = u32::try_from(seconds.max(0)).unwrap_or(u32::MAX).to_be_bytes();
    let nanos = u32::try_from(nanos).unwrap_or_default().to_be_bytes();
    let mut writer = Writer::new(out);
    writer.array_header(2);
    writer.array_header(2);
    writer.ext(TIME_EXTENSION, &[seconds, nanos].concat());
    writer.map_header(0);
    writer.raw(record);
}

#[cfg(test)]
mod tests;
