//! A record becomes the message text of a log event, written straight into the request body.
//!
//! The message is the record as one line of JSON, or with `log_key` the value of that key alone.
//! In JSON the last of equal keys counts (Fluent Bit's `flb_msgpack_raw_to_json`); under `log_key`
//! each is an event of its own (its `process_and_send`). Keys that are no text become their text,
//! NaN and the infinities become null. Must not know batches or limits.

mod json;
mod shared;

use crate::ledger::Reason;
use crate::record::fields::SharedFields;
use crate::record::map;
use crate::record::msgpack::{Reader, Token};

use super::escape::{Depth, escape};
use json::{Json, json_text};
use shared::SharedText;

/// Writes messages; keeps what records have in common from one to the next.
#[derive(Debug)]
pub struct MessageWriter {
    log_key: Option<Box<[u8]>>,
    shared: SharedText,
}

/// Why no message was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NoMessage {
    /// The record has none.
    None(Reason),
    /// It has several, one for each value under `log_key`: [`MessageWriter::texts`].
    Several,
}

impl MessageWriter {
    /// Writes whole records, or only the value under `log_key`.
    #[must_use]
    pub fn new(log_key: Option<&str>) -> Self {
        let log_key = log_key.map(|key| key.as_bytes().into());
        Self { log_key, shared: SharedText::default() }
    }

    /// Appends the record's message to the body, without the quotes around it, and returns how
    /// many bytes the message has.
    ///
    /// # Errors
    ///
    /// Why the record has no message, or not one. The body is as it was.
    pub fn write(
        &mut self,
        record: &[u8],
        shared: &SharedFields,
        body: &mut Vec<u8>,
    ) -> Result<usize, NoMessage> {
        let written = match self.log_key.as_deref() {
            Some(key) => write_value_of_key(only(values(key, record, shared))?, body),
            None => self.write_record(record, shared, body),
        };
        written.map_err(NoMessage::None)
    }

    /// The messages of a record that has several, which are never empty.
    #[must_use]
    pub fn texts(&self, record: &[u8], shared: &SharedFields) -> Vec<Vec<u8>> {
        let Some(key) = self.log_key.as_deref() else { return Vec::new() };
        let texts = values(key, record, shared).filter_map(|value| match value {
            Value::Text(text) => Some(text.to_vec()),
            Value::Packed(value) => json_text(value, 0).map(String::into_bytes),
        });
        texts.filter(|text| !text.is_empty()).collect()
    }

    /// The plain text that is the record's message, where it is one: such a message may be cut
    /// anywhere, unlike JSON.
    #[must_use]
    pub fn plain_text<'a>(
        &'a self,
        record: &'a [u8],
        shared: &'a SharedFields,
    ) -> Option<&'a [u8]> {
        match only(values(self.log_key.as_deref()?, record, shared)).ok()? {
            Value::Text(text) => Some(text),
            Value::Packed(_) => None,
        }
    }

    fn write_record(
        &mut self,
        record: &[u8],
        shared: &SharedFields,
        body: &mut Vec<u8>,
    ) -> Result<usize, Reason> {
        self.shared.make(shared);
        let start = body.len();
        let mut json = Json::new(body);
        let mut reader = Reader::new(record);
        let pairs = reader.map_header().map_err(|_| Reason::Empty)?;
        if json.map(&mut reader, pairs, Some(&self.shared), 0).is_none() {
            // Cannot come: decoders check records whole. If it did, half a record would be wrong.
            body.truncate(start);
            return Err(Reason::Refused);
        }
        match json.bytes() {
            2 => {
                body.truncate(start);
                Err(Reason::Empty)
            }
            bytes => Ok(bytes),
        }
    }
}

/// What stands under `log_key`.
#[derive(Clone, Copy, Debug)]
enum Value<'a> {
    Text(&'a [u8]),
    Packed(&'a [u8]),
}

impl<'a> Value<'a> {
    fn packed(value: &'a [u8]) -> Self {
        match Reader::new(value).token() {
            Ok(Token::Str(text) | Token::Bin(text)) => Self::Text(text),
            Ok(_) | Err(_) => Self::Packed(value),
        }
    }
}

/// What stands under `key`, in order: the record's own, then what shared fields add.
fn values<'a>(
    key: &'a [u8],
    record: &'a [u8],
    shared: &'a SharedFields,
) -> impl Iterator<Item = Value<'a>> {
    let pairs = map::pairs(record).into_iter().flatten();
    let own = pairs.filter(|pair| pair.key_text() == Some(key));
    let added = shared.as_slice().iter().filter(|field| *field.key == *key);
    let added = added.filter(|field| !field.yields || map::get(record, key).is_none());
    own.map(|pair| Value::packed(pair.value)).chain(added.map(|field| Value::Text(&field.value)))
}

/// The one value, where there is one.
fn only<'a>(mut values: impl Iterator<Item = Value<'a>>) -> Result<Value<'a>, NoMessage> {
    let Some(first) = values.next() else { return Err(NoMessage::None(Reason::LogKeyMissing)) };
    if values.next().is_some() { Err(NoMessage::Several) } else { Ok(first) }
}

fn write_value_of_key(value: Value<'_>, body: &mut Vec<u8>) -> Result<usize, Reason> {
    let bytes = match value {
        Value::Text(text) => escape(text, Depth::Once, body),
        Value::Packed(value) => {
            let mut json = Json::new(body);
            json.value(&mut Reader::new(value), 0).ok_or(Reason::Refused)?;
            json.bytes()
        }
    };
    if bytes == 0 { Err(Reason::Empty) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests;
