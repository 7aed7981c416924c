//! Messages longer than an event: made to fit, never lost.
//!
//! Plain text is cut at character boundaries into numbered parts. In a JSON record the longest text
//! is shortened, with a mark, so that the message stays valid JSON; a record without such a text is
//! treated as plain text. Where the dialect of messages says so, a text is cut instead. Pure.

use crate::record::msgpack::{Reader, Token, Writer};
use crate::record::time::EventTime;

use super::limits::MESSAGE_BYTES_MAX;
use super::message::MessageWriter;
use super::piece::{Form, Piece};

/// Bytes kept free in a part for the note that numbers it.
const NOTE_BYTES_MAX: usize = 64;
/// Texts of one record that are shortened before it is given up as JSON.
const SHORTENED_MAX: usize = 8;
/// A text that is left with less than this is not worth shortening.
const TEXT_BYTES_MIN: usize = 64;

/// Pieces that fit, and how they were made to.
#[derive(Debug)]
pub(super) enum Fitted {
    /// All of the text, in numbered parts.
    Parts(Vec<Piece>),
    /// Less text than there was.
    Shortened(Vec<Piece>),
}

/// Replaces a piece of one entry whose message is too long by pieces that fit.
pub(super) fn fit(piece: Piece, writer: &mut MessageWriter) -> Fitted {
    let Some((entry, record, _)) = piece.first() else { return Fitted::Parts(vec![piece]) };
    if piece.form == Form::Text {
        let text = String::from_utf8_lossy(record).into_owned();
        return parts(piece, entry.time, &text);
    }
    if let Some(text) = writer.truncated(record, &piece.shared) {
        return Fitted::Shortened(piece.into_texts(entry.time, &[text]));
    }
    if let Some(text) = writer.plain_text(record, &piece.shared) {
        let text = String::from_utf8_lossy(text).into_owned();
        return parts(piece, entry.time, &text);
    }
    let mut shorter = record.to_vec();
    for _ in 0..SHORTENED_MAX {
        let mut body = Vec::new();
        let Ok(bytes) = writer.write(&shorter, &piece.shared, &mut body) else { break };
        if bytes <= MESSAGE_BYTES_MAX {
            return Fitted::Shortened(vec![piece.with_record(entry.time, &shorter)]);
        }
        let Some(cut) = shorten_longest(&shorter, bytes - MESSAGE_BYTES_MAX) else { break };
        shorter = cut;
    }
    let text = message_text(record, &piece, writer);
    parts(piece, entry.time, &text)
}

/// The message as plain text.
fn message_text(record: &[u8], piece: &Piece, writer: &mut MessageWriter) -> String {
    let mut body = b"\"".to_vec();
    match writer.write(record, &piece.shared, &mut body) {
        Ok(_) => body.push(b'"'),
        Err(_) => return String::new(),
    }
    serde_json::from_slice(&body).unwrap_or_default()
}

fn parts(piece: Piece, time: EventTime, text: &str) -> Fitted {
    let part_bytes = MESSAGE_BYTES_MAX - NOTE_BYTES_MAX;
    let mut cuts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (part, tail) = rest.split_at(rest.floor_char_boundary(part_bytes));
        cuts.push(part);
        rest = tail;
    }
    let count = cuts.len();
    let number = |(at, part)| format!("{part} [firelane: part {} of {count}]", at + 1);
    let texts: Vec<String> = cuts.into_iter().enumerate().map(number).collect();
    Fitted::Parts(piece.into_texts(time, &texts))
}

/// The record with its longest text shortened so that about `excess` fewer bytes are in the
/// message; `None` where no text is long enough.
fn shorten_longest(record: &[u8], excess: usize) -> Option<Vec<u8>> {
    let longest = longest_text(record)?;
    let note = format!(" [firelane: {excess} bytes or more cut]");
    // A byte is at least a byte of the message; where it is more, the next round cuts the rest.
    let kept = longest.len().checked_sub(excess + note.len())?;
    if kept < TEXT_BYTES_MIN {
        return None;
    }
    let kept = longest.get(..kept)?;
    let whole = kept.utf8_chunks().last().map_or(0, |last| last.invalid().len());
    let kept = kept.get(..kept.len().checked_sub(whole)?)?;
    let at = offset_within(record, longest)?;
    let mut shorter = Vec::with_capacity(record.len());
    shorter.extend_from_slice(record.get(..at.header)?);
    Writer::new(&mut shorter).str(&[kept, note.as_bytes()].concat());
    shorter.extend_from_slice(record.get(at.end..)?);
    Some(shorter)
}

/// The longest text value anywhere in the record; keys stay whole.
fn longest_text(record: &[u8]) -> Option<&[u8]> {
    let mut longest: Option<&[u8]> = None;
    let mut reader = Reader::new(record);
    // Containers end by themselves: what is left to read, and whether keys alternate with values.
    let mut open = vec![(1_u64, false)];
    while let Some((left, is_map)) = open.last_mut() {
        if *left == 0 {
            open.pop();
            continue;
        }
        *left -= 1;
        let is_key = *is_map && *left % 2 == 1;
        let token = reader.token().ok()?;
        if let Token::Map(pairs) = token {
            open.push((u64::from(pairs) * 2, true));
        } else if let Token::Array(values) = token {
            open.push((values.into(), false));
        } else if let Token::Str(text) | Token::Bin(text) = token
            && !is_key
            && longest.is_none_or(|longest| text.len() > longest.len())
        {
            longest = Some(text);
        }
    }
    longest
}

/// Where a value's header begins and where its text ends, in the record that it is a slice of.
struct Place {
    header: usize,
    end: usize,
}

fn offset_within(record: &[u8], text: &[u8]) -> Option<Place> {
    let mut reader = Reader::new(record);
    while !reader.rest().is_empty() {
        let header = record.len() - reader.rest().len();
        if let Token::Str(found) | Token::Bin(found) = reader.token().ok()?
            && std::ptr::eq(found, text)
        {
            return Some(Place { header, end: record.len() - reader.rest().len() });
        }
    }
    None
}
