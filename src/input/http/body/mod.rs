//! A body's bytes become records, in steps, so that others have their turn in between. Pure.
//!
//! A body is good as a whole or not at all: what was read before a fault is not used. Must not know
//! how the bytes came.

mod fields;
mod json;
mod msgpack;

use super::tagged::Tagged;

/// Bytes of a body after which a step ends.
const STEP_BYTES: usize = 16 * 1_024;
/// Times these bytes a step may give: of many small records more comes than went in.
const STEP_GROWTH: usize = 10;
/// Times its bytes a record may be that is larger than a step: `1e1,` becomes nine bytes.
const RECORD_GROWTH: usize = 3;

/// What a body is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    /// JSON objects, and arrays of them, with or without something blank in between.
    Json,
    /// Maps, and arrays of them.
    Msgpack,
    /// Names and values of one record.
    Fields,
}

/// Why a body gives no records.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Fault {
    /// There is nothing in it.
    #[error("no payload found")]
    Empty,
    /// It ends within a value.
    #[error("{form} ends at byte {at} within a value")]
    Truncated { form: &'static str, at: usize },
    /// A byte of JSON that cannot stand where it is.
    #[error("line {line}, byte {at}: '{}' cannot stand there in json", byte.escape_ascii())]
    NotJson { line: usize, at: usize, byte: u8 },
    /// JSON that is neither an object nor an array.
    #[error("line {line}, byte {at}: expected an object or an array of objects, found '{}'", byte.escape_ascii())]
    NotObject { line: usize, at: usize, byte: u8 },
    /// A record in too many containers.
    #[error("byte {at}: the record is nested deeper than {depth_max} containers")]
    TooDeep { at: usize, depth_max: usize },
    /// A byte that begins no msgpack value.
    #[error("byte {at}: 0xc1 begins no value in msgpack")]
    NotMsgpack { at: usize },
    /// A msgpack value that is neither a map nor an array.
    #[error(
        "byte {at}: expected a map or an array of maps, found a value that begins with 0x{byte:02x}"
    )]
    NotMap { at: usize, byte: u8 },
    /// A form without a pair.
    #[error("expected name=value, found no '='")]
    NoPair,
}

/// A walk over one body.
#[derive(Debug)]
pub(super) enum Decoder<'a> {
    Json(Box<json::Json<'a>>),
    Msgpack(msgpack::Msgpack<'a>),
    Fields(&'a [u8]),
}

impl<'a> Decoder<'a> {
    pub(super) fn new(form: Form, body: &'a [u8]) -> Self {
        match form {
            Form::Json => Self::Json(Box::new(json::Json::new(body))),
            Form::Msgpack => Self::Msgpack(msgpack::Msgpack::new(body)),
            Form::Fields => Self::Fields(body),
        }
    }

    /// Bytes that the next step gives at most, about.
    pub(super) fn room_bytes(&self) -> usize {
        let bytes = match self {
            Self::Json(json) => json.window_bytes(),
            Self::Msgpack(msgpack) => msgpack.window_bytes(),
            Self::Fields(body) => body.len(),
        };
        let beyond = bytes.saturating_sub(STEP_BYTES).saturating_mul(RECORD_GROWTH);
        // Never none: at the end of a body a step has to find it.
        (bytes.clamp(1, STEP_BYTES) * STEP_GROWTH).saturating_add(beyond)
    }

    /// Takes some records out, for no more than [`Decoder::room_bytes`], and says whether there may
    /// be more.
    ///
    /// # Errors
    ///
    /// The body is not good: none of its records may be used.
    pub(super) fn step(&mut self, out: &mut Tagged<'_>) -> Result<bool, Fault> {
        // Whatever the tags and the address add, it ends where its room does.
        let bytes_max = out.bytes().saturating_add(self.room_bytes());
        match self {
            Self::Json(json) => json.step(out, bytes_max),
            Self::Msgpack(msgpack) => msgpack.step(out, bytes_max),
            Self::Fields(body) => fields::read(body, out).map(|()| false),
        }
    }
}

#[cfg(test)]
mod tests;
