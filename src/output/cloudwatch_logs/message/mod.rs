//! A record becomes the message text of a log event, written straight into the request body.
//!
//! The message is the record as one line of JSON, or with `log_key` the value of that key alone.
//! In JSON the last of equal keys counts (Fluent Bit's `flb_msgpack_raw_to_json`); under `log_key`
//! each is an event of its own (its `process_and_send`). Keys that are no text become their text,
//! NaN and the infinities become null. [`Dialect::Go`] has its own rules. Must not know batches or
//! limits.

mod json;
mod layout;
mod shared;

use crate::ledger::Reason;
use crate::output::cloudwatch::message as go;
use crate::record::fields::SharedFields;
use crate::record::msgpack::Reader;

use super::escape::{Depth, escape};
use super::field::{self, Value};
use json::{Json, PAIRS_INLINE, json_text};
use layout::Layouts;
use shared::SharedText;

/// Writes messages; keeps what records have in common from one to the next.
#[derive(Debug)]
pub struct MessageWriter {
    log_key: Option<Box<[u8]>>,
    dialect: Dialect,
    shared: SharedText,
    layouts: Layouts,
}

/// How a record becomes a message.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Dialect {
    /// As Fluent Bit's own output does.
    #[default]
    FluentBit,
    /// As the plugin written in Go does: [`crate::output::cloudwatch::message`].
    Go,
}

/// Why no message was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NoMessage {
    /// The record has none.
    None(Reason),
    /// It has several, one for each value under `log_key`: [`MessageWriter::texts`].
    Several,
    /// It has to be cut: [`MessageWriter::truncated`].
    TooLong,
}

impl MessageWriter {
    /// Writes whole records, or only the value under `log_key`.
    #[must_use]
    pub fn new(log_key: Option<&str>, dialect: Dialect) -> Self {
        let log_key = log_key.map(|key| key.as_bytes().into());
        Self { log_key, dialect, shared: SharedText::default(), layouts: Layouts::default() }
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
            key if self.dialect == Dialect::Go => return go::write(key, record, shared, body),
            Some(key) => write_value_of_key(only(field::all(record, shared, key))?, body),
            None => self.write_record(record, shared, body),
        };
        written.map_err(NoMessage::None)
    }

    /// The messages of a record that has several, which are never empty.
    #[must_use]
    pub fn texts(&self, record: &[u8], shared: &SharedFields) -> Vec<Vec<u8>> {
        let Some(key) = self.log_key.as_deref() else { return Vec::new() };
        let texts = field::all(record, shared, key).filter_map(|value| match value {
            Value::Text(text) => Some(text.to_vec()),
            Value::Packed(value) => json_text(value, 0).map(String::into_bytes),
        });
        texts.filter(|text| !text.is_empty()).collect()
    }

    /// The text of a message that has to be cut, cut; `None` where messages are not cut.
    #[must_use]
    pub fn truncated(&self, record: &[u8], shared: &SharedFields) -> Option<String> {
        match self.dialect {
            Dialect::FluentBit => None,
            Dialect::Go => go::truncated(self.log_key.as_deref(), record, shared),
        }
    }

    /// The plain text that is the record's message, where it is one: such a message may be cut
    /// anywhere, unlike JSON.
    #[must_use]
    pub fn plain_text<'a>(
        &'a self,
        record: &'a [u8],
        shared: &'a SharedFields,
    ) -> Option<&'a [u8]> {
        match only(field::all(record, shared, self.log_key.as_deref()?)).ok()? {
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
        if self.shared.make(shared) {
            self.layouts.clear();
        }
        let start = body.len();
        let mut json = Json::new(body);
        let mut reader = Reader::new(record);
        let pairs = reader.map_header().map_err(|_| Reason::Empty)?;
        let written = match usize::try_from(pairs) {
            Ok(count) if count <= PAIRS_INLINE => {
                self.layouts.write(&reader, count, &self.shared, &mut json)
            }
            _ => json.map(&mut reader, pairs, Some(&self.shared), 0),
        };
        if written.is_none() {
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
